//! STUN binding requests and answers (RFC 8489, RFC 8445 section 7).

/// The local half of USERNAME (`ours:theirs`) of a binding request, unauthenticated: enough to
/// find the peer, not to believe anything. `None` if this is no binding request with a USERNAME.
pub fn local_ufrag(_datagram: &[u8]) -> Option<&str> {
    None
}
