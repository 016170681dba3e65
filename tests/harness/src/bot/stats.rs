//! What a bot has seen.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use signaling::message::Source;
use str0m::rtp::RtpPacket;

use super::generate::begins_key_frame;
use crate::mark::Mark;

/// Counts of one bot. Packets are those of the media itself: retransmissions are put back in
/// their places before they are counted.
#[derive(Debug, Default)]
pub struct BotStats {
    pub sent_packets: u64,
    pub sent_key_frames: u64,
    /// Media datagrams that the bot's own link lost.
    pub lost_up: u64,
    pub lost_down: u64,
    /// Of them, those that a retransmission can bring back: all but sound.
    pub lost_up_video: u64,
    pub lost_down_video: u64,
    /// Retransmissions, lost ones included.
    pub rtx_up: u64,
    pub rtx_down: u64,
    /// When which packet left: of a source, the packet numbered n is at n - 1.
    pub sent_log: BTreeMap<Source, Vec<Instant>>,
    /// By the sending bot's number and the source, however often slots changed hands.
    pub from: BTreeMap<(u32, Source), Stream>,
    /// By the mid of the receive slot.
    pub slots: BTreeMap<String, Received>,
    rtx_payload_types: HashSet<u8>,
    sound_payload_types: HashSet<u8>,
    dropped: HashMap<(u32, u16), Instant>,
}

/// What came from one sender.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The sender's numbers of what came.
    pub numbers: BTreeSet<u32>,
    pub first: Instant,
    pub last: Instant,
}

impl Stream {
    /// Notes what came at `now`.
    pub fn take(&mut self, number: u32, now: Instant) {
        self.numbers.insert(number);
        self.last = now;
    }

    pub fn new(now: Instant) -> Self {
        Self { numbers: BTreeSet::new(), first: now, last: now }
    }

    /// Numbers up to `last` that never came, after the first that did.
    pub fn missing_to(&self, last: u32) -> Vec<u32> {
        let first = self.numbers.first().copied().unwrap_or(last);
        (first..=last).filter(|number| !self.numbers.contains(number)).collect()
    }
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

    /// Payload types of retransmissions and of sound, from an answer.
    pub(super) fn learn_payload_types(&mut self, sdp: &str) {
        for (name, types) in
            [(" rtx/", &mut self.rtx_payload_types), (" opus/", &mut self.sound_payload_types)]
        {
            let maps = sdp.lines().filter_map(|line| line.strip_prefix("a=rtpmap:"));
            let named = maps.filter(|map| map.contains(name));
            types.extend(named.filter_map(|map| map.split(' ').next()?.parse::<u8>().ok()));
        }
    }

    pub(super) fn sent(&mut self, source: Source, now: Instant) {
        self.sent_packets += 1;
        self.sent_log.entry(source).or_default().push(now);
    }

    pub(super) fn goes_up(&mut self, datagram: &[u8]) {
        self.rtx_up += u64::from(has_type(datagram, &self.rtx_payload_types));
    }

    pub(super) fn comes_down(&mut self, datagram: &[u8]) {
        self.rtx_down += u64::from(has_type(datagram, &self.rtx_payload_types));
    }

    pub(super) fn lost_up(&mut self, datagram: &[u8]) {
        self.lost_up += 1;
        self.lost_up_video += u64::from(!has_type(datagram, &self.sound_payload_types));
    }

    pub(super) fn lost_down(&mut self, now: Instant, datagram: &[u8]) {
        self.lost_down += 1;
        self.lost_down_video += u64::from(!has_type(datagram, &self.sound_payload_types));
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
        let is_video = packet.time.frequency().get() == 90_000;
        if let Some(mark) = Mark::read(&packet.payload) {
            let source = if is_video { Source::Camera } else { Source::Microphone };
            let stream = self.from.entry((mark.bot, source)).or_insert_with(|| Stream::new(now));
            stream.take(mark.number, now);
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
        if is_video && begins_key_frame(&packet.payload) == Some(true) {
            slot.key_frames += 1;
        }
    }
}

/// Whether an RTP datagram has one of these payload types (RFC 3550 §5.1).
fn has_type(datagram: &[u8], types: &HashSet<u8>) -> bool {
    matches!(datagram, [128..=191, second, ..] if types.contains(&(second & 0x7f)))
}
