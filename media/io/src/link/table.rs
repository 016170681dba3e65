//! The ways that one shard's thread knows, and what it does with the queue from them.

use std::collections::HashMap;
use std::time::Instant;

use media::shard::{Datagram, Egress};
use media::transport::Via;

use super::{Arrived, LinkSink, Taken};
use crate::stats::{SharedIo, add};

/// Ways of one shard; beyond it a new one is dropped, which ends its connection.
const MAX_LINKS: usize = 10_000;

#[derive(Default)]
pub(crate) struct LinkTable {
    sinks: HashMap<Via, Box<dyn LinkSink>>,
}

impl LinkTable {
    pub fn open(&mut self, via: Via, sink: Box<dyn LinkSink>) {
        if self.sinks.len() < MAX_LINKS {
            self.sinks.insert(via, sink);
        }
    }

    pub fn close(&mut self, via: Via) {
        self.sinks.remove(&via);
    }

    pub fn len(&self) -> usize {
        self.sinks.len()
    }

    /// Ends all ways: their peers are gone with the core.
    pub fn clear(&mut self) {
        self.sinks.clear();
    }

    /// Gives each run that does not go by UDP to its way.
    pub fn send(&mut self, egress: &Egress, io: &SharedIo) {
        for run in egress.runs.iter().filter(|run| run.dst.via != Via::Udp) {
            let datagrams = run.len.div_ceil(usize::from(run.segment).max(1)) as u64;
            let Some(sink) = self.sinks.get_mut(&run.dst.via) else {
                add(&io.link_unknown, datagrams);
                continue;
            };
            let data = &egress.bytes[run.start..run.start + run.len];
            let Taken { datagrams, bytes, dropped_video, dropped_other } = sink.send(run, data);
            add(&io.link_datagrams_out, datagrams);
            add(&io.link_bytes_out, bytes);
            add(&io.link_dropped_video, dropped_video);
            add(&io.link_dropped_other, dropped_other);
        }
    }
}

/// The datagrams of a message as the core takes them.
pub(crate) fn batch(now: Instant, arrived: &mut Arrived) -> Vec<Datagram<'_>> {
    let Arrived { src, data, lengths, at } = arrived;
    let waited = now.saturating_duration_since(*at);
    let mut rest = data.as_mut_slice();
    let mut batch = Vec::with_capacity(lengths.len());
    for &length in lengths.iter() {
        let Some((datagram, after)) = rest.split_at_mut_checked(usize::from(length)) else { break };
        batch.push(Datagram { src: *src, waited, data: datagram });
        rest = after;
    }
    batch
}
