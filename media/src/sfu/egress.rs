//! Writing sealed packets into [`Egress`], run by run.

use crate::rtp::packet::FIXED_HEADER;
use crate::shard::{Class, Egress, Run};
use crate::transport::{Remote, SrtpTx, TAG_SPACE};

/// Datagrams in one GSO message (UDP_MAX_SEGMENTS of Linux).
const MAX_SEGMENTS: usize = 64;
const MAX_RUN: usize = 65_000;

impl Egress {
    /// Appends a datagram that does not need sealing.
    pub fn push(&mut self, dst: Remote, datagram: &[u8]) {
        if datagram.is_empty() || datagram.len() > MAX_RUN {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(datagram);
        self.close(dst, start, Class::Control);
    }

    /// Makes the bytes from `start` a datagram, in the last run if it fits there.
    #[inline]
    fn close(&mut self, dst: Remote, start: usize, class: Class) {
        let len = self.bytes.len() - start;
        if let Some(run) = self.runs.last_mut() {
            let segment = usize::from(run.segment);
            let open = run.len % segment == 0 && run.start + run.len == start;
            let fits =
                len <= segment && run.len / segment < MAX_SEGMENTS && run.len + len <= MAX_RUN;
            if open && fits && run.dst == dst && run.class == class {
                run.len += len;
                return;
            }
        }
        self.runs.push(Run { dst, start, len, segment: len as u16, class });
    }
}

/// The rewritten head of an outgoing packet.
pub struct Outgoing<'a> {
    pub payload_type: u8,
    pub marker: bool,
    /// Extended: the upper bits are the roll-over counter.
    pub sequence: u64,
    pub timestamp: u32,
    pub ssrc: u32,
    /// A finished extension block or nothing.
    pub extension: &'a [u8],
    /// The original sequence number, in a retransmission (RFC 4588 §4).
    pub original: Option<u16>,
    /// Bytes of padding (RFC 3550 §5.1); 0 for none.
    pub pad: u8,
    pub class: Class,
}

/// Writes and seals one packet; `patch` may change its payload before sealing. False when it
/// cannot be sealed or is too large for a datagram.
#[inline]
pub fn seal(
    egress: &mut Egress,
    dst: Remote,
    tx: &SrtpTx,
    out: &Outgoing<'_>,
    payload: &[u8],
    patch: impl FnOnce(&mut [u8]),
) -> bool {
    let start = egress.bytes.len();
    let header_len = FIXED_HEADER + out.extension.len();
    let plain_len =
        header_len + 2 * usize::from(out.original.is_some()) + payload.len() + usize::from(out.pad);
    if plain_len + TAG_SPACE > MAX_RUN {
        return false;
    }
    let mut head = [0u8; FIXED_HEADER];
    head[0] = 0x80 | u8::from(out.pad != 0) << 5 | u8::from(!out.extension.is_empty()) << 4;
    head[1] = u8::from(out.marker) << 7 | out.payload_type;
    head[2..4].copy_from_slice(&(out.sequence as u16).to_be_bytes());
    head[4..8].copy_from_slice(&out.timestamp.to_be_bytes());
    head[8..12].copy_from_slice(&out.ssrc.to_be_bytes());
    let bytes = &mut egress.bytes;
    bytes.reserve(plain_len + TAG_SPACE);
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(out.extension);
    if let Some(original) = out.original {
        bytes.extend_from_slice(&original.to_be_bytes());
    }
    let body = bytes.len();
    bytes.extend_from_slice(payload);
    patch(&mut bytes[body..]);
    if out.pad != 0 {
        bytes.resize(bytes.len() + usize::from(out.pad) - 1, 0);
        bytes.push(out.pad);
    }
    bytes.extend_from_slice(&[0; TAG_SPACE]);
    let roc = (out.sequence >> 16) as u32;
    let sealed = tx.seal_rtp(roc, &mut bytes[start..], header_len, plain_len);
    bytes.truncate(start + sealed);
    if sealed == 0 {
        return false;
    }
    egress.close(dst, start, out.class);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Runs are legal GSO messages and give back the datagrams in order.
        #[test]
        fn runs_cut_back_into_the_datagrams(
            datagrams in proptest::collection::vec((0u16..2, prop_oneof![Just(900usize), Just(901), 1usize..1300]), 1..300),
        ) {
            let mut egress = Egress::default();
            let address = |port: u16| Remote::udp(([127, 0, 0, 1], 1000 + port).into());
            for (index, (port, len)) in datagrams.iter().enumerate() {
                egress.push(address(*port), &vec![index as u8; *len]);
            }
            let mut cut = Vec::new();
            for run in &egress.runs {
                prop_assert!(run.len <= MAX_RUN);
                prop_assert!(run.len.div_ceil(usize::from(run.segment)) <= MAX_SEGMENTS);
                let bytes = &egress.bytes[run.start..run.start + run.len];
                cut.extend(bytes.chunks(usize::from(run.segment)).map(|d| (run.dst, d.to_vec())));
            }
            prop_assert_eq!(cut.len(), datagrams.len());
            for (index, ((dst, bytes), (port, len))) in cut.iter().zip(&datagrams).enumerate() {
                prop_assert_eq!(*dst, address(*port));
                prop_assert_eq!(bytes, &vec![index as u8; *len]);
            }
        }
    }
}
