//! From RTP payloads, in order, to the frames a decoder takes.

use media::api::Codec;
use media::rtp::vp8;

/// Collects the payloads of one video frame.
#[derive(Debug)]
pub struct FrameBuilder {
    codec: Codec,
    data: Vec<u8>,
    /// Where each spatial layer of a VP9 picture begins in `data`.
    layers: Vec<usize>,
    /// An H.264 fragmentation unit or an AV1 OBU that goes on in the next packet.
    fragment: Vec<u8>,
    key: bool,
    empty: bool,
    broken: bool,
}

impl FrameBuilder {
    pub fn new(codec: Codec) -> FrameBuilder {
        FrameBuilder {
            codec,
            data: Vec::new(),
            layers: Vec::new(),
            fragment: Vec::new(),
            key: false,
            empty: true,
            broken: false,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// A packet of this frame is missing.
    pub fn spoil(&mut self) {
        self.broken = true;
    }

    /// Adds a payload; one that does not fit spoils the frame.
    pub fn add(&mut self, payload: &[u8]) {
        let first = std::mem::replace(&mut self.empty, false);
        let added = match self.codec {
            Codec::Vp8 => self.add_vp8(payload, first),
            Codec::Vp9 => self.add_vp9(payload, first),
            Codec::H264 => self.add_h264(payload),
            Codec::Av1 => self.add_av1(payload, first),
            Codec::Opus => None,
        };
        if added.is_none() {
            self.broken = true;
        }
    }

    /// The frame and whether decoding can start with it; `None` if it is incomplete. Begins anew.
    pub fn take(&mut self) -> Option<(Vec<u8>, bool)> {
        let whole = !self.broken && self.fragment.is_empty() && !self.data.is_empty();
        if whole && self.layers.len() > 1 {
            self.index_layers();
        }
        let frame = whole.then(|| (std::mem::take(&mut self.data), self.key));
        *self = FrameBuilder::new(self.codec);
        frame
    }

    /// RFC 7741 §4.2.
    fn add_vp8(&mut self, payload: &[u8], first: bool) -> Option<()> {
        let descriptor = vp8::Descriptor::parse(payload)?;
        if first {
            self.key = descriptor.key_frame;
            if !descriptor.start {
                return None;
            }
        }
        let mut at = 1;
        if payload[0] & 0x80 != 0 {
            let flags = *payload.get(1)?;
            at = 2;
            if flags & 0x80 != 0 {
                at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
            }
            at += usize::from(flags & 0x40 != 0) + usize::from(flags & 0x30 != 0);
        }
        self.data.extend_from_slice(payload.get(at..)?);
        Some(())
    }

    /// RFC 9628 §4.2.
    fn add_vp9(&mut self, payload: &[u8], first: bool) -> Option<()> {
        let head = *payload.first()?;
        let (id, inter, layers, flexible) =
            (head & 0x80 != 0, head & 0x40 != 0, head & 0x20 != 0, head & 0x10 != 0);
        if first {
            self.key = !inter;
            if head & 0x08 == 0 {
                return None;
            }
        }
        let mut at = 1;
        if id {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        if layers {
            at += if flexible { 1 } else { 2 };
        }
        if flexible && inter {
            // At most three reference indices, each says whether another follows.
            for _ in 0..3 {
                let more = payload.get(at)? & 1 != 0;
                at += 1;
                if !more {
                    break;
                }
            }
        }
        if head & 0x02 != 0 {
            at = skip_vp9_structure(payload, at)?;
        }
        if head & 0x08 != 0 {
            self.layers.push(self.data.len());
        }
        self.data.extend_from_slice(payload.get(at..)?);
        Some(())
    }

    /// Makes a superframe of the spatial layers of a picture (VP9 bitstream specification, annex B):
    /// without its index a decoder takes the lowest for all.
    fn index_layers(&mut self) {
        let ends = self.layers[1..].iter().copied().chain([self.data.len()]);
        let sizes: Vec<usize> =
            self.layers.iter().zip(ends).map(|(from, end)| end - from).collect();
        let Ok(count) = u8::try_from(sizes.len() - 1) else { return };
        // An index has room for eight, more than there are layers.
        if count > 7 {
            return;
        }
        // Four bytes each.
        let marker = 0b1100_0000 | 3 << 3 | count;
        self.data.push(marker);
        for size in sizes {
            self.data.extend_from_slice(&(size as u32).to_le_bytes());
        }
        self.data.push(marker);
    }

    /// RFC 6184 §5; the frame comes out in Annex B form.
    fn add_h264(&mut self, payload: &[u8]) -> Option<()> {
        let head = *payload.first()?;
        match head & 0x1f {
            1..=23 => self.push_nal(payload),
            24 => {
                let mut rest = &payload[1..];
                while let [high, low, tail @ ..] = rest {
                    let len = usize::from(u16::from_be_bytes([*high, *low]));
                    self.push_nal(tail.get(..len).filter(|nal| !nal.is_empty())?);
                    rest = &tail[len..];
                }
            }
            28 => {
                let fu = *payload.get(1)?;
                if fu & 0x80 != 0 {
                    self.fragment.clear();
                    self.fragment.push((head & 0xe0) | (fu & 0x1f));
                } else if self.fragment.is_empty() {
                    return None;
                }
                self.fragment.extend_from_slice(&payload[2..]);
                if fu & 0x40 != 0 {
                    let nal = std::mem::take(&mut self.fragment);
                    self.push_nal(&nal);
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn push_nal(&mut self, nal: &[u8]) {
        self.key |= nal.first().is_some_and(|head| head & 0x1f == 5);
        self.data.extend_from_slice(&[0, 0, 0, 1]);
        self.data.extend_from_slice(nal);
    }

    /// AV1 RTP specification §4; OBUs come out with their sizes (low overhead format).
    fn add_av1(&mut self, payload: &[u8], first: bool) -> Option<()> {
        let head = *payload.first()?;
        let (continues, continued, count) = (head & 0x80 != 0, head & 0x40 != 0, head >> 4 & 3);
        if first {
            self.key = head & 0x08 != 0;
        }
        if continues == self.fragment.is_empty() {
            return None;
        }
        let mut rest = &payload[1..];
        let mut index = 0;
        while !rest.is_empty() {
            index += 1;
            let element = if index == count {
                std::mem::take(&mut rest)
            } else {
                let (len, used) = leb128(rest)?;
                let element = rest.get(used..used.checked_add(len)?)?;
                rest = &rest[used + len..];
                element
            };
            self.fragment.extend_from_slice(element);
            if !(rest.is_empty() && continued) {
                let obu = std::mem::take(&mut self.fragment);
                self.push_obu(&obu)?;
            }
        }
        Some(())
    }

    fn push_obu(&mut self, obu: &[u8]) -> Option<()> {
        let head = *obu.first()?;
        let kind = head >> 3 & 0x0f;
        // Temporal delimiters and tile lists are not stored.
        if kind == 2 || kind == 8 {
            return Some(());
        }
        if head & 0x02 != 0 {
            self.data.extend_from_slice(obu);
            return Some(());
        }
        let header = if head & 0x04 != 0 { 2 } else { 1 };
        let body = obu.get(header..)?;
        self.data.push(head | 0x02);
        self.data.extend_from_slice(&obu[1..header]);
        let mut size = body.len();
        loop {
            let more = if size > 0x7f { 0x80 } else { 0 };
            self.data.push((size & 0x7f) as u8 | more);
            size >>= 7;
            if size == 0 {
                break;
            }
        }
        self.data.extend_from_slice(body);
        Some(())
    }
}

fn skip_vp9_structure(payload: &[u8], mut at: usize) -> Option<usize> {
    let head = *payload.get(at)?;
    at += 1;
    if head & 0x10 != 0 {
        at += 4 * (usize::from(head >> 5) + 1);
    }
    if head & 0x08 != 0 {
        let pictures = *payload.get(at)?;
        at += 1;
        for _ in 0..pictures {
            at += 1 + usize::from(payload.get(at)? >> 2 & 3);
        }
    }
    Some(at)
}

fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0usize;
    for (i, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

/// Length of the frames in an Opus packet and of the packet, in samples at 48 kHz (RFC 6716 §3.1).
pub fn opus_samples(packet: &[u8]) -> Option<(u32, u32)> {
    let toc = *packet.first()?;
    let config = toc >> 3;
    let frame = match config {
        0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        12..=15 => [480, 960][usize::from(config & 1)],
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    // No packet lasts longer than 120 ms.
    (count > 0 && frame * count <= 5760).then_some((frame, frame * count))
}

/// Size in a VP8 key frame's header (RFC 6386 §9.1).
pub fn vp8_size(frame: &[u8]) -> Option<(u32, u32)> {
    let b = frame.get(3..10)?;
    if b[0..3] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    let field = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    let size = (field(b[3], b[4]), field(b[5], b[6]));
    (size.0 > 0 && size.1 > 0).then_some(size)
}

/// SPS and PPS of an Annex B frame, as H.264 extradata.
pub fn h264_parameter_sets(frame: &[u8]) -> Vec<u8> {
    let mut sets = Vec::new();
    let starts: Vec<usize> =
        frame.windows(4).enumerate().filter(|(_, w)| *w == [0, 0, 0, 1]).map(|(i, _)| i).collect();
    for (i, &start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).copied().unwrap_or(frame.len());
        if frame.get(start + 4).is_some_and(|head| matches!(head & 0x1f, 7 | 8)) {
            sets.extend_from_slice(&frame[start..end]);
        }
    }
    sets
}

/// The sequence header OBU of an AV1 frame in low overhead format.
pub fn av1_sequence_header(frame: &[u8]) -> Vec<u8> {
    let mut at = 0;
    while let Some(&head) = frame.get(at) {
        let header = if head & 0x04 != 0 { 2 } else { 1 };
        let Some((len, used)) = frame.get(at + header..).and_then(leb128) else { break };
        let end = at + header + used + len;
        if head >> 3 & 0x0f == 1 {
            return frame.get(at..end).unwrap_or_default().to_vec();
        }
        at = end;
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(codec: Codec, payloads: &[&[u8]]) -> Option<(Vec<u8>, bool)> {
        let mut builder = FrameBuilder::new(codec);
        payloads.iter().for_each(|p| builder.add(p));
        builder.take()
    }

    #[test]
    fn vp8_needs_its_first_packet() {
        // X with 15-bit picture id and TL0PICIDX.
        let first = [0x90, 0xc0, 0x80, 0x01, 0x07, 0x10, 0xaa];
        let second = [0x80, 0x80, 0x05, 0xbb];
        assert_eq!(frame(Codec::Vp8, &[&first, &second]), Some((vec![0x10, 0xaa, 0xbb], true)));
        assert_eq!(frame(Codec::Vp8, &[&second]), None);
        assert_eq!(frame(Codec::Vp8, &[&[0x90, 0xc0]]), None);
    }

    #[test]
    fn h264_aggregates_and_fragments_become_annex_b() {
        let stap = [0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2];
        let (a, b) = ([0x7c, 0x85, 3], [0x7c, 0x45, 4]);
        let (data, key) = frame(Codec::H264, &[&stap, &a, &b]).expect("whole");
        assert!(key);
        assert_eq!(data, [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 3, 4]);
        assert_eq!(h264_parameter_sets(&data), data[..12]);
        assert_eq!(frame(Codec::H264, &[&b]), None, "no start");
        assert_eq!(frame(Codec::H264, &[&a]), None, "no end");
        assert_eq!(frame(Codec::H264, &[&[0x78, 0, 9, 1]]), None, "short aggregate");
    }

    #[test]
    fn av1_obus_get_their_sizes_and_fragments_join() {
        // A sequence header (length 3) and the first half of a frame OBU, then its rest.
        let first = [0x68, 3, 0x08, 1, 2, 0x30, 5];
        let second = [0x90, 6, 7];
        let (data, key) = frame(Codec::Av1, &[&first, &second]).expect("whole");
        assert!(key);
        assert_eq!(data, [0x0a, 2, 1, 2, 0x32, 3, 5, 6, 7]);
        assert_eq!(av1_sequence_header(&data), [0x0a, 2, 1, 2]);
        assert_eq!(frame(Codec::Av1, &[&second]), None);
    }

    #[test]
    fn vp9_descriptor_is_cut_off() {
        assert_eq!(frame(Codec::Vp9, &[&[0x8c, 0x81, 2, 9]]), Some((vec![9], true)));
        assert_eq!(frame(Codec::Vp9, &[&[0xcc, 0x81, 2, 9]]), Some((vec![9], false)));
        assert_eq!(frame(Codec::Vp9, &[&[0x84, 0x81, 2, 9]]), None);
    }

    #[test]
    fn vp9_layers_become_a_superframe() {
        // Two spatial layers of one picture (L, non-flexible), the upper one in two packets.
        let low = [0xac, 0x81, 2, 0x00, 0, 7, 7, 7];
        let (high, rest) = ([0xa8, 0x81, 2, 0x03, 0, 8], [0xa4, 0x81, 2, 0x03, 0, 9]);
        let (data, key) = frame(Codec::Vp9, &[&low, &high, &rest]).expect("whole");
        assert!(key);
        let index = [0xd9, 3, 0, 0, 0, 2, 0, 0, 0, 0xd9];
        assert_eq!(data, [&[7, 7, 7, 8, 9][..], &index].concat());
    }

    #[test]
    fn opus_durations() {
        assert_eq!(opus_samples(&[0x78]), Some((960, 960)));
        assert_eq!(opus_samples(&[0xfb, 3]), Some((960, 2880)));
        assert_eq!(opus_samples(&[0xfb, 0]), None);
        assert_eq!(opus_samples(&[]), None);
    }

    #[test]
    fn junk_never_panics() {
        let mut seed = 1u32;
        for _ in 0..20_000 {
            let mut junk = [0u8; 24];
            for byte in &mut junk {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (seed >> 24) as u8;
            }
            for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
                let len = (seed % 25) as usize;
                let _ = frame(codec, &[&junk[..len], &junk[len..]]);
            }
            let _ = (vp8_size(&junk), av1_sequence_header(&junk), h264_parameter_sets(&junk));
        }
    }
}
