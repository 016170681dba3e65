//! A receive slot: one m-line on which a subscriber is sent whatever track it is assigned.

use std::time::Instant;

use super::codecs::Codecs;
use super::filter::Filter;
use super::layer::{Layer, View};
use super::repair::Repair;
use super::rewrite::Rewriter;
use super::stats::SlotTotals;
use super::track::{Feed, Track, TrackKey};
use crate::api::Codec;
use crate::rtp::ext::ExtIds;
use crate::transport::{Negotiated, RtcpFeedback, RtpCodec};

/// Sent packets remembered per slot: 1.5 s of 2.5 Mbit/s.
const VIDEO_HISTORY: usize = 512;
/// More than a second of audio.
const AUDIO_HISTORY: usize = 64;

/// Sender reports remembered: as many seconds of round trip can be measured.
const REPORTS: usize = 4;

/// Payload types of the track that a slot shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Types {
    pub media: u8,
    pub rtx: Option<u8>,
    pub red: Option<u8>,
}

pub struct Slot {
    pub mid: String,
    pub audio: bool,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    /// False while its m-line does not receive.
    pub active: bool,
    codecs: Vec<RtpCodec>,
    red_pt: Option<u8>,
    pub ids: ExtIds,
    pub nack: bool,
    pub track: Option<TrackKey>,
    pub types: Types,
    /// False when the next packet must begin a new epoch.
    pub synced: bool,
    pub rewriter: Rewriter<Feed>,
    pub rtx_seq: u64,
    pub repair: Repair,
    pub packets: u32,
    pub octets: u32,
    /// Middle bits of the NTP time of our last sender reports, and when they went out. More than
    /// one, because a report of the receiver may cross with the newest.
    reports: [Option<(u32, Instant)>; REPORTS],
    /// How the subscriber shows it, and the highest layer that is of use there.
    pub view: View,
    wish: Option<Layer>,
    /// Sent at most; None: paused. See [`Shard::set_target`](crate::shard::Shard).
    pub target: Option<Layer>,
    pub filter: Filter,
    /// The receiver has reported on this SSRC: it knows it and needs no mid any more.
    pub known: bool,
    pub totals: SlotTotals,
    /// Told to be paused: the connection is too slow for it.
    pub paused: bool,
    /// Its track is new: nothing has been granted yet.
    pub fresh: bool,
    /// Transport-wide numbers by sequence number, where a packet is sent again as it was.
    numbers: Box<[u16]>,
}

/// Random numbers that a slot begins with.
pub struct SlotSeed {
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub sequence: u16,
    pub rtx_sequence: u16,
    pub timestamp: u32,
}

impl Slot {
    pub fn new(now: Instant, mid: String, audio: bool, seed: &SlotSeed) -> Slot {
        let history = if audio { AUDIO_HISTORY } else { VIDEO_HISTORY };
        Slot {
            mid,
            audio,
            ssrc: seed.ssrc,
            rtx_ssrc: seed.rtx_ssrc,
            active: true,
            codecs: Vec::new(),
            red_pt: None,
            ids: ExtIds::default(),
            nack: false,
            track: None,
            types: Types::default(),
            synced: false,
            rewriter: Rewriter::new(now, seed.sequence, seed.timestamp, history),
            rtx_seq: u64::from(seed.rtx_sequence & 0x7fff),
            repair: Repair::new(now, audio),
            packets: 0,
            octets: 0,
            reports: [None; REPORTS],
            view: View::FULL,
            wish: Some(Layer::HIGHEST),
            target: Some(Layer::HIGHEST),
            filter: Filter::default(),
            known: false,
            totals: SlotTotals::default(),
            paused: false,
            fresh: false,
            numbers: Box::default(),
        }
    }

