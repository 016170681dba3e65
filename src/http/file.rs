//! Files from the disk with Range (RFC 9110 §14), so that a recording can be sought in.

use std::io::SeekFrom;
use std::path::Path;
use std::time::UNIX_EPOCH;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue,
    IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::error::{ApiError, ApiResult};

/// Bytes read at a time: memory per download, whatever the size of the file.
const CHUNK: usize = 64 * 1024;

/// What part of a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Whole,
    /// First and last byte, both included.
    Part(u64, u64),
    Unsatisfiable,
}

/// Answers with the file or the asked part of it.
///
/// # Errors
/// `not_found` when there is no such file, `internal` when it cannot be read.
pub async fn serve(
    method: &Method,
    headers: &HeaderMap,
    path: &Path,
    content_type: &'static str,
) -> ApiResult<Response> {
    let mut file = match File::open(path).await {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(ApiError::not_found()),
        Err(e) => return Err(ApiError::internal(e)),
    };
    let meta = file.metadata().await.map_err(ApiError::internal)?;
    let etag = etag(&meta);
    let length = meta.len();
    let mut out = HeaderMap::new();
    out.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    out.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    out.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        out.insert(ETAG, value);
    }
    let names = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if names(IF_NONE_MATCH).is_some_and(|seen| seen == etag || seen == "*") {
        return Ok((StatusCode::NOT_MODIFIED, out).into_response());
    }
    // A part of another version of the file would be garbage.
    let same = names(IF_RANGE).is_none_or(|seen| seen == etag);
    let asked = match names(RANGE) {
        Some(range) if same && method == Method::GET => parse_range(range, length),
        _ => Asked::Whole,
    };
    let (status, first, count) = match asked {
        Asked::Unsatisfiable => {
            set(&mut out, CONTENT_RANGE, format!("bytes */{length}"));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, out).into_response());
        }
        Asked::Part(first, last) => {
            set(&mut out, CONTENT_RANGE, format!("bytes {first}-{last}/{length}"));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Asked::Whole => (StatusCode::OK, 0, length),
    };
    set(&mut out, CONTENT_LENGTH, count.to_string());
    if method == Method::HEAD {
        return Ok((status, out).into_response());
    }
    file.seek(SeekFrom::Start(first)).await.map_err(ApiError::internal)?;
    Ok((status, out, body(file, count)).into_response())
}

fn set(headers: &mut HeaderMap, name: axum::http::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(name, value);
    }
}

fn body(file: File, count: u64) -> Body {
    Body::from_stream(stream::try_unfold((file, count), |(mut file, left)| async move {
        if left == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let mut chunk = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            // Shorter than announced: break off, so that the client notices.
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        chunk.truncate(read);
        Ok(Some((Bytes::from(chunk), (file, left - read as u64))))
    }))
}

/// Files are written once and renamed into place: size and time tell versions apart.
fn etag(meta: &std::fs::Metadata) -> String {
    let changed = meta
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_nanos());
    format!("\"{:x}-{changed:x}\"", meta.len())
}

/// One range of bytes; anything else (several ranges, other units) may be answered whole.
fn parse_range(range: &str, length: u64) -> Asked {
    let Some(spec) = range.strip_prefix("bytes=") else { return Asked::Whole };
    let Some((from, to)) = spec.trim().split_once('-') else { return Asked::Whole };
    let number = |text: &str| -> Option<u64> {
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(from), number(to)) {
        (Some(first), last) if last.is_some() || to.is_empty() => {
            let last = last.unwrap_or(u64::MAX);
            if last < first {
                Asked::Whole
            } else if first >= length {
                Asked::Unsatisfiable
            } else {
                Asked::Part(first, last.min(length - 1))
            }
        }
        (None, Some(suffix)) if from.is_empty() => {
            if suffix == 0 || length == 0 {
                Asked::Unsatisfiable
            } else {
                Asked::Part(length.saturating_sub(suffix), length - 1)
            }
        }
        _ => Asked::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_rfc_9110_has_them() {
        for (range, asked) in [
            ("bytes=0-0", Asked::Part(0, 0)),
            ("bytes=0-499", Asked::Part(0, 99)),
            ("bytes=50-", Asked::Part(50, 99)),
            ("bytes=-10", Asked::Part(90, 99)),
            ("bytes=-1000", Asked::Part(0, 99)),
            ("bytes=100-", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=99999999999999999999999-", Asked::Unsatisfiable),
            ("bytes=5-2", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=x-y", Asked::Whole),
        ] {
            assert_eq!(parse_range(range, 100), asked, "{range}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Asked::Unsatisfiable);
    }
}
