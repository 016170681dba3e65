//! One question for every codec: can a decoder start at this packet?

use super::{av1, h264, vp8, vp9};
use crate::api::Codec;

/// True for the first packet of a key frame; audio can start anywhere.
pub fn starts_decoding(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus => true,
        Codec::Vp8 => vp8::Descriptor::parse(payload).is_some_and(|read| read.key_frame),
        Codec::Vp9 => vp9::is_key_frame(payload),
        Codec::H264 => h264::is_key_frame(payload),
        Codec::Av1 => av1::is_key_frame(payload),
    }
}
