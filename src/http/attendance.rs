//! Attendance to look at and to take away: the live list, and the sheet as XLSX, CSV and JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::archive::{download, not_opened};
use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::At;
use super::join::must_be_open;
use crate::app::App;
use crate::auth::policy::Action;
use crate::domain::{AttendanceReport, SessionId};
use crate::export::{AttendanceExport, attendance_csv, attendance_xlsx as xlsx_of};
use crate::journal::{Envelope, Header, fold_attendance, report_text};
use crate::room::roll_view::AttendanceList;

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const CSV: &str = "text/csv; charset=utf-8";

/// Everybody of the roster as they stand this moment.
pub async fn live(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Json<AttendanceList>> {
    let (session, _) = caller.session(&app, id, Action::ReadAttendance).await?;
    must_be_open(&session)?;
    let (list, _) = app.rooms.room(id).await?.look(caller.actor.person).await?;
    Ok(Json(*list))
}

/// What the journal says up to its last event: the same as `yuntang attendance` says of the file.
async fn sheet(
    app: &App,
    caller: &Caller,
    id: SessionId,
) -> ApiResult<(Header, Vec<Envelope>, AttendanceReport)> {
    let (session, _) = caller.session(app, id, Action::ReadArchive).await?;
    if session.opened_us.is_none() {
        return Err(not_opened());
    }
    let header = app.store.journal().header(id).await?;
    let events = app.store.journal().read_all(id).await?;
    let report = fold_attendance(&header, &events);
    Ok((header, events, report))
}

pub async fn json(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Response> {
    let (_, _, report) = sheet(&app, &caller, id).await?;
    let text = report_text(&report).map_err(ApiError::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

pub async fn csv(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Response> {
    file(&app, &caller, id, CSV, "attendance.csv", |export| {
        attendance_csv(export).map_err(ApiError::internal)
    })
    .await
}

pub async fn xlsx(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Response> {
    file(&app, &caller, id, XLSX, "attendance.xlsx", |export| {
        xlsx_of(export).map_err(ApiError::internal)
    })
    .await
}

async fn file(
    app: &App,
    caller: &Caller,
    id: SessionId,
    content_type: &'static str,
    name: &'static str,
    make: impl FnOnce(&AttendanceExport<'_>) -> ApiResult<Vec<u8>> + Send + 'static,
) -> ApiResult<Response> {
    let (header, events, report) = sheet(app, caller, id).await?;
    let (exporter, exported_at_us) = (caller.person.name.clone(), app.clock.now_us());
    // Compressing thousands of rows would hold up the others on this thread.
    let made = tokio::task::spawn_blocking(move || {
        make(&AttendanceExport {
            header: &header,
            report: &report,
            events: &events,
            exporter: &exporter,
            exported_at_us,
        })
    });
    let bytes = made.await.map_err(ApiError::internal)??;
    Ok((download(content_type, name, id), bytes).into_response())
}
