//! Meetings: planning, opening, the way into the room, media statistics.

use axum::http::{Method, StatusCode};

use super::operation::{Described, route, uuid, words};
use crate::domain::Policy;
use crate::http::join::JoinGrant;
use crate::http::sessions::{Cancel, Plan};
use crate::http::statistics::Statistics;
use crate::http::view::{RosterPerson, SessionCard, SessionDetail};

const TAG: &str = "sessions";

pub fn operations() -> Vec<Described> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    let ok = StatusCode::OK;
    let states = ["planned", "opened", "declared_open", "declared_closed", "archived", "cancelled"];
    vec![
        route(GET, "/api/sessions", TAG, "会议列表")
            .query("scope", true, words(["mine", "subtree"]))
            .query("state", false, words(states))
            .gives_items::<SessionCard>(),
        route(POST, "/api/sessions", TAG, "安排会议")
            .takes::<Plan>()
            .gives::<SessionDetail>(StatusCode::CREATED),
        route(GET, "/api/sessions/{id}", TAG, "会议详情").gives::<SessionDetail>(ok),
        route(POST, "/api/sessions/{id}/open", TAG, "开放会场").gives::<SessionDetail>(ok),
        route(POST, "/api/sessions/{id}/cancel", TAG, "取消会议")
            .takes::<Cancel>()
            .gives::<SessionDetail>(ok),
        route(Method::PUT, "/api/sessions/{id}/policy", TAG, "考勤规则")
            .takes::<Policy>()
            .gives::<SessionDetail>(ok),
        route(POST, "/api/sessions/{id}/join", TAG, "进入会场").gives::<JoinGrant>(ok),
        route(GET, "/api/sessions/{id}/stats", TAG, "会议质量")
            .gives::<Statistics>(ok)
            .refuses([409]),
        route(GET, "/api/people", TAG, "可以列入名册的人")
            .query("org_id", true, uuid())
            .gives_items::<RosterPerson>(),
    ]
}
