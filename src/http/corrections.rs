//! `POST /api/sessions/{id}/corrections`: 更正 of roster and attendance. In a running meeting the
//! room takes them; after 散会 they go on the end of the journal until the record is sealed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use signaling::ErrorCode;
use signaling::view::SessionState;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::{At, Body};
use crate::app::App;
use crate::auth::policy::Action;
use crate::domain::{LeaveKind, PersonId, RosterEntry, SessionId, SiteId, rights_of};
use crate::journal::{Change, Event, NewEvent};
use crate::room::Act;
use crate::store::Session;

const MAX_REASON: usize = 200;
/// Nobody was there for longer than this, in microseconds.
const MAX_SPAN_US: i64 = 48 * 3600 * 1_000_000;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Wanted {
    RosterAdd {
        person: PersonId,
    },
    RosterRemove {
        person: PersonId,
    },
    Exempt {
        person: PersonId,
    },
    Include {
        person: PersonId,
    },
    /// Wall times, as the sheet shows them.
    WasPresent {
        person: PersonId,
        from_us: i64,
        to_us: i64,
        #[serde(default)]
        site: Option<SiteId>,
    },
    WasAbsent {
        person: PersonId,
        from_us: i64,
        to_us: i64,
    },
    OnLeave {
        person: PersonId,
        kind: LeaveKind,
        #[serde(default)]
        reason: String,
    },
    NotOnLeave {
        person: PersonId,
    },
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct Correction {
    change: Wanted,
    reason: String,
    /// The event that was wrong, if it is one.
    #[serde(default)]
    target_seq: Option<u64>,
}

pub async fn correct(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
    Body(body): Body<Correction>,
) -> ApiResult<StatusCode> {
    let (session, _) = caller.session(&app, id, Action::CorrectAttendance).await?;
    let reason = body.reason.trim().to_owned();
    if reason.is_empty()
        || reason.chars().count() > MAX_REASON
        || reason.chars().any(char::is_control)
    {
        return Err(ApiError::validation("请写明更正的理由（200字以内）"));
    }
    let by = caller.actor.person;
    let target_seq = body.target_seq;
    match session.state {
        SessionState::Planned | SessionState::Cancelled => {
            Err(ApiError::new(ErrorCode::SessionNotOpen, "会场尚未开放，没有可以更正的考勤"))
        }
        SessionState::Opened | SessionState::DeclaredOpen => {
            let change = change_of(&app, &session, body.change).await?;
            let act = Act::Correct { target_seq, change, reason };
            app.rooms.room(id).await?.act(by, act).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        SessionState::DeclaredClosed | SessionState::Archived => {
            let change = change_of(&app, &session, body.change).await?;
            correct_archive(&app, id, by, target_seq, change, reason).await?;
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

async fn change_of(app: &App, session: &Session, wanted: Wanted) -> ApiResult<Change> {
    Ok(match wanted {
        Wanted::RosterAdd { person } => {
            Change::RosterAdd { entry: entry_of(app, session, person).await? }
        }
        Wanted::RosterRemove { person } => Change::RosterRemove { person },
        Wanted::Exempt { person } => Change::Exempt { person },
        Wanted::Include { person } => Change::Include { person },
        Wanted::WasPresent { person, from_us, to_us, site } => {
            let (from_mono_us, to_mono_us) = span(app, session.id, from_us, to_us).await?;
            Change::WasPresent { person, from_mono_us, to_mono_us, site }
        }
        Wanted::WasAbsent { person, from_us, to_us } => {
            let (from_mono_us, to_mono_us) = span(app, session.id, from_us, to_us).await?;
            Change::WasAbsent { person, from_mono_us, to_mono_us }
        }
        Wanted::OnLeave { person, kind, reason } => {
            let reason = reason.trim().chars().take(MAX_REASON).collect();
            Change::OnLeave { person, kind: kind.word().to_owned(), reason }
        }
        Wanted::NotOnLeave { person } => Change::NotOnLeave { person },
    })
}

/// A member of this organisation as the roster would have them. 组织关系 decides who is due, so
/// anybody else can only sit in.
///
/// # Errors
/// The refusal, or when the store fails.
pub(super) async fn entry_of(
    app: &App,
    session: &Session,
    person: PersonId,
) -> ApiResult<RosterEntry> {
    let known = app.store.persons().get(person).await?.filter(|p| p.active);
    let known = known.ok_or_else(ApiError::not_found)?;
    let belongs = known.org_id == session.org_id || known.group_id == Some(session.org_id);
    let Some(class) = known.class.filter(|_| belongs) else {
        let message = "此人的组织关系不在本组织，不能补入名册，只能作为列席进入";
        return Err(ApiError::validation(message));
    };
    let tree = app.orgs.tree(&app.store).await?;
    let name = |org| tree.get(org).map(|o| o.name.clone());
    Ok(RosterEntry {
        person_id: person,
        name: known.name,
        class,
        org_name: name(known.org_id).unwrap_or_default(),
        group_name: known.group_id.and_then(name),
        voter: rights_of(class).vote,
        due: true,
    })
}

/// Session time of two wall times, by the anchor that the sheet is shown with.
async fn span(app: &App, id: SessionId, from_us: i64, to_us: i64) -> ApiResult<(i64, i64)> {
    let zero = app.store.journal().attendance_fold(id).await?.presence(None).wall_zero_us;
    let length = to_us.checked_sub(from_us).filter(|us| (1..=MAX_SPAN_US).contains(us));
    let from = from_us.checked_sub(zero).filter(|us| (-MAX_SPAN_US..=MAX_SPAN_US).contains(us));
    match (from, length) {
        (Some(from), Some(length)) => Ok((from, from + length)),
        _ => Err(ApiError::validation("更正的起止时间不正确：结束须晚于开始，并在会议前后两天内")),
    }
}

/// After 散会, at the end of the journal.
///
/// # Errors
/// `conflict` once the record is sealed, or the refusal.
pub(super) async fn correct_archive(
    app: &App,
    id: SessionId,
    by: PersonId,
    target_seq: Option<u64>,
    change: Change,
    reason: String,
) -> ApiResult<()> {
    let journal = app.store.journal().read_all(id).await?;
    if journal.iter().any(|e| matches!(e.event, Event::Sealed)) {
        let message = "会议记录已封存，考勤不能再更正；可在会议记录中写更正说明";
        return Err(ApiError::new(ErrorCode::Conflict, message));
    }
    let fold = app.store.journal().attendance_fold(id).await?;
    let on_roster =
        change.person().is_some_and(|person| fold.presence(None).roster.contains(person));
    let adds = matches!(change, Change::RosterAdd { .. });
    if adds == on_roster {
        let message = if adds {
            "此人已在本次会议的名册内"
        } else {
            "此人不在本次会议的名册内"
        };
        return Err(ApiError::new(ErrorCode::Conflict, message));
    }
    let last = journal.last().ok_or_else(ApiError::not_found)?;
    let at_us = app.clock.now_us();
    // No clock of the session runs any more: it goes on by the wall's.
    let mono_us = last.mono_us + (at_us - last.at_us).max(0);
    let event = Event::Correction { target_seq, change: change.clone(), reason };
    app.appender.append(id, vec![NewEvent { at_us, mono_us, actor: by.into(), event }]).await?;
    let standing = match &change {
        Change::RosterAdd { entry } => Some((entry.person_id, crate::domain::Standing::Member)),
        Change::RosterRemove { person } => Some((*person, crate::domain::Standing::Out)),
        _ => None,
    };
    if let Some((person, standing)) = standing {
        app.store.standings().set(id, person, standing).await?;
    }
    Ok(())
}
