//! `/api/archive/…` and `/media/…`: what is left of a meeting.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use signaling::ErrorCode;
use signaling::view::{ChatMessage, SessionState};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::task::JoinHandle;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::{Asked, At};
use super::file;
use super::origin::Origin;
use super::view::{Items, SessionDetail};
use crate::app::App;
use crate::auth::policy::Action;
use crate::domain::SessionId;
use crate::domain::report::{AttendanceReport, OfficialWindow};
use crate::journal::{Envelope, public_key_hex};
use crate::store::{RenderJob, RenderState, Session, StoreError, new_id};

/// Events of one page at most.
const MAX_PAGE: u32 = 500;
/// Bytes of the exported journal on their way to a slow client.
const PIPE: usize = 64 * 1024;

#[derive(Serialize, utoipa::ToSchema)]
pub struct Archive {
    session: SessionDetail,
    official: Option<OfficialWindow>,
    render: Render,
    video: Option<Video>,
    attendance: Option<AttendanceReport>,
    #[schema(value_type = Vec<crate::http::openapi::wire::ChatMessage>)]
    chat: Vec<ChatMessage>,
    journal: JournalState,
}

#[derive(Serialize, Default, utoipa::ToSchema)]
struct Render {
    state: &'static str,
    stage: Option<String>,
    progress: u32,
    message: Option<String>,
    attempts: u32,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Video {
    url: String,
    duration_us: u64,
    bytes: u64,
    poster_url: Option<String>,
}

#[derive(Serialize, Default, utoipa::ToSchema)]
struct JournalState {
    events: u64,
    head_hash: String,
    verified: bool,
    signed: bool,
    first_bad_seq: Option<u64>,
}

pub async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Origin(origin): Origin,
    At(id): At<SessionId>,
) -> ApiResult<Json<Archive>> {
    let (session, _) = caller.session(&app, id, Action::ReadArchive).await?;
    let attendance = attendance_of(&app, &session).await?;
    let job = app.store.render_jobs().of_session(id).await?;
    Ok(Json(Archive {
        official: attendance.as_ref().map(|a| a.official).filter(|o| o.start_us > 0),
        video: video(&app, id, job.as_ref()).await,
        render: job.map_or_else(|| Render { state: "none", ..Render::default() }, Render::from),
        chat: chat(&app, id).await?,
        journal: journal_state(&app, &session).await?,
        attendance,
        session: SessionDetail::of(&app, &caller, session, &origin).await?,
    }))
}

impl From<RenderJob> for Render {
    fn from(job: RenderJob) -> Self {
        Self {
            state: job.state.id(),
            stage: job.stage,
            progress: job.permille,
            message: job.message,
            attempts: job.attempts,
        }
    }
}

/// The sheet so far; `None` before the session is opened.
async fn attendance_of(app: &App, session: &Session) -> ApiResult<Option<AttendanceReport>> {
    if session.opened_us.is_none() {
        return Ok(None);
    }
    let running = matches!(session.state, SessionState::Opened | SessionState::DeclaredOpen);
    let now = match running {
        true => app.rooms.room(session.id).await.ok().map(|room| room.clock().now().mono_us),
        false => None,
    };
    Ok(Some(app.store.journal().attendance(session.id, now).await?))
}

async fn chat(app: &App, id: SessionId) -> ApiResult<Vec<ChatMessage>> {
    let stored = app.store.chat().of_session(id).await?;
    let messages = stored.into_iter().filter_map(|m| {
        Some(ChatMessage {
            id: m.id.to_string(),
            participant: m.person_id.to_string(),
            name: m.name,
            text: m.text?,
            at_us: m.at_us,
        })
    });
    Ok(messages.collect())
}

async fn journal_state(app: &App, session: &Session) -> ApiResult<JournalState> {
    if session.opened_us.is_none() {
        return Ok(JournalState::default());
    }
    let head = app.store.journal().head(session.id).await?;
    let key = public_key_hex(&*app.installation);
    let verdict = app.store.journal().verify(session.id, Some(key)).await?;
    Ok(JournalState {
        events: head.seq,
        head_hash: head.hash.to_string(),
        verified: verdict.is_ok(),
        signed: verdict.as_ref().is_ok_and(|v| v.is_signed()),
        first_bad_seq: verdict.err().and_then(|t| t.seq()),
    })
}

/// What the worker said when it was done.
#[derive(Deserialize)]
struct Rendered {
    duration_us: u64,
}

fn video_path(app: &App, id: SessionId) -> PathBuf {
    app.config.data.archive().join(id.to_string()).join("recording.mp4")
}

