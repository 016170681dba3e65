//! Ballots and rules.

use axum::http::{Method, StatusCode};

use super::operation::{Described, route};
use super::wire::{BallotPaper, ListedPaper, RulesCase, RulesText};

const TAG: &str = "ballots";

pub fn operations() -> Vec<Described> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    let ok = StatusCode::OK;
    let papers = "/api/sessions/{id}/ballots/{ballot}/papers";
    vec![
        route(GET, "/api/rules", TAG, "本组织的规则").gives_object(ok),
        route(POST, "/api/rules/decide", TAG, "表决计算器").takes::<RulesCase>().gives_object(ok),
        route(GET, "/api/orgs/{id}/rules", TAG, "组织的规则").gives_object(ok).refuses([422]),
        route(Method::PUT, "/api/orgs/{id}/rules", TAG, "更改组织的规则")
            .takes::<RulesText>()
            .gives_object(ok),
        route(POST, papers, TAG, "线上无记名投票（不带身份）")
            .anyone()
            .takes::<BallotPaper>()
            .gives_nothing(StatusCode::NO_CONTENT),
        route(GET, papers, TAG, "已计入的选票").gives_items::<ListedPaper>(),
        route(POST, "/api/sessions/{id}/scans", TAG, "上传计票单扫描件")
            .takes_bytes()
            .gives_object(StatusCode::CREATED),
        route(GET, "/api/sessions/{id}/scans/{digest}", TAG, "计票单扫描件")
            .gives_file("application/octet-stream")
            .partial("application/octet-stream"),
    ]
}
