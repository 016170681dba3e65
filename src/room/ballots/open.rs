//! Opening a ballot, and what has to be on record before it.

use signaling::ballot::{BallotMethod, Matter, RemarkView, SuperiorApproval, WrittenOpinion};
use signaling::{ErrorCode, WireError};
use uuid::Uuid;

use super::{MAX_BALLOTS, MAX_OPINIONS, OneBallot, Outcome, refuse};
use crate::domain::ballot::{self, quorum_words};
use crate::domain::rules::Outcome as Decided;
use crate::domain::{BallotId, EndpointId, PersonId, strokes};
use crate::journal::ballot::{Refused, Snapshot};
use crate::journal::{Actor, Event as JournalEvent};
use crate::room::effect::{Effect, Now};
use crate::room::state::RoomState;

/// Longest words of an approval.
const MAX_WORDS: usize = 100;

/// `YYYY-MM-DD` of a year in living memory.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let digits = |part: &str, n: usize| part.len() == n && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| part.parse::<u32>().unwrap_or(0);
    digits(year, 4)
        && digits(month, 2)
        && digits(day, 2)
        && (2000..2100).contains(&number(year))
        && (1..=12).contains(&number(month))
        && (1..=31).contains(&number(day))
}

fn is_word(text: &str) -> bool {
    (1..=MAX_WORDS).contains(&text.trim().chars().count()) && !text.chars().any(char::is_control)
}

impl RoomState {
    /// 批准: entered by the chair, the recorder or the secretary, who answer for it with their
    /// name in the journal.
    pub(in crate::room) fn ballot_approval(
        &mut self,
        by: PersonId,
        approval: SuperiorApproval,
        now: Now,
    ) -> Outcome {
        self.keeps_papers(by)?;
        let words = [&approval.organisation, &approval.approver, &approval.document];
        if !words.iter().all(|word| is_word(word)) || !is_date(&approval.approved_on) {
            let words = "请写明批准的上级党组织、批准人、文号和批准日期";
            return Err(refuse(ErrorCode::Validation, words));
        }
        let event = JournalEvent::BallotApproval { approval: approval.clone() };
        self.journal(by.into(), event, now);
        self.ballots.approval = Some(approval);
        self.out.push(Effect::PrepareBallotKey);
        self.tell_ballots();
        Ok(())
    }

    /// 会前书面意见 of an absent voter, entered before the matter is voted.
    pub(in crate::room) fn ballot_opinion(
        &mut self,
        by: PersonId,
        opinion: WrittenOpinion,
        now: Now,
    ) -> Outcome {
        self.keeps_papers(by)?;
        let kind = ballot::kind_of(&self.setup.rules, self.setup.kind, &opinion.kind)?;
        let counts = self.setup.rules.of(kind).and_then(|of| of.pass);
        if !counts.is_some_and(|pass| pass.written_opinions) {
            return Err(refuse(ErrorCode::Validation, "这类事项不计会前书面意见"));
        }
        if !is_word(&opinion.applicant) || !is_date(&opinion.received_on) {
            let words = "请写明书面意见所涉及的同志和收到的日期";
            return Err(refuse(ErrorCode::Validation, words));
        }
        let person: Option<PersonId> = opinion.participant.parse().ok();
        let entry = person.and_then(|person| self.setup.roster.get(person));
        if !entry.is_some_and(|entry| entry.due && entry.voter) {
            let words = "书面意见只能由应到会而未到会的有表决权的党员提出";
            return Err(refuse(ErrorCode::Validation, words));
        }
        let voted = self.ballots.all.iter().any(|ballot| {
            ballot.kind == kind && ballot.matter.applicants.contains(&opinion.applicant)
        });
        if voted {
            let words = "这件事项已开始表决，会前书面意见应在表决前提交";
            return Err(refuse(ErrorCode::Conflict, words));
        }
        if self.ballots.opinions.len() >= MAX_OPINIONS {
            return Err(refuse(ErrorCode::Validation, "书面意见过多，请核对"));
        }
        let event = JournalEvent::BallotOpinion { opinion: opinion.clone() };
        self.journal(by.into(), event, now);
        self.ballots.put_opinion(opinion);
        self.tell_ballots();
        Ok(())
    }

