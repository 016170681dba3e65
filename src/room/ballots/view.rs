//! What pages are shown of ballots.

use signaling::Event;
use signaling::ballot::{
    BallotMethod, BallotPhase, BallotView, BallotsView, NamedVote, OpinionCount,
};

use super::OneBallot;
use super::close::is_named;
use crate::domain::PersonId;
use crate::domain::ballot::votable;
use crate::room::effect::Effect;
use crate::room::state::RoomState;

/// Ballots that a page gets when it comes in, and names in each.
const SHOWN: usize = 20;
const NAMED: usize = 200;

impl RoomState {
    pub(super) fn ballot_view(&self, ballot: &OneBallot) -> BallotView {
        let (tally, decision) = ballot.result.clone().unzip();
        // Who holds a paper over the page is known; what they chose is not.
        let paper =
            ballot.paper.clone().filter(|_| ballot.matter.method == BallotMethod::PaperSecret);
        BallotView {
            id: ballot.id.to_string(),
            matter: ballot.matter.clone(),
            phase: ballot.phase,
            opened_us: ballot.opened_us,
            closed_us: ballot.closed_us,
            heads: ballot.heads,
            named: self.named_votes(ballot),
            voted: self.voted(ballot),
            issued: ballot.issued.len() as u32,
            counted: ballot.counted,
            paper,
            tally,
            decision,
            public_key: ballot.public_key.clone(),
            reason: ballot.reason.clone(),
        }
    }

    /// While it is open only who may vote; by name once it is closed.
    fn named_votes(&self, ballot: &OneBallot) -> Vec<NamedVote> {
        if !is_named(ballot.matter.method) || ballot.voters.len() > NAMED {
            return Vec::new();
        }
        let closed = ballot.phase == BallotPhase::Closed;
        let entries = self.setup.roster.iter().filter(|e| ballot.voters.contains(&e.person_id));
        entries
            .map(|entry| NamedVote {
                participant: entry.person_id.to_string(),
                name: entry.name.clone(),
                choice: ballot.cast.get(&entry.person_id).copied().filter(|_| closed),
            })
            .collect()
    }

    pub(in crate::room) fn ballots_view(&self, person: Option<PersonId>) -> BallotsView {
        let mut opinions: Vec<OpinionCount> = Vec::new();
        for one in &self.ballots.opinions {
            let known =
                opinions.iter_mut().find(|o| o.kind == one.kind && o.applicant == one.applicant);
            match known {
                Some(known) => known.opinions += 1,
                None => opinions.push(OpinionCount {
                    kind: one.kind.clone(),
                    applicant: one.applicant.clone(),
                    opinions: 1,
                }),
            }
        }
        let skipped = self.ballots.all.len().saturating_sub(SHOWN);
        BallotsView {
            ballots: self.ballots.all.iter().skip(skipped).map(|b| self.ballot_view(b)).collect(),
            mine: person.and_then(|person| self.my_ballot(person)),
            approval: self.ballots.approval.clone(),
            opinions,
            kinds: votable(&self.setup.rules, self.setup.kind, self.setup.org_kind),
        }
    }

    /// What is on record beside the ballots themselves, to all.
    pub(super) fn tell_ballots(&mut self) {
        let BallotsView { approval, opinions, .. } = self.ballots_view(None);
        self.out.push(Effect::Broadcast(Event::BallotRecords { approval, opinions }));
    }
}
