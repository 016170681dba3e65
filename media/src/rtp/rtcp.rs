//! Reading compound RTCP (RFC 3550 §6, RFC 4585, RFC 5104), one borrowed item at a time.

const SR: u8 = 200;
const RR: u8 = 201;
const BYE: u8 = 203;
const RTPFB: u8 = 205;
const PSFB: u8 = 206;

/// What the SFU reacts to; everything else is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    SenderReport {
        ssrc: u32,
        ntp: u64,
        rtp: u32,
    },
    Report(ReportBlock),
    Bye {
        ssrc: u32,
    },
    Nack {
        media_ssrc: u32,
        entries: NackEntries<'a>,
    },
    Pli {
        media_ssrc: u32,
    },
    /// One per FCI entry (RFC 5104 §4.3.1).
    Fir {
        media_ssrc: u32,
    },
    /// Transport-wide feedback, head included
    /// (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    TransportFeedback(&'a [u8]),
    /// Receiver estimated maximum bitrate in bit/s (draft-alvestrand-rmcat-remb-03 §2.2).
    Remb {
        bitrate: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream reported on.
    pub ssrc: u32,
    /// In 1/256.
    pub fraction_lost: u8,
    /// Cumulative; duplicates make it fall below zero.
    pub lost: i32,
    /// In units of the stream's clock.
    pub jitter: u32,
    pub last_sr: u32,
    /// In 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// Sequence numbers of a generic NACK (RFC 4585 §6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NackEntries<'a>(&'a [u8]);

impl NackEntries<'_> {
    pub fn sequences(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.chunks_exact(4).flat_map(|entry| {
            let first = u16::from_be_bytes([entry[0], entry[1]]);
            let mask = u16::from_be_bytes([entry[2], entry[3]]);
            (0..17u16)
                .filter(move |bit| *bit == 0 || mask >> (bit - 1) & 1 != 0)
                .map(move |bit| first.wrapping_add(bit))
        })
    }
}

/// Calls `visit` for each item; false when the compound packet is malformed (what came before
/// the fault was visited).
pub fn parse(mut compound: &[u8], mut visit: impl FnMut(Item<'_>)) -> bool {
    while let Some(head) = compound.first_chunk::<4>() {
        let length = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
        if head[0] >> 6 != 2 || length > compound.len() {
            return false;
        }
        let (packet, rest) = compound.split_at(length);
        compound = rest;
        let count = usize::from(head[0] & 0x1f);
        let whole = match head[1] {
            SR => sender_report(packet, count, &mut visit),
            RR => report_blocks(packet, 8, count, &mut visit),
            BYE => bye(packet, count, &mut visit),
            RTPFB if count == 15 => {
                visit(Item::TransportFeedback(packet));
                Some(())
            }
            PSFB if count == 15 => remb(packet, &mut visit),
            RTPFB if count == 1 => nack(packet, &mut visit),
            PSFB if count == 1 => word(packet, 8).map(|media_ssrc| visit(Item::Pli { media_ssrc })),
            PSFB if count == 4 => fir(packet, &mut visit),
            _ => Some(()),
        };
        if whole.is_none() {
            return false;
        }
    }
    compound.is_empty()
}

fn word(packet: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*packet.get(at..)?.first_chunk()?))
}

