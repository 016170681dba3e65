//! `/api/orgs/{id}/roles`: who may do what here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use signaling::ErrorCode;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::{At, Body};
use super::orgs::entry;
use super::view::Items;
use crate::app::App;
use crate::auth::policy::{Action, Resource};
use crate::domain::{OrgId, OrgKind, OrgRole, PersonId};
use crate::store::RoleGrant;

#[derive(Serialize)]
pub struct RoleView {
    person_id: PersonId,
    name: String,
    role: OrgRole,
    inherits: bool,
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
) -> ApiResult<Json<Items<RoleView>>> {
    caller.may(Action::ManageRoles, Resource::Org(org))?;
    let mut views = Vec::new();
    // That somebody is a member is no role to be granted.
    for g in app.store.roles().of_org(org).await?.iter().filter(|g| g.role != OrgRole::Member) {
        if let Some(person) = app.store.persons().get(g.person_id).await?.filter(|p| p.active) {
            let (name, role, inherits) = (person.name, g.role, g.inherits);
            views.push(RoleView { person_id: g.person_id, name, role, inherits });
        }
    }
    Ok(Json(views.into()))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct RoleForm {
    person_id: PersonId,
    role: OrgRole,
    #[serde(default)]
    inherits: bool,
}

/// Whether this role may be given or taken here, by who asks.
async fn checked(app: &App, caller: &Caller, org: OrgId, form: &RoleForm) -> ApiResult<()> {
    caller.may(Action::ManageRoles, Resource::Org(org))?;
    if form.role == OrgRole::Administrator {
        caller.may(Action::ManageAdministrators, Resource::Own)?;
    }
    let node = caller.tree.get(org).ok_or_else(ApiError::not_found)?;
    let person = app.store.persons().get(form.person_id).await?.filter(|p| p.active);
    // Nobody is given a role at one's own organisation whom one does not know.
    let known = person.filter(|p| caller.allows(Action::ViewMembers, Resource::Org(p.org_id)));
    known.ok_or_else(ApiError::not_found)?;
    let wrong = match form.role {
        OrgRole::Member => Some("党员身份由党员名册决定，不在这里授予"),
        OrgRole::GroupLeader if node.kind != OrgKind::Group => Some("党小组组长须在党小组上授予"),
        OrgRole::Secretary | OrgRole::CommitteeMember | OrgRole::Recorder
            if node.kind == OrgKind::Group =>
        {
            Some("党小组只设组长，请在所在党支部上授予")
        }
        _ => None,
    };
    wrong.map_or(Ok(()), |message| Err(ApiError::validation(message)))
}

pub async fn grant(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
    Body(form): Body<RoleForm>,
) -> ApiResult<StatusCode> {
    checked(&app, &caller, org, &form).await?;
    let held = app.store.roles().of_person(form.person_id).await?;
    let held: Vec<OrgRole> = held.iter().map(|g| g.role).collect();
    let administrator = OrgRole::Administrator;
    // 系统管理 and the work of the organisation are in different hands (domain.md §5.4).
    let mixed = match form.role == administrator {
        true => held.iter().any(|role| *role != administrator),
        false => held.contains(&administrator),
    };
    if mixed {
        let message = "系统管理员不能兼任党组织的角色，请先收回其原有角色";
        return Err(ApiError::new(ErrorCode::Conflict, message));
    }
    // Only these two reach down; a secretary of a higher body is none of the branch.
    let inherits = form.inherits && matches!(form.role, OrgRole::Manager | OrgRole::Observer);
    let grant = RoleGrant { person_id: form.person_id, org_id: org, role: form.role, inherits };
    let what = json!({ "role": form.role, "inherits": inherits });
    let by = entry(&app, &caller, "role_grant", org, Some(form.person_id.to_string()), what);
    app.store.roles().grant_on_record(&grant, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
    Body(form): Body<RoleForm>,
) -> ApiResult<StatusCode> {
    checked(&app, &caller, org, &form).await?;
    if form.role == OrgRole::Administrator && form.person_id == caller.actor.person {
        let message = "不能收回自己的系统管理员角色，请由另一位系统管理员办理";
        return Err(ApiError::new(ErrorCode::Conflict, message));
    }
    let what = json!({ "role": form.role });
    let by = entry(&app, &caller, "role_revoke", org, Some(form.person_id.to_string()), what);
    app.store.roles().revoke_on_record(form.person_id, org, form.role, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}
