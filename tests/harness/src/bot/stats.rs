//! What a bot has seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use str0m::rtp::RtpPacket;

use super::generate::begins_key_frame;

/// Counts of one bot. Packets are those of the media itself: retransmissions are put back in
/// their places before they are counted.
#[derive(Debug, Default)]
pub struct BotStats {
    pub sent_packets: u64,
    pub sent_key_frames: u64,
    /// Media datagrams that the bot's own link lost.
    pub lost_up: u64,
    pub lost_down: u64,
    /// By the mid of the receive slot.
    pub slots: BTreeMap<String, Received>,
    dropped: HashMap<(u32, u16), Instant>,
}

/// What came in on one slot.
#[derive(Debug, Default)]
pub struct Received {
    pub packets: u64,
    pub bytes: u64,
    pub duplicates: u64,
    pub frames: u64,
    pub key_frames: u64,
    /// Packets that the link had lost and that came all the same, and how long the slowest took.
    pub repaired: u64,
    pub slowest_repair: Duration,
    pub first: Option<Instant>,
    pub last: Option<Instant>,
    seen: HashSet<(u32, u64)>,
    range: HashMap<u32, (u64, u64)>,
    last_time: Option<u32>,
}

impl Received {
    /// Sequence numbers between the first and the last that never came.
    pub fn missing(&self) -> u64 {
        let expected: u64 = self.range.values().map(|(low, high)| high - low + 1).sum();
        expected - self.seen.len() as u64
    }
}

impl BotStats {
    /// Packets over all slots.
    pub fn packets(&self) -> u64 {
        self.slots.values().map(|slot| slot.packets).sum()
    }

    pub fn missing(&self) -> u64 {
        self.slots.values().map(Received::missing).sum()
    }

    pub fn key_frames(&self) -> u64 {
        self.slots.values().map(|slot| slot.key_frames).sum()
    }

    pub(super) fn lost_down(&mut self, now: Instant, datagram: &[u8]) {
        self.lost_down += 1;
        if let Some(header) = datagram.first_chunk::<12>() {
            let seq = u16::from_be_bytes([header[2], header[3]]);
            let ssrc = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
            self.dropped.insert((ssrc, seq), now);
        }
    }

    /// A packet of a stream whose m-line the answers named; others count under an empty mid.
    pub(super) fn received(&mut self, packet: &RtpPacket, mids: &HashMap<u32, String>) {
        let ssrc = *packet.header.ssrc;
        let mid = mids.get(&ssrc).cloned().unwrap_or_default();
        let slot = self.slots.entry(mid).or_default();
        let (now, seq) = (packet.timestamp, *packet.seq_no);
        if !slot.seen.insert((ssrc, seq)) {
            slot.duplicates += 1;
            return;
        }
        slot.packets += 1;
        slot.bytes += packet.payload.len() as u64;
        slot.first.get_or_insert(now);
        slot.last = Some(now);
        let range = slot.range.entry(ssrc).or_insert((seq, seq));
        *range = (range.0.min(seq), range.1.max(seq));
        if let Some(lost) = self.dropped.remove(&(ssrc, seq as u16)) {
            slot.repaired += 1;
            slot.slowest_repair = slot.slowest_repair.max(now.saturating_duration_since(lost));
        }
        if slot.last_time != Some(packet.header.timestamp) {
            slot.last_time = Some(packet.header.timestamp);
            slot.frames += 1;
        }
        let is_video = packet.time.frequency().get() == 90_000;
        if is_video && begins_key_frame(&packet.payload) == Some(true) {
            slot.key_frames += 1;
        }
    }
}
