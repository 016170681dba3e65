//! The store as the room's seam.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use signaling::view::{ChatMessage, SessionState};
use tokio::sync::watch;

use super::ballots::BoxedPaper;
use super::clock::Anchor;
use super::ports::{LoadError, Loaded, NotDurable, RecordsPort};
use super::setup::RoomSetup;
use super::state::CHAT_SHOWN;
use crate::archive::Finisher;
use crate::auth::CheckinKey;
use crate::domain::rules::Rules;
use crate::domain::{BallotId, ChatId, OrgKind, OrgRole, PersonId, SessionId, Standing};
use crate::journal::{Envelope, Event, NewEvent};
use crate::store::{BootAnchor, JournalAppender, Session, Store, StoreError, StoredChat};

pub struct Records {
    store: Store,
    appender: JournalAppender,
    finisher: Finisher,
    checkin: CheckinKey,
}

impl Records {
    pub fn new(store: Store, appender: JournalAppender, checkin: CheckinKey) -> Self {
        let finisher = Finisher::new(store.clone(), appender.clone());
        Self { store, appender, finisher, checkin }
    }

    async fn setup(
        &self,
        session: &Session,
        journal: &[Envelope],
    ) -> Result<RoomSetup, StoreError> {
        let org = self.store.orgs().get(session.org_id).await?;
        let grants = self.store.roles().of_org(session.org_id).await?;
        let limit = u32::try_from(CHAT_SHOWN).unwrap_or(u32::MAX);
        let chat = self.store.chat().last(session.id, limit).await?;
        Ok(RoomSetup {
            session: session.id,
            kind: session.kind,
            title: session.title.clone(),
            org_name: session.org_name.clone(),
            hash_algorithm: match session.opened_us {
                Some(_) => self.store.journal().algorithm(session.id).await?,
                None => Default::default(),
            },
            planned_start_us: session.planned_start_us,
            agenda: session.agenda.clone(),
            roster: self.store.sessions().roster(session.id).await?,
            rules: Arc::new(frozen_rules(journal)?),
            org_kind: org.map_or(OrgKind::Branch, |org| org.kind),
            recorder: session.recorder,
            checkin: self.checkin.clone(),
            chair: Some(session.chair),
            secretaries: grants
                .into_iter()
                .filter(|grant| grant.role == OrgRole::Secretary)
                .map(|grant| grant.person_id)
                .collect(),
            chat: chat.into_iter().filter_map(shown).collect(),
        })
    }
}

/// Sessions that were opened before rules were frozen go by the built-in ones.
fn frozen_rules(journal: &[Envelope]) -> Result<Rules, StoreError> {
    let frozen = journal.iter().find_map(|envelope| match &envelope.event {
        Event::RulesFrozen { rules, .. } => Some(rules),
        _ => None,
    });
    let rules = frozen.map_or_else(Rules::built_in, |text| Rules::thaw(text));
    rules.map_err(|_| StoreError::Corrupt("frozen rules"))
}

/// A message whose text was lawfully deleted is not shown any more.
fn shown(message: StoredChat) -> Option<ChatMessage> {
    Some(ChatMessage {
        id: message.id.to_string(),
        participant: message.person_id.to_string(),
        name: message.name,
        text: message.text?,
        at_us: message.at_us,
    })
}

fn stored(message: ChatMessage) -> Option<StoredChat> {
    Some(StoredChat {
        id: message.id.parse::<ChatId>().ok()?,
        person_id: message.participant.parse::<PersonId>().ok()?,
        name: message.name,
        at_us: message.at_us,
        text: Some(message.text),
    })
}

fn not_durable(error: StoreError) -> NotDurable {
    NotDurable(error.to_string())
}

impl RecordsPort for Records {
    fn load(&self, id: SessionId) -> BoxFuture<'_, Result<Loaded, LoadError>> {
        async move {
            let unavailable = |error: StoreError| LoadError::Unavailable(error.to_string());
            let session = self.store.sessions().get(id).await.map_err(unavailable)?;
            let session = session.ok_or(LoadError::NotFound)?;
            match session.state {
                SessionState::Opened | SessionState::DeclaredOpen => {}
                SessionState::Planned => return Err(LoadError::NotOpen),
                SessionState::DeclaredClosed | SessionState::Archived | SessionState::Cancelled => {
                    return Err(LoadError::Ended);
                }
            }
            let anchor = session
                .boot
                .as_ref()
                .map(|boot| Anchor { boot_id: boot.boot_id.clone(), origin_us: boot.boot_mono_us });
            let journal = self.store.journal().read_all(id).await.map_err(unavailable)?;
            let setup = self.setup(&session, &journal).await.map_err(unavailable)?;
            Ok(Loaded { setup, journal, anchor })
        }
        .boxed()
    }

    fn append(
        &self,
        session: SessionId,
        chat: Vec<ChatMessage>,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Result<(), NotDurable>> {
        async move {
            let chat = chat.into_iter().map(stored).collect::<Option<Vec<_>>>();
            let chat = chat.ok_or_else(|| NotDurable("chat message without ids".into()))?;
            let appended = self.appender.append_with_chat(session, chat, events).await;
            appended.map(drop).map_err(not_durable)
        }
        .boxed()
    }

    fn away(&self) -> watch::Receiver<bool> {
        self.appender.away()
    }

    fn store_state(
        &self,
        session: SessionId,
        state: SessionState,
        at_us: i64,
    ) -> BoxFuture<'_, Result<(), NotDurable>> {
        async move { self.appender.store_state(session, state, at_us).await.map_err(not_durable) }
            .boxed()
    }

    fn store_standing(
        &self,
        session: SessionId,
        person: PersonId,
        standing: Standing,
    ) -> BoxFuture<'_, Result<(), NotDurable>> {
        async move {
            let standings = self.store.standings();
            standings.set(session, person, standing).await.map_err(not_durable)
        }
        .boxed()
    }

    fn store_anchor(
        &self,
        session: SessionId,
        anchor: Anchor,
    ) -> BoxFuture<'_, Result<(), NotDurable>> {
        async move {
            let boot = BootAnchor { boot_id: anchor.boot_id, boot_mono_us: anchor.origin_us };
            self.store.sessions().set_boot(session, &boot).await.map_err(not_durable)
        }
        .boxed()
    }

    fn count_papers(
        &self,
        session: SessionId,
        ballot: BallotId,
    ) -> BoxFuture<'_, Result<Vec<BoxedPaper>, NotDurable>> {
        async move { self.store.ballots().close(session, ballot).await.map_err(not_durable) }
            .boxed()
    }

    fn finish(
        &self,
        session: SessionId,
        at_us: i64,
        mono_us: i64,
    ) -> BoxFuture<'_, Result<(), NotDurable>> {
        async move { self.finisher.finish(session, at_us, mono_us).await.map_err(not_durable) }
            .boxed()
    }
}
