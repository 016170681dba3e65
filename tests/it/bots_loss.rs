//! Three in a hundred media datagrams are lost each way, retransmissions too: what can be asked
//! for again is, once, and everything comes.

use std::time::{Duration, Instant};

use harness::bot::BotConfig;
use harness::member::{Member, Seat};
use signaling::message::Source;

use crate::bots_support::{Meeting, SOON};

const LENGTH: Duration = Duration::from_secs(20);
/// A retransmission that comes later than this is of no use to a picture.
const USEFUL: Duration = Duration::from_millis(400);

fn enter(meeting: &Meeting, key: &str, bot: u32) -> Member {
    let config = BotConfig {
        seed: bot.into(),
        video_bitrate: 1_000_000,
        loss_up: 0.03,
        loss_down: 0.03,
        ..BotConfig::default()
    };
    meeting.enter_as(key, config)
}

/// Packets that its camera has sent.
fn sent(member: &Member) -> u32 {
    member.with(|seat| seat.bot.stats().sent_log[&Source::Camera].len() as u32)
}

#[test]
fn under_loss_each_way_pictures_come_whole_and_nothing_storms() {
    let meeting = Meeting::open();
    let pair = [enter(&meeting, "member1", 1), enter(&meeting, "member2", 2)];
    for (member, other) in pair.iter().zip([2, 1]) {
        let flows = move |seat: &Seat| seat.heard(other, Source::Camera) > 20;
        assert!(member.until(SOON, flows));
    }
    let end = Instant::now() + LENGTH;
    assert!(pair[0].until(LENGTH + SOON, move |_| Instant::now() >= end));
    let last = [sent(&pair[0]), sent(&pair[1])];
    // What was lost just now gets its time to be repaired.
    let end = Instant::now() + 2 * USEFUL;
    assert!(pair[0].until(SOON, move |_| Instant::now() >= end));

    let pair = pair.map(|member| member.leave().unwrap());
    for (me, other) in [(0, 1), (1, 0)] {
        let stats = pair[me].bot.stats();
        let from = &stats.from[&(other as u32 + 1, Source::Camera)];
        let missing = from.missing_to(last[other]);
        let slowest = stats.slots.values().map(|slot| slot.slowest_repair).max().unwrap();
        let repaired: u64 = stats.slots.values().map(|slot| slot.repaired).sum();
        eprintln!(
            "bot {}: up {} lost, {} RTX; down {} lost, {} RTX, {repaired} repaired, slowest {} ms; \
             {} of {} missing in the end",
            me + 1,
            stats.lost_up_video,
            stats.rtx_up,
            stats.lost_down_video,
            stats.rtx_down,
            slowest.as_millis(),
            missing.len(),
            from.numbers.len() + missing.len(),
        );
        assert!(stats.lost_up_video > 20 && stats.lost_down_video > 20, "the link does lose");
        assert!(missing.is_empty(), "never came: {missing:?}");
        assert!(stats.rtx_up * 2 <= stats.lost_up_video * 3, "a storm upwards");
        assert!(stats.rtx_down * 2 <= stats.lost_down_video * 3, "a storm downwards");
    }
    drop(pair);
    meeting.end();
}
