//! Ballots over HTTP: casting an online secret paper without identity, the published list, scans.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use signaling::ErrorCode;
use signaling::ballot::Scan;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::{At, Body};
use super::file;
use super::view::Items;
use crate::app::App;
use crate::auth::policy::Action;
use crate::domain::ballot::Paper;
use crate::domain::{BallotId, SessionId};
use crate::journal::sha256;
use crate::room::actor::Command;
use crate::room::ballot_keys::is_signed;
use crate::room::ballots::BoxedPaper;
use crate::store::Put;

/// Largest scan of one sheet, in bytes.
pub const MAX_SCAN: usize = 10 * 1024 * 1024;

/// A paper as its voter's page sends it: nothing in it, and nothing looked at, says whose it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// 32 random bytes, base64.
    token: String,
    /// Of the blind signature (RFC 9474, randomized), 32 bytes, base64.
    randomizer: String,
    signature: String,
    paper: Paper,
}

/// `POST …/papers`: no cookie is read, no caller is asked for.
pub async fn cast(
    State(app): State<Arc<App>>,
    At((session, ballot)): At<(SessionId, BallotId)>,
    Body(cast): Body<Cast>,
) -> ApiResult<StatusCode> {
    let room = app.rooms.room(session).await?;
    let casting = room.casting().filter(|casting| casting.ballot == ballot);
    let closed = || ApiError::new(ErrorCode::Conflict, "投票还没有开始或已经结束");
    let casting = casting.ok_or_else(closed)?;
    let bad = || ApiError::new(ErrorCode::Validation, "选票无效：不是本次投票发出的选票");
    let token: [u8; 32] = bytes(&cast.token).ok_or_else(bad)?;
    let randomizer = bytes(&cast.randomizer).ok_or_else(bad)?;
    let signature = STANDARD.decode(&cast.signature).map_err(|_| bad())?;
    if !is_signed(&casting.public_key, &token, randomizer, signature) {
        return Err(bad());
    }
    if !cast.paper.fits(&casting.matter) {
        return Err(ApiError::new(ErrorCode::Validation, "选票没有填写完整，或另选人的姓名有误"));
    }
    let choices = serde_json::to_string(&cast.paper).map_err(ApiError::internal)?;
    let paper = BoxedPaper { id: sha256(&token).to_string(), choices };
    match app.store.ballots().put(session, ballot, &paper).await.map_err(not_taken)? {
        Put::In => {
            // If the room is gone it counts from the box all the same.
            let _ = room.send(Command::PaperBoxed { ballot }).await;
            Ok(StatusCode::NO_CONTENT)
        }
        Put::Again => Ok(StatusCode::NO_CONTENT),
        Put::Taken => Err(ApiError::new(ErrorCode::Conflict, "这张选票已经投过，不能更改")),
        Put::Closed => Err(closed()),
    }
}

/// A ballot is refused rather than falsely accepted.
fn not_taken(error: crate::store::StoreError) -> ApiError {
    match error {
        crate::store::StoreError::Unavailable(_) => {
            let words = "选票没有投进：数据库暂时不可用，请稍后再投一次";
            ApiError::new(ErrorCode::StorageUnavailable, words).retry_after_ms(2_000)
        }
        other => other.into(),
    }
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[derive(Serialize)]
pub struct Listed {
    id: String,
    paper: Paper,
}

/// `GET …/papers`: the list of the papers counted, by which everybody finds their own and counts
/// again. Empty before closing.
pub async fn papers(
    State(app): State<Arc<App>>,
    caller: Caller,
    At((session, ballot)): At<(SessionId, BallotId)>,
) -> ApiResult<Json<Items<Listed>>> {
    caller.session(&app, session, Action::ReadSession).await?;
    let mut listed = Vec::new();
    for paper in app.store.ballots().counted(session, ballot).await? {
        let read = serde_json::from_str(&paper.choices).map_err(ApiError::internal)?;
        listed.push(Listed { id: paper.id, paper: read });
    }
    Ok(Json(listed.into()))
}

/// What a scan is, told by its first bytes, never by what the browser says.
fn media_type(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if starts(b"\xFF\xD8\xFF") {
        Some(("image/jpeg", "jpg"))
    } else if starts(b"\x89PNG\r\n\x1a\n") {
        Some(("image/png", "png"))
    } else if starts(b"%PDF-") {
        Some(("application/pdf", "pdf"))
    } else {
        None
    }
}

/// `POST …/scans`: kept under the hash of its bytes; the journal names it when the tally or the
/// opinion that it belongs to is entered.
pub async fn upload(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(session): At<SessionId>,
    body: Bytes,
) -> ApiResult<(StatusCode, Json<Scan>)> {
    caller.session(&app, session, Action::KeepBallots).await?;
    let (kind, ending) = media_type(&body).ok_or_else(|| {
        ApiError::new(ErrorCode::UnsupportedMedia, "扫描件须为 JPG、PNG 图片或 PDF 文件")
    })?;
    let digest = sha256(&body).to_string();
    let folder = app.config.data.scans().join(session.to_string());
    let scan = Scan {
        digest: digest.clone(),
        media_type: kind.into(),
        bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
    };
    let kept = tokio::task::spawn_blocking(move || keep(folder, &digest, ending, &body)).await;
    kept.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    Ok((StatusCode::CREATED, Json(scan)))
}

/// Durable under its name when it returns.
fn keep(folder: PathBuf, digest: &str, ending: &str, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let part = folder.join(format!(".{}.part", uuid::Uuid::new_v4()));
    let written = std::fs::File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let named =
        written.and_then(|()| std::fs::rename(&part, folder.join(format!("{digest}.{ending}"))));
    if named.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    named?;
    std::fs::File::open(&folder)?.sync_all()
}

/// `GET …/scans/{digest}`: for those who keep the papers of the meeting; a written opinion is not
/// everybody's to read.
pub async fn scan(
    State(app): State<Arc<App>>,
    caller: Caller,
    At((session, digest)): At<(SessionId, String)>,
    method: Method,
    headers: HeaderMap,
) -> ApiResult<Response> {
    caller.session(&app, session, Action::KeepBallots).await?;
    let hex = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex {
        return Err(ApiError::not_found());
    }
    let folder = app.config.data.scans().join(session.to_string());
    for (kind, ending) in [("image/jpeg", "jpg"), ("image/png", "png"), ("application/pdf", "pdf")]
    {
        let path = folder.join(format!("{digest}.{ending}"));
        if tokio::fs::metadata(&path).await.is_ok() {
            return file::serve(&method, &headers, &path, kind).await;
        }
    }
    Err(ApiError::not_found())
}
