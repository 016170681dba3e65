//! What answers about minutes look like.

use std::collections::HashMap;

use serde::Serialize;

use super::caller::Caller;
use super::error::ApiResult;
use crate::app::App;
use crate::archive::minutes::Opened;
use crate::auth::policy::{Action, Resource, SessionFacts};
use crate::domain::minutes::diff::{self, Change};
use crate::domain::minutes::life::Signature;
use crate::domain::minutes::{Life, Refusal, State, Step, overdue, template};
use crate::domain::{MeetingKind, PersonId, SessionId};
use crate::export::minutes_doc::{Block, MinutesDocument, PrintedCorrection, PrintedObjection};
use crate::journal::{Event, HashAlgorithm};

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Minutes)]
pub struct MinutesView {
    session_id: SessionId,
    kind: MeetingKind,
    title: String,
    org_name: String,
    state: State,
    /// None: nobody has saved anything yet, what is shown is the draft.
    version: Option<String>,
    digest: String,
    hash_algorithm: HashAlgorithm,
    sections: Vec<SectionView>,
    /// Titles of sections without text.
    missing: Vec<String>,
    recorder: Option<Signed>,
    chair: Option<Signed>,
    returned: Option<ReturnedView>,
    objections_until_us: Option<i64>,
    objections: Vec<ObjectionView>,
    corrections: Vec<CorrectionView>,
    seal: Option<SealView>,
    closed_us: Option<i64>,
    /// Unfinished a day after 散会.
    overdue: bool,
    can: Can,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MinutesSection)]
struct SectionView {
    key: String,
    title: String,
    body: String,
    locked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MinutesSigned)]
struct Signed {
    name: String,
    at_us: i64,
    digest: String,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MinutesReturned)]
struct ReturnedView {
    name: String,
    at_us: i64,
    reason: String,
    superior: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MinutesSaid)]
struct Said {
    name: String,
    at_us: i64,
    text: String,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MinutesObjection)]
struct ObjectionView {
    id: String,
    #[serde(flatten)]
    said: Said,
    answer: Option<Said>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MinutesCorrection)]
struct CorrectionView {
    section: String,
    title: String,
    old: String,
    new: String,
    reason: String,
    name: String,
    at_us: i64,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MinutesSeal)]
struct SealView {
    at_us: i64,
    /// The session's last hash, and its place in the journal.
    seq: u64,
    hash: String,
    /// Place in the organisation's daily chain.
    day: Option<String>,
    n: Option<u64>,
    root: Option<String>,
}

/// What the caller may do now: the policy and the state together.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MinutesCan)]
struct Can {
    edit: bool,
    submit: bool,
    confirm: bool,
    give_back: bool,
    object: bool,
    answer: bool,
    seal: bool,
    correct: bool,
    /// The name to be typed under a signature.
    sign_as: String,
}

/// Names by id: of the meeting, and of others from the store.
struct Names(HashMap<PersonId, String>);

impl Names {
    async fn of(app: &App, opened: &Opened) -> ApiResult<Self> {
        let roster = opened.header.roster.iter();
        let mut known: HashMap<_, _> = roster.map(|e| (e.person_id, e.name.clone())).collect();
        for envelope in &opened.events {
            if let Event::Join { person, name, .. } | Event::ObserverEnter { person, name, .. } =
                &envelope.event
            {
                known.entry(*person).or_insert_with(|| name.clone());
            }
        }
        for person in people(&opened.life) {
            if !known.contains_key(&person)
                && let Some(found) = app.store.persons().get(person).await?
            {
                known.insert(person, found.name);
            }
        }
        Ok(Self(known))
    }

    fn name(&self, person: PersonId) -> String {
        self.0.get(&person).cloned().unwrap_or_default()
    }
}

/// Everybody who did something with the minutes.
fn people(life: &Life) -> Vec<PersonId> {
    let mut out: Vec<PersonId> = life.versions.iter().filter_map(|v| v.by).collect();
    out.extend(life.returned.iter().map(|r| r.person_id));
    out.extend(life.corrections.iter().map(|c| c.by));
    for objection in &life.objections {
        out.push(objection.by);
        out.extend(objection.answer.iter().map(|a| a.by));
    }
    out.sort_unstable();
    out.dedup();
    out
}

