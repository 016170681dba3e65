//! Whether a join token still lets its holder in when the websocket says `hello`.
//!
//! The token was right when it was signed, up to twelve hours ago. Since then the person may have
//! signed out everywhere, or lost the place or the role that it was signed for: asked again here,
//! by the same policy.

use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;

use super::App;
use crate::auth::policy::{Action, session_role};
use crate::auth::{JoinClaims, SignedIn};
use crate::domain::{AccountId, SessionId};
use crate::http::caller::Caller;
use crate::ws::Doorkeeper;

pub struct Door(Weak<App>);

impl Door {
    pub fn new(app: &Arc<App>) -> Self {
        Self(Arc::downgrade(app))
    }

    async fn still_welcome(app: &App, claims: &JoinClaims) -> Option<bool> {
        if !app.sign_ins.touch(&claims.account_session).await.ok()? {
            return Some(false);
        }
        let account = app.store.accounts().get(AccountId::from(claims.account)).await.ok()??;
        let signed_in = SignedIn { account, token_hash: claims.account_session.clone() };
        let caller = Caller::load(app, signed_in).await.ok()?;
        let session = SessionId::from(claims.session);
        let (_, facts) = caller.session(app, session, Action::JoinSession).await.ok()?;
        // The chair may have changed hands since; who was anything but an observer stays in.
        let role = session_role(&caller.tree, &caller.actor, &facts)?;
        let observer = |role| role == signaling::view::Role::Observer;
        Some(observer(role) == observer(claims.role))
    }
}

impl Doorkeeper for Door {
    fn admits<'a>(&'a self, claims: &'a JoinClaims) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(app) = self.0.upgrade() else { return false };
            Self::still_welcome(&app, claims).await.unwrap_or(false)
        })
    }
}
