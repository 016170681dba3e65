//! Messages of TURN one after the other on a stream (RFC 8656 section 12.5), and ChannelData.

/// Bytes before the data of a ChannelData message.
pub const CHANNEL_HEADER: usize = 4;
/// The longest message taken from a stream, padding included: a datagram of media is at most an
/// Ethernet packet, and a Send indication adds less than a hundred bytes.
pub const MAX_FRAME: usize = 8 * 1024;

/// What a stream's bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// More bytes are needed to tell, or to have all of it: so many in all.
    Incomplete(usize),
    /// A message of `len` bytes; the next one begins after `total`.
    Complete { len: usize, total: usize },
    /// Neither STUN nor ChannelData, or longer than [`MAX_FRAME`]: the stream cannot be followed.
    Invalid,
}

/// Looks for the first message. Padding after ChannelData is not part of it.
pub fn next_frame(bytes: &[u8]) -> Frame {
    let Some(&first) = bytes.first() else { return Frame::Incomplete(CHANNEL_HEADER) };
    if !matches!(first, 0..=3 | 0x40..=0x7f) {
        return Frame::Invalid;
    }
    let Some(head) = bytes.first_chunk::<CHANNEL_HEADER>() else {
        return Frame::Incomplete(CHANNEL_HEADER);
    };
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (len, total) = if first < 4 {
        (20 + length, 20 + length)
    } else {
        let len = CHANNEL_HEADER + length;
        (len, len.next_multiple_of(4))
    };
    if total > MAX_FRAME || (first < 4 && length % 4 != 0) {
        Frame::Invalid
    } else if bytes.len() < total {
        Frame::Incomplete(total)
    } else {
        Frame::Complete { len, total }
    }
}

/// The channel and the length of the data of a ChannelData message. Over UDP padding may follow
/// the data (RFC 8656 section 12.5).
pub fn channel_data(message: &[u8]) -> Option<(u16, usize)> {
    let head = message.first_chunk::<CHANNEL_HEADER>()?;
    let channel = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let fits = message.len() >= CHANNEL_HEADER + length;
    (is_channel(channel) && fits).then_some((channel, length))
}

/// Numbers that may be bound: those of RFC 8656 section 12, and the rest of those of RFC 5766
/// section 11, of which older clients (coturn's among them) choose.
pub fn is_channel(number: u16) -> bool {
    (0x4000..=0x7fff).contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_into_messages() {
        let mut stun = vec![0u8; 28];
        stun[3] = 8;
        assert_eq!(next_frame(&stun), Frame::Complete { len: 28, total: 28 });
        assert_eq!(next_frame(&stun[..27]), Frame::Incomplete(28));
        let data = [0x40, 0x01, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 0x40];
        assert_eq!(next_frame(&data), Frame::Complete { len: 9, total: 12 });
        assert_eq!(next_frame(&data[..11]), Frame::Incomplete(12));
        assert_eq!(channel_data(&data[..9]), Some((0x4001, 5)));
        for len in 0..4 {
            assert_eq!(next_frame(&data[..len]), Frame::Incomplete(4));
        }
    }

    #[test]
    fn what_cannot_be_turn_ends_the_stream() {
        for first in (4..=0x3f).chain(0x80..=0xff) {
            assert_eq!(next_frame(&[first]), Frame::Invalid);
        }
        assert_eq!(next_frame(&[0, 1, 0, 3]), Frame::Invalid, "STUN is padded to four");
        assert_eq!(next_frame(&[0, 1, 0xff, 0xfc]), Frame::Invalid, "too long");
        assert_eq!(next_frame(&[0x40, 0, 0xff, 0xff]), Frame::Invalid, "too long");
    }
}
