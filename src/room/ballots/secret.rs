//! Online secret ballots: who votes is known here, how never comes here.
//!
//! First those who may vote fetch a paper: their page makes a random token, blinds it, and has it
//! signed once (RFC 9474). When casting begins no more papers are given out and the signing key is
//! gone. A page then puts token and choice into the box over HTTP, without any identity
//! (`http::ballots`); the room only learns that the box has one more. docs/BALLOTS.md.

use signaling::ballot::{BallotPhase, Matter, Tally};
use signaling::{ErrorCode, WireError};

use super::{Ballots, Outcome, refuse};
use crate::domain::ballot::{Paper, count_papers};
use crate::domain::{BallotId, EndpointId, PersonId};
use crate::journal::{Event as JournalEvent, sha256};
use crate::room::effect::{Effect, Now};
use crate::room::state::RoomState;

/// How often everybody is told how many papers are in the box: seldom, so that nobody can tell
/// from it who has just cast one.
const TOLD_US: i64 = 5_000_000;

/// A paper as it lies in the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxedPaper {
    /// SHA-256 of the token, hex: by it voters find their paper in the published list.
    pub id: String,
    /// [`Paper`], JSON.
    pub choices: String,
}

/// One line a paper in the order of the ids, each `id choices` and a line feed, hashed: what the
/// result says of the list.
pub fn digest_of(papers: &[BoxedPaper]) -> String {
    let mut lines: Vec<_> =
        papers.iter().map(|paper| format!("{} {}\n", paper.id, paper.choices)).collect();
    lines.sort_unstable();
    sha256(lines.concat().as_bytes()).to_string()
}

impl Ballots {
    pub(super) fn forget_box(&mut self) {
        (self.boxed, self.boxed_told) = (0, 0);
    }
}

/// The room of a session whose secret ballot is being cast, for the request without identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Casting {
    pub ballot: BallotId,
    pub matter: Matter,
    pub public_key: String,
}

impl RoomState {
    /// The answer to [`Effect::MakeBallotKey`].
    pub(in crate::room) fn ballot_key_made(
        &mut self,
        from: (EndpointId, PersonId, u32),
        ballot: BallotId,
        matter: Matter,
        public_key: Result<String, WireError>,
        now: Now,
    ) {
        let (endpoint, person, id) = from;
        let opened = public_key.and_then(|key| self.freeze_again(person, ballot, matter, key, now));
        match opened {
            Ok(()) => self.reply_done(endpoint, id),
            Err(error) => {
                self.out.push(Effect::DropBallotKey { ballot });
                self.out.push(Effect::Refuse { endpoint, id, error });
            }
        }
    }

    /// One paper a voter. The journal says so before the signature goes out. The same page may ask
    /// again for the same one: the signature is the same.
    pub(in crate::room) fn ballot_token(
        &mut self,
        from: (EndpointId, PersonId, u32),
        ballot: &str,
        blinded: String,
        now: Now,
    ) -> Outcome {
        let (endpoint, person, id) = from;
        self.may_vote(person, ballot)?;
        let open = self.this_ballot(ballot)?;
        if open.phase != BallotPhase::Registering {
            let words = "投票已经开始，不再发放选票";
            return Err(refuse(ErrorCode::Conflict, words));
        }
        if blinded.len() > 1_024 {
            return Err(refuse(ErrorCode::Validation, "选票的内容不正确，请刷新页面"));
        }
        let ballot = open.id;
        if !open.issued.insert(person) {
            let words = "已经领取过选票，每人只有一张；如更换了设备，请用原来的设备投票";
            return Err(refuse(ErrorCode::Conflict, words));
        }
        self.journal(person.into(), JournalEvent::BallotToken { ballot, person }, now);
        self.out.push(Effect::SignPaper { endpoint, id, ballot, blinded });
        self.tell_progress();
        self.tell_mine(person);
        Ok(())
    }

    /// All papers are out: casting begins.
    pub(in crate::room) fn ballot_start(
        &mut self,
        by: PersonId,
        ballot: &str,
        now: Now,
    ) -> Outcome {
        self.must_preside(by)?;
        let least = self.setup.rules.online.least_voters;
        let open = self.this_ballot(ballot)?;
        if open.phase != BallotPhase::Registering {
            return Err(refuse(ErrorCode::Conflict, "投票已经开始"));
        }
        let issued = open.issued.len() as u32;
        if issued < least {
            let words = format!(
                "领取选票的只有{issued}人，线上无记名投票不足{least}人会暴露个人意见，请等待或改用纸质选票"
            );
            return Err(refuse(ErrorCode::Conflict, words));
        }
        open.phase = BallotPhase::Open;
        let ballot = open.id;
        self.journal(by.into(), JournalEvent::BallotStarted { ballot, issued }, now);
        self.out.push(Effect::DropBallotKey { ballot });
        self.tell_ballot();
        Ok(())
    }

    /// The answer to [`Effect::CountPapers`].
    pub(in crate::room) fn papers_counted(
        &mut self,
        from: (EndpointId, PersonId, u32),
        ballot: BallotId,
        papers: Result<Vec<BoxedPaper>, WireError>,
        now: Now,
    ) {
        let (endpoint, person, id) = from;
        let done = papers.and_then(|papers| self.conclude_secret(person, ballot, &papers, now));
        match done {
            Ok(()) => self.reply_done(endpoint, id),
            Err(error) => self.out.push(Effect::Refuse { endpoint, id, error }),
        }
    }

    fn conclude_secret(
        &mut self,
        by: PersonId,
        ballot: BallotId,
        papers: &[BoxedPaper],
        now: Now,
    ) -> Outcome {
        let open = self.this_ballot(&ballot.to_string())?;
        let (matter, kind, issued) = (open.matter.clone(), open.kind, open.issued.len() as u32);
        // Only papers that fit were let into the box.
        let read: Vec<Paper> =
            papers.iter().filter_map(|paper| serde_json::from_str(&paper.choices).ok()).collect();
        let counted = count_papers(&matter, issued, &read);
        let written = self.written_of(kind, &matter);
        let tally = Tally { written, ballots_digest: Some(digest_of(papers)), ..counted };
        self.conclude(by, ballot, tally, now)
    }

    /// The box has one more.
    pub(in crate::room) fn paper_boxed(&mut self, ballot: BallotId) {
        if self.open_ballot().is_some_and(|open| open.id == ballot) {
            self.ballots.boxed += 1;
        }
    }

    pub(in crate::room) fn settle_box(&mut self, now: Now) {
        if self.box_due().is_some_and(|due| now.mono_us >= due) {
            self.ballots.boxed_told = self.ballots.boxed;
            self.ballots.boxed_told_mono_us = now.mono_us;
            self.tell_progress();
        }
    }

    pub(in crate::room) fn box_due(&self) -> Option<i64> {
        let news = self.ballots.boxed != self.ballots.boxed_told;
        news.then_some(self.ballots.boxed_told_mono_us + TOLD_US)
    }

    /// What is being cast now.
    pub(in crate::room) fn casting_now(&self) -> Option<Casting> {
        let ballot = self.ballots.all.last()?;
        let open = ballot.phase == BallotPhase::Open && ballot.is_secret_online();
        Some(Casting {
            ballot: ballot.id,
            matter: ballot.matter.clone(),
            public_key: ballot.public_key.clone().filter(|_| open)?,
        })
    }
}
