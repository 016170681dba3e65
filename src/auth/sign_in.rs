//! Signing in and out: cookies, idle time, throttling.
//!
//! A cookie holds 256 random bits, the database only their hash. A sign-in ends after twelve
//! hours, or when nothing was asked for half an hour; a live websocket counts as asking and carries
//! the sign-in over the twelve hours ([`SignIns::keep_alive`]), so that nobody is signed out by
//! sitting in a long meeting. When somebody was last heard of is kept in memory: a restart of the
//! server starts the half hour anew. It is counted by a clock that nobody can set, so that a step of
//! the server's clock signs nobody out of a running meeting.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::Notify;

use super::keys::{KeyError, hex, random, token_hash};
use super::password::{self, PasswordError, Passwords, WeakPassword};
use super::throttle::Throttle;
use crate::clock::Clock;
use crate::domain::AccountId;
use crate::store::{Account, Store, StoreError, WebSession};

/// Longest life of a sign-in: 12 hours.
pub const ABSOLUTE_US: i64 = 12 * 3600 * 1_000_000;
/// Without a request for so long a sign-in is over: 30 minutes.
pub const IDLE_US: i64 = 30 * 60 * 1_000_000;
/// Sign-ins whose last request is remembered; beyond that the stalest are forgotten, which only
/// starts their half hour anew.
const MAX_SEEN: usize = 50_000;

#[derive(Debug, Error)]
pub enum SignInError {
    #[error("wrong login or password")]
    Wrong,
    #[error("too many failed attempts")]
    Throttled { wait_us: i64 },
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A sign-in found by its cookie.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub account: Account,
    /// Names the sign-in without being able to act as it.
    pub token_hash: String,
}

/// The account's sign-ins; one for the process.
pub struct SignIns {
    store: Store,
    clock: Clock,
    passwords: Passwords,
    throttle: Mutex<Throttle>,
    /// Monotonic microseconds.
    seen: Mutex<HashMap<String, i64>>,
    /// One listener: whoever watches the live websockets.
    ended: Notify,
}

impl SignIns {
    pub fn new(store: Store, clock: Clock, passwords: Passwords) -> Self {
        Self {
            store,
            clock,
            passwords,
            throttle: Mutex::default(),
            seen: Mutex::default(),
            ended: Notify::new(),
        }
    }

