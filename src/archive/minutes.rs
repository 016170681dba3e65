//! The minutes' desk: drafts them from the journal, stores versions, and writes each step of their
//! life into the journal; seals, signs the head, and enters the day's chain.
//!
//! Who may take a step was asked before ([`crate::auth::policy`]); whether it may be taken now is
//! asked here, of [`Life::check`], with one caller a session at a time.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::auth::InstallationKey;
use crate::domain::minutes::{
    Edit, EditError, Life, Minutes, Refusal, State, Step, template, time,
};
use crate::domain::{OrgId, OrgTree, PersonId, SessionId};
use crate::journal::daily::{ChainHeader, DAILY_FORMAT, Entry, SealedSession};
use crate::journal::minutes::{Plan, facts, fold_life, last_chair};
use crate::journal::{
    Actor, Digest, Envelope, Event, HashAlgorithm, Header, NewEvent, SignPurpose, canonical,
    public_key_hex,
};
use crate::store::{JournalAppender, NewVersion, Session, Store, StoreError};

/// Objection days where no organisation set others (`domain.md` §2.6).
pub const OBJECTION_DAYS: u32 = 3;
const DAY_US: i64 = 24 * 3600 * 1_000_000;
/// Sessions are spread over so many locks: two of them may wait for each other, and no more.
const LOCKS: usize = 64;
/// Sealed in one round of the clerk.
pub const ROUND: u32 = 200;

#[derive(Debug, Error)]
pub enum MinutesError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The meeting is not over.
    #[error("散会后才有会议记录")]
    NotOver,
    /// Somebody else saved another version since it was read.
    #[error("会议记录已被他人修改，请刷新页面，核对后再保存")]
    OtherBase,
    #[error("没有这一节")]
    NoSuchSection,
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Result<T> = std::result::Result<T, MinutesError>;

/// The minutes of one session as they stand.
#[derive(Debug, Clone)]
pub struct Opened {
    pub session: Session,
    pub header: Header,
    pub events: Vec<Envelope>,
    pub life: Life,
    /// Who presided last, and so confirms.
    pub chair: PersonId,
    /// As they would be drafted now.
    pub draft: Minutes,
    /// The last saved version, or the draft.
    pub minutes: Minutes,
    /// Of `minutes`.
    pub digest: Digest,
}

/// The seal of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    pub at_us: i64,
    /// Of the event `sealed`: the session's last hash.
    pub seq: u64,
    pub hash: Digest,
}

impl Opened {
    /// Set once the minutes are sealed.
    pub fn seal(&self) -> Option<Seal> {
        let sealed = self.events.iter().find(|e| matches!(e.event, Event::Sealed))?;
        Some(Seal { at_us: sealed.at_us, seq: sealed.seq, hash: sealed.hash })
    }

    /// What a section says after all corrections.
    pub fn corrected(&self, key: &str) -> Option<String> {
        let corrections = self.life.corrections.iter().rev();
        let last = corrections.filter(|c| c.section == key).map(|c| c.new.clone()).next();
        last.or_else(|| self.minutes.section(key).map(|s| s.body.clone()))
    }
}

/// The canonical text of minutes, and its hash.
///
/// # Errors
/// Never for minutes that [`Minutes::edited`] let through.
pub fn digest_of(
    minutes: &Minutes,
    algorithm: HashAlgorithm,
) -> std::result::Result<(String, Digest), StoreError> {
    let text = canonical::of(minutes).map_err(|e| StoreError::Invalid(e.to_string()))?;
    let digest = algorithm.of(text.as_bytes());
    Ok((text, digest))
}

pub struct MinutesDesk {
    store: Store,
    appender: JournalAppender,
    signer: Arc<InstallationKey>,
    installation_id: String,
    hash_algorithm: HashAlgorithm,
    locks: Vec<Mutex<()>>,
    /// One entry of a daily chain at a time.
    chain: Mutex<()>,
}

impl MinutesDesk {
    /// `hash_algorithm` binds daily chains that begin from now on.
    pub fn new(
        store: Store,
        appender: JournalAppender,
        signer: Arc<InstallationKey>,
        installation_id: String,
        hash_algorithm: HashAlgorithm,
    ) -> Self {
        let locks = (0..LOCKS).map(|_| Mutex::new(())).collect();
        let chain = Mutex::new(());
        Self { store, appender, signer, installation_id, hash_algorithm, locks, chain }
    }

