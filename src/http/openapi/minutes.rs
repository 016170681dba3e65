//! Minutes, and the daily chain of sealed sessions.

use axum::http::{Method, StatusCode};

use super::operation::{Described, route};
use crate::http::daily::DayView;
use crate::http::minutes::{Correct, MinutesPolicy, Reason, Save, Sign, Text};
use crate::http::minutes_view::{MinutesView, VersionView};

const TAG: &str = "minutes";
const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

pub fn operations() -> Vec<Described> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    let ok = StatusCode::OK;
    let minutes = |described: Described| described.gives::<MinutesView>(ok);
    vec![
        minutes(route(GET, "/api/archive/{id}/minutes", TAG, "会议记录")).refuses([409]),
        minutes(route(Method::PUT, "/api/archive/{id}/minutes", TAG, "保存").takes::<Save>()),
        route(GET, "/api/archive/{id}/minutes/versions", TAG, "修改记录")
            .gives_items::<VersionView>()
            .refuses([409]),
        minutes(route(POST, "/api/archive/{id}/minutes/submit", TAG, "提交").takes::<Sign>()),
        minutes(route(POST, "/api/archive/{id}/minutes/confirm", TAG, "确认").takes::<Sign>()),
        minutes(route(POST, "/api/archive/{id}/minutes/return", TAG, "退回").takes::<Reason>()),
        minutes(
            route(POST, "/api/archive/{id}/minutes/objections", TAG, "提出异议").takes::<Text>(),
        ),
        minutes(
            route(POST, "/api/archive/{id}/minutes/objections/{objection}/answer", TAG, "答复异议")
                .takes::<Text>(),
        ),
        minutes(route(POST, "/api/archive/{id}/minutes/seal", TAG, "封存")),
        minutes(
            route(POST, "/api/archive/{id}/minutes/corrections", TAG, "更正").takes::<Correct>(),
        ),
        route(GET, "/api/archive/{id}/minutes.docx", TAG, "会议记录（Word）")
            .gives_file(DOCX)
            .refuses([409]),
        route(GET, "/api/archive/{id}/minutes.pdf", TAG, "会议记录（PDF）")
            .gives_file("application/pdf")
            .refuses([409]),
        route(GET, "/api/orgs/{id}/minutes-policy", TAG, "异议期").gives::<MinutesPolicy>(ok),
        route(Method::PUT, "/api/orgs/{id}/minutes-policy", TAG, "设定异议期")
            .takes::<MinutesPolicy>()
            .gives::<MinutesPolicy>(ok),
        route(GET, "/api/orgs/{id}/daily-chain", TAG, "封存链").gives_items::<DayView>(),
        route(GET, "/api/orgs/{id}/daily-chain.jsonl", TAG, "导出封存链")
            .gives_file("application/jsonl"),
    ]
}
