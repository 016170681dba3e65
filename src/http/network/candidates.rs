//! Keeps of an answer only the candidates of one way, so that a probe tests that way alone.

use serde::Deserialize;

/// What a probe tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    Udp,
    Tcp,
    /// Through a relay: the client allows itself no other (`iceTransportPolicy: "relay"`).
    Turn,
}

/// The answer with the candidates of `way` only, and how many those are. A relay reaches us by
/// UDP whatever the client's leg is.
pub fn only(sdp: &str, way: Way) -> (String, usize) {
    let wanted = match way {
        Way::Udp | Way::Turn => "udp",
        Way::Tcp => "tcp",
    };
    let mut kept = 0;
    let mut out = String::with_capacity(sdp.len());
    for line in sdp.split_inclusive('\n') {
        if let Some(candidate) = line.strip_prefix("a=candidate:") {
            // foundation component transport … (RFC 8839 §5.1)
            let transport = candidate.split_ascii_whitespace().nth(2).unwrap_or_default();
            if !transport.eq_ignore_ascii_case(wanted) {
                continue;
            }
            kept += 1;
        }
        out.push_str(line);
    }
    (out, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\n\
        a=ice-lite\r\n\
        a=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host\r\n\
        a=candidate:2 1 TCP 1671430143 192.0.2.1 8443 typ host tcptype passive\r\n\
        a=candidate:3 1 udp 2130706175 2001:db8::1 8443 typ host\r\n\
        a=end-of-candidates\r\n";

    #[test]
    fn each_way_keeps_its_own_candidates_and_everything_else() {
        for (way, count, gone) in
            [(Way::Udp, 2, "TCP"), (Way::Turn, 2, "TCP"), (Way::Tcp, 1, "udp")]
        {
            let (sdp, kept) = only(ANSWER, way);
            assert_eq!(kept, count, "{way:?}");
            assert!(!sdp.contains(gone));
            assert!(sdp.starts_with("v=0\r\na=ice-lite\r\n"));
            assert!(sdp.ends_with("a=end-of-candidates\r\n"));
        }
    }

    #[test]
    fn a_way_that_is_not_offered_has_none() {
        assert_eq!(only("v=0\r\na=candidate:\r\n", Way::Tcp), ("v=0\r\n".to_owned(), 0));
    }
}
