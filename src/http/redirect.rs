//! The one answer plain HTTP gets from elsewhere: the same page is at `https:`.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest request head looked at, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Reads a request head, answers with a redirect to `https:` and closes.
///
/// # Errors
/// When the connection breaks.
pub async fn redirect_to_https(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    while !ends(&head) && head.len() < MAX_HEAD {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    stream.write_all(answer(&head).as_bytes()).await?;
    stream.shutdown().await
}

fn ends(head: &[u8]) -> bool {
    head.windows(4).any(|w| w == b"\r\n\r\n")
}

/// 307 to the same host and path; a request that names neither properly is told in words.
fn answer(head: &[u8]) -> String {
    let body = "请使用 https 访问本系统。\r\n";
    let start = match target(head) {
        Some(location) => format!("307 Temporary Redirect\r\nLocation: {location}"),
        None => "400 Bad Request".to_owned(),
    };
    format!(
        "HTTP/1.1 {start}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

fn target(head: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?;
    let host = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("host"))?
        .1
        .trim();
    // Only what can stand in a URL: the answer's head is built from it.
    let plain = |text: &str, also: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
    };
    let host_ok = plain(host, b".:-[]");
    let path_ok = path.starts_with('/') && plain(path, b"/.-_~%!$&'()*+,;=:@?");
    (host_ok && path_ok).then(|| format!("https://{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_page_under_https() {
        let head = b"GET /m/1?x=2 HTTP/1.1\r\nHost: 10.0.0.1:8443\r\n\r\n";
        assert_eq!(target(head).as_deref(), Some("https://10.0.0.1:8443/m/1?x=2"));
        assert!(answer(head).contains("Location: https://10.0.0.1:8443/m/1?x=2\r\n"));
    }

    #[test]
    fn nothing_of_a_malformed_request_is_echoed() {
        for head in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a/b\"<\r\n\r\n",
            b"\xff\xfe\r\n\r\n",
            b"",
        ] {
            assert!(answer(head).starts_with("HTTP/1.1 400 "));
        }
    }
}
