//! Guards `rtc::dtls` at its door: looks into the first ClientHello for the SRTP profiles, and
//! lets only well-formed records in.
//!
//! Both are needed because of what the library does with less (0.21.1): a server cannot prefer a
//! profile over the client's order; a handshake fragment with a length of zero costs memory that
//! its limit does not count and a stack frame each on reassembly; a malformed record ends the
//! handshake instead of being dropped (RFC 6347 section 4.1.2.7).

const RECORD_HEADER: usize = 13;
const MESSAGE_HEADER: usize = 12;
/// Longest handshake message taken; certificates of WebRTC are below 2 KiB.
const MAX_MESSAGE: usize = 16 * 1024;
/// Neither side sends more than nine messages in a handshake; with a HelloVerifyRequest ten.
const MAX_MESSAGE_SEQ: u16 = 24;
/// Longest encrypted handshake record: Finished has 48 bytes.
const MAX_SEALED_HANDSHAKE: usize = 256;

/// Profiles of `use_srtp` that we know (RFC 5764 section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct OfferedProfiles {
    pub(super) gcm: bool,
    pub(super) cm: bool,
}

/// A record of a datagram.
struct Record<'a> {
    content_type: u8,
    epoch: u16,
    body: &'a [u8],
}

/// Cuts the next record off.
fn next_record<'a>(datagram: &mut &'a [u8]) -> Option<Record<'a>> {
    let (header, rest) = datagram.split_first_chunk::<RECORD_HEADER>()?;
    let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
    let body = rest.get(..len).filter(|body| !body.is_empty())?;
    *datagram = &rest[len..];
    // 1.0 in the first flight of some clients, 1.2 afterwards.
    (header[1] == 0xfe && matches!(header[2], 0xfd | 0xff)).then_some(Record {
        content_type: header[0],
        epoch: u16::from_be_bytes([header[3], header[4]]),
        body,
    })
}

/// One handshake fragment.
struct Fragment<'a> {
    kind: u8,
    message_len: usize,
    seq: u16,
    offset: usize,
    body: &'a [u8],
}

fn u24(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2])
}

fn next_fragment<'a>(record: &mut &'a [u8]) -> Option<Fragment<'a>> {
    let (header, rest) = record.split_first_chunk::<MESSAGE_HEADER>()?;
    let (message_len, offset, len) = (u24(&header[1..4]), u24(&header[6..9]), u24(&header[9..12]));
    let body = rest.get(..len)?;
    *record = &rest[len..];
    let whole = len == message_len;
    // The library takes a fragment to reach to the end of its record.
    let fits = message_len <= MAX_MESSAGE
        && offset + len <= message_len
        && (whole || (len > 0 && record.is_empty()));
    fits.then_some(Fragment {
        kind: header[0],
        message_len,
        seq: u16::from_be_bytes([header[4], header[5]]),
        offset,
        body,
    })
}

/// Whether all records of a datagram are such as may be given to the library.
pub(super) fn is_well_formed(mut datagram: &[u8]) -> bool {
    if datagram.is_empty() {
        return false;
    }
    while !datagram.is_empty() {
        let Some(record) = next_record(&mut datagram) else { return false };
        let fine = match (record.content_type, record.epoch) {
            (20, 0) => record.body == [1],
            (21, 0) => record.body.len() == 2,
            (22, 0) => {
                let mut body = record.body;
                let mut fine = true;
                while fine && !body.is_empty() {
                    fine = next_fragment(&mut body).is_some_and(|f| f.seq < MAX_MESSAGE_SEQ);
                }
                fine
            }
            (22, 1) => record.body.len() <= MAX_SEALED_HANDSHAKE,
            (21 | 23, 1) => true,
            _ => false,
        };
        if !fine {
            return false;
        }
    }
    true
}

/// Whether a datagram begins with a handshake record (epoch 0: in the clear; 1: sealed).
pub(super) fn is_handshake(datagram: &[u8]) -> bool {
    datagram.first() == Some(&22)
}

/// Puts the fragments of the first ClientHello together.
#[derive(Default)]
pub(super) struct HelloCollector {
    message: Vec<u8>,
    /// Bytes of `message` known so far, as a prefix: a later fragment before its forerunner waits
    /// for the retransmission.
    known: usize,
}

impl HelloCollector {
    /// Takes a well-formed datagram; returns the profiles once the ClientHello is whole. A hello
    /// that cannot be read counts as one without profiles.
    pub(super) fn push(&mut self, mut datagram: &[u8]) -> Option<OfferedProfiles> {
        while let Some(record) = next_record(&mut datagram) {
            if (record.content_type, record.epoch) != (22, 0) {
                continue;
            }
            let mut body = record.body;
            while let Some(fragment) = next_fragment(&mut body) {
                if let Some(profiles) = self.push_fragment(&fragment) {
                    return Some(profiles);
                }
            }
        }
        None
    }

    fn push_fragment(&mut self, fragment: &Fragment<'_>) -> Option<OfferedProfiles> {
        const CLIENT_HELLO: u8 = 1;
        if fragment.kind != CLIENT_HELLO || fragment.seq != 0 {
            return None;
        }
        if self.message.len() != fragment.message_len {
            self.message = vec![0; fragment.message_len];
            self.known = 0;
        }
        if fragment.offset <= self.known {
            let end = fragment.offset + fragment.body.len();
            self.message[fragment.offset..end].copy_from_slice(fragment.body);
            self.known = self.known.max(end);
        }
        (self.known == self.message.len())
            .then(|| offered_profiles(&self.message).unwrap_or_default())
    }
}

/// Cuts `len` bytes off.
fn take<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = from.split_at_checked(len)?;
    *from = tail;
    Some(head)
}

fn take_u16(from: &mut &[u8]) -> Option<usize> {
    take(from, 2).map(|b| usize::from(b[0]) << 8 | usize::from(b[1]))
}

fn take_u8(from: &mut &[u8]) -> Option<usize> {
    take(from, 1).map(|b| usize::from(b[0]))
}

/// `use_srtp` of a ClientHello body (RFC 6347 section 4.2.1, RFC 5246 section 7.4.1.2).
fn offered_profiles(mut hello: &[u8]) -> Option<OfferedProfiles> {
    const USE_SRTP: usize = 14;
    let hello = &mut hello;
    take(hello, 2 + 32)?;
    for _session_id_then_cookie in 0..2 {
        let len = take_u8(hello)?;
        take(hello, len)?;
    }
    let cipher_suites = take_u16(hello)?;
    take(hello, cipher_suites)?;
    let compressions = take_u8(hello)?;
    take(hello, compressions)?;
    let len = take_u16(hello)?;
    let mut extensions = take(hello, len)?;
    while !extensions.is_empty() {
        let kind = take_u16(&mut extensions)?;
        let len = take_u16(&mut extensions)?;
        let mut value = take(&mut extensions, len)?;
        if kind == USE_SRTP {
            let len = take_u16(&mut value)?;
            let list = take(&mut value, len)?;
            let has = |profile: [u8; 2]| list.chunks_exact(2).any(|p| p == profile);
            return Some(OfferedProfiles { gcm: has([0, 7]), cm: has([0, 1]) });
        }
    }
    None
}

#[cfg(test)]
#[path = "dtls_hello_tests.rs"]
mod tests;