fn signed(signature: Option<&Signature>) -> Option<Signed> {
    signature.map(|s| Signed { name: s.name.clone(), at_us: s.at_us, digest: s.digest.clone() })
}

impl MinutesView {
    /// # Errors
    /// When the store fails.
    pub async fn of(
        app: &App,
        caller: &Caller,
        opened: &Opened,
        facts: &SessionFacts,
    ) -> ApiResult<Self> {
        let names = Names::of(app, opened).await?;
        let (life, minutes) = (&opened.life, &opened.minutes);
        // Until the first save the draft is what counts, and it is always the newest.
        let shown = match life.state {
            State::Draft => minutes.refreshed(&opened.draft),
            _ => minutes.clone(),
        };
        let kind = minutes.kind;
        let title_of =
            |key: &str| minutes.section(key).map_or(key, |s| s.title.as_str()).to_owned();
        let entry = app.store.daily().of_session(opened.session.id).await?;
        let now_us = app.clock.now_us();
        Ok(Self {
            session_id: opened.session.id,
            kind,
            title: opened.session.title.clone(),
            org_name: opened.session.org_name.clone(),
            state: life.state,
            version: life.version().map(|v| v.id.clone()),
            digest: opened.digest.to_string(),
            hash_algorithm: opened.header.hash_algorithm,
            missing: minutes.missing(),
            sections: shown
                .sections
                .into_iter()
                .map(|s| SectionView {
                    hint: template::hint(kind, &s.key),
                    key: s.key,
                    title: s.title,
                    body: s.body,
                    locked: s.locked,
                })
                .collect(),
            recorder: signed(life.submitted.as_ref()),
            chair: signed(life.confirmed.as_ref()),
            returned: life.returned.as_ref().map(|r| ReturnedView {
                name: names.name(r.person_id),
                at_us: r.at_us,
                reason: r.reason.clone(),
                superior: r.superior,
            }),
            objections_until_us: life.objections_until_us,
            objections: life
                .objections
                .iter()
                .map(|o| ObjectionView {
                    id: o.id.clone(),
                    said: Said { name: names.name(o.by), at_us: o.at_us, text: o.text.clone() },
                    answer: o.answer.as_ref().map(|a| Said {
                        name: names.name(a.by),
                        at_us: a.at_us,
                        text: a.text.clone(),
                    }),
                })
                .collect(),
            corrections: life
                .corrections
                .iter()
                .map(|c| CorrectionView {
                    section: c.section.clone(),
                    title: title_of(&c.section),
                    old: c.old.clone(),
                    new: c.new.clone(),
                    reason: c.reason.clone(),
                    name: names.name(c.by),
                    at_us: c.at_us,
                })
                .collect(),
            seal: opened.seal().map(|s| SealView {
                at_us: s.at_us,
                seq: s.seq,
                hash: s.hash.to_string(),
                day: entry.as_ref().map(|e| e.sealed.day.clone()),
                n: entry.as_ref().map(|e| e.n),
                root: entry.as_ref().map(|e| e.hash.to_string()),
            }),
            closed_us: opened.session.declared_closed_us,
            overdue: overdue(life.state, opened.session.declared_closed_us, now_us),
            can: Can::of(caller, opened, facts, now_us),
        })
    }
}

