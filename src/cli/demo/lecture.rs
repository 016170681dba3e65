//! The demo's lecture: open, so that an encoder can publish into it and a player show it at once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{DAY_US, DemoSession, Failure, START_HOUR_UTC_US, account_id, fixed, person_id, table};
use crate::app::opening::Books;
use crate::app::{hash_algorithm, installation_id};
use crate::auth::{InstallationKey, StreamClaims, StreamKind, StreamTokens};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{AgendaItem, MeetingKind, OrgId, Policy, Roster, SessionId, SessionState};
use crate::room::clock::MachineClock;
use crate::store::{JournalAppender, NewSession, Session, Store};

/// The lecture waits for its planned start; its tokens are good a day longer.
const DAYS: i64 = 14;
/// A token with less than this left is replaced.
const LEFT_US: i64 = DAY_US;

/// Where an encoder or a player goes, and with what.
#[derive(Clone, Serialize, Deserialize)]
pub struct DemoStream {
    pub url: String,
    pub token: String,
}

impl std::fmt::Debug for DemoStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DemoStream").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The lecture that is open; a new one when the last was closed.
pub async fn ensure(
    store: &Store,
    config: &Config,
    clock: &Clock,
    base_url: &str,
) -> Result<DemoSession, Failure> {
    let mut session = None;
    // The first session of the demo is its assembly.
    for n in 2.. {
        let id: SessionId = fixed(4, n);
        let found = match store.sessions().get(id).await? {
            Some(found) => found,
            None => create(store, clock, id).await?,
        };
        if matches!(
            found.state,
            SessionState::Planned | SessionState::Opened | SessionState::DeclaredOpen
        ) {
            session = Some(found);
            break;
        }
    }
    let session = session.ok_or_else(|| Failure::new("演示党课未能建立"))?;
    if session.state == SessionState::Planned {
        open(store, config, clock, &session).await?;
    }
    Ok(DemoSession {
        key: "lecture".into(),
        id: session.id,
        kind: session.kind.id().into(),
        title: session.title,
        join_url: format!("{base_url}/s/{}", session.id),
    })
}

async fn create(store: &Store, clock: &Clock, id: SessionId) -> Result<Session, Failure> {
    let now_us = clock.now_us();
    let org: OrgId = super::org_id(table::BRANCH);
    let lecture = NewSession {
        id,
        org_id: org,
        kind: MeetingKind::PartyLecture,
        title: table::LECTURE.into(),
        planned_start_us: (now_us / DAY_US + DAYS) * DAY_US + START_HOUR_UTC_US,
        duration_min: 60,
        agenda: vec![AgendaItem { title: table::LECTURE.into() }],
        chair: person_id(table::index_of("secretary")),
        recorder: Some(person_id(table::index_of("recorder"))),
        policy: Policy::default(),
        roster: Roster(store.persons().roster_of(org).await?),
        created_us: now_us,
    };
    store.sessions().create(&lecture).await?;
    store.sessions().get(id).await?.ok_or_else(|| Failure::new("演示党课未能建立"))
}

async fn open(
    store: &Store,
    config: &Config,
    clock: &Clock,
    session: &Session,
) -> Result<(), Failure> {
    let installation = Arc::new(InstallationKey::load_or_create(&config.data.keys())?);
    let (appender, writer) = JournalAppender::spawn(store.clone(), installation.clone());
    let books = Books {
        store,
        appender: &appender,
        machine: &MachineClock::system(clock.clone()),
        installation: &installation,
        installation_id: &installation_id(store).await?,
        hash_algorithm: hash_algorithm(store).await?,
    };
    let rules = crate::domain::rules::Rules::freeze(&[])
        .map_err(|error| Failure::new(error.to_string()))?;
    let opened = books.open(session, &rules, session.chair).await;
    // The writer ends with the last handle to its queue.
    drop(appender);
    writer.await.map_err(|_| Failure::new("会议日志未能写入"))?;
    Ok(opened?)
}

/// An encoder's or a player's way into the lecture; `kept` stays as long as it is good.
pub fn stream(
    config: &Config,
    clock: &Clock,
    http_url: &str,
    lecture: SessionId,
    kind: StreamKind,
    kept: Option<&DemoStream>,
) -> Result<DemoStream, Failure> {
    let tokens = StreamTokens::load_or_create(&config.data.keys())?;
    let now_us = clock.now_us();
    let url = format!("{http_url}/{}/{lecture}", kind.id());
    let good = |old: &&DemoStream| {
        tokens.verify(&old.token, now_us + LEFT_US).is_ok_and(|verified| {
            verified.claims.session == *lecture.as_uuid() && verified.claims.kind == kind
        })
    };
    if let Some(old) = kept.filter(good) {
        return Ok(DemoStream { url, token: old.token.clone() });
    }
    let (n, name) = match kind {
        StreamKind::Whip => (1, "讲台摄像机"),
        StreamKind::Whep => (2, "大厅显示屏"),
    };
    let claims = StreamClaims {
        holder: fixed::<uuid::Uuid>(5, n),
        session: *lecture.as_uuid(),
        kind,
        name: name.into(),
        issuer: *account_id(table::index_of("secretary")).as_uuid(),
        recorded: true,
    };
    Ok(DemoStream { url, token: tokens.sign(&claims, now_us, (DAYS + 1) * DAY_US / 1_000_000) })
}
