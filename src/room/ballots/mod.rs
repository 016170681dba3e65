//! Resolutions, elections and ballots of one session.
//!
//! At most one ballot is open at a time. Its voters are frozen when it opens; a vote is final. The
//! rules engine says whether it may open and what came of it; everything here is in the journal
//! before anybody is told, and is folded from it after a restart.

mod close;
mod open;
mod secret;
mod view;
mod vote;

pub use secret::{BoxedPaper, Casting, digest_of};

use std::collections::{BTreeMap, BTreeSet};

use signaling::ballot::{
    BallotHeads, BallotMethod, BallotPhase, Choice, DecisionView, Matter, MyBallot, PaperCount,
    SuperiorApproval, Tally, VoteCount, WrittenOpinion,
};
use signaling::view::{Role, SessionState};
use signaling::{ErrorCode, Event, WireError};

use super::effect::{Effect, Now};
use super::refusal;
use super::state::RoomState;
use crate::domain::ballot::{Judged, MatterError};
use crate::domain::{BallotId, MeetingKind, PersonId};
use crate::journal::{Envelope, Event as JournalEvent};

/// Ballots of one session, and written opinions: more is a mistake.
const MAX_BALLOTS: usize = 300;
const MAX_OPINIONS: usize = 2_000;

#[derive(Debug, Clone, Default)]
pub(in crate::room) struct Ballots {
    /// In the order of opening; only the last may be open.
    pub all: Vec<OneBallot>,
    pub approval: Option<SuperiorApproval>,
    pub opinions: Vec<WrittenOpinion>,
    /// Papers in the box of the open ballot, and how many everybody was told of.
    boxed: u32,
    boxed_told: u32,
    boxed_told_mono_us: i64,
}

#[derive(Debug, Clone)]
pub(in crate::room) struct OneBallot {
    pub id: BallotId,
    pub kind: MeetingKind,
    pub matter: Matter,
    pub heads: BallotHeads,
    pub voters: BTreeSet<PersonId>,
    pub phase: BallotPhase,
    pub opened_us: i64,
    pub closed_us: Option<i64>,
    cast: BTreeMap<PersonId, Choice>,
    counted: Option<VoteCount>,
    paper: Option<PaperCount>,
    /// Who holds an online secret paper.
    issued: BTreeSet<PersonId>,
    pub public_key: Option<String>,
    result: Option<(Tally, DecisionView)>,
    reason: Option<String>,
}

impl OneBallot {
    fn new(snapshot: &crate::journal::ballot::Snapshot, kind: MeetingKind, at_us: i64) -> Self {
        let registering = snapshot.matter.method == BallotMethod::OnlineSecret;
        Self {
            id: snapshot.ballot,
            kind,
            matter: snapshot.matter.clone(),
            heads: snapshot.heads,
            voters: snapshot.voters.iter().copied().collect(),
            phase: if registering { BallotPhase::Registering } else { BallotPhase::Open },
            opened_us: at_us,
            closed_us: None,
            cast: BTreeMap::new(),
            counted: None,
            paper: None,
            issued: BTreeSet::new(),
            public_key: snapshot.public_key.clone(),
            result: None,
            reason: None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.phase, BallotPhase::Open | BallotPhase::Registering)
    }

    fn is_secret_online(&self) -> bool {
        self.matter.method == BallotMethod::OnlineSecret
    }

    /// Votes on pages and entered by name.
    fn votes(&self) -> VoteCount {
        let mut votes = VoteCount::default();
        self.cast.values().for_each(|choice| votes.add(*choice));
        votes
    }
}

type Outcome = Result<(), WireError>;

pub(super) fn refuse(code: ErrorCode, words: impl Into<String>) -> WireError {
    WireError::new(code, words)
}

impl From<MatterError> for WireError {
    fn from(error: MatterError) -> Self {
        Self::new(ErrorCode::Validation, error.to_string())
    }
}

impl RoomState {
    /// Voters of the roster who are here at this instant, on their own device or at a room site:
    /// the one place that says who may be counted for a vote.
    pub(in crate::room) fn present_voters(&self) -> BTreeSet<PersonId> {
        let due = self.setup.roster.iter().filter(|entry| entry.due && entry.voter);
        due.map(|entry| entry.person_id).filter(|person| self.counts_as_present(*person)).collect()
    }

    fn chair_or_recorder(&self, by: PersonId) -> Outcome {
        let recorder = self.here.role(by) == Some(Role::Recorder);
        match recorder || self.seat.presiding() == Some(by) {
            true => Ok(()),
            false => Err(refusal::not_chair_or_recorder()),
        }
    }

    /// Who keeps the papers of the meeting: chair, recorder, and the secretary of the branch.
    fn keeps_papers(&self, by: PersonId) -> Outcome {
        match self.setup.secretaries.contains(&by) {
            true => Ok(()),
            false => self.chair_or_recorder(by),
        }
    }

    fn in_session(&self) -> Outcome {
        match self.state {
            SessionState::DeclaredOpen => Ok(()),
            _ => Err(refuse(ErrorCode::Conflict, "宣布开会后才能表决")),
        }
    }

