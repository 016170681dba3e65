//! `/api/orgs/{id}/import`, `/api/imports/{id}`, `/api/orgs/{id}/export`: tables of organisations
//! and members in and out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use signaling::ErrorCode;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::{Asked, At};
use super::orgs::entry;
use crate::app::App;
use crate::auth::policy::{Action, Actor, Resource};
use crate::domain::{OrgId, OrgTree};
use crate::export::people::{BOM, MAX_XLSX_ROWS, csv_line, member_row, org_row, table};
use crate::export::table::xlsx;
use crate::import::job::{Job, Pass, PassError, Preview, State as JobState};
use crate::import::{FileProblem, JobId, JobView, MAX_BESIDE_MEETINGS, MAX_CSV_BYTES, What};
use crate::store::{AuditEntry, Engine};

/// Longest silence of a client that uploads.
const SILENCE: Duration = Duration::from_secs(30);
/// Organisations whose members are read at once for an export.
const EXPORTED_AT_ONCE: usize = 200;

#[derive(Deserialize)]
pub struct Of {
    what: What,
}

const fn action(what: What) -> Action {
    match what {
        What::Orgs => Action::ManageOrg,
        What::Members => Action::ManageMembers,
    }
}

/// The body is the file itself.
pub async fn upload(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
    Asked(of): Asked<Of>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<(StatusCode, Json<JobView>)> {
    caller.may(action(of.what), Resource::Org(org))?;
    caller.tree.get(org).ok_or_else(ApiError::not_found)?;
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_CSV_BYTES) {
        return Err(too_large());
    }
    let (id, path) = app.imports.place().map_err(|_| disk())?;
    // From here on the job owns the file and removes it.
    let now_us = app.clock.now_us();
    let job = app.imports.add(id, path, of.what, org, caller.actor.account, now_us);
    if let Err(error) = save(&job.path, body).await {
        app.imports.remove(id);
        return Err(error);
    }
    tokio::spawn(look(Arc::clone(&app), Arc::clone(&job), caller.actor));
    Ok((StatusCode::ACCEPTED, Json(job.view())))
}

fn too_large() -> ApiError {
    ApiError::new(ErrorCode::TooLarge, FileProblem::TooLarge(MAX_CSV_BYTES >> 20).to_string())
}

fn disk() -> ApiError {
    ApiError::new(ErrorCode::StorageUnavailable, FileProblem::Disk.to_string())
}

async fn save(path: &Path, body: Body) -> ApiResult<()> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).await.map_err(|_| disk())?;
    let mut stream = body.into_data_stream();
    let mut bytes = 0_u64;
    loop {
        let next = tokio::time::timeout(SILENCE, stream.next()).await;
        let cut_off = || ApiError::new(ErrorCode::BadRequest, "上传中断，请检查网络后重新上传");
        match next.map_err(|_| cut_off())? {
            None => break,
            Some(Err(_)) => return Err(cut_off()),
            Some(Ok(piece)) => {
                bytes += piece.len() as u64;
                if bytes > MAX_CSV_BYTES {
                    return Err(too_large());
                }
                file.write_all(&piece).await.map_err(|_| disk())?;
            }
        }
    }
    file.flush().await.map_err(|_| disk())?;
    if bytes == 0 {
        return Err(ApiError::validation(FileProblem::Empty.to_string()));
    }
    Ok(())
}

/// Reads the file and says what it would do.
async fn look(app: Arc<App>, job: Arc<Job>, actor: Actor) {
    let task = async {
        let _turn = app.imports.running.acquire().await;
        let tree = app.orgs.tree(&app.store).await?;
        let now_us = app.clock.now_us();
        let pass = Pass { store: &app.store, tree: &tree, actor: &actor, job: &job, now_us };
        pass.run(None).await
    };
    job.set(match task.await {
        Ok(preview) => JobState::Ready(preview),
        Err(error) => JobState::Failed(words(&error)),
    });
}

fn words(error: &PassError) -> String {
    match error {
        PassError::File(problem) => problem.to_string(),
        PassError::TooManyOrgs(_) => error.to_string(),
        PassError::Store(crate::store::StoreError::Conflict(_)) => {
            "数据在预览之后被他人更改，没有写入任何内容，请重新上传".into()
        }
        PassError::Store(_) | PassError::Reader => {
            tracing::error!(%error, "an import failed");
            "系统出错，没有写入任何内容，请稍后再试".into()
        }
    }
}

