//! `/api/rules…`: the calculator for recorders, and the rules of organisations.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signaling::ErrorCode;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::{At, Body};
use crate::app::App;
use crate::auth::policy::{Action, Resource};
use crate::domain::OrgId;
use crate::domain::ballot::method_of;
use crate::domain::rules::{Case, Threshold, decide};

/// Longest rules of an organisation, in bytes.
const MAX_RULES: usize = 32 * 1024;

#[derive(Serialize)]
pub struct KindOfRules {
    kind: &'static str,
    words: String,
    basis: String,
    quorum: Option<String>,
    pass: Option<String>,
    elect: Option<String>,
    methods: Vec<signaling::ballot::BallotMethod>,
    default_method: Option<signaling::ballot::BallotMethod>,
    grades: Vec<String>,
    outcomes: Vec<String>,
    one_by_one: bool,
    written_opinions: bool,
}

#[derive(Serialize)]
pub struct RulesOfMine {
    version: u32,
    kinds: Vec<KindOfRules>,
}

/// `GET /api/rules`: the rules of the caller's organisation, for the calculator's form.
pub async fn mine(State(app): State<Arc<App>>, caller: Caller) -> ApiResult<Json<RulesOfMine>> {
    caller.may(Action::Calculate, Resource::Own)?;
    let frozen = app.rules.of_org(&app.store, caller.person.org_id).await?;
    let rules = &frozen.rules;
    let words = |threshold: Option<Threshold>| threshold.map(|threshold| threshold.words());
    let kinds = crate::domain::MeetingKind::ALL.iter().filter_map(|kind| {
        let of = rules.of(*kind)?;
        let ballot = of.ballot.as_ref();
        Some(KindOfRules {
            kind: kind.id(),
            words: of.zh.clone(),
            basis: rules.basis(of),
            quorum: words(of.quorum),
            pass: words(of.pass),
            elect: words(of.elect),
            methods: ballot
                .map(|b| b.allowed.iter().copied().map(method_of).collect())
                .unwrap_or_default(),
            default_method: ballot.map(|b| method_of(b.default)),
            grades: of.grades.clone(),
            outcomes: of.outcomes.clone(),
            one_by_one: of.one_by_one,
            written_opinions: of.pass.is_some_and(|pass| pass.written_opinions),
        })
    });
    Ok(Json(RulesOfMine { version: rules.version, kinds: kinds.collect() }))
}

/// `POST /api/rules/decide`: a case as in docs/RULES.md by the caller's organisation's rules.
pub async fn calculate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(case): Body<Value>,
) -> ApiResult<Json<Value>> {
    caller.may(Action::Calculate, Resource::Own)?;
    let case: Case = serde_json::from_value(case)
        .map_err(|error| ApiError::validation(format!("填写的内容有误：{error}")))?;
    let frozen = app.rules.of_org(&app.store, caller.person.org_id).await?;
    let answer = match decide(&frozen.rules, &case) {
        Ok(decision) => serde_json::to_value(&decision).map_err(ApiError::internal)?,
        Err(refusal) => json!({ "refused": &refusal, "words": refusal.to_string() }),
    };
    Ok(Json(answer))
}

#[derive(Serialize)]
pub struct OrgRulesView {
    /// YAML; none: only what is inherited.
    own: Option<String>,
    /// Superiors whose rules are laid over the built-in ones, the highest first.
    above: Vec<String>,
    /// Everything as it holds here.
    effective: Value,
    may_change: bool,
}

/// `GET /api/orgs/{id}/rules`
pub async fn of_org(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
) -> ApiResult<Json<OrgRulesView>> {
    caller.may(Action::ReadRules, Resource::Org(org))?;
    view(&app, &caller, org).await
}

async fn view(app: &App, caller: &Caller, org: OrgId) -> ApiResult<Json<OrgRulesView>> {
    if caller.tree.get(org).is_none() {
        return Err(ApiError::not_found());
    }
    let chain = app.store.org_rules().chain(org).await?;
    let frozen = app.rules.of_org(&app.store, org).await?;
    let own = chain.iter().find(|rules| rules.org == org).map(|rules| rules.body.clone());
    let above = chain.into_iter().filter(|rules| rules.org != org).map(|rules| rules.org_name);
    Ok(Json(OrgRulesView {
        own,
        above: above.collect(),
        effective: frozen.whole,
        may_change: caller.allows(Action::SetRules, Resource::Org(org)),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRules {
    /// YAML as in docs/RULES.md; empty: nothing of one's own.
    text: String,
}

/// `PUT /api/orgs/{id}/rules`: looked through as a whole before it is kept. Sessions that are open
/// keep the rules they were opened with.
pub async fn set(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
    Body(new): Body<NewRules>,
) -> ApiResult<Json<OrgRulesView>> {
    caller.may(Action::SetRules, Resource::Org(org))?;
    if new.text.len() > MAX_RULES {
        return Err(ApiError::new(ErrorCode::TooLarge, "规则不能超过32KB"));
    }
    let looked = app.rules.with_own(&app.store, org, &new.text).await;
    looked.map_err(|error| match error {
        crate::app::rules::RulesOfOrgError::Wrong(wrong) => ApiError::validation(wrong.to_string()),
        crate::app::rules::RulesOfOrgError::Store(error) => error.into(),
    })?;
    let at_us = app.clock.now_us();
    app.store.org_rules().put(org, &new.text, caller.person.id, at_us).await?;
    view(&app, &caller, org).await
}
