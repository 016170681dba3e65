//! `/api/orgs`: the tree, loaded level by level, searched, and changed by who keeps its books.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use signaling::ErrorCode;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::{Asked, At, Body};
use super::view::Items;
use crate::app::App;
use crate::auth::policy::{Action, Resource};
use crate::clock::local_day;
use crate::domain::{OrgId, OrgKind, OrgTree, PersonId, Seat, fields, has_committee};
use crate::store::{AuditEntry, Org, StoreError, new_id};

/// Organisations of one answer.
const LIMIT: usize = 200;
/// A move may be dated back this far; further back would rewrite what people have seen.
const BACKDATED_US: i64 = 366 * 86_400_000_000;
/// And ahead.
const AHEAD_US: i64 = 5 * 366 * 86_400_000_000;

#[derive(Serialize)]
pub struct OrgCard {
    id: OrgId,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<OrgId>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    kind: OrgKind,
    closed: bool,
    /// Organisations right below it.
    children: usize,
    can_manage: bool,
}

impl OrgCard {
    fn of(caller: &Caller, id: OrgId) -> Option<Self> {
        let node = caller.tree.get(id)?;
        Some(Self {
            id,
            parent_id: node.parent,
            name: node.name.clone(),
            code: caller.tree.code(id).map(str::to_owned),
            kind: node.kind,
            closed: caller.tree.closed_us(id).is_some(),
            children: caller.tree.children(id).len(),
            can_manage: caller.allows(Action::ManageOrg, Resource::Org(id)),
        })
    }
}

/// Cards in the order of codes, then names, as an office lists them.
fn cards(caller: &Caller, ids: impl IntoIterator<Item = OrgId>) -> Vec<OrgCard> {
    let visible = |id: &OrgId| caller.allows(Action::ViewOrg, Resource::Org(*id));
    let mut cards: Vec<OrgCard> =
        ids.into_iter().filter(visible).filter_map(|id| OrgCard::of(caller, id)).collect();
    cards.sort_by(|a, b| {
        let key = |c: &OrgCard| (c.closed, c.code.is_none(), c.code.clone(), c.name.clone());
        key(a).cmp(&key(b))
    });
    cards
}

/// The topmost organisations that the caller sees.
pub fn visible_roots(caller: &Caller) -> Vec<OrgId> {
    let tree = &caller.tree;
    if caller.allows(Action::CreateRoot, Resource::Own) {
        return tree.roots().collect();
    }
    let mut seen: Vec<OrgId> = caller
        .actor
        .grants
        .iter()
        .map(|g| g.org)
        .filter(|org| caller.allows(Action::ViewOrg, Resource::Org(*org)))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    let below = |org: OrgId| {
        let mut above = tree.ancestors_or_self(org).skip(1);
        above.any(|o| seen.contains(&o.id) && caller.allows(Action::ViewOrg, Resource::Org(o.id)))
    };
    seen.iter().copied().filter(|org| !below(*org)).collect()
}

#[derive(Deserialize)]
pub struct Children {
    #[serde(default)]
    parent: Option<OrgId>,
}

/// Without a parent: the topmost ones that the caller sees.
pub async fn list(caller: Caller, Asked(of): Asked<Children>) -> ApiResult<Json<Items<OrgCard>>> {
    let ids = match of.parent {
        Some(parent) => {
            caller.may(Action::ViewOrg, Resource::Org(parent))?;
            caller.tree.children(parent).to_vec()
        }
        None => {
            caller.may(Action::ListSessions, Resource::Own)?;
            visible_roots(&caller)
        }
    };
    Ok(Json(cards(&caller, ids).into()))
}

#[derive(Deserialize)]
pub struct Search {
    q: String,
}

#[derive(Serialize)]
pub struct Found {
    #[serde(flatten)]
    card: OrgCard,
    /// Names from the top down to it.
    path: Vec<String>,
}

fn path(caller: &Caller, id: OrgId) -> Vec<String> {
    let above = caller.tree.ancestors_or_self(id);
    let mut names: Vec<String> = above
        .filter(|o| caller.allows(Action::ViewOrg, Resource::Org(o.id)))
        .map(|o| o.name.clone())
        .collect();
    names.reverse();
    names
}

