//! The measured process: media alone, told what to do by lines of JSON on its standard input.

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};

use media::api::{OfferRequest, OwnerId, PeerId, RoomId, Source, Watch};
use media_io::{Media, MediaConfig};
use serde::{Deserialize, Serialize};

use crate::{clock, rival};

const ROOM: RoomId = RoomId(1);

#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    Offer { peer: u64, owner: u64, sdp: String, publications: Vec<(String, String)> },
    Gauges,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    Answer { sdp: String },
    Gauges(Gauges),
    Failed { why: String },
}

/// What the process has used and done so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Gauges {
    pub cpu_ns: u64,
    pub resident: u64,
    pub packets_in: u64,
    pub packets_forwarded: u64,
    pub messages_out: u64,
    pub sends: u64,
    pub receives: u64,
    pub send_dropped: u64,
    pub gso: bool,
}

/// Until its input ends; a room with more than `span` peers is on several of the `shards`.
pub fn serve(shards: usize, span: usize, rivals: usize) -> io::Result<()> {
    let _rivals = rival::share_core(rivals)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = MediaConfig::new(vec![address; shards], vec![Ipv4Addr::LOCALHOST.into()]);
    config.span = span;
    let media = Media::start(config).map_err(io::Error::other)?;
    let mut events = runtime.block_on(media.open_room(ROOM)).map_err(io::Error::other)?;
    for line in io::stdin().lock().lines() {
        let reply = match serde_json::from_str(&line?)? {
            Request::Gauges => Reply::Gauges(gauges(&media)),
            Request::Offer { peer, owner, sdp, publications } => {
                let request = OfferRequest {
                    room: ROOM,
                    peer: PeerId(peer.into()),
                    owner: OwnerId(owner.into()),
                    sdp,
                    may_publish: !publications.is_empty(),
                    publications: publications
                        .into_iter()
                        .filter_map(|(mid, name)| Some((mid, source(&name)?)))
                        .collect(),
                    may_capture: false,
                    watch: Watch::Everyone,
                };
                match runtime.block_on(media.offer(request)) {
                    Ok(answer) => Reply::Answer { sdp: answer.sdp },
                    Err(error) => Reply::Failed { why: error.to_string() },
                }
            }
        };
        // Nobody here needs the events, but an unread room is a failed room.
        while events.try_recv().is_ok() {}
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &reply)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    runtime.block_on(media.shutdown());
    Ok(())
}

fn source(name: &str) -> Option<Source> {
    [Source::Microphone, Source::Camera].into_iter().find(|source| source.name() == name)
}

fn gauges(media: &Media) -> Gauges {
    let mut gauges = Gauges {
        cpu_ns: clock::process_cpu().as_nanos() as u64,
        resident: clock::resident(),
        gso: true,
        ..Gauges::default()
    };
    for shard in media.stats().shards {
        gauges.packets_in += shard.core.packets_in;
        gauges.packets_forwarded += shard.core.packets_forwarded;
        gauges.messages_out += shard.io.messages_out;
        gauges.sends += shard.io.sends;
        gauges.receives += shard.io.receives;
        gauges.send_dropped += shard.io.send_dropped + shard.io.relay_dropped;
        gauges.gso &= shard.io.gso;
    }
    gauges
}
