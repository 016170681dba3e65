//! SDP fragments of PATCH (RFC 8840): read, and written from an answer.

use signaling::ErrorCode;

use super::answer::Refusal;

/// Longer than any list of candidates.
const MAX_FRAGMENT: usize = 16 * 1024;

/// User fragment and password of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ice {
    pub ufrag: String,
    pub pwd: String,
}

impl Ice {
    /// Of an SDP, whose m-lines all have the same.
    pub fn of(sdp: &str) -> Option<Self> {
        let find = |key: &str| sdp.lines().find_map(|line| line.trim_end().strip_prefix(key));
        let (ufrag, pwd) = (find("a=ice-ufrag:")?, find("a=ice-pwd:")?);
        Some(Self { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() })
    }

    /// The same SDP with these.
    pub fn written_into(&self, sdp: &str) -> String {
        let lines = sdp.lines().map(|line| match line.split_once(':') {
            Some(("a=ice-ufrag", _)) => format!("a=ice-ufrag:{}", self.ufrag),
            Some(("a=ice-pwd", _)) => format!("a=ice-pwd:{}", self.pwd),
            _ => line.trim_end().to_owned(),
        });
        lines.map(|line| line + "\r\n").collect()
    }
}

/// The credentials that a fragment names, if any. Its candidates are not needed: a lite agent
/// learns addresses from the checks that come.
///
/// # Errors
/// 400 for what is no fragment.
pub(super) fn read(text: &str) -> Result<Option<Ice>, Refusal> {
    let malformed = || Refusal::new(ErrorCode::BadRequest, "请求的内容不是完整的 SDP 片段");
    if text.trim().is_empty() || text.len() > MAX_FRAGMENT {
        return Err(malformed());
    }
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let (mut ufrag, mut pwd) = (None, None);
    for line in lines {
        let (kind, value) = line.split_once('=').ok_or_else(malformed)?;
        if kind.len() != 1 || line.chars().any(char::is_control) {
            return Err(malformed());
        }
        match value.split_once(':') {
            Some(("ice-ufrag", value)) if kind == "a" => {
                ufrag.get_or_insert(token(value, 4).ok_or_else(malformed)?);
            }
            Some(("ice-pwd", value)) if kind == "a" => {
                pwd.get_or_insert(token(value, 22).ok_or_else(malformed)?);
            }
            _ => {}
        }
    }
    match (ufrag, pwd) {
        (Some(ufrag), Some(pwd)) => Ok(Some(Ice { ufrag, pwd })),
        (None, None) => Ok(None),
        _ => Err(malformed()),
    }
}

/// ice-char (RFC 8839 section 5.4), of the length that RFC 8445 section 5.3 asks.
fn token(text: &str, least: usize) -> Option<String> {
    let ice_char = |b: u8| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b);
    let fits = (least..=256).contains(&text.len()) && text.bytes().all(ice_char);
    fits.then(|| text.to_owned())
}

/// The ICE part of an answer: what is said for the session, and the m-line of the transport.
pub(super) fn of_answer(sdp: &str) -> String {
    let mut out = String::new();
    let head = sdp.lines().take_while(|line| !line.starts_with("m="));
    for line in head.chain(transport_line(sdp)) {
        let kept = [
            "a=ice-lite",
            "a=ice-options",
            "a=group:BUNDLE",
            "m=",
            "a=mid:",
            "a=ice-ufrag:",
            "a=ice-pwd:",
            "a=candidate:",
            "a=end-of-candidates",
        ];
        if kept.iter().any(|start| line.starts_with(start)) {
            out += line.trim_end();
            out += "\r\n";
        }
    }
    out
}

/// Lines of the section that carries the candidates.
fn transport_line(sdp: &str) -> Vec<&str> {
    let lines: Vec<&str> = sdp.lines().collect();
    let starts: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("m=")).collect();
    let section = |n: usize| {
        let end = starts.get(n + 1).copied().unwrap_or(lines.len());
        &lines[starts[n]..end]
    };
    let tagged = (0..starts.len())
        .map(section)
        .find(|section| section.iter().any(|line| line.starts_with("a=candidate:")));
    tagged.map(<[&str]>::to_vec).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PWD: &str = "P2uYro0UCOQ4zxjKXaWCBui1";

    #[test]
    fn a_fragment_names_both_credentials_or_none() {
        let both =
            format!("a=ice-ufrag:EsAw\r\na=ice-pwd:{PWD}\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n");
        let ice = read(&both).unwrap().unwrap();
        assert_eq!((ice.ufrag.as_str(), ice.pwd.as_str()), ("EsAw", PWD));
        assert_eq!(
            read("m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n").unwrap(),
            None
        );
        for junk in [
            String::new(),
            "\r\n".into(),
            "hello".into(),
            "{\"candidate\":\"x\"}".into(),
            "a=ice-ufrag:EsAw\r\n".into(),
            format!("a=ice-pwd:{PWD}\r\n"),
            format!("a=ice-ufrag:Es\r\na=ice-pwd:{PWD}\r\n"),
            format!("a=ice-ufrag:EsAw w\r\na=ice-pwd:{PWD}\r\n"),
            "a=ice-ufrag:EsAw\r\na=ice-pwd:short\r\n".into(),
            "a=candidate:1\u{0} 1\r\n".into(),
            "a=x\r\n".repeat(10_000),
        ] {
            assert!(read(&junk).is_err(), "{junk:.40}");
        }
    }

    #[test]
    fn an_offer_restarts_with_new_credentials_in_every_section() {
        let old = "v=0\r\nm=audio 9 x 0\r\na=ice-ufrag:old1\r\na=ice-pwd:old\r\nm=video 9 x 0\r\na=ice-ufrag:old1\r\na=ice-pwd:old\r\na=mid:1\r\n";
        let ice = Ice { ufrag: "new1".into(), pwd: PWD.into() };
        let new = ice.written_into(old);
        assert_eq!(new.matches("a=ice-ufrag:new1\r\n").count(), 2);
        assert_eq!(new.matches(&format!("a=ice-pwd:{PWD}\r\n")).count(), 2);
        assert!(!new.contains("old") && new.ends_with("a=mid:1\r\n"));
        assert_eq!(Ice::of(&new), Some(ice));
    }

    #[test]
    fn the_fragment_of_an_answer_is_its_ice() {
        let answer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\na=ice-lite\r\na=group:BUNDLE 0 1\r\n\
            m=audio 8443 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.1\r\na=mid:0\r\n\
            a=ice-ufrag:abcd\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=setup:passive\r\n\
            a=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host\r\na=end-of-candidates\r\n\
            a=rtpmap:111 opus/48000/2\r\nm=video 8443 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n";
        assert_eq!(
            of_answer(answer),
            "a=ice-lite\r\na=group:BUNDLE 0 1\r\nm=audio 8443 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
             a=ice-ufrag:abcd\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
             a=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host\r\na=end-of-candidates\r\n"
        );
    }
}