    fn open_ballot(&mut self) -> Option<&mut OneBallot> {
        self.ballots.all.last_mut().filter(|ballot| ballot.is_open())
    }

    /// The ballot that is open, if it is the one that was asked for.
    fn this_ballot(&mut self, id: &str) -> Result<&mut OneBallot, WireError> {
        let closed = || refuse(ErrorCode::Conflict, "这次表决已经结束");
        let id: BallotId = id.parse().map_err(|_| closed())?;
        self.open_ballot().filter(|ballot| ballot.id == id).ok_or_else(closed)
    }

    fn judged(&self, kind: MeetingKind, heads: BallotHeads) -> Judged<'_> {
        Judged {
            rules: &self.setup.rules,
            kind,
            org: self.setup.org_kind,
            heads,
            approved: self.ballots.approval.is_some(),
        }
    }

    fn heads_now(&self) -> BallotHeads {
        let counts = self.count();
        BallotHeads {
            due: counts.due,
            present: counts.present,
            due_voters: counts.due_voters,
            present_voters: counts.present_voters,
        }
    }

    /// The ballot as it stands, to all; and to each page its own part in it.
    fn tell_ballot(&mut self) {
        let Some(ballot) = self.ballots.all.last() else { return };
        let view = Box::new(self.ballot_view(ballot));
        self.out.push(Effect::Broadcast(Event::Ballot { ballot: view }));
    }

    fn tell_mine(&mut self, person: PersonId) {
        let Some(mine) = self.my_ballot(person) else { return };
        for endpoint in self.here.present() {
            if self.here.person_of(endpoint) == Some(person) {
                let event = Event::MyBallot { mine: mine.clone() };
                self.out.push(Effect::Send { endpoint, event });
            }
        }
    }

    fn tell_all_mine(&mut self) {
        let people: Vec<_> = self.here.people.keys().copied().collect();
        for person in people {
            self.tell_mine(person);
        }
    }

    pub(in crate::room) fn my_ballot(&self, person: PersonId) -> Option<MyBallot> {
        let ballot = self.ballots.all.last().filter(|ballot| ballot.is_open())?;
        Some(MyBallot {
            ballot: ballot.id.to_string(),
            may_vote: ballot.voters.contains(&person),
            voted: ballot.cast.contains_key(&person) || ballot.issued.contains(&person),
        })
    }

    /// The journal after a restart.
    pub(in crate::room) fn refold_ballot(&mut self, envelope: &Envelope) {
        let ballots = &mut self.ballots;
        match &envelope.event {
            JournalEvent::BallotApproval { approval } => ballots.approval = Some(approval.clone()),
            JournalEvent::BallotOpinion { opinion } => ballots.put_opinion(opinion.clone()),
            JournalEvent::BallotSnapshot(snapshot) => {
                if let Some(kind) = snapshot.kind() {
                    ballots.all.push(OneBallot::new(snapshot, kind, envelope.at_us));
                }
            }
            event => ballots.refold_one(event, envelope.at_us),
        }
    }

    /// After a restart: papers of an online ballot can no longer be given out, because the key that
    /// signs them was in memory alone.
    pub(in crate::room) fn mend_ballot(&mut self, now: Now) {
        let ballot = self.open_ballot().filter(|b| b.phase == BallotPhase::Registering);
        if let Some(id) = ballot.map(|ballot| ballot.id) {
            let reason = "服务器重新启动，选票未能发完，请重新开始".to_owned();
            self.end_ballot(id, reason, crate::journal::Actor::System, now);
        }
    }
}

impl Ballots {
    fn put_opinion(&mut self, opinion: WrittenOpinion) {
        let same = |one: &WrittenOpinion| {
            (&one.participant, &one.kind, &one.applicant)
                == (&opinion.participant, &opinion.kind, &opinion.applicant)
        };
        self.opinions.retain(|one| !same(one));
        self.opinions.push(opinion);
    }

    fn refold_one(&mut self, event: &JournalEvent, at_us: i64) {
        let Some(last) = self.all.last_mut() else { return };
        match event {
            JournalEvent::BallotToken { person, .. } => drop(last.issued.insert(*person)),
            JournalEvent::BallotStarted { .. } => last.phase = BallotPhase::Open,
            JournalEvent::BallotCast { person, choice, .. } => {
                last.cast.insert(*person, *choice);
            }
            JournalEvent::BallotCounted { count, .. } => last.counted = Some(*count),
            JournalEvent::BallotPaper { paper, .. } => last.paper = Some(paper.clone()),
            JournalEvent::BallotClosed(closed) => {
                last.phase = BallotPhase::Closed;
                last.closed_us = Some(at_us);
                last.result = Some((closed.tally.clone(), closed.decision.clone()));
            }
            JournalEvent::BallotWithdrawn { reason, .. } => {
                last.phase = BallotPhase::Withdrawn;
                last.closed_us = Some(at_us);
                last.reason = Some(reason.clone());
            }
            _ => {}
        }
    }
}