    async fn lock(&self, id: SessionId) -> MutexGuard<'_, ()> {
        let bytes = id.as_uuid().as_bytes();
        self.locks[usize::from(bytes[15]) % LOCKS].lock().await
    }

    /// # Errors
    /// [`MinutesError::NotOver`], [`StoreError::NotFound`], or when the store fails.
    pub async fn open(&self, id: SessionId) -> Result<Opened> {
        let session = self.store.sessions().get(id).await?;
        let session = session.ok_or(StoreError::NotFound("session"))?;
        if !crate::domain::minutes::are_due(session.state) || session.opened_us.is_none() {
            return Err(MinutesError::NotOver);
        }
        let header = self.store.journal().header(id).await?;
        let events = self.store.journal().read_all(id).await?;
        let life = fold_life(&events);
        let recorder = match session.recorder {
            Some(person) => self.store.persons().get(person).await?.map(|p| p.name),
            None => None,
        };
        let plan = Plan { agenda: session.agenda.clone(), recorder };
        let draft = template::draft(&facts(&header, &events, &plan));
        let minutes = match life.version() {
            Some(version) => self.store.minutes().version(id, &version.id).await?,
            None => draft.clone(),
        };
        let (_, digest) = digest_of(&minutes, header.hash_algorithm)?;
        if life.version().is_some_and(|v| v.digest != digest.to_string()) {
            return Err(StoreError::Corrupt("minutes").into());
        }
        let chair = last_chair(&events).unwrap_or(session.chair);
        Ok(Opened { session, header, events, life, chair, draft, minutes, digest })
    }

    /// Stores an edited version. `base` is the version it was made from (`None`: the draft).
    ///
    /// # Errors
    /// [`MinutesError`]
    pub async fn save(
        &self,
        id: SessionId,
        by: PersonId,
        base: Option<&str>,
        edits: &[Edit],
        now_us: i64,
    ) -> Result<Opened> {
        let _lock = self.lock(id).await;
        let opened = self.open(id).await?;
        if opened.life.version().map(|v| v.id.as_str()) != base {
            return Err(MinutesError::OtherBase);
        }
        // The draft itself is the first version: what people change is told apart from it.
        let minutes = opened.minutes.refreshed(&opened.draft).edited(edits)?;
        let mut events = Vec::new();
        if opened.life.version().is_none() {
            let saved = self.store_version(&opened, &opened.draft, Actor::System, now_us).await?;
            events.push((Actor::System, saved));
        }
        if minutes != opened.minutes {
            events
                .push((by.into(), self.store_version(&opened, &minutes, by.into(), now_us).await?));
        }
        self.write(&opened, events, now_us).await
    }

    /// 提交: the recorder's signature over the version with this digest.
    ///
    /// # Errors
    /// [`MinutesError`]
    pub async fn submit(
        &self,
        id: SessionId,
        by: PersonId,
        digest: Digest,
        name: &str,
        now_us: i64,
    ) -> Result<Opened> {
        let _lock = self.lock(id).await;
        let opened = self.open(id).await?;
        let mut events = Vec::new();
        if opened.life.version().is_none() {
            if opened.digest != digest {
                return Err(Refusal::OtherVersion.into());
            }
            let saved = self.store_version(&opened, &opened.draft, Actor::System, now_us).await?;
            events.push((Actor::System, saved));
        }
        events.push((by.into(), Event::MinutesSubmitted { digest, name: name.into() }));
        self.write(&opened, events, now_us).await
    }

    /// 确认: the chair's signature; objection days begin.
    ///
    /// # Errors
    /// [`MinutesError`]
    pub async fn confirm(
        &self,
        id: SessionId,
        by: PersonId,
        digest: Digest,
        name: &str,
        objection_days: u32,
        now_us: i64,
    ) -> Result<Opened> {
        let objections_until_us = now_us + i64::from(objection_days) * DAY_US;
        let event = Event::MinutesConfirmed { digest, name: name.into(), objections_until_us };
        self.step(id, by, event, now_us).await
    }

    /// 退回, by the chair or a superior.
    ///
    /// # Errors
    /// [`MinutesError`]
    pub async fn give_back(
        &self,
        id: SessionId,
        by: PersonId,
        reason: &str,
        superior: bool,
        now_us: i64,
    ) -> Result<Opened> {
        self.step(id, by, Event::MinutesReturned { reason: reason.into(), superior }, now_us).await
    }

    /// 异议
    ///
    /// # Errors
    /// [`MinutesError`]
    pub async fn object(
        &self,
        id: SessionId,
        by: PersonId,
        text: &str,
        now_us: i64,
    ) -> Result<Opened> {
        let event = Event::MinutesObjection { id: Uuid::now_v7().to_string(), text: text.into() };
        self.step(id, by, event, now_us).await
    }

    /// # Errors
    /// [`MinutesError`]
    pub async fn answer(
        &self,
        id: SessionId,
        by: PersonId,
        objection: &str,
        text: &str,
        now_us: i64,
    ) -> Result<Opened> {
        let event = Event::MinutesAnswer { id: objection.into(), text: text.into() };
        self.step(id, by, event, now_us).await
    }

    /// 更正, after the seal; the head is signed anew, so that a correction cannot be cut off.
    ///
    /// # Errors
    /// [`MinutesError`]
    pub async fn correct(
        &self,
        id: SessionId,
        by: PersonId,
        section: &str,
        text: &str,
        reason: &str,
        now_us: i64,
    ) -> Result<Opened> {
        let _lock = self.lock(id).await;
        let opened = self.open(id).await?;
        let old = opened.corrected(section).ok_or(MinutesError::NoSuchSection)?;
        let event = Event::MinutesCorrected {
            section: section.into(),
            old,
            new: text.into(),
            reason: reason.into(),
        };
        let opened = self.write(&opened, vec![(by.into(), event)], now_us).await?;
        self.sign(&opened, now_us).await?;
        self.open(id).await
    }

    /// 封存, by a person or, when it is due, by the system.
    ///
    /// # Errors
    /// [`MinutesError`]
    pub async fn seal(&self, id: SessionId, by: Option<PersonId>, now_us: i64) -> Result<Opened> {
        let _lock = self.lock(id).await;
        let mut opened = self.open(id).await?;
        if opened.life.state != State::Sealed {
            let actor = by.map_or(Actor::System, Actor::Person);
            let digest = opened.digest;
            let events = vec![(actor, Event::MinutesSealed { digest }), (actor, Event::Sealed)];
            opened = self.append(&opened, events, now_us).await?;
        } else if by.is_some() {
            return Err(Refusal::Sealed.into());
        }
        // From here on everything is done again after a crash: the row still says confirmed.
        let signed = |e: &Envelope| {
            matches!(e.event, Event::HeadSigned { purpose: SignPurpose::Sealed, .. })
        };
        if !opened.events.iter().any(signed) {
            self.sign(&opened, now_us).await?;
        }
        self.enter(&opened).await?;
        self.store.minutes().note(id, &opened.life, now_us).await?;
        Ok(opened)
    }

    /// Seals what is due, at most [`ROUND`]; how many, and whether there may be more.
    ///
    /// # Errors
    /// When the store fails. A session that cannot be sealed is logged and left.
    pub async fn seal_due(&self, now_us: i64) -> Result<(u32, bool)> {
        let due = self.store.minutes().due(now_us, ROUND).await?;
        let more = u32::try_from(due.len()).unwrap_or(u32::MAX) >= ROUND;
        let mut sealed = 0;
        for session in due {
            match self.seal(session, None, now_us).await {
                Ok(_) => sealed += 1,
                Err(MinutesError::Store(e @ StoreError::Unavailable(_))) => return Err(e.into()),
                Err(error) => tracing::warn!(%session, %error, "minutes could not be sealed"),
            }
        }
        Ok((sealed, more && sealed > 0))
    }

    /// Objection days of an organisation: its own, or the nearest superior's.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn objection_days(&self, tree: &OrgTree, org: OrgId) -> Result<u32> {
        for node in tree.ancestors_or_self(org) {
            if let Some(days) = self.store.minutes().objection_days(node.id).await? {
                return Ok(days);
            }
        }
        Ok(OBJECTION_DAYS)
    }

    async fn step(&self, id: SessionId, by: PersonId, event: Event, now_us: i64) -> Result<Opened> {
        let _lock = self.lock(id).await;
        let opened = self.open(id).await?;
        self.write(&opened, vec![(by.into(), event)], now_us).await
    }

    async fn store_version(
        &self,
        opened: &Opened,
        minutes: &Minutes,
        author: Actor,
        now_us: i64,
    ) -> Result<Event> {
        // Not stored in vain for minutes that cannot be changed now.
        let (text, digest) = digest_of(minutes, opened.header.hash_algorithm)?;
        let version = Uuid::now_v7().to_string();
        let save = Step::Save { version: version.clone(), digest: digest.to_string() };
        opened.life.check(&save, now_us)?;
        self.store
            .minutes()
            .add_version(&NewVersion {
                id: &version,
                session: opened.session.id,
                at_us: now_us,
                author: &author.to_string(),
                digest: &digest.to_string(),
                content: &text,
            })
            .await?;
        Ok(Event::MinutesSaved { version, digest })
    }

    /// Checks, appends and notes.
    async fn write(
        &self,
        opened: &Opened,
        events: Vec<(Actor, Event)>,
        now_us: i64,
    ) -> Result<Opened> {
        let after = self.append(opened, events, now_us).await?;
        self.store.minutes().note(after.session.id, &after.life, now_us).await?;
        Ok(after)
    }

    /// Appends events if each may be taken after the one before.
    async fn append(
        &self,
        opened: &Opened,
        events: Vec<(Actor, Event)>,
        now_us: i64,
    ) -> Result<Opened> {
        let mut life = opened.life.clone();
        for (actor, event) in &events {
            if let Some(step) = crate::journal::minutes::step_of(event) {
                life.check(&step, now_us)?;
                let by = match actor {
                    Actor::System => None,
                    Actor::Person(person) => Some(*person),
                };
                life.apply(&step, by, now_us);
            }
        }
        let mono_us = mono_at(&opened.events, now_us);
        let events: Vec<NewEvent> = events
            .into_iter()
            .map(|(actor, event)| NewEvent { at_us: now_us, mono_us, actor, event })
            .collect();
        if events.is_empty() {
            return Ok(opened.clone());
        }
        let id = opened.session.id;
        let written = self.appender.append(id, events).await?;
        let mut after = Opened { life, ..opened.clone() };
        after.events.extend(written);
        if let Some(version) =
            after.life.version().filter(|v| v.digest != opened.digest.to_string())
        {
            after.minutes = self.store.minutes().version(id, &version.id).await?;
            after.digest = digest_of(&after.minutes, after.header.hash_algorithm)?.1;
        }
        Ok(after)
    }

    async fn sign(&self, opened: &Opened, now_us: i64) -> Result<()> {
        let mono_us = mono_at(&opened.events, now_us);
        let purpose = SignPurpose::Sealed;
        self.appender.sign_head(opened.session.id, purpose, now_us, mono_us).await?;
        Ok(())
    }

    /// The day's chain of the organisation; again it changes nothing.
    async fn enter(&self, opened: &Opened) -> Result<Entry> {
        let seal = opened.seal().ok_or(StoreError::NotFound("seal"))?;
        let first = ChainHeader {
            daily_chain: DAILY_FORMAT,
            org: opened.session.org_id,
            org_name: opened.session.org_name.clone(),
            hash_algorithm: self.hash_algorithm,
            installation: self.installation_id.clone(),
            installation_key: public_key_hex(&*self.signer),
        };
        let sealed = SealedSession {
            session: opened.session.id,
            title: opened.session.title.clone(),
            at_us: seal.at_us,
            day: time::day(seal.at_us),
            seq: seal.seq,
            head: seal.hash,
            minutes: opened.digest,
        };
        let _one = self.chain.lock().await;
        Ok(self.store.daily().append(&first, sealed, &*self.signer).await?)
    }
}

/// The session's time goes on after 散会 with the wall clock, and never back.
fn mono_at(events: &[Envelope], now_us: i64) -> i64 {
    events.last().map_or(0, |last| last.mono_us + (now_us - last.at_us).max(0))
}