fn sender_report(packet: &[u8], count: usize, visit: &mut impl FnMut(Item<'_>)) -> Option<()> {
    let ntp = u64::from(word(packet, 8)?) << 32 | u64::from(word(packet, 12)?);
    let (ssrc, rtp) = (word(packet, 4)?, word(packet, 16)?);
    word(packet, 24)?;
    visit(Item::SenderReport { ssrc, ntp, rtp });
    report_blocks(packet, 28, count, visit)
}

fn report_blocks(
    packet: &[u8],
    from: usize,
    count: usize,
    visit: &mut impl FnMut(Item<'_>),
) -> Option<()> {
    let blocks = packet.get(from..from + 24 * count)?;
    for block in blocks.chunks_exact(24) {
        visit(Item::Report(ReportBlock {
            ssrc: word(block, 0)?,
            fraction_lost: block[4],
            // 24 bits signed.
            lost: (word(block, 4)? << 8) as i32 >> 8,
            jitter: word(block, 12)?,
            last_sr: word(block, 16)?,
            delay_since_last_sr: word(block, 20)?,
        }));
    }
    Some(())
}

fn bye(packet: &[u8], count: usize, visit: &mut impl FnMut(Item<'_>)) -> Option<()> {
    for at in 0..count {
        visit(Item::Bye { ssrc: word(packet, 4 + 4 * at)? });
    }
    Some(())
}

fn nack(packet: &[u8], visit: &mut impl FnMut(Item<'_>)) -> Option<()> {
    visit(Item::Nack { media_ssrc: word(packet, 8)?, entries: NackEntries(packet.get(12..)?) });
    Some(())
}

/// Other application layer feedback is skipped.
fn remb(packet: &[u8], visit: &mut impl FnMut(Item<'_>)) -> Option<()> {
    if packet.get(12..16) == Some(b"REMB") {
        let word = word(packet, 16)? & 0xff_ffff;
        let (exponent, mantissa) = (word >> 18, u64::from(word & 0x3_ffff));
        visit(Item::Remb { bitrate: mantissa.checked_shl(exponent)?.max(1) });
    }
    Some(())
}

fn fir(packet: &[u8], visit: &mut impl FnMut(Item<'_>)) -> Option<()> {
    for entry in packet.get(12..)?.chunks_exact(8) {
        visit(Item::Fir { media_ssrc: word(entry, 0)? });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::rtcp_write as write;
    use proptest::prelude::*;

    #[test]
    fn reads_what_is_written() {
        let mut out = Vec::new();
        write::sender_report(&mut out, 7, 0x0102_0304_0506_0708, 90, 11, 1200);
        write::description(&mut out, 7, "cname");
        write::pli(&mut out, 1, 2);
        write::fir(&mut out, 1, 3, 9);
        let mut sequences: Vec<u64> = vec![100, 101, 117, 65535, 65536, 65540];
        write::nack(&mut out, 1, 4, &sequences);
        let mut items = Vec::new();
        let mut nacked = Vec::new();
        assert!(parse(&out, |item| match item {
            Item::Nack { media_ssrc: 4, entries } => nacked.extend(entries.sequences()),
            Item::SenderReport { ssrc, ntp, rtp } => items.push(format!("sr {ssrc} {ntp:x} {rtp}")),
            Item::Pli { media_ssrc } => items.push(format!("pli {media_ssrc}")),
            Item::Fir { media_ssrc } => items.push(format!("fir {media_ssrc}")),
            other => items.push(format!("{other:?}")),
        }));
        assert_eq!(items, ["sr 7 102030405060708 90", "pli 2", "fir 3"]);
        assert_eq!(nacked, sequences.drain(..).map(|s| s as u16).collect::<Vec<_>>());
    }

    #[test]
    fn report_blocks_carry_loss_and_delay() {
        let mut out = Vec::new();
        let block = write::Block {
            ssrc: 5,
            fraction_lost: 9,
            lost: -1,
            highest: 70_000,
            jitter: 3,
            last_sr: 8,
            delay: 65_536,
        };
        write::receiver_report(&mut out, 1, &[block, block]);
        let mut seen = 0;
        assert!(parse(&out, |item| {
            let Item::Report(report) = item else { panic!("{item:?}") };
            assert_eq!((report.ssrc, report.fraction_lost), (5, 9));
            assert_eq!((report.lost, report.jitter), (-1, 3));
            assert_eq!((report.last_sr, report.delay_since_last_sr), (8, 65_536));
            seen += 1;
        }));
        assert_eq!(seen, 2);
    }

    #[test]
    fn a_receivers_estimate_is_read() {
        let mut packet = vec![0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0];
        packet.extend_from_slice(b"REMB");
        // One SSRC; 250,000 × 2^3 bit/s.
        packet.extend_from_slice(&(1u32 << 24 | 3 << 18 | 250_000).to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 9]);
        let mut seen = Vec::new();
        assert!(parse(&packet, |item| seen.push(format!("{item:?}"))));
        assert_eq!(seen, ["Remb { bitrate: 2000000 }"]);
        packet[12] = b'X';
        assert!(parse(&packet, |item| panic!("{item:?}")));
    }

    proptest! {
        #[test]
        fn never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), kind in 200u8..208, count in 0u8..32) {
            if bytes.len() >= 4 {
                bytes[0] = 0x80 | count;
                bytes[1] = kind;
                bytes[2] = 0;
                bytes[3] %= 20;
            }
            parse(&bytes, |item| {
                if let Item::Nack { entries, .. } = item {
                    entries.sequences().for_each(drop);
                }
            });
        }
    }
}
