//! Datagrams on a byte stream: two bytes of length before each (RFC 4571 section 2).

use thiserror::Error;

/// Longest datagram taken. A browser's are below 1,500 bytes; a peer that announces more does not
/// speak this protocol.
pub const MAX_FRAME: usize = 4_096;

/// Bytes before each datagram.
pub const HEAD: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a datagram of {0} bytes on a stream")]
pub struct FrameTooLong(pub usize);

/// The head of a datagram of `len` bytes; the caller keeps `len` at 65,535 or less.
pub fn head(len: usize) -> [u8; HEAD] {
    (len as u16).to_be_bytes()
}

/// Cuts what a stream brings back into datagrams. Holds one unfinished datagram at most.
#[derive(Debug, Default)]
pub struct Deframer {
    rest: Vec<u8>,
}

impl Deframer {
    /// Takes bytes in the order of the stream and gives each finished datagram to `found`. Empty
    /// ones are keep-alives (RFC 6544 section 10.1) and not given.
    ///
    /// # Errors
    /// A length over [`MAX_FRAME`]: nothing after it can be understood.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        mut found: impl FnMut(&[u8]),
    ) -> Result<(), FrameTooLong> {
        // What began in an earlier piece ends in this one, or not yet.
        while !self.rest.is_empty() && !bytes.is_empty() {
            let wanted = match length(&self.rest)? {
                Some(len) => HEAD + len,
                None => HEAD,
            };
            let take = (wanted - self.rest.len()).min(bytes.len());
            self.rest.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if length(&self.rest)?.is_some_and(|len| self.rest.len() == HEAD + len) {
                give(&self.rest[HEAD..], &mut found);
                self.rest.clear();
            }
        }
        while let Some(len) = length(bytes)? {
            let Some(datagram) = bytes.get(HEAD..HEAD + len) else { break };
            give(datagram, &mut found);
            bytes = &bytes[HEAD + len..];
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }
}

fn give(datagram: &[u8], found: &mut impl FnMut(&[u8])) {
    if !datagram.is_empty() {
        found(datagram);
    }
}

fn length(bytes: &[u8]) -> Result<Option<usize>, FrameTooLong> {
    let Some(&[high, low]) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_FRAME { Err(FrameTooLong(len)) } else { Ok(Some(len)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(stream: &[u8], pieces: &[usize]) -> Result<Vec<Vec<u8>>, FrameTooLong> {
        let (mut deframer, mut found, mut at) = (Deframer::default(), Vec::new(), 0);
        for piece in pieces.iter().copied().chain([usize::MAX]) {
            let end = at + piece.min(stream.len() - at);
            deframer.push(&stream[at..end], |datagram| found.push(datagram.to_vec()))?;
            at = end;
            assert!(deframer.rest.len() < HEAD + MAX_FRAME, "an unfinished datagram at most");
        }
        Ok(found)
    }

    proptest! {
        /// However the stream is cut, the same datagrams come out in order.
        #[test]
        fn datagrams_survive_any_cut_of_the_stream(
            datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
            pieces in prop::collection::vec(0usize..400, 0..60),
        ) {
            let mut stream = Vec::new();
            for datagram in &datagrams {
                stream.extend_from_slice(&head(datagram.len()));
                stream.extend_from_slice(datagram);
            }
            let sent: Vec<_> = datagrams.into_iter().filter(|d| !d.is_empty()).collect();
            prop_assert_eq!(cut(&stream, &pieces).unwrap(), sent);
        }

        /// Junk ends with an error or goes on, and never holds more than one datagram.
        #[test]
        fn junk_is_bounded(
            junk in prop::collection::vec(any::<u8>(), 0..20_000),
            pieces in prop::collection::vec(0usize..5_000, 0..10),
        ) {
            let _ = cut(&junk, &pieces);
        }
    }

    #[test]
    fn the_longest_datagram_passes_and_one_byte_more_ends_the_stream() {
        let of = |len: usize| [&head(len)[..], &vec![7; len]].concat();
        assert_eq!(cut(&of(MAX_FRAME), &[1, 1, 1]).unwrap(), [vec![7; MAX_FRAME]]);
        for pieces in [&[][..], &[1, 1]] {
            assert_eq!(cut(&of(MAX_FRAME + 1), pieces), Err(FrameTooLong(MAX_FRAME + 1)));
        }
    }
}
