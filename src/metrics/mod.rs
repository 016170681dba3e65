//! What the server tells Prometheus. [`names`] chooses every name once; [`text`] writes the
//! exposition format from snapshots that exist anyway, so that nothing is counted twice and no
//! recorder stands on the packet path.

pub mod names;
mod process;
pub mod text;

use media::stats::{Grade, Path};
use media_io::MediaStats;

use crate::app::App;
use crate::room::report::wire_grade;
use names::{self as n, CaptureDrop, IoDrop};
use text::Text;

/// Everything, in the text exposition format 0.0.4.
pub fn render(app: &App) -> String {
    let mut text = Text::default();
    text.family(&n::BUILD_INFO).sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family(&n::READY).sample(&[], u64::from(app.is_ready()));
    records(app, &mut text);
    rooms(app, &mut text);
    if let Some(stats) = app.rooms.media().totals() {
        media(&stats, &mut text);
    }
    process::write(&mut text);
    text.finish()
}

fn records(app: &App, text: &mut Text) {
    let spool = app.appender.spool_figures();
    text.family(&n::DATABASE_AWAY).sample(&[], u64::from(spool.away));
    text.family(&n::SPOOL_BYTES).sample(&[], spool.bytes);
    let mut family = text.family(&n::SPOOL_RECORDS);
    for (fate, count) in
        [("kept", spool.spooled), ("replayed", spool.replayed), ("unfit", spool.unfit)]
    {
        family.sample(&[("fate", fate)], count);
    }
    text.family(&n::OUTAGES).sample(&[], spool.outages);
    text.family(&n::JOURNAL_QUEUE).sample(&[], app.appender.depth() as u64);
}

fn rooms(app: &App, text: &mut Text) {
    let running = app.rooms.running();
    let present = running.iter().filter_map(|id| app.rooms.glance(*id));
    let people: u64 =
        present.map(|g| u64::from(g.counts.present) + u64::from(g.counts.observers)).sum();
    text.family(&n::ROOMS).sample(&[], running.len() as u64);
    text.family(&n::PARTICIPANTS).sample(&[], people);
    text.family(&n::ROOM_PANICS).sample(&[], app.rooms.panics());
    let reports: Vec<_> = running.iter().filter_map(|id| app.rooms.media_report(*id)).collect();
    let peers = || reports.iter().flat_map(|report| &report.report.peers);
    let mut family = text.family(&n::PEERS_BY_QUALITY);
    for grade in Grade::ALL {
        let count = peers().filter(|p| p.grade.map(wire_grade) == Some(wire_grade(grade))).count();
        family.sample(&[("grade", grade.name())], count as u64);
    }
    let mut family = text.family(&n::PEERS_BY_PATH);
    for path in [Path::Udp, Path::Tcp, Path::Turn] {
        let count = peers().filter(|p| p.stats.connected && p.stats.path == Some(path)).count();
        family.sample(&[("path", path.name())], count as u64);
    }
    let freezes = reports.iter().flat_map(|r| &r.report.slots).map(|slot| slot.stats.freezes).sum();
    text.family(&n::FREEZES).sample(&[], freezes);
}

fn media(stats: &MediaStats, text: &mut Text) {
    let shards: Vec<String> = (0..stats.shards.len()).map(|index| index.to_string()).collect();
    let each = || shards.iter().zip(&stats.shards);
    for total in media::shard::Total::ALL {
        let mut family = text.family(&n::total(*total));
        for (shard, stats) in each() {
            family.sample(&[("shard", shard)], stats.core.total(*total));
        }
    }
    let mut family = text.family(&n::DROPPED);
    for (shard, stats) in each() {
        for reason in media::shard::DropReason::ALL {
            let labels = [
                ("shard", shard.as_str()),
                ("stage", reason.stage().name()),
                ("reason", reason.name()),
            ];
            family.sample(&labels, stats.core.dropped(*reason));
        }
        for drop in IoDrop::ALL {
            let labels = [("shard", shard.as_str()), ("stage", "io"), ("reason", drop.name())];
            family.sample(&labels, drop.of(&stats.io));
        }
    }
    for drop in CaptureDrop::ALL {
        let labels = [("shard", "all"), ("stage", "capture"), ("reason", drop.name())];
        family.sample(&labels, drop.of(stats));
    }
    for (family, of) in n::IO {
        let mut family = text.family(family);
        for (shard, stats) in each() {
            family.sample(&[("shard", shard)], of(&stats.io));
        }
    }
    text.family(&n::TURN_ALLOCATIONS).sample(&[], stats.turn.allocations);
    let mut family = text.family(&n::TURN);
    for (event, count) in stats.turn.each().filter(|(name, _)| *name != "allocations") {
        family.sample(&[("event", event)], count);
    }
    for (family, of) in n::CAPTURE {
        text.family(family).sample(&[], of(&stats.capture));
    }
}
