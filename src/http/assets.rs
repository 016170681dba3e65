//! The web client, built into the binary.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::ApiError;

#[derive(RustEmbed)]
#[folder = "web-client/dist"]
#[allow_missing = true]
struct WebClient;

/// A page for a server that was built without its web client.
const NOT_BUILT: &str = "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\">\
    <title>云堂</title><p>网页未随程序一起构建，请用 cargo dev up 启动。</p></html>";

/// Names under `assets/` carry a hash of their content, so they never change.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// Everything else is asked for again, and answered 304 when unchanged.
const REVALIDATE: &str = "no-cache";

/// Any `GET` that no other route knows: a file of the web client, or its start page, whose router
/// knows the path. A missing file is missing, though: a page served as a script helps nobody.
pub async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return ApiError::not_found().into_response();
    }
    match WebClient::get(path) {
        Some(file) => answer(path, file, &headers),
        None if path.rsplit('/').next().is_some_and(|name| name.contains('.')) => {
            StatusCode::NOT_FOUND.into_response()
        }
        None => match WebClient::get("index.html") {
            Some(page) => answer("index.html", page, &headers),
            None => ([(CONTENT_TYPE, "text/html; charset=utf-8")], NOT_BUILT).into_response(),
        },
    }
}

fn answer(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", crate::auth::keys::hex(&file.metadata.sha256_hash()[..16]));
    let cache = if path.starts_with("assets/") { FOREVER } else { REVALIDATE };
    let known = headers.get(IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == etag.as_bytes());
    if known {
        let headers = [(ETAG, etag), (CACHE_CONTROL, cache.to_owned())];
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let headers =
        [(CONTENT_TYPE, content_type(path)), (CACHE_CONTROL, cache.to_owned()), (ETAG, etag)];
    (headers, Body::from(file.data)).into_response()
}

fn content_type(path: &str) -> String {
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    let text = mime.type_() == "text" || mime.subtype() == "javascript" || mime.subtype() == "json";
    if text { format!("{mime}; charset=utf-8") } else { mime.to_string() }
}
