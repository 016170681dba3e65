//! Whether a join token still lets its holder in when the websocket says `hello`.
//!
//! The token was right when it was signed, up to twelve hours ago. Since then the person may have
//! signed out everywhere, or lost the place or the role that it was signed for: asked again here,
//! by the same policy.

use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;
use signaling::ErrorCode;

use super::App;
use crate::auth::policy::{Action, session_role};
use crate::auth::{JoinClaims, SignedIn};
use crate::domain::{AccountId, SessionId};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::ws::{Admits, Doorkeeper};

pub struct Door(Weak<App>);

impl Door {
    pub fn new(app: &Arc<App>) -> Self {
        Self(Arc::downgrade(app))
    }

    async fn still_welcome(app: &App, claims: &JoinClaims) -> Result<bool, ApiError> {
        if !app.sign_ins.touch(&claims.account_session).await? {
            return Ok(false);
        }
        let account = app.store.accounts().get(AccountId::from(claims.account)).await?;
        let Some(account) = account else { return Ok(false) };
        let signed_in = SignedIn { account, token_hash: claims.account_session.clone() };
        let caller = Caller::load(app, signed_in).await?;
        let session = SessionId::from(claims.session);
        if claims.site.is_some() {
            caller.session(app, session, Action::OpenSite).await?;
            return Ok(true);
        }
        let (_, facts) = caller.session(app, session, Action::JoinSession).await?;
        // The chair may have changed hands since; who was anything but an observer stays in.
        let observer = |role| role == signaling::view::Role::Observer;
        let role = session_role(&caller.tree, &caller.actor, &facts);
        Ok(role.is_some_and(|role| observer(role) == observer(claims.role)))
    }
}

impl Doorkeeper for Door {
    fn admits<'a>(&'a self, claims: &'a JoinClaims) -> BoxFuture<'a, Admits> {
        Box::pin(async move {
            let Some(app) = self.0.upgrade() else { return Admits::No };
            match Self::still_welcome(&app, claims).await {
                Ok(true) => Admits::Yes,
                Err(error) if error.0.code == ErrorCode::StorageUnavailable => Admits::Unknown,
                Ok(false) | Err(_) => Admits::No,
            }
        })
    }
}
