//! Votes by name, hands counted in the room, and what the tellers counted.

use signaling::ballot::{BallotMethod, BallotPhase, Choice, PaperCount, Scan, VoteCount};
use signaling::view::Role;
use signaling::{ErrorCode, Event, WireError};

use super::{OneBallot, Outcome, refuse};
use crate::domain::{MemberClass, PersonId};
use crate::journal::Event as JournalEvent;
use crate::room::effect::{Effect, Now};
use crate::room::refusal;
use crate::room::state::RoomState;

fn no_named_vote() -> WireError {
    refuse(ErrorCode::Conflict, "这是无记名投票，不在这里举手表决")
}

fn voted_already() -> WireError {
    refuse(ErrorCode::Conflict, "已经表决过，一人一票，不能更改")
}

impl RoomState {
    pub(in crate::room) fn ballot_vote(
        &mut self,
        by: PersonId,
        ballot: &str,
        choice: Choice,
        now: Now,
    ) -> Outcome {
        self.may_vote(by, ballot)?;
        self.put_vote(by, by, choice, now)
    }

    /// The recorder enters the vote of somebody who is in the room without a device.
    pub(in crate::room) fn ballot_vote_for(
        &mut self,
        by: PersonId,
        ballot: &str,
        participant: &str,
        choice: Choice,
        now: Now,
    ) -> Outcome {
        self.chair_or_recorder(by)?;
        let person: PersonId = participant.parse().map_err(|_| refusal::no_such_participant())?;
        if person == by || self.here.is_online(person) {
            let words = "这位同志在自己的设备上参会，应当由本人表决";
            return Err(refuse(ErrorCode::Conflict, words));
        }
        self.may_vote(person, ballot)?;
        self.put_vote(by, person, choice, now)
    }

    fn put_vote(&mut self, by: PersonId, person: PersonId, choice: Choice, now: Now) -> Outcome {
        let Some(open) = self.open_ballot() else { return Err(no_named_vote()) };
        if open.matter.method != BallotMethod::Hand {
            return Err(no_named_vote());
        }
        if open.cast.contains_key(&person) {
            return Err(voted_already());
        }
        let counted = open.counted.map_or(0, |count| count.total());
        if open.cast.len() as u64 + counted >= open.voters.len() as u64 {
            let words = "会场举手已计入全部到会人数，请先更正举手计数";
            return Err(refuse(ErrorCode::Conflict, words));
        }
        let ballot = open.id;
        open.cast.insert(person, choice);
        let event = JournalEvent::BallotCast { ballot, person, choice };
        self.journal(by.into(), event, now);
        self.tell_progress();
        self.tell_mine(person);
        Ok(())
    }

    /// In the frozen list of the open ballot; who is not is told why.
    pub(super) fn may_vote(&mut self, person: PersonId, ballot: &str) -> Outcome {
        if self.here.role(person) == Some(Role::Observer) {
            return Err(refuse(ErrorCode::Forbidden, "列席人员没有表决权，不计入应到和实到"));
        }
        let in_list = self.this_ballot(ballot)?.voters.contains(&person);
        if in_list {
            return Ok(());
        }
        let words = match self.setup.roster.get(person) {
            None => "不在本次应到名册内，没有表决权",
            Some(entry) => match entry.class {
                MemberClass::Probationary => "预备党员没有表决权、选举权和被选举权（党章第七条）",
                MemberClass::OnPartyProbation => "受留党察看处分期间没有表决权、选举权和被选举权",
                MemberClass::RightsSuspended => "党员权利中止期间没有表决权、选举权和被选举权",
                MemberClass::Full => "表决开始时不在会场，不能参加这次表决",
            },
        };
        Err(refuse(ErrorCode::Forbidden, words))
    }

    /// How many hands were raised in the room by those who have not voted otherwise.
    pub(in crate::room) fn ballot_count(
        &mut self,
        by: PersonId,
        ballot: &str,
        count: VoteCount,
        now: Now,
    ) -> Outcome {
        self.chair_or_recorder(by)?;
        let open = self.this_ballot(ballot)?;
        if open.matter.method != BallotMethod::Hand {
            return Err(no_named_vote());
        }
        let left = open.voters.len() as u64 - open.cast.len() as u64;
        if count.total() > left {
            let total = count.total();
            let words = format!(
                "举手合计{total}人，多于尚未表决的{left}人，请核对（已在页面表决的不再计入）"
            );
            return Err(refuse(ErrorCode::Validation, words));
        }
        open.counted = Some(count);
        let event = JournalEvent::BallotCounted { ballot: open.id, count };
        self.journal(by.into(), event, now);
        self.tell_ballot();
        Ok(())
    }

    /// 计票结果, as the tellers give it; looked through by the rules before it is kept.
    pub(in crate::room) fn ballot_paper(
        &mut self,
        by: PersonId,
        ballot: &str,
        paper: PaperCount,
        now: Now,
    ) -> Outcome {
        self.chair_or_recorder(by)?;
        let open = self.this_ballot(ballot)?;
        if open.matter.method != BallotMethod::PaperSecret {
            return Err(refuse(ErrorCode::Conflict, "这次表决不用纸质选票"));
        }
        if paper.scan.as_ref().is_some_and(|scan| !is_scan(scan)) {
            return Err(refuse(ErrorCode::Validation, "计票单的扫描件没有上传成功，请重新上传"));
        }
        let (id, kind, heads, matter) = (open.id, open.kind, open.heads, open.matter.clone());
        let tally = self.tally_of_paper(&matter, paper.clone());
        // Everything that cannot be is refused now, in words; the result is the chair's to confirm.
        self.judged(kind, heads).after(&matter, &tally)?;
        if let Some(open) = self.open_ballot() {
            open.paper = Some(paper.clone());
        }
        self.journal(by.into(), JournalEvent::BallotPaper { ballot: id, paper }, now);
        self.tell_ballot();
        Ok(())
    }

    pub(super) fn tell_progress(&mut self) {
        let Some(ballot) = self.ballots.all.last() else { return };
        let (id, voted) = (ballot.id.to_string(), self.voted(ballot));
        let issued = ballot.issued.len() as u32;
        self.out.push(Effect::Broadcast(Event::BallotProgress { ballot: id, voted, issued }));
    }

    pub(super) fn voted(&self, ballot: &OneBallot) -> u32 {
        match (ballot.is_secret_online(), ballot.phase) {
            (true, BallotPhase::Registering) => ballot.issued.len() as u32,
            (true, BallotPhase::Open) => self.ballots.boxed_told,
            _ => ballot.cast.len() as u32,
        }
    }
}

fn is_scan(scan: &Scan) -> bool {
    scan.digest.len() == 64
        && scan.digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && matches!(scan.media_type.as_str(), "image/jpeg" | "image/png" | "application/pdf")
}
