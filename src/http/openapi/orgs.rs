//! Organisations, members, roles and tables. The answers are described in docs/API.md.

use axum::http::{Method, StatusCode};
use utoipa::PartialSchema;

use super::operation::{Described, route, uuid, words};
use crate::http::members::{AccountForm, MemberForm, SeatForm};
use crate::http::orgs::{Move, OrgForm};
use crate::http::roles::RoleForm;

const TAG: &str = "orgs";

pub fn operations() -> Vec<Described> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    let (ok, created) = (StatusCode::OK, StatusCode::CREATED);
    let (accepted, done) = (StatusCode::ACCEPTED, StatusCode::NO_CONTENT);
    let tables = || words(["orgs", "members"]);
    vec![
        route(GET, "/api/orgs", TAG, "下级组织")
            .query("parent", false, uuid())
            .gives_object(ok)
            .refuses([404]),
        route(POST, "/api/orgs", TAG, "添加组织")
            .takes::<OrgForm>()
            .gives_object(created)
            .refuses([404]),
        route(GET, "/api/orgs/search", TAG, "搜索组织")
            .query("q", true, String::schema())
            .gives_object(ok)
            .refuses([422]),
        route(GET, "/api/orgs/{id}", TAG, "组织详情").gives_object(ok),
        route(PUT, "/api/orgs/{id}", TAG, "修改组织").takes::<OrgForm>().gives_object(ok),
        route(GET, "/api/orgs/{id}/subtree", TAG, "全部下级组织")
            .query("skip", false, u32::schema())
            .gives_object(ok),
        route(POST, "/api/orgs/{id}/move", TAG, "调整隶属").takes::<Move>().gives_object(ok),
        route(POST, "/api/orgs/{id}/close", TAG, "撤销组织").gives_object(ok),
        route(GET, "/api/orgs/{id}/audit", TAG, "变更记录")
            .query("before_us", false, i64::schema())
            .gives_object(ok),
        route(GET, "/api/orgs/{id}/members", TAG, "党员名册")
            .query("q", false, String::schema())
            .query("below", false, bool::schema())
            .query("inactive", false, bool::schema())
            .query("after", false, String::schema())
            .gives_object(ok)
            .refuses([422]),
        route(POST, "/api/orgs/{id}/members", TAG, "添加党员")
            .takes::<MemberForm>()
            .gives_object(created),
        route(PUT, "/api/orgs/{id}/seats", TAG, "班子职务").takes::<SeatForm>().gives_nothing(done),
        route(PUT, "/api/members/{id}", TAG, "修改党员").takes::<MemberForm>().gives_object(ok),
        route(POST, "/api/members/{id}/account", TAG, "开通账号")
            .takes::<AccountForm>()
            .gives_object(created),
        route(GET, "/api/orgs/{id}/roles", TAG, "角色").gives_object(ok),
        route(POST, "/api/orgs/{id}/roles", TAG, "授予角色")
            .takes::<RoleForm>()
            .gives_nothing(done),
        route(POST, "/api/orgs/{id}/roles/revoke", TAG, "收回角色")
            .takes::<RoleForm>()
            .gives_nothing(done),
        route(POST, "/api/orgs/{id}/import", TAG, "上传表格")
            .query("what", true, tables())
            .takes_bytes()
            .gives_object(accepted),
        route(GET, "/api/imports/{id}", TAG, "导入预览").gives_object(ok),
        route(POST, "/api/imports/{id}/confirm", TAG, "确认导入").gives_object(accepted),
        route(POST, "/api/imports/{id}/discard", TAG, "放弃导入").gives_nothing(done),
        route(GET, "/api/orgs/{id}/export", TAG, "导出表格")
            .query("what", true, tables())
            .query("format", true, words(["csv", "xlsx"]))
            .gives_tables()
            .refuses([413]),
    ]
}
