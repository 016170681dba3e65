//! What is left of a meeting.

use axum::http::{Method, StatusCode};
use utoipa::PartialSchema;

use super::operation::{Described, route};
use super::wire::JournalEvent;
use crate::http::archive::Archive;

const TAG: &str = "archive";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

pub fn operations() -> Vec<Described> {
    const GET: Method = Method::GET;
    vec![
        route(GET, "/api/archive/{id}", TAG, "会议档案").gives::<Archive>(StatusCode::OK),
        route(GET, "/api/archive/{id}/journal", TAG, "会议日志")
            .query("after", false, u64::schema())
            .query("limit", false, u32::schema())
            .gives_items::<JournalEvent>(),
        route(GET, "/api/archive/{id}/attendance.xlsx", TAG, "考勤表")
            .gives_file(XLSX)
            .refuses([409]),
        route(GET, "/api/archive/{id}/journal.jsonl", TAG, "导出会议日志")
            .gives_file("application/jsonl")
            .refuses([409]),
        route(Method::POST, "/api/archive/{id}/render", TAG, "重新生成录像")
            .gives_nothing(StatusCode::ACCEPTED),
        route(GET, "/media/{id}/recording.mp4", TAG, "录像")
            .gives_file("video/mp4")
            .partial("video/mp4"),
        route(GET, "/media/{id}/poster.jpg", TAG, "录像封面")
            .gives_file("image/jpeg")
            .partial("image/jpeg"),
    ]
}