/// The caller's own upload; other people's do not exist.
fn own(app: &App, caller: &Caller, id: JobId) -> ApiResult<Arc<Job>> {
    let job = app.imports.get(id, caller.actor.account).ok_or_else(|| {
        ApiError::new(ErrorCode::NotFound, "没有找到这次导入，可能已过期，请重新上传文件")
    })?;
    caller.may(action(job.what), Resource::Org(job.scope))?;
    Ok(job)
}

pub async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<JobId>,
) -> ApiResult<Json<JobView>> {
    caller.may(Action::ListSessions, Resource::Own)?;
    Ok(Json(own(&app, &caller, id)?.view()))
}

pub async fn discard(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<JobId>,
) -> ApiResult<StatusCode> {
    caller.may(Action::ListSessions, Resource::Own)?;
    let job = own(&app, &caller, id)?;
    if matches!(job.state(), JobState::Writing(_)) {
        return Err(ApiError::new(ErrorCode::Conflict, "正在写入，不能放弃，请稍候"));
    }
    app.imports.remove(id);
    Ok(StatusCode::NO_CONTENT)
}

pub async fn confirm(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<JobId>,
) -> ApiResult<(StatusCode, Json<JobView>)> {
    caller.may(Action::ListSessions, Resource::Own)?;
    let job = own(&app, &caller, id)?;
    let changes = match job.state() {
        JobState::Ready(preview) => preview.counts.changes(),
        _ => 0,
    };
    let meeting = app.store.engine() == Engine::Sqlite && !app.rooms.running().is_empty();
    if meeting && changes > MAX_BESIDE_MEETINGS {
        return Err(ApiError::new(
            ErrorCode::Conflict,
            format!(
                "有会议正在进行，超过{MAX_BESIDE_MEETINGS}项更改的导入会影响会议记录，请散会后再确认"
            ),
        ));
    }
    let preview = job.begin_writing().map_err(|state| {
        let conflict = |message: &str| ApiError::new(ErrorCode::Conflict, message);
        match state {
            JobState::Reading => conflict("正在读取文件，请等预览完成后再确认"),
            JobState::Ready(_) => conflict("文件中还有错误，请改正后重新上传；没有写入任何内容"),
            JobState::Writing(_) => conflict("正在写入，请稍候"),
            JobState::Done(_) => conflict("已经导入完成"),
            JobState::Failed(message) => conflict(&message),
        }
    })?;
    let word = match job.what {
        What::Orgs => "import_orgs",
        What::Members => "import_members",
    };
    let by = entry(&app, &caller, word, job.scope, None, json!({ "counts": preview.counts }));
    tokio::spawn(write(Arc::clone(&app), Arc::clone(&job), caller.actor, by, preview));
    Ok((StatusCode::ACCEPTED, Json(job.view())))
}