impl Can {
    fn of(caller: &Caller, opened: &Opened, facts: &SessionFacts, now_us: i64) -> Self {
        let life = &opened.life;
        let may = |action| caller.allows(action, Resource::Session(facts));
        let now = |step: Step| match life.check(&step, now_us) {
            // Whether the version is the right one is asked when it is signed.
            Ok(()) | Err(Refusal::OtherVersion | Refusal::NothingCorrected) => true,
            Err(_) => false,
        };
        let (digest, name) = (opened.digest.to_string(), String::new());
        let none = String::new;
        Self {
            edit: may(Action::EditMinutes) && now(Step::Save { version: none(), digest: none() }),
            submit: may(Action::EditMinutes)
                && now(Step::Submit { digest: digest.clone(), name: name.clone() }),
            confirm: may(Action::ConfirmMinutes)
                && life.state == State::Submitted
                && now(Step::Confirm { digest: digest.clone(), name, objections_until_us: 0 }),
            give_back: may(Action::ReturnMinutes)
                && now(Step::Return { reason: none(), superior: false }),
            object: may(Action::ObjectToMinutes) && now(Step::Object { id: none(), text: none() }),
            answer: may(Action::KeepMinutes)
                && life.state != State::Sealed
                && life.unanswered() > 0,
            seal: may(Action::KeepMinutes) && now(Step::Seal { digest }),
            correct: may(Action::KeepMinutes) && life.state == State::Sealed,
            sign_as: caller.person.name.clone(),
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = MinutesVersion)]
pub struct VersionView {
    id: String,
    at_us: i64,
    /// None: drafted by the system.
    name: Option<String>,
    digest: String,
    /// Against the version before; the first has none.
    changes: Vec<Change>,
}

/// All versions, the newest first, each with its differences from the one before.
///
/// # Errors
/// When the store fails.
pub async fn versions(app: &App, opened: &Opened) -> ApiResult<Vec<VersionView>> {
    let names = Names::of(app, opened).await?;
    let mut out = Vec::new();
    let mut before = None;
    for version in &opened.life.versions {
        let minutes = app.store.minutes().version(opened.session.id, &version.id).await?;
        let changes = match &before {
            Some(old) => {
                let (old, new): (crate::domain::minutes::Minutes, _) =
                    (Clone::clone(old), minutes.clone());
                // The comparison of long texts would hold up the others on this thread.
                tokio::task::spawn_blocking(move || diff::changes(&old, &new))
                    .await
                    .map_err(super::ApiError::internal)?
            }
            None => Vec::new(),
        };
        out.push(VersionView {
            id: version.id.clone(),
            at_us: version.at_us,
            name: version.by.map(|by| names.name(by)),
            digest: version.digest.clone(),
            changes,
        });
        before = Some(minutes);
    }
    out.reverse();
    Ok(out)
}

/// A document on its way to a file.
pub struct Printed {
    pub title: String,
    pub blocks: Vec<Block>,
    pub footer: String,
}

/// # Errors
/// When the store fails.
pub async fn printed(app: &App, opened: &Opened) -> ApiResult<Printed> {
    let names = Names::of(app, opened).await?;
    let life = &opened.life;
    let minutes = &opened.minutes;
    let by = |s: &Signature| (s.name.clone(), s.at_us);
    let document = MinutesDocument {
        org_name: opened.session.org_name.clone(),
        title: opened.session.title.clone(),
        state: life.state,
        minutes: minutes.clone(),
        digest: opened.digest.to_string(),
        hash_word: opened.header.hash_algorithm.word(),
        recorder: life.submitted.as_ref().map(by),
        chair: life.confirmed.as_ref().map(by),
        objections: life
            .objections
            .iter()
            .map(|o| PrintedObjection {
                name: names.name(o.by),
                at_us: o.at_us,
                text: o.text.clone(),
                answer: o.answer.as_ref().map(|a| (names.name(a.by), a.at_us, a.text.clone())),
            })
            .collect(),
        corrections: life
            .corrections
            .iter()
            .map(|c| PrintedCorrection {
                section: minutes.section(&c.section).map_or(&c.section, |s| &s.title).clone(),
                old: c.old.clone(),
                new: c.new.clone(),
                reason: c.reason.clone(),
                name: names.name(c.by),
                at_us: c.at_us,
            })
            .collect(),
        seal: opened.seal().map(|s| (s.at_us, s.hash.to_string())),
    };
    Ok(Printed { title: document.subject(), blocks: document.blocks(), footer: document.footer() })
}
