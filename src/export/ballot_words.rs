//! Events of ballots in words a recorder uses.

use signaling::ballot::{BallotMethod, Choice, PaperCount, Tally, VoteCount};

use crate::domain::PersonId;
use crate::journal::Event;

pub(super) fn words(event: &Event, name: impl Fn(PersonId) -> String) -> (&'static str, String) {
    match event {
        Event::BallotApproval { approval } => (
            "上级批准线上无记名投票",
            format!(
                "{} {}，{}，{}",
                approval.organisation, approval.approver, approval.document, approval.approved_on
            ),
        ),
        // Who handed it in is known; what it says is told with the result only.
        Event::BallotOpinion { opinion } => {
            let who = opinion.participant.parse().map_or_else(|_| String::new(), &name);
            (
                "会前书面意见",
                format!("{who}，关于{}，{}收到", opinion.applicant, opinion.received_on),
            )
        }
        Event::BallotRefused(refused) => {
            ("未能表决", format!("{}：{}", refused.matter.text, refused.why.words))
        }
        Event::BallotSnapshot(open) => (
            "开始表决",
            format!(
                "{}（{}），有表决权到会{}人",
                open.matter.text,
                method_word(open.matter.method),
                open.voters.len()
            ),
        ),
        Event::BallotToken { person, .. } => ("领取选票", name(*person)),
        Event::BallotStarted { issued, .. } => ("开始投票", format!("发出{issued}张")),
        Event::BallotCast { person, choice, .. } => {
            ("表决", format!("{}：{}", name(*person), choice_word(*choice)))
        }
        Event::BallotCounted { count, .. } => ("会场举手计数", vote_words(count)),
        Event::BallotPaper { paper, .. } => ("计票", paper_words(paper)),
        Event::BallotClosed(closed) => {
            let reasons: Vec<_> =
                closed.decision.reasons.iter().map(|remark| remark.words.as_str()).collect();
            ("表决结果", format!("{}{}", tally_words(&closed.tally), reasons.join("；")))
        }
        Event::BallotWithdrawn { reason, .. } => ("撤回表决", reason.clone()),
        _ => ("其他", String::new()),
    }
}

pub(super) const fn method_word(method: BallotMethod) -> &'static str {
    match method {
        BallotMethod::Hand => "举手或口头表决",
        BallotMethod::PaperSecret => "纸质无记名投票",
        BallotMethod::OnlineSecret => "线上无记名投票",
    }
}

pub(super) const fn choice_word(choice: Choice) -> &'static str {
    match choice {
        Choice::For => "赞成",
        Choice::Against => "反对",
        Choice::Abstain => "弃权",
    }
}

fn vote_words(vote: &VoteCount) -> String {
    format!("赞成{}，反对{}，弃权{}", vote.in_favour, vote.against, vote.abstain)
}

fn paper_words(paper: &PaperCount) -> String {
    let mut words = format!("发出{}，收回{}，无效{}", paper.issued, paper.returned, paper.invalid);
    if let Some(vote) = &paper.vote {
        words += &format!("；{}", vote_words(vote));
    }
    for one in &paper.candidates {
        words += &format!("；{}：{}", one.name, vote_words(&one.votes));
    }
    for (grade, people) in &paper.grades {
        words += &format!("；{grade}{people}人");
    }
    words
}

fn tally_words(tally: &Tally) -> String {
    let mut words = match (&tally.paper, &tally.vote) {
        (Some(paper), _) => paper_words(paper),
        (None, Some(vote)) => vote_words(vote),
        (None, None) => String::new(),
    };
    if let Some(written) = tally.written.filter(|written| written.total() > 0) {
        words += &format!("；会前书面意见{}", vote_words(&written));
    }
    if !words.is_empty() {
        words.push('。');
    }
    words
}
