//! From the records of a track to frames in order, each with its session time.

use crate::depacket::{FrameBuilder, opus_samples};
use crate::scan::{Timestamps, TrackCapture};
use media::api::Codec;
use media::capture::repair::{Reorder, SeqUnwrapper, Step};
use media::capture::{Record, Stamped};
use media::rtp::packet::Header;
use media::rtp::vp8;
use std::collections::HashSet;

/// A hole this long is declared lost; repair came long before (docs/CAPTURE.md).
const REORDER_PACKETS: u32 = 512;
/// Longer silences of an Opus track stay holes (mute, DTX); shorter ones are concealed.
const CONCEAL_MAX_SAMPLES: i64 = 48_000;

/// What a decoder takes, as it was captured.
pub struct Frame {
    /// Session time, µs.
    pub at_us: i64,
    /// 0 for video: it lasts until the next.
    pub duration_us: i64,
    pub key: bool,
    pub data: Vec<u8>,
}

struct Held {
    arrived_us: i64,
    marker: bool,
    rtp: i64,
    payload: Vec<u8>,
}

/// Takes a track's records, yields its frames.
pub struct Frames<'a> {
    track: &'a TrackCapture,
    times: Timestamps,
    current: Option<u32>,
    /// Layers that were switched away from: what still trickles in of them is not wanted.
    retired: HashSet<u32>,
    seqs: SeqUnwrapper,
    reorder: Reorder<Held>,
    assembly: Assembly,
    pub lost: u64,
}

enum Assembly {
    Video(Video),
    Opus {
        /// Extended timestamp at which the next packet is due, and the last packet's TOC and frame
        /// length, to conceal what is missing.
        due: Option<(i64, u8, u32)>,
    },
}

struct Video {
    builder: FrameBuilder,
    rtp: i64,
    need_key: bool,
    /// Packets were lost between two frames: perhaps padding, perhaps a frame.
    doubt: bool,
    picture_id: Option<u16>,
}

impl<'a> Frames<'a> {
    pub fn new(track: &'a TrackCapture) -> Frames<'a> {
        let assembly = match track.codec() {
            Codec::Opus => Assembly::Opus { due: None },
            codec => Assembly::Video(Video {
                builder: FrameBuilder::new(codec),
                rtp: 0,
                need_key: true,
                doubt: false,
                picture_id: None,
            }),
        };
        Frames {
            track,
            times: Timestamps::default(),
            current: None,
            retired: HashSet::new(),
            seqs: SeqUnwrapper::default(),
            reorder: Reorder::new(REORDER_PACKETS),
            assembly,
            lost: 0,
        }
    }

    /// Adds one record; complete frames are handed to `out`.
    pub fn push(&mut self, stamped: Stamped<'_>, out: &mut Vec<Frame>) {
        match stamped.record {
            Record::Rtp(packet) => {
                let Ok(header) = Header::parse(packet) else { return };
                let rtp = self.times.extend(&header);
                if self.retired.contains(&header.ssrc) {
                    return;
                }
                if self.current != Some(header.ssrc) {
                    self.switch(Some(header.ssrc), out);
                }
                let seq = self.seqs.unwrap(u32::from(header.sequence));
                let payload = packet[header.payload_range()].to_vec();
                let arrived_us = stamped.at_us as i64;
                self.reorder.push(seq, Held { arrived_us, marker: header.marker, rtp, payload });
                self.drain(out);
            }
            Record::LayerSwitch { ssrc } => {
                self.retired.remove(&ssrc);
                if self.current != Some(ssrc) {
                    self.switch(Some(ssrc), out);
                }
            }
            Record::Gap { .. } => {
                let current = self.current;
                self.switch(current, out);
            }
            Record::SenderReport { .. } | Record::TrackEnd => {}
        }
    }

    /// Hands out what is still held.
    pub fn finish(&mut self, out: &mut Vec<Frame>) {
        let current = self.current;
        self.switch(current, out);
    }

    /// Everything before is complete; what follows (perhaps of another layer) starts anew.
    fn switch(&mut self, ssrc: Option<u32>, out: &mut Vec<Frame>) {
        if self.current.is_some() {
            self.reorder.finish();
            self.drain(out);
        }
        if let Assembly::Video(video) = &mut self.assembly {
            // Without its marker nothing says that the last frame is whole.
            video.builder.spoil();
            video.builder.take();
            video.need_key = true;
            video.doubt = false;
        }
        if self.current != ssrc {
            self.retired.extend(self.current);
            self.seqs = SeqUnwrapper::default();
            self.current = ssrc;
            if let Assembly::Opus { due } = &mut self.assembly {
                *due = None;
            }
        }
    }

    fn drain(&mut self, out: &mut Vec<Frame>) {
        let Some(ssrc) = self.current else { return };
        while let Some(step) = self.reorder.pop() {
            let track = self.track;
            let arrived_us = match &step {
                Step::Packet { item, .. } => item.arrived_us,
                Step::Lost(_) => 0,
            };
            let at = |rtp| Some(credible(track.time_of(ssrc, rtp)?, arrived_us));
            match (step, &mut self.assembly) {
                (Step::Lost(n), Assembly::Video(video)) => {
                    self.lost += n;
                    video.lost();
                }
                (Step::Lost(n), Assembly::Opus { .. }) => self.lost += n,
                (Step::Packet { item, .. }, Assembly::Video(video)) => {
                    video.packet(track.codec(), &item, at, out);
                }
                (Step::Packet { item, .. }, Assembly::Opus { due }) => {
                    opus_packet(due, &item, track.header.clock_rate, at, out);
                }
            }
        }
    }
}

/// Nothing arrives before it was captured or long after; a sender whose time stamps say otherwise
/// must not stretch the recording.
fn credible(at_us: i64, arrived_us: i64) -> i64 {
    let span = arrived_us - 10_000_000..=arrived_us + 1_000_000;
    if span.contains(&at_us) { at_us } else { arrived_us }
}

impl Video {
    fn lost(&mut self) {
        if self.builder.is_empty() {
            self.doubt = true;
        } else {
            self.builder.spoil();
        }
    }

