//! `/api/orgs/{id}/members`, `/api/members/{id}`: the members of an organisation, their seats and
//! their accounts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use signaling::ErrorCode;
use signaling::view::MemberClass;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::{Asked, At, Body};
use super::orgs::{entry, refuse};
use crate::app::App;
use crate::auth::password;
use crate::auth::policy::{Action, Resource};
use crate::auth::sign_in::normal;
use crate::domain::{OrgId, OrgKind, OrgTree, PersonId, Post, Seat, fields};
use crate::store::{Account, Member, MemberFilter, StoreError, new_id};

/// Members of one page.
const LIMIT: u32 = 50;

#[derive(Deserialize)]
pub struct Of {
    /// Start of a name or of a number.
    #[serde(default)]
    q: String,
    /// Of the organisations below it too.
    #[serde(default)]
    below: bool,
    /// Those who left too.
    #[serde(default)]
    inactive: bool,
    /// `next` of the page before.
    #[serde(default)]
    after: Option<String>,
}

#[derive(Serialize)]
pub struct MemberView {
    id: PersonId,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    name: String,
    org_id: OrgId,
    org_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<OrgId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<MemberClass>,
    /// Only for who keeps the books of the organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    seat: Option<Seat>,
    can_edit: bool,
}

impl MemberView {
    fn of(caller: &Caller, m: Member) -> Self {
        let name_of = |org: OrgId| caller.tree.get(org).map(|o| o.name.clone());
        let can_edit = caller.allows(Action::ManageMembers, Resource::Org(m.org_id));
        Self {
            id: m.id,
            code: m.code,
            name: m.name,
            org_id: m.org_id,
            org_name: name_of(m.org_id).unwrap_or_default(),
            group_id: m.group_id,
            group_name: m.group_id.and_then(name_of),
            class: m.class,
            phone: m.phone.filter(|_| can_edit),
            active: m.active,
            seat: m.seat,
            can_edit,
        }
    }
}