async fn video(app: &App, id: SessionId, job: Option<&RenderJob>) -> Option<Video> {
    let job = job.filter(|job| job.state == RenderState::Done)?;
    let rendered: Rendered = serde_json::from_str(job.result.as_deref()?).ok()?;
    let path = video_path(app, id);
    let bytes = tokio::fs::metadata(&path).await.ok()?.len();
    let poster = tokio::fs::metadata(path.with_file_name("poster.jpg")).await.is_ok();
    Some(Video {
        url: format!("/media/{id}/recording.mp4"),
        duration_us: rendered.duration_us,
        bytes,
        poster_url: poster.then(|| format!("/media/{id}/poster.jpg")),
    })
}

#[derive(Deserialize)]
pub struct Page {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    limit: Option<u32>,
}

pub async fn journal(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
    Asked(page): Asked<Page>,
) -> ApiResult<Json<Items<Envelope>>> {
    caller.session(&app, id, Action::ReadArchive).await?;
    let limit = page.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    Ok(Json(app.store.journal().read(id, page.after, limit).await?.into()))
}

pub(super) fn not_opened() -> ApiError {
    ApiError::new(ErrorCode::SessionNotOpen, "会场尚未开放，还没有会议日志")
}

pub(super) fn download(
    content_type: &'static str,
    name: &str,
    id: SessionId,
) -> [(axum::http::HeaderName, String); 2] {
    [
        (CONTENT_TYPE, content_type.to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{id}-{name}\"")),
    ]
}

pub async fn journal_file(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Response> {
    let (session, _) = caller.session(&app, id, Action::ReadArchive).await?;
    if session.opened_us.is_none() {
        return Err(not_opened());
    }
    let (mut writer, reader) = tokio::io::duplex(PIPE);
    let (store, signer) = (app.store.clone(), app.installation.clone());
    // Ends with the request: a reader that goes away breaks the pipe.
    let writing =
        tokio::spawn(
            async move { store.journal().export(id, &*signer, &mut writer).await.map(drop) },
        );
    let headers = download("application/jsonl; charset=utf-8", "journal.jsonl", id);
    Ok((headers, Body::from_stream(pieces(reader, writing))).into_response())
}

/// What a task writes into a pipe, as a body; broken off when it fails.
pub fn pieces(
    reader: DuplexStream,
    writing: JoinHandle<Result<(), StoreError>>,
) -> impl Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static {
    stream::try_unfold((reader, Some(writing)), |(mut reader, writing)| async move {
        let mut piece = vec![0; PIPE];
        let read = reader.read(&mut piece).await?;
        if read > 0 {
            piece.truncate(read);
            return Ok(Some((piece, (reader, writing))));
        }
        match writing {
            Some(writing) => match writing.await {
                Ok(Ok(())) => Ok(None),
                // Broken off, so that a cut file is not taken for a whole one.
                Ok(Err(error)) => Err(broken(&error)),
                Err(error) => Err(std::io::Error::other(error)),
            },
            None => Ok(None),
        }
    })
}

fn broken(error: &StoreError) -> std::io::Error {
    tracing::error!(%error, "exporting a journal failed");
    std::io::Error::other("the export failed")
}

pub async fn render(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<StatusCode> {
    let (session, _) = caller.session(&app, id, Action::RenderAgain).await?;
    if !matches!(session.state, SessionState::DeclaredClosed | SessionState::Archived) {
        return Err(ApiError::new(ErrorCode::Conflict, "散会后才能生成录像"));
    }
    let job = app.store.render_jobs().of_session(id).await?;
    if job.is_some_and(|j| matches!(j.state, RenderState::Waiting | RenderState::Running)) {
        return Err(ApiError::new(ErrorCode::Conflict, "录像正在生成，请稍候"));
    }
    app.store.render_jobs().create(new_id(), id, app.clock.now_us()).await?;
    Ok(StatusCode::ACCEPTED)
}

pub async fn recording(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
    method: Method,
    headers: HeaderMap,
) -> ApiResult<Response> {
    caller.session(&app, id, Action::ReadArchive).await?;
    file::serve(&method, &headers, &video_path(&app, id), "video/mp4").await
}

pub async fn poster(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
    method: Method,
    headers: HeaderMap,
) -> ApiResult<Response> {
    caller.session(&app, id, Action::ReadArchive).await?;
    let path = video_path(&app, id).with_file_name("poster.jpg");
    file::serve(&method, &headers, &path, "image/jpeg").await
}