    fn packet(
        &mut self,
        codec: Codec,
        item: &Held,
        at: impl Fn(i64) -> Option<i64>,
        out: &mut Vec<Frame>,
    ) {
        if item.payload.is_empty() {
            return;
        }
        if !self.builder.is_empty() && self.rtp != item.rtp {
            // The marker of the last frame never came, or its sender sets none.
            self.emit(&at, out);
        }
        if self.builder.is_empty() {
            self.rtp = item.rtp;
            self.begin(codec, &item.payload);
        }
        self.builder.add(&item.payload);
        if item.marker {
            self.emit(&at, out);
        }
    }

    /// Packets lost before a frame do no harm when the frame follows its predecessor.
    fn begin(&mut self, codec: Codec, payload: &[u8]) {
        let id = match codec {
            Codec::Vp8 => vp8::Descriptor::parse(payload).and_then(|d| d.picture_id),
            _ => None,
        };
        if std::mem::take(&mut self.doubt) {
            let follows = id.zip(self.picture_id).is_some_and(|(id, last)| {
                let mask = if id.long { 0x7fff } else { 0x7f };
                id.value == last.wrapping_add(1) & mask
            });
            self.need_key |= !follows;
        }
        self.picture_id = id.map(|id| id.value);
    }

    fn emit(&mut self, at: &impl Fn(i64) -> Option<i64>, out: &mut Vec<Frame>) {
        match (self.builder.take(), at(self.rtp)) {
            (Some((data, key)), Some(at_us)) if key || !self.need_key => {
                self.need_key = false;
                out.push(Frame { at_us, duration_us: 0, key, data });
            }
            (Some(_), _) => {}
            // Incomplete: what builds on it is broken too.
            (None, _) => self.need_key = true,
        }
    }
}

fn opus_packet(
    due: &mut Option<(i64, u8, u32)>,
    item: &Held,
    clock_rate: u32,
    at: impl Fn(i64) -> Option<i64>,
    out: &mut Vec<Frame>,
) {
    // The Opus clock is 48 kHz always (RFC 7587 §4.1); another rate is not Opus.
    let Some((frame, samples)) = opus_samples(&item.payload).filter(|_| clock_rate == 48_000)
    else {
        return;
    };
    let us = |samples: i64| samples * 1000 / 48;
    if let Some((mut next, toc, length)) = *due {
        // An empty frame makes the decoder conceal; a hole left would shift what follows in
        // players that do not look at time stamps closely.
        while item.rtp - next >= i64::from(length) && item.rtp - next < CONCEAL_MAX_SAMPLES {
            let Some(at_us) = at(next) else { break };
            let duration_us = us(i64::from(length));
            out.push(Frame { at_us, duration_us, key: true, data: vec![toc & 0xfc] });
            next += i64::from(length);
        }
    }
    if let Some(at_us) = at(item.rtp) {
        let duration_us = us(i64::from(samples));
        out.push(Frame { at_us, duration_us, key: true, data: item.payload.clone() });
    }
    *due = Some((item.rtp + i64::from(samples), item.payload[0], frame));
}
