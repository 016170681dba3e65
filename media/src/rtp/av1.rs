//! AV1 payloads (AV1 RTP specification §4.4): only what finds key frames.

/// True when the aggregation header's N bit says that a coded video sequence starts here.
pub fn is_key_frame(payload: &[u8]) -> bool {
    payload.first().is_some_and(|head| head & 0x08 != 0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_n_bit_starts_a_sequence() {
        assert!(super::is_key_frame(&[0x18, 0x0a]));
        assert!(!super::is_key_frame(&[0x10]) && !super::is_key_frame(&[]));
    }
}