    /// Whether the matter may be voted now. Without a quorum the attempt stands in the journal.
    fn may_open(&mut self, by: PersonId, matter: &Matter, now: Now) -> Outcome {
        self.must_preside(by)?;
        self.in_session()?;
        if self.open_ballot().is_some() {
            return Err(refuse(ErrorCode::Conflict, "还有一项表决没有结束，请先宣布结果或撤回"));
        }
        if self.ballots.all.len() >= MAX_BALLOTS {
            return Err(refuse(ErrorCode::Validation, "本次会议的表决次数过多"));
        }
        let agenda = self.setup.agenda.len();
        if matter.agenda.is_some_and(|index| index as usize >= agenda) {
            return Err(crate::room::refusal::no_such_item());
        }
        let kind = ballot::kind_of(&self.setup.rules, self.setup.kind, &matter.kind)?;
        ballot::check(&self.setup.rules, kind, matter)?;
        self.may_be_excluded(matter)?;
        self.tellers_are_members(matter)?;
        let heads = self.heads_now();
        let decision = self.judged(kind, heads).before(matter)?;
        if decision.outcome != Decided::NoQuorum {
            return Ok(());
        }
        let words = quorum_words(&decision).unwrap_or_else(|| "不足法定人数，不能表决".into());
        let why = RemarkView { code: "no_quorum".into(), words: words.clone() };
        let refused = Refused { matter: matter.clone(), heads, why };
        self.journal(by.into(), JournalEvent::BallotRefused(Box::new(refused)), now);
        Err(refuse(ErrorCode::NoQuorum, words))
    }

    /// Who is not counted as due has to be an elector, and away.
    fn may_be_excluded(&self, matter: &Matter) -> Outcome {
        let present = self.present_voters();
        let mut seen = std::collections::BTreeSet::new();
        for entry in matter.election.iter().flat_map(|election| &election.exclusions) {
            let person = entry.participant.parse().ok();
            let listed = person.and_then(|person: PersonId| self.setup.roster.get(person));
            let Some(listed) = listed.filter(|entry| entry.due && entry.voter) else {
                let words = "不计入应到的人须是本次应到会有选举权的党员";
                return Err(refuse(ErrorCode::Validation, words));
            };
            if present.contains(&listed.person_id) || !seen.insert(listed.person_id) {
                let words = format!("{}已到会或重复列出，不能不计入应到", listed.name);
                return Err(refuse(ErrorCode::Validation, words));
            }
        }
        Ok(())
    }

    fn tellers_are_members(&self, matter: &Matter) -> Outcome {
        if matter.election.is_none() {
            return Ok(());
        }
        let mut names = self.setup.roster.iter().map(|entry| entry.name.as_str());
        match matter.tellers.iter().find(|teller| !names.any(|name| name == teller.name)) {
            None => Ok(()),
            Some(teller) => {
                let words = format!("“{}”不在名册上，监票人、计票人由到会党员担任", teller.name);
                Err(refuse(ErrorCode::Validation, words))
            }
        }
    }

    /// An online secret ballot first needs its key; the answer to the request comes with it.
    pub(in crate::room) fn ballot_open(
        &mut self,
        from: (EndpointId, PersonId, u32),
        mut matter: Matter,
        fresh: Uuid,
        now: Now,
    ) -> Result<bool, WireError> {
        let (endpoint, person, id) = from;
        self.may_open(person, &matter, now)?;
        if let Some(election) = &mut matter.election {
            strokes::sort_by_surname(&mut election.candidates);
        }
        let ballot = BallotId::from(fresh);
        if matter.method != BallotMethod::OnlineSecret {
            self.freeze(person, ballot, matter, None, now);
            return Ok(true);
        }
        let matter = Box::new(matter);
        self.out.push(Effect::MakeBallotKey { endpoint, person, id, ballot, matter });
        Ok(false)
    }

    /// The voters of this instant.
    pub(super) fn freeze(
        &mut self,
        by: PersonId,
        ballot: BallotId,
        matter: Matter,
        public_key: Option<String>,
        now: Now,
    ) {
        let Ok(kind) = ballot::kind_of(&self.setup.rules, self.setup.kind, &matter.kind) else {
            return;
        };
        let voters = self.present_voters().into_iter().collect();
        let heads = self.heads_now();
        let snapshot = Snapshot { ballot, matter, heads, voters, public_key };
        self.ballots.all.push(OneBallot::new(&snapshot, kind, now.wall_us));
        self.ballots.forget_box();
        let event = JournalEvent::BallotSnapshot(Box::new(snapshot));
        self.journal(Actor::Person(by), event, now);
        self.tell_ballot();
        self.tell_all_mine();
    }

    /// Also for an online ballot whose key has come meanwhile.
    pub(super) fn freeze_again(
        &mut self,
        by: PersonId,
        ballot: BallotId,
        matter: Matter,
        key: String,
        now: Now,
    ) -> Outcome {
        self.may_open(by, &matter, now)?;
        self.freeze(by, ballot, matter, Some(key), now);
        Ok(())
    }
}