/// Writes what was previewed, all of it or nothing.
async fn write(app: Arc<App>, job: Arc<Job>, actor: Actor, by: AuditEntry, shown: Preview) {
    let task = async {
        let _turn = app.imports.writing.acquire().await;
        let tree = app.orgs.tree(&app.store).await?;
        if shown.counts.changes() == 0 {
            return Ok(Some(shown.clone()));
        }
        let mut tx = app.store.begin_import().await?;
        let pass =
            Pass { store: &app.store, tree: &tree, actor: &actor, job: &job, now_us: by.at_us };
        let done = pass.run(Some(&mut tx)).await?;
        // Written is what was shown, or nothing: somebody else was at it meanwhile.
        let same = |p: &Preview| (p.counts.new, p.counts.changed, p.counts.problems);
        if same(&done) != same(&shown) {
            return Ok(None);
        }
        tx.commit(&by).await?;
        Ok(Some(shown.clone()))
    };
    let result: Result<Option<Preview>, PassError> = task.await;
    app.orgs.invalidate();
    job.set(match result {
        Ok(Some(preview)) => JobState::Done(preview),
        Ok(None) => {
            JobState::Failed("数据在预览之后被他人更改，没有写入任何内容，请重新上传".into())
        }
        Err(error) => JobState::Failed(words(&error)),
    });
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Format {
    Csv,
    Xlsx,
}

#[derive(Deserialize)]
pub struct Wanted {
    what: What,
    format: Format,
}

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

pub async fn export(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
    Asked(wanted): Asked<Wanted>,
) -> ApiResult<Response> {
    caller.may(action(wanted.what), Resource::Org(org))?;
    caller.tree.get(org).ok_or_else(ApiError::not_found)?;
    let mut orgs = caller.tree.subtree(org);
    orgs.retain(|id| caller.allows(action(wanted.what), Resource::Org(*id)));
    if wanted.what == What::Members {
        // Members are in branches; who is elsewhere is kept by hand.
        orgs.retain(|id| caller.tree.get(*id).is_some_and(|org| org.kind.is_branch()));
    }
    let word = match wanted.what {
        What::Orgs => "export_orgs",
        What::Members => "export_members",
    };
    let by = entry(&app, &caller, word, org, None, json!({ "orgs": orgs.len() }));
    app.store.audit().add(&by).await?;
    let (kind, ending) = match wanted.format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Xlsx => (XLSX, "xlsx"),
    };
    let name = match wanted.what {
        What::Orgs => "orgs",
        What::Members => "members",
    };
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{org}-{name}.{ending}\"")),
    ];
    let tree = Arc::clone(&caller.tree);
    match wanted.format {
        Format::Csv => {
            let (to, pieces) = mpsc::channel::<Result<Bytes, std::io::Error>>(2);
            tokio::spawn(csv(Arc::clone(&app), tree, orgs, wanted.what, to));
            let stream = futures_util::stream::unfold(pieces, |mut pieces| async move {
                let piece = pieces.recv().await?;
                Some((piece, pieces))
            });
            Ok((headers, Body::from_stream(stream)).into_response())
        }
        Format::Xlsx => {
            let file = workbook(&app, tree, &orgs, wanted.what, by.at_us).await?;
            Ok((headers, file).into_response())
        }
    }
}

/// Piece by piece, at the pace of the client's line.
async fn csv(
    app: Arc<App>,
    tree: Arc<OrgTree>,
    orgs: Vec<OrgId>,
    what: What,
    to: mpsc::Sender<Result<Bytes, std::io::Error>>,
) {
    let mut text = BOM.to_owned();
    csv_line(what.columns(), &mut text);
    for some in orgs.chunks(EXPORTED_AT_ONCE) {
        match rows(&app, &tree, some, what).await {
            Ok(rows) => rows.iter().for_each(|row| csv_line(row, &mut text)),
            // The connection breaks, so that nobody takes half a file for the whole.
            Err(_) => {
                let _ = to.send(Err(std::io::Error::other("the store failed"))).await;
                return;
            }
        }
        if to.send(Ok(Bytes::from(std::mem::take(&mut text)))).await.is_err() {
            return;
        }
    }
}

async fn rows(
    app: &App,
    tree: &OrgTree,
    orgs: &[OrgId],
    what: What,
) -> ApiResult<Vec<Vec<String>>> {
    Ok(match what {
        What::Orgs => orgs.iter().filter_map(|id| org_row(tree, *id)).collect(),
        What::Members => {
            let members = app.store.members().of_orgs(orgs).await?;
            members.iter().map(|m| member_row(tree, m)).collect()
        }
    })
}

async fn workbook(
    app: &App,
    tree: Arc<OrgTree>,
    orgs: &[OrgId],
    what: What,
    created_us: i64,
) -> ApiResult<Vec<u8>> {
    let mut all = Vec::new();
    for some in orgs.chunks(EXPORTED_AT_ONCE) {
        all.extend(rows(app, &tree, some, what).await?);
        if all.len() > MAX_XLSX_ROWS {
            let message = format!("超过{MAX_XLSX_ROWS}行，不能导出为 XLSX，请选择 CSV");
            return Err(ApiError::new(ErrorCode::TooLarge, message));
        }
    }
    let made = tokio::task::spawn_blocking(move || xlsx(&[table(what, all)], created_us));
    made.await.map_err(ApiError::internal)?.map_err(ApiError::internal)
}