/// By a part of the name or the start of the code, among what the caller sees.
pub async fn search(caller: Caller, Asked(asked): Asked<Search>) -> ApiResult<Json<Items<Found>>> {
    caller.may(Action::ListSessions, Resource::Own)?;
    let text = asked.q.trim();
    if text.is_empty() || text.chars().count() > fields::MAX_ORG_NAME {
        return Err(ApiError::validation("请输入组织名称或编号，100字以内"));
    }
    let found = caller.tree.search(&visible_roots(&caller), text, 50);
    let found = found.into_iter().filter(|id| caller.allows(Action::ViewOrg, Resource::Org(*id)));
    let item = |id| Some(Found { card: OrgCard::of(&caller, id)?, path: path(&caller, id) });
    Ok(Json(found.filter_map(item).collect::<Vec<_>>().into()))
}

#[derive(Serialize)]
pub struct Detail {
    #[serde(flatten)]
    card: OrgCard,
    path: Vec<String>,
    members: u32,
    full_members: u32,
    /// 支委会 or leading body: who sits in it, with terms.
    seats: Vec<SeatView>,
    /// Whether there is, or has to be, a 支委会; only of a branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    has_committee: Option<bool>,
    /// Under whom it stood and stands, oldest first; empty when it never moved.
    moves: Vec<MoveView>,
    can: Can,
}

#[derive(Serialize)]
struct SeatView {
    person_id: PersonId,
    name: String,
    #[serde(flatten)]
    seat: Seat,
}

#[derive(Serialize)]
struct MoveView {
    from_us: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<OrgId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_name: Option<String>,
}

#[derive(Serialize)]
struct Can {
    manage: bool,
    /// Stands under somebody, and the caller may take it away from there.
    r#move: bool,
    members: bool,
    roles: bool,
}

pub async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<OrgId>,
) -> ApiResult<Json<Detail>> {
    caller.may(Action::ViewOrg, Resource::Org(id))?;
    Ok(Json(detail(&app, &caller, id).await?))
}

async fn detail(app: &App, caller: &Caller, id: OrgId) -> ApiResult<Detail> {
    let card = OrgCard::of(caller, id).ok_or_else(ApiError::not_found)?;
    let today = local_day(app.clock.now_us());
    let (members, full_members, held) = app.store.members().counts(id, &today).await?;
    let seats = app.store.members().seats_of(id).await?;
    let name_of = |org: OrgId| {
        // Another branch of the tree is none of theirs.
        let seen = caller.allows(Action::ViewOrg, Resource::Org(org));
        caller.tree.get(org).filter(|_| seen).map(|o| o.name.clone())
    };
    let may_leave = card.parent_id.is_some_and(|parent| {
        card.can_manage && caller.allows(Action::ManageOrg, Resource::Org(parent))
    });
    Ok(Detail {
        path: path(caller, id),
        members,
        full_members,
        has_committee: card.kind.is_branch().then(|| has_committee(full_members, held)),
        seats: seats
            .into_iter()
            .map(|(person_id, name, seat)| SeatView { person_id, name, seat })
            .collect(),
        moves: caller
            .tree
            .edges(id)
            .iter()
            .map(|e| MoveView {
                from_us: e.from_us,
                parent_id: e.parent,
                parent_name: e.parent.and_then(name_of),
            })
            .collect(),
        can: Can {
            manage: card.can_manage,
            r#move: may_leave,
            members: caller.allows(Action::ManageMembers, Resource::Org(id)),
            roles: caller.allows(Action::ManageRoles, Resource::Org(id)),
        },
        card,
    })
}

#[derive(Deserialize)]
pub struct Page {
    /// How many to leave out.
    #[serde(default)]
    skip: usize,
}

#[derive(Serialize)]
pub struct Below {
    total: usize,
    items: Vec<Level>,
}

#[derive(Serialize)]
struct Level {
    #[serde(flatten)]
    card: OrgCard,
    /// 0 for the organisation that was asked for.
    depth: usize,
}

