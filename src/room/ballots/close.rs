//! The result: counted, judged by the rules, confirmed by the chair.

use signaling::ballot::{BallotMethod, BallotPhase, Matter, PaperCount, Tally, VoteCount};
use signaling::{ErrorCode, WireError};

use super::{Outcome, refuse};
use crate::domain::ballot::view_of;
use crate::domain::{BallotId, EndpointId, MeetingKind, PersonId};
use crate::journal::ballot::Closed;
use crate::journal::{Actor, Event as JournalEvent};
use crate::room::effect::{Effect, Now};
use crate::room::state::RoomState;

impl RoomState {
    /// The chair closes and so confirms what was counted. True: answered already; an online secret
    /// ballot is counted first and answered then.
    pub(in crate::room) fn ballot_close(
        &mut self,
        from: (EndpointId, PersonId, u32),
        ballot: &str,
        now: Now,
    ) -> Result<bool, WireError> {
        let (endpoint, person, id) = from;
        self.must_preside(person)?;
        let open = self.this_ballot(ballot)?;
        let (ballot, matter) = (open.id, open.matter.clone());
        let tally = match matter.method {
            BallotMethod::Hand => {
                let mut vote = open.votes();
                if let Some(count) = open.counted {
                    vote.in_favour += count.in_favour;
                    vote.against += count.against;
                    vote.abstain += count.abstain;
                }
                let kind = open.kind;
                Tally {
                    vote: Some(vote),
                    written: self.written_of(kind, &matter),
                    ..Tally::default()
                }
            }
            BallotMethod::PaperSecret => {
                let Some(paper) = open.paper.clone() else {
                    let words = "请先由记录人录入发出、收回和各项票数";
                    return Err(refuse(ErrorCode::Conflict, words));
                };
                self.tally_of_paper(&matter, paper)
            }
            BallotMethod::OnlineSecret => {
                if open.phase == BallotPhase::Registering {
                    let words = "还没有开始投票；不再进行的，请撤回";
                    return Err(refuse(ErrorCode::Conflict, words));
                }
                self.out.push(Effect::CountPapers { endpoint, person, id, ballot });
                return Ok(false);
            }
        };
        self.conclude(person, ballot, tally, now)?;
        Ok(true)
    }

    /// Paper of a resolution has its votes as the tally; opinions of absent voters beside it.
    pub(super) fn tally_of_paper(&self, matter: &Matter, paper: PaperCount) -> Tally {
        let kind = MeetingKind::from_id(&matter.kind);
        let resolution = matter.election.is_none() && paper.grades.is_empty();
        Tally {
            vote: paper.vote.filter(|_| resolution),
            written: kind.and_then(|kind| self.written_of(kind, matter)),
            paper: Some(paper),
            ballots_digest: None,
        }
    }

    /// Opinions on this applicant by voters who are absent: who came votes in person.
    pub(super) fn written_of(&self, kind: MeetingKind, matter: &Matter) -> Option<VoteCount> {
        let counts = self.setup.rules.of(kind).and_then(|of| of.pass);
        counts.filter(|pass| pass.written_opinions)?;
        let voters = &self.ballots.all.last()?.voters;
        let mut written = VoteCount::default();
        for opinion in &self.ballots.opinions {
            let about =
                opinion.kind == matter.kind && matter.applicants.contains(&opinion.applicant);
            let here = opinion.participant.parse().is_ok_and(|person| voters.contains(&person));
            if about && !here {
                written.add(opinion.choice);
            }
        }
        Some(written)
    }

    pub(super) fn conclude(
        &mut self,
        by: PersonId,
        ballot: BallotId,
        tally: Tally,
        now: Now,
    ) -> Outcome {
        let open = self.this_ballot(&ballot.to_string())?;
        let (kind, heads, matter) = (open.kind, open.heads, open.matter.clone());
        let decision = view_of(&self.judged(kind, heads).after(&matter, &tally)?);
        if let Some(open) = self.open_ballot() {
            open.phase = BallotPhase::Closed;
            open.closed_us = Some(now.wall_us);
            open.result = Some((tally.clone(), decision.clone()));
        }
        let closed = Closed { ballot, tally, decision };
        self.journal(by.into(), JournalEvent::BallotClosed(Box::new(closed)), now);
        self.tell_ballot();
        Ok(())
    }

    pub(in crate::room) fn ballot_withdraw(
        &mut self,
        by: PersonId,
        ballot: &str,
        reason: &str,
        now: Now,
    ) -> Outcome {
        self.must_preside(by)?;
        let reason = reason.trim();
        let length = reason.chars().count();
        if length == 0 || length > 200 || reason.chars().any(char::is_control) {
            return Err(refuse(ErrorCode::Validation, "请写明撤回的原因"));
        }
        let id = self.this_ballot(ballot)?.id;
        self.end_ballot(id, reason.to_owned(), by.into(), now);
        Ok(())
    }

    /// 散会 leaves no ballot open.
    pub(in crate::room) fn withdraw_open_ballot(&mut self, actor: Actor, now: Now) {
        if let Some(id) = self.open_ballot().map(|ballot| ballot.id) {
            self.end_ballot(id, "散会时尚未宣布结果".to_owned(), actor, now);
        }
    }

    pub(super) fn end_ballot(&mut self, id: BallotId, reason: String, actor: Actor, now: Now) {
        let Some(open) = self.open_ballot().filter(|ballot| ballot.id == id) else { return };
        open.phase = BallotPhase::Withdrawn;
        open.closed_us = Some(now.wall_us);
        open.reason = Some(reason.clone());
        let secret = open.is_secret_online();
        self.journal(actor, JournalEvent::BallotWithdrawn { ballot: id, reason }, now);
        if secret {
            self.out.push(Effect::DropBallotKey { ballot: id });
        }
        self.tell_ballot();
    }
}

/// What everybody chose, for the list by name.
pub(super) const fn is_named(method: BallotMethod) -> bool {
    matches!(method, BallotMethod::Hand)
}
