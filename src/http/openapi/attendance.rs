//! Attendance: rooms, leave, corrections, the door, and the live list.

use axum::http::{Method, StatusCode};
use utoipa::PartialSchema;

use super::operation::{Described, route};
use crate::http::corrections::Correction;
use crate::http::knock::{AnswerTo, Knocked};
use crate::http::leave::{Ask, Decide};
use crate::http::room_sites::{CheckedIn, OpenSite, Scanned};

const TAG: &str = "attendance";

pub fn operations() -> Vec<Described> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    let (ok, done) = (StatusCode::OK, StatusCode::NO_CONTENT);
    vec![
        route(POST, "/api/sessions/{id}/site", TAG, "会场设备进入")
            .takes::<OpenSite>()
            .gives_object(ok),
        route(GET, "/api/sessions/{id}/checkin.svg", TAG, "会场签到二维码")
            .query("code", true, String::schema())
            .gives_file("image/svg+xml")
            .refuses([422]),
        route(POST, "/api/sessions/{id}/checkin", TAG, "扫码签到")
            .takes::<Scanned>()
            .gives::<CheckedIn>(ok),
        route(POST, "/api/sessions/{id}/checkout", TAG, "签退").gives_nothing(done),
        route(GET, "/api/sessions/{id}/attendance", TAG, "当前到会情况")
            .gives_object(ok)
            .refuses([409]),
        route(POST, "/api/sessions/{id}/corrections", TAG, "更正考勤")
            .takes::<Correction>()
            .gives_nothing(done),
        route(GET, "/api/sessions/{id}/leave", TAG, "请假列表").gives_object(ok),
        route(POST, "/api/sessions/{id}/leave", TAG, "请假").takes::<Ask>().gives_object(ok),
        route(POST, "/api/sessions/{id}/leave/withdraw", TAG, "撤回请假").gives_object(ok),
        route(POST, "/api/sessions/{id}/leave/{person}", TAG, "批准请假")
            .takes::<Decide>()
            .gives_object(ok),
        route(GET, "/api/sessions/{id}/knock", TAG, "等候进入").gives::<Knocked>(ok).refuses([409]),
        route(POST, "/api/sessions/{id}/knock", TAG, "请求进入").gives::<Knocked>(ok),
        route(POST, "/api/sessions/{id}/knock/{person}", TAG, "答复进入请求")
            .takes::<AnswerTo>()
            .gives_nothing(done),
        route(GET, "/api/archive/{id}/attendance.csv", TAG, "考勤表（CSV）")
            .gives_file("text/csv")
            .refuses([409]),
        route(GET, "/api/archive/{id}/attendance.json", TAG, "考勤表（JSON）")
            .gives_object(ok)
            .refuses([409]),
    ]
}