#[derive(Serialize)]
pub struct MemberItems {
    items: Vec<MemberView>,
    /// Give it as `after` for the next page; absent: that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
    Asked(of): Asked<Of>,
) -> ApiResult<Json<MemberItems>> {
    caller.may(Action::ViewMembers, Resource::Org(org))?;
    let prefix = of.q.trim().to_owned();
    let asked = [Some(prefix.as_str()), of.after.as_deref()].into_iter().flatten();
    if prefix.chars().count() > fields::MAX_PERSON_NAME
        || asked.flat_map(str::chars).any(char::is_control)
    {
        return Err(ApiError::validation("请输入姓名或编号的开头，50字以内"));
    }
    let after = of
        .after
        .as_deref()
        .map(|after| after.rsplit_once('|').map(|(name, id)| (name.to_owned(), id.to_owned())));
    if after == Some(None) {
        return Err(ApiError::validation("翻页参数不正确，请刷新页面"));
    }
    let filter =
        MemberFilter { prefix, inactive: of.inactive, after: after.flatten(), limit: LIMIT };
    let members = app.store.members();
    let page = match of.below {
        true => members.of_subtree(&caller.tree, org, &filter).await?,
        false => members.of_org(org, &filter).await?,
    };
    // A role that does not reach down sees no further.
    let seen = |m: &Member| caller.allows(Action::ViewMembers, Resource::Org(m.org_id));
    let items = page.items.into_iter().filter(seen).map(|m| MemberView::of(&caller, m)).collect();
    Ok(Json(MemberItems { items, next: page.next.map(|(name, id)| format!("{name}|{id}")) }))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct MemberForm {
    name: String,
    #[serde(default)]
    code: Option<String>,
    /// Another branch: 转移组织关系.
    #[serde(default)]
    org_id: Option<OrgId>,
    #[serde(default)]
    group_id: Option<OrgId>,
    #[schema(value_type = Option<String>)]
    class: Option<MemberClass>,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    seat: Option<Seat>,
    #[serde(default = "yes")]
    active: bool,
}

const fn yes() -> bool {
    true
}

fn checked(tree: &OrgTree, form: MemberForm, id: PersonId, org_id: OrgId) -> ApiResult<Member> {
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let name = fields::person_name(&form.name).map_err(|e| refuse("姓名", e))?;
    let code = filled(form.code).map(|code| fields::code(&code)).transpose();
    let phone = filled(form.phone).map(|phone| fields::phone(&phone)).transpose();
    let org = tree.get(org_id).ok_or_else(ApiError::not_found)?;
    if form.class.is_some() && !org.kind.is_branch() {
        return Err(ApiError::validation("党员须编入一个党支部"));
    }
    if form.active && tree.closed_us(org_id).is_some() {
        return Err(ApiError::validation("该组织已撤销，不能编入党员"));
    }
    let group = form.group_id.map(|group| tree.get(group).ok_or_else(ApiError::not_found));
    if let Some(group) = group.transpose()?
        && (group.kind != OrgKind::Group || group.parent != Some(org_id))
    {
        return Err(ApiError::validation("党小组须属于党员所在的党支部"));
    }
    Ok(Member {
        id,
        code: code.map_err(|e| refuse("党员编号", e))?,
        name,
        org_id,
        group_id: form.group_id,
        class: form.class,
        phone: phone.map_err(|e| refuse("手机号", e))?,
        active: form.active,
        seat: form.seat.map(term).transpose()?,
    })
}

fn term(mut seat: Seat) -> ApiResult<Seat> {
    for day in [&mut seat.from_on, &mut seat.until_on] {
        let filled = day.take().filter(|text| !text.trim().is_empty());
        *day = filled.map(|text| fields::day(&text)).transpose().map_err(|e| refuse("任期", e))?;
    }
    if let (Some(from), Some(until)) = (&seat.from_on, &seat.until_on)
        && until < from
    {
        return Err(ApiError::validation("任期的结束日期早于开始日期"));
    }
    Ok(seat)
}

/// What the audit trail keeps of a member; whether the phone number changed, never the number.
fn shown(m: &Member) -> serde_json::Value {
    json!({
        "name": m.name, "code": m.code, "org": m.org_id, "group": m.group_id, "class": m.class,
        "active": m.active, "seat": m.seat,
    })
}

fn taken(error: StoreError) -> ApiError {
    match error {
        StoreError::Conflict(_) => {
            ApiError::new(ErrorCode::Conflict, "党员编号已被他人使用，请核对后换一个")
        }
        other => other.into(),
    }
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
    Body(form): Body<MemberForm>,
) -> ApiResult<(StatusCode, Json<MemberView>)> {
    caller.may(Action::ManageMembers, Resource::Org(org))?;
    let member = checked(&caller.tree, form, new_id(), org)?;
    let by =
        entry(&app, &caller, "member_create", org, Some(member.id.to_string()), shown(&member));
    app.store.members().put(&member, &by).await.map_err(taken)?;
    Ok((StatusCode::CREATED, Json(MemberView::of(&caller, member))))
}

/// The person and the right to keep their books.
async fn kept(app: &App, caller: &Caller, id: PersonId) -> ApiResult<Member> {
    let old = app.store.members().get(id).await?;
    match old {
        Some(old) => {
            caller.may(Action::ManageMembers, Resource::Org(old.org_id))?;
            Ok(old)
        }
        // Whether somebody elsewhere exists is nobody's business here: without any right at all it
        // is refused, with one it is not found.
        None => Err(ApiError::not_found()),
    }
}

pub async fn edit(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<PersonId>,
    Body(form): Body<MemberForm>,
) -> ApiResult<Json<MemberView>> {
    let old = kept(&app, &caller, id).await?;
    let org = form.org_id.unwrap_or(old.org_id);
    if org != old.org_id {
        // 转出 and 转入: both branches' books.
        caller.may(Action::ManageMembers, Resource::Org(org))?;
    }
    let member = checked(&caller.tree, form, id, org)?;
    let what = json!({
        "old": shown(&old), "new": shown(&member), "phone_changed": old.phone != member.phone,
    });
    let by = entry(&app, &caller, "member_edit", old.org_id, Some(id.to_string()), what);
    app.store.members().put(&member, &by).await.map_err(taken)?;
    if old.active
        && !member.active
        && let Some(account) = app.store.accounts().by_person(id).await?
    {
        app.sign_ins.end_all(account.id).await?;
    }
    Ok(Json(MemberView::of(&caller, member)))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct SeatForm {
    person_id: PersonId,
    /// None: no seat any more.
    #[serde(default)]
    post: Option<Post>,
    #[serde(default)]
    from_on: Option<String>,
    #[serde(default)]
    until_on: Option<String>,
}

/// A seat in the committee or leading body of this organisation, for somebody who may belong to
/// another one below it.
pub async fn seat(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
    Body(form): Body<SeatForm>,
) -> ApiResult<StatusCode> {
    caller.may(Action::ManageMembers, Resource::Org(org))?;
    let node = caller.tree.get(org).ok_or_else(ApiError::not_found)?;
    let person = app.store.members().get(form.person_id).await?;
    let person = person.filter(|m| caller.tree.is_ancestor_or_self(org, m.org_id));
    let person = person.ok_or_else(ApiError::not_found)?;
    if node.kind == OrgKind::Group {
        return Err(ApiError::validation("党小组没有委员会"));
    }
    if node.kind.is_branch() && person.org_id != org {
        return Err(ApiError::validation("支委会委员须是本支部党员"));
    }
    let seat = form.post.map(|post| {
        term(Seat { post, from_on: form.from_on.clone(), until_on: form.until_on.clone() })
    });
    let seat = seat.transpose()?;
    let what = json!({ "seat": seat });
    let by = entry(&app, &caller, "seat", org, Some(person.id.to_string()), what);
    app.store.members().seat(person.id, org, seat.as_ref(), &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct AccountForm {
    login: String,
}

#[derive(Serialize)]
pub struct NewAccount {
    login: String,
    /// Shown this once; must be changed at the first sign-in.
    password: String,
}

/// How a member signs in.
pub async fn account(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<PersonId>,
    Body(form): Body<AccountForm>,
) -> ApiResult<(StatusCode, Json<NewAccount>)> {
    let member = kept(&app, &caller, id).await?;
    let login = normal(&form.login);
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if login.is_empty() || login.chars().any(odd) || login.chars().count() > 64 {
        return Err(ApiError::validation("登录名须为1至64个字符，不含空格"));
    }
    if !member.active {
        return Err(ApiError::validation("已转出的人员不能建立账号"));
    }
    let accounts = app.store.accounts();
    if accounts.by_person(id).await?.is_some() {
        return Err(ApiError::new(ErrorCode::Conflict, "此人已有账号"));
    }
    if accounts.by_login(&login).await?.is_some() {
        return Err(ApiError::new(ErrorCode::Conflict, "登录名已被使用，请换一个"));
    }
    let password = password::generate().map_err(ApiError::internal)?;
    let account = Account {
        id: new_id(),
        person_id: id,
        login: login.clone(),
        password_hash: app.sign_ins.hash(password.clone()).await?,
        must_change_password: true,
        large_type: false,
    };
    let what = json!({ "account": account.id });
    let by = entry(&app, &caller, "account_create", member.org_id, Some(id.to_string()), what);
    accounts.create_on_record(&account, &by).await?;
    Ok((StatusCode::CREATED, Json(NewAccount { login, password })))
}