/// It and everything below it, parents before children, some at a time.
pub async fn subtree(
    caller: Caller,
    At(id): At<OrgId>,
    Asked(page): Asked<Page>,
) -> ApiResult<Json<Below>> {
    caller.may(Action::ViewOrg, Resource::Org(id))?;
    let top = caller.tree.depth(id);
    let mut ids = caller.tree.subtree(id);
    // A role that does not reach down sees no further.
    if ids.last().is_some_and(|last| !caller.allows(Action::ViewOrg, Resource::Org(*last))) {
        ids.retain(|org| caller.allows(Action::ViewOrg, Resource::Org(*org)));
    }
    let level = |id: &OrgId| {
        let card = OrgCard::of(&caller, *id)?;
        Some(Level { card, depth: caller.tree.depth(*id) - top })
    };
    let items = ids.iter().skip(page.skip).take(LIMIT).filter_map(level).collect();
    Ok(Json(Below { total: ids.len(), items }))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct OrgForm {
    #[serde(default)]
    parent_id: Option<OrgId>,
    name: String,
    #[serde(default)]
    code: Option<String>,
    kind: OrgKind,
}

struct Checked {
    name: String,
    code: Option<String>,
}

/// A field and what is wrong with it, as one sentence.
pub fn refuse(field: &str, error: fields::FieldError) -> ApiError {
    ApiError::validation(format!("{field}{error}"))
}

fn checked(tree: &OrgTree, form: &OrgForm, own: Option<OrgId>) -> ApiResult<Checked> {
    let name = fields::org_name(&form.name).map_err(|e| refuse("组织名称", e))?;
    let code = form.code.as_deref().map(str::trim).filter(|code| !code.is_empty());
    let code = code.map(fields::code).transpose().map_err(|e| refuse("组织编号", e))?;
    let taken = code.as_deref().and_then(|code| tree.by_code(code));
    if taken.is_some_and(|other| Some(other) != own) {
        return Err(ApiError::new(ErrorCode::Conflict, "组织编号已被其他组织使用，请换一个"));
    }
    Ok(Checked { name, code })
}

/// An entry of the audit trail by the caller.
pub fn entry(
    app: &App,
    caller: &Caller,
    action: &str,
    org: OrgId,
    subject: Option<String>,
    detail: serde_json::Value,
) -> AuditEntry {
    AuditEntry {
        at_us: app.clock.now_us(),
        account: caller.actor.account,
        person: caller.actor.person,
        action: action.to_owned(),
        org,
        subject,
        detail,
    }
}

/// The caller with the tree as it is after a change.
async fn renewed(app: &App, mut caller: Caller) -> ApiResult<Caller> {
    app.orgs.invalidate();
    caller.tree = app.orgs.tree(&app.store).await?;
    Ok(caller)
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(form): Body<OrgForm>,
) -> ApiResult<(StatusCode, Json<Detail>)> {
    match form.parent_id {
        Some(parent) => caller.may(Action::ManageOrg, Resource::Org(parent))?,
        None => caller.may(Action::CreateRoot, Resource::Own)?,
    }
    let fine = checked(&caller.tree, &form, None)?;
    let id: OrgId = new_id();
    let node = Org { id, parent: form.parent_id, kind: form.kind, name: fine.name };
    may_stand(&caller.tree, &node)?;
    let what =
        json!({ "name": node.name, "kind": node.kind, "code": fine.code, "parent": node.parent });
    let by = entry(
        &app,
        &caller,
        "org_create",
        form.parent_id.unwrap_or(id),
        Some(id.to_string()),
        what,
    );
    app.store.orgs().add(&node, fine.code.as_deref(), &by).await?;
    let caller = renewed(&app, caller).await?;
    Ok((StatusCode::CREATED, Json(detail(&app, &caller, id).await?)))
}

/// Whether a new organisation, or one of another kind, fits where it stands.
fn may_stand(tree: &OrgTree, node: &Org) -> ApiResult<()> {
    let Some(above) = node.parent.and_then(|parent| tree.get(parent)) else {
        return match node.parent {
            Some(_) => Err(ApiError::not_found()),
            None if node.kind == OrgKind::Group => {
                Err(ApiError::validation("党小组须设在党支部之下"))
            }
            None => Ok(()),
        };
    };
    if !node.kind.may_stand_under(above.kind) {
        let (below, above) = (node.kind.word(), above.kind.word());
        return Err(ApiError::validation(format!("{below}不能设在{above}之下")));
    }
    if tree.closed_us(above.id).is_some() {
        return Err(ApiError::validation("上级组织已撤销，请选择其他上级组织"));
    }
    if tree.depth(above.id) + tree.height(node.id).max(1) > crate::domain::org::MAX_DEPTH {
        return Err(ApiError::validation("组织层级超过12级，请选择层级更高的上级组织"));
    }
    let kinds = tree.children(node.id).iter().filter_map(|id| tree.get(*id)).map(|o| o.kind);
    if let Some(kind) = kinds.into_iter().find(|kind| !kind.may_stand_under(node.kind)) {
        let (below, above) = (kind.word(), node.kind.word());
        return Err(ApiError::validation(format!(
            "下设的{below}不能设在{above}之下，请先调整下级组织"
        )));
    }
    Ok(())
}

pub async fn edit(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<OrgId>,
    Body(form): Body<OrgForm>,
) -> ApiResult<Json<Detail>> {
    caller.may(Action::ManageOrg, Resource::Org(id))?;
    let old = caller.tree.get(id).ok_or_else(ApiError::not_found)?.clone();
    let fine = checked(&caller.tree, &form, Some(id))?;
    let node = Org { kind: form.kind, name: fine.name, ..old.clone() };
    may_stand(&caller.tree, &node)?;
    let what = json!({
        "old": { "name": old.name, "kind": old.kind, "code": caller.tree.code(id) },
        "new": { "name": node.name, "kind": node.kind, "code": fine.code },
    });
    let by = entry(&app, &caller, "org_edit", id, Some(id.to_string()), what);
    app.store.orgs().edit(&node, fine.code.as_deref(), &by).await?;
    let caller = renewed(&app, caller).await?;
    Ok(Json(detail(&app, &caller, id).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct Move {
    parent_id: OrgId,
    from_us: i64,
}

/// Who takes an organisation away keeps the books of where it stood, and who gets it of where it
/// will stand.
pub async fn move_to(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<OrgId>,
    Body(to): Body<Move>,
) -> ApiResult<Json<Detail>> {
    caller.may(Action::ManageOrg, Resource::Org(id))?;
    let old = caller.tree.get(id).ok_or_else(ApiError::not_found)?;
    match old.parent {
        Some(parent) => caller.may(Action::ManageOrg, Resource::Org(parent))?,
        None => caller.may(Action::CreateRoot, Resource::Own)?,
    }
    caller.may(Action::ManageOrg, Resource::Org(to.parent_id))?;
    if old.parent == Some(to.parent_id) {
        return Err(ApiError::validation("已在这个上级组织之下"));
    }
    let now_us = app.clock.now_us();
    if !(now_us - BACKDATED_US..=now_us + AHEAD_US).contains(&to.from_us) {
        return Err(ApiError::validation("生效时间须在一年之内，或五年之内的将来"));
    }
    let fits = caller.tree.may_move(id, to.parent_id);
    fits.map_err(|error| ApiError::validation(error.to_string()))?;
    let what = json!({ "old_parent": old.parent, "parent": to.parent_id, "from_us": to.from_us });
    let by = entry(&app, &caller, "org_move", id, Some(id.to_string()), what);
    let moved = app.store.orgs().move_to(id, to.parent_id, to.from_us, &by).await;
    moved.map_err(|error| match error {
        StoreError::Conflict(_) => ApiError::new(
            ErrorCode::Conflict,
            "已登记的移动晚于这个生效时间；历史不能改动，请填更晚的时间",
        ),
        other => other.into(),
    })?;
    let caller = renewed(&app, caller).await?;
    Ok(Json(detail(&app, &caller, id).await?))
}

pub async fn close(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<OrgId>,
) -> ApiResult<Json<Detail>> {
    caller.may(Action::ManageOrg, Resource::Org(id))?;
    let node = caller.tree.get(id).ok_or_else(ApiError::not_found)?;
    let by =
        entry(&app, &caller, "org_close", id, Some(id.to_string()), json!({ "name": node.name }));
    app.store.orgs().close(id, &by).await.map_err(|error| match error {
        StoreError::Conflict(_) => ApiError::new(
            ErrorCode::Conflict,
            "还有在册党员或下级组织，不能撤销；请先将他们转出或撤销下级组织",
        ),
        other => other.into(),
    })?;
    let caller = renewed(&app, caller).await?;
    Ok(Json(detail(&app, &caller, id).await?))
}

#[derive(Deserialize)]
pub struct Before {
    #[serde(default)]
    before_us: Option<i64>,
}

#[derive(Serialize)]
pub struct AuditView {
    id: String,
    at_us: i64,
    by: PersonId,
    by_name: String,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    detail: serde_json::Value,
}

/// Who changed what here, newest first.
pub async fn audit(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<OrgId>,
    Asked(page): Asked<Before>,
) -> ApiResult<Json<Items<AuditView>>> {
    caller.may(Action::ManageOrg, Resource::Org(id))?;
    let before_us = page.before_us.unwrap_or(i64::MAX);
    let lines = app.store.audit().of_org(id, before_us, 100).await?;
    let view = lines.into_iter().map(|line| AuditView {
        id: line.id,
        at_us: line.entry.at_us,
        by: line.entry.person,
        by_name: line.by_name,
        action: line.entry.action,
        subject: line.entry.subject,
        detail: line.entry.detail,
    });
    Ok(Json(view.collect::<Vec<_>>().into()))
}
