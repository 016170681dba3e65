//! Writing RTCP packets; a compound packet is written by appending several.

/// Ends a packet begun at `start`: pads to words and fills in its length.
pub fn finish(out: &mut Vec<u8>, start: usize) {
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

/// The four-byte head; the length is filled in by [`finish`].
pub fn begin(out: &mut Vec<u8>, count: u8, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0x80 | count, kind, 0, 0]);
    start
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_be_bytes());
}

pub fn sender_report(out: &mut Vec<u8>, ssrc: u32, ntp: u64, rtp: u32, packets: u32, octets: u32) {
    let start = begin(out, 0, 200);
    put(out, ssrc);
    out.extend_from_slice(&ntp.to_be_bytes());
    put(out, rtp);
    put(out, packets);
    put(out, octets);
    finish(out, start);
}

/// One report block (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Block {
    pub ssrc: u32,
    pub fraction_lost: u8,
    /// Cumulative, 24 bits signed.
    pub lost: i32,
    pub highest: u32,
    /// In RTP ticks.
    pub jitter: u32,
    pub last_sr: u32,
    /// Since that report, in 1/65536 s.
    pub delay: u32,
}

/// At most 31 blocks are written.
pub fn receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: &[Block]) {
    let blocks = &blocks[..blocks.len().min(31)];
    let start = begin(out, blocks.len() as u8, 201);
    put(out, ssrc);
    for block in blocks {
        put(out, block.ssrc);
        let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        put(out, u32::from(block.fraction_lost) << 24 | lost);
        for word in [block.highest, block.jitter, block.last_sr, block.delay] {
            put(out, word);
        }
    }
    finish(out, start);
}

/// SDES with one chunk: the CNAME.
pub fn description(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let start = begin(out, 1, 202);
    put(out, ssrc);
    let cname = &cname.as_bytes()[..cname.len().min(255)];
    out.extend_from_slice(&[1, cname.len() as u8]);
    out.extend_from_slice(cname);
    // The chunk ends with at least one zero (RFC 3550 §6.5).
    out.push(0);
    finish(out, start);
}

pub fn pli(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32) {
    let start = begin(out, 1, 206);
    put(out, sender_ssrc);
    put(out, media_ssrc);
    finish(out, start);
}

/// FIR (RFC 5104 §4.3.1); `number` must grow with each new request.
pub fn fir(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32, number: u8) {
    let start = begin(out, 4, 206);
    put(out, sender_ssrc);
    put(out, 0);
    put(out, media_ssrc);
    out.extend_from_slice(&[number, 0, 0, 0]);
    finish(out, start);
}

/// Generic NACK of ascending extended sequence numbers.
pub fn nack(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32, sequences: &[u64]) {
    let start = begin(out, 1, 205);
    put(out, sender_ssrc);
    put(out, media_ssrc);
    let mut rest = sequences;
    while let [first, others @ ..] = rest {
        let covered = others.iter().take_while(|s| **s - first <= 16).count();
        let mask = others[..covered].iter().fold(0u16, |mask, s| mask | 1 << (s - first - 1));
        out.extend_from_slice(&(*first as u16).to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
        rest = &others[covered..];
    }
    finish(out, start);
}
