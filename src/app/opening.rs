//! 开放会场: freezes the roster, starts the journal, and has the room running.

use super::App;
use crate::auth::InstallationKey;
use crate::clock::local_day;
use crate::domain::rules::Frozen;
use crate::domain::{LeaveState, PersonId, RULES_VERSION, Roster, SessionState};
use crate::http::ApiResult;
use crate::journal::{
    Actor, Event, FORMAT_VERSION, HashAlgorithm, Header, NewEvent, canonical, public_key_hex,
    sha256,
};
use crate::room::clock::MachineClock;
use crate::store::{BootAnchor, JournalAppender, OpenSession, Session, Store, StoreError};

/// Opens a planned session. The roster is taken anew from the organisation at this moment: who
/// came or left since planning is due or not due by where they belong now.
///
/// # Errors
/// `conflict` when somebody else opened it meanwhile, or what the store or the room refuse.
pub async fn open(app: &App, session: &Session, by: PersonId) -> ApiResult<()> {
    let App { store, appender, machine, installation, installation_id, hash_algorithm, .. } = app;
    let hash_algorithm = *hash_algorithm;
    let books = Books { store, appender, machine, installation, installation_id, hash_algorithm };
    let rules = app.rules.of_org(store, session.org_id).await?;
    books.open(session, &rules, by).await?;
    app.rooms.room(session.id).await?;
    Ok(())
}

/// What an opening is written with; the demo's lecture is opened before any server runs.
pub struct Books<'a> {
    pub store: &'a Store,
    pub appender: &'a JournalAppender,
    pub machine: &'a MachineClock,
    pub installation: &'a InstallationKey,
    pub installation_id: &'a str,
    pub hash_algorithm: HashAlgorithm,
}

impl Books<'_> {
    /// The row, the frozen roster and the first events.
    ///
    /// # Errors
    /// When the store fails, or the session is not planned any more.
    pub async fn open(
        &self,
        session: &Session,
        rules: &Frozen,
        by: PersonId,
    ) -> Result<(), StoreError> {
        let (clock, anchor) = self.machine.start(0);
        let today = local_day(clock.now().wall_us);
        let persons = self.store.persons();
        let roster = Roster(persons.roster_for(session.org_id, session.kind, &today).await?);
        let header = Header {
            format: FORMAT_VERSION,
            session: session.id,
            kind: session.kind,
            title: session.title.clone(),
            org: session.org_id,
            org_name: session.org_name.clone(),
            opened_at_us: clock.now().wall_us,
            roster,
            policy: session.policy,
            rules_version: RULES_VERSION,
            hash_algorithm: self.hash_algorithm,
            installation: self.installation_id.to_owned(),
            installation_key: public_key_hex(self.installation),
        };
        let boot = BootAnchor { boot_id: anchor.boot_id, boot_mono_us: anchor.origin_us };
        let opened = OpenSession { header, boot };
        self.store.sessions().open(&opened).await?;
        write_opening(self.store, self.appender, &opened.header, rules, Actor::Person(by)).await
    }
}

/// The first events of a journal: opening, roster, rules, and leave as it was asked for and
/// granted before.
async fn write_opening(
    store: &Store,
    appender: &JournalAppender,
    header: &Header,
    rules: &Frozen,
    actor: Actor,
) -> Result<(), StoreError> {
    let count = |which: fn(&crate::domain::RosterEntry) -> bool| {
        u32::try_from(header.roster.iter().filter(|e| which(e)).count()).unwrap_or(u32::MAX)
    };
    let frozen = Event::RosterFrozen { due: count(|e| e.due), voters: count(|e| e.due && e.voter) };
    let text = canonical::text(&rules.whole)
        .map_err(|error| StoreError::Invalid(format!("rules: {error}")))?;
    let rules = Event::RulesFrozen {
        version: rules.rules.version,
        digest: sha256(text.as_bytes()),
        rules: text,
    };
    let by = |actor, event| NewEvent { at_us: header.opened_at_us, mono_us: 0, actor, event };
    let at = |event| by(actor, event);
    let mut events = vec![at(Event::SessionOpened), at(frozen), at(rules)];
    for request in store.leave().of_session(header.session).await? {
        let (person, kind) = (request.person_id, request.kind.word().to_owned());
        let reason = request.reason;
        match request.state {
            LeaveState::Asked => {
                events.push(by(person.into(), Event::LeaveRequested { person, kind, reason }));
            }
            LeaveState::Granted => events.push(by(
                request.decided_by.map_or(Actor::System, Actor::Person),
                Event::LeaveApproved {
                    person,
                    kind,
                    reason,
                    asked_us: Some(request.asked_us),
                    decided_us: request.decided_us,
                    late: request.late,
                },
            )),
            LeaveState::Denied | LeaveState::Withdrawn => {}
        }
    }
    appender.append(header.session, events).await.map(drop)
}

/// At start: gives the first events to sessions whose opening was cut off by a crash between the
/// row and the journal, so that their rooms can run.
///
/// # Errors
/// When the store fails.
pub async fn mend(app: &App) -> ApiResult<Vec<Session>> {
    let running = app.store.sessions().running().await?;
    for session in running.iter().filter(|s| s.state == SessionState::Opened) {
        if app.store.journal().head(session.id).await?.seq == 0 {
            let header = app.store.journal().header(session.id).await?;
            let rules = app.rules.of_org(&app.store, session.org_id).await?;
            write_opening(&app.store, &app.appender, &header, &rules, Actor::System).await?;
        }
    }
    Ok(running)
}