    pub fn negotiate(&mut self, negotiated: &Negotiated, ids: ExtIds) {
        let same =
            self.codecs == negotiated.codecs && self.red_pt == negotiated.red_pt && self.ids == ids;
        if !same {
            self.rewriter.forget();
            self.synced = false;
        }
        self.codecs.clone_from(&negotiated.codecs);
        self.red_pt = negotiated.red_pt;
        self.ids = ids;
        self.nack = negotiated.codecs.iter().any(|c| c.rtcp_fb.contains(&RtcpFeedback::Nack));
    }

    pub fn decodes(&self) -> Codecs {
        Codecs::of(self.codecs.iter().map(|codec| codec.codec))
    }

    /// The highest layer of its track that is of use to the subscriber; None: it shows nothing.
    pub fn wish(&self) -> Option<Layer> {
        self.wish
    }

    /// Works the wish out again, for pictures up to `cap`. True when it changed.
    pub fn renew_wish(&mut self, track: &Track, cap: Layer) -> bool {
        let wish = match self.audio {
            true => Some(Layer::HIGHEST),
            false => track.measured.fit(&self.view).map(|fitting| fitting.up_to(cap)),
        };
        std::mem::replace(&mut self.wish, wish) != wish
    }

    /// Payload types for a track, if this slot's receiver can decode it.
    pub fn types_for(&self, track: &Track) -> Option<Types> {
        let same = |codec: &&RtpCodec| codec.codec == track.codec;
        let fits = |codec: &&RtpCodec| match codec.codec {
            Codec::Vp9 => {
                parameter(&codec.fmtp, "profile-id").unwrap_or("0")
                    == parameter(&track.fmtp, "profile-id").unwrap_or("0")
            }
            _ => true,
        };
        let fitting = self.codecs.iter().filter(same).filter(fits);
        // The profile of the track, or the next that includes it. Of an encoder that sends more
        // than the receiver names, the most that it names: decoders go by the stream's own
        // parameter sets, and no picture at all would be the alternative.
        let wanted = h264_profile(&track.fmtp);
        let codec = fitting.min_by_key(|codec| match (codec.codec, h264_profile(&codec.fmtp)) {
            (Codec::H264, profile) if profile >= wanted => (false, profile),
            (Codec::H264, profile) => (true, u8::MAX - profile),
            _ => (false, 0),
        })?;
        Some(Types { media: codec.pt, rtx: codec.rtx_pt, red: self.red_pt })
    }

    /// Remembers a sender report that goes out now.
    pub fn note_report(&mut self, now: Instant, ntp_middle: u32) {
        self.reports.rotate_right(1);
        self.reports[0] = Some((ntp_middle, now));
    }

    /// When the sender report that a receiver names went out.
    pub fn sent_report(&self, ntp_middle: u32) -> Option<Instant> {
        let same = |(id, _): &&(u32, Instant)| *id == ntp_middle;
        self.reports.iter().flatten().find(same).map(|(_, at)| *at)
    }

    /// Under which transport-wide number a packet was sent.
    pub fn number(&self, sequence: u64) -> u16 {
        let places = self.numbers.len();
        if places == 0 { 0 } else { self.numbers[sequence as usize % places] }
    }

    pub fn set_number(&mut self, sequence: u64, number: u16) {
        if self.numbers.is_empty() {
            let places = if self.audio { AUDIO_HISTORY } else { VIDEO_HISTORY };
            self.numbers = vec![0; places].into();
        }
        let places = self.numbers.len();
        self.numbers[sequence as usize % places] = number;
    }

    /// Retransmissions travel on their own SSRC; otherwise a packet is sent again as it was, and
    /// nothing in it may depend on when it is sent.
    pub fn has_rtx(&self) -> bool {
        self.types.rtx.is_some()
    }
}

fn parameter<'a>(fmtp: &'a str, key: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case(key).then_some(value.trim())
    })
}

/// `profile_idc`; Constrained Baseline, Main and High each include the one before (ITU-T H.264
/// annex A). The level may differ (RFC 6184 §8.2.2), and all slots take non-interleaved mode.
fn h264_profile(fmtp: &str) -> u8 {
    let id = parameter(fmtp, "profile-level-id").unwrap_or("42000a");
    id.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0x42)
}
