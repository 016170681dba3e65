//! Who asks: the cookie, and what the policy needs to know of the person behind it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use axum::http::request::Parts;

use super::error::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::policy::{Action, Actor, Resource, SessionFacts, allow};
use crate::auth::{Grant, SignedIn};
use crate::domain::{OrgTree, SessionId, Standing};
use crate::store::{Account, Person, Session, Store, StoreError};

pub const COOKIE_NAME: &str = "yt_session";

/// A signed-in person; extracting it refuses everybody else.
pub struct Caller {
    pub signed_in: SignedIn,
    pub person: Person,
    pub actor: Actor,
    pub tree: Arc<OrgTree>,
}

impl Caller {
    /// # Errors
    /// The refusal of the policy.
    pub fn may(&self, action: Action, resource: Resource<'_>) -> ApiResult<()> {
        Ok(allow(&self.tree, &self.actor, action, resource)?)
    }

    pub fn allows(&self, action: Action, resource: Resource<'_>) -> bool {
        allow(&self.tree, &self.actor, action, resource).is_ok()
    }

    /// The session, and what the policy needs to know of it, if the caller may do this with it.
    ///
    /// # Errors
    /// `not_found`, or the refusal of the policy.
    pub async fn session(
        &self,
        app: &App,
        id: SessionId,
        action: Action,
    ) -> ApiResult<(Session, SessionFacts)> {
        let session = app.store.sessions().get(id).await?.ok_or_else(ApiError::not_found)?;
        let facts = self.facts(app, &session).await?;
        self.may(action, Resource::Session(&facts))?;
        Ok((session, facts))
    }

    /// What the policy needs to know of a session.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn facts(&self, app: &App, session: &Session) -> ApiResult<SessionFacts> {
        let person = self.actor.person;
        let frozen = app.store.sessions().roster(session.id).await?.contains(person);
        let standing = app.store.standings().get(session.id, person).await?;
        let presiding = app.rooms.glance(session.id).and_then(|room| room.presiding);
        Ok(SessionFacts { presiding, ..facts(session, frozen, standing) })
    }

    /// Finds the account's person and roles.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn load(app: &App, signed_in: SignedIn) -> ApiResult<Self> {
        let found = actor_of(&app.store, &signed_in.account).await?;
        let (person, actor) = found.ok_or_else(ApiError::not_signed_in)?;
        Ok(Self { signed_in, person, actor, tree: app.orgs.tree(&app.store).await? })
    }
}

/// The person of an account, if still active, and what the policy needs to know of them.
///
/// # Errors
/// When the store fails.
pub async fn actor_of(
    store: &Store,
    account: &Account,
) -> Result<Option<(Person, Actor)>, StoreError> {
    let person = store.persons().get(account.person_id).await?;
    let Some(person) = person.filter(|p| p.active) else { return Ok(None) };
    let grants = store.roles().of_person(person.id).await?;
    let actor = Actor {
        account: account.id,
        person: person.id,
        grants: grants
            .iter()
            .map(|g| Grant { org: g.org_id, role: g.role, inherits: g.inherits })
            .collect(),
        must_change_password: account.must_change_password,
    };
    Ok(Some((person, actor)))
}

/// `frozen`: on the frozen roster; `standing`: what a correction or the chair made of that.
pub fn facts(session: &Session, frozen: bool, standing: Option<Standing>) -> SessionFacts {
    let on_roster = match standing {
        Some(Standing::Member) => true,
        Some(Standing::Out) => false,
        Some(Standing::Observer) | None => frozen,
    };
    SessionFacts {
        admitted: standing == Some(Standing::Observer),
        org: session.org_id,
        chair: session.chair,
        presiding: None,
        recorder: session.recorder,
        on_roster,
        at_us: session.opened_us,
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> ApiResult<Self> {
        let token = cookie(&parts.headers).ok_or_else(ApiError::not_signed_in)?;
        let found = app.sign_ins.find(token).await?;
        Self::load(app, found.ok_or_else(ApiError::not_signed_in)?).await
    }
}

/// The value of our cookie.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value)
}