    /// The hash to store of a password that was made for somebody.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] when too many wait already.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.passwords.hash(password).await
    }

    /// Checks login and password; the value for the cookie, and the account.
    ///
    /// # Errors
    /// [`SignInError::Wrong`] does not say whether the login exists, nor does its timing.
    pub async fn sign_in(
        &self,
        login: &str,
        password: String,
        address: IpAddr,
    ) -> Result<(String, Account), SignInError> {
        let login = normal(login);
        let now_us = self.clock.now_us();
        lock(&self.throttle)
            .begin(&login, address, now_us)
            .map_err(|wait_us| SignInError::Throttled { wait_us })?;
        let account = self.store.accounts().by_login(&login).await?;
        let stored = account.as_ref().map(|a| a.password_hash.clone());
        let right = self.passwords.verify(password, stored).await?;
        let Some(account) = account.filter(|_| right) else {
            return Err(SignInError::Wrong);
        };
        lock(&self.throttle).succeeded(&login, address, now_us);
        let token = hex(&random::<32>()?);
        let session = WebSession {
            account_id: account.id,
            created_us: now_us,
            expires_us: now_us + ABSOLUTE_US,
        };
        let hash = token_hash(&token);
        self.store.web_sessions().create(&hash, &session).await?;
        self.note(hash);
        Ok((token, account))
    }

    /// Who the cookie belongs to; `None` when it is unknown, ended or idle for too long.
    ///
    /// # Errors
    /// [`SignInError::Store`]
    pub async fn find(&self, token: &str) -> Result<Option<SignedIn>, SignInError> {
        // Nothing of ours has another form; spares the database junk.
        if token.len() != 64 {
            return Ok(None);
        }
        let token_hash = token_hash(token);
        let mono_us = self.clock.mono_us();
        let idle = lock(&self.seen).get(&token_hash).is_some_and(|at| at + IDLE_US <= mono_us);
        if idle {
            self.end(&token_hash).await?;
            return Ok(None);
        }
        let now_us = self.clock.now_us();
        let Some(session) = self.store.web_sessions().get(&token_hash, now_us).await? else {
            return Ok(None);
        };
        let account = self.store.accounts().get(session.account_id).await?;
        self.note(token_hash.clone());
        Ok(account.map(|account| SignedIn { account, token_hash }))
    }

    /// For the websocket: whether the sign-in behind a join token still stands; counts as asking,
    /// so that it does not go idle while its person sits in a meeting.
    ///
    /// # Errors
    /// [`SignInError::Store`]
    pub async fn touch(&self, token_hash: &str) -> Result<bool, SignInError> {
        let now_us = self.clock.now_us();
        let stands = self.store.web_sessions().get(token_hash, now_us).await?.is_some();
        if stands {
            self.note(token_hash.to_owned());
        }
        Ok(stands)
    }

    /// For the websocket: its person sits in a meeting, so the sign-in is neither idle nor at its
    /// end; half an hour is left to it after the meeting.
    ///
    /// # Errors
    /// [`SignInError::Store`]
    pub async fn keep_alive(&self, token_hash: &str) -> Result<(), SignInError> {
        let now_us = self.clock.now_us();
        self.store.web_sessions().extend(token_hash, now_us + IDLE_US).await?;
        self.note(token_hash.to_owned());
        Ok(())
    }

    /// Waits until this process ends a sign-in (others are found by asking the store).
    pub async fn some_ended(&self) {
        self.ended.notified().await;
    }

    /// Ends one sign-in.
    ///
    /// # Errors
    /// [`SignInError::Store`]
    pub async fn end(&self, token_hash: &str) -> Result<(), SignInError> {
        self.store.web_sessions().revoke(token_hash).await?;
        lock(&self.seen).remove(token_hash);
        self.ended.notify_one();
        Ok(())
    }

    /// Ends all sign-ins of an account.
    ///
    /// # Errors
    /// [`SignInError::Store`]
    pub async fn end_all(&self, account: AccountId) -> Result<(), SignInError> {
        self.store.web_sessions().revoke_all(account).await?;
        self.ended.notify_one();
        Ok(())
    }

    /// Sets a new password and ends all other sign-ins: whoever knew the old one is out.
    ///
    /// # Errors
    /// [`SignInError::Wrong`] for a wrong old password (throttled like a sign-in),
    /// [`SignInError::Weak`] for a new one that breaks a rule.
    pub async fn change_password(
        &self,
        me: &SignedIn,
        old: String,
        new: String,
        address: IpAddr,
    ) -> Result<(), SignInError> {
        password::check(&new, &me.account.login)?;
        if old == new {
            return Err(WeakPassword::Unchanged.into());
        }
        let now_us = self.clock.now_us();
        lock(&self.throttle)
            .begin(&me.account.login, address, now_us)
            .map_err(|wait_us| SignInError::Throttled { wait_us })?;
        if !self.passwords.verify(old, Some(me.account.password_hash.clone())).await? {
            return Err(SignInError::Wrong);
        }
        lock(&self.throttle).succeeded(&me.account.login, address, now_us);
        let hash = self.passwords.hash(new).await?;
        self.store.accounts().set_password(me.account.id, &hash, false).await?;
        self.store.web_sessions().revoke_others(me.account.id, &me.token_hash).await?;
        self.ended.notify_one();
        Ok(())
    }

    /// Asks for the password again before something is signed; throttled like a sign-in.
    ///
    /// # Errors
    /// [`SignInError::Wrong`]
    pub async fn reauthenticate(
        &self,
        me: &SignedIn,
        password: String,
        address: IpAddr,
    ) -> Result<(), SignInError> {
        let now_us = self.clock.now_us();
        lock(&self.throttle)
            .begin(&me.account.login, address, now_us)
            .map_err(|wait_us| SignInError::Throttled { wait_us })?;
        if !self.passwords.verify(password, Some(me.account.password_hash.clone())).await? {
            return Err(SignInError::Wrong);
        }
        lock(&self.throttle).succeeded(&me.account.login, address, now_us);
        Ok(())
    }

    fn note(&self, token_hash: String) {
        let mono_us = self.clock.mono_us();
        let mut seen = lock(&self.seen);
        if seen.len() >= MAX_SEEN && !seen.contains_key(&token_hash) {
            seen.retain(|_, at| *at + IDLE_US > mono_us);
            if seen.len() >= MAX_SEEN {
                seen.clear();
            }
        }
        seen.insert(token_hash, mono_us);
    }
}

/// Logins do not differ by case or by spaces around them.
pub fn normal(login: &str) -> String {
    login.trim().to_lowercase()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
