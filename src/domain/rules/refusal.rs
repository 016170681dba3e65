//! What cannot be decided, and what to do about it: a stable code and a sentence.

use serde::Serialize;
use thiserror::Error;

use super::file::Ballot;

/// Serialised as `{"code": …, …}`.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    #[error("应到会有表决权的人数为零，请先核对应到名单")]
    ZeroDue,
    #[error("实到{present}人多于应到{due}人，请核对签到")]
    PresentAboveDue { due: u32, present: u32 },
    #[error("请假{on_leave}人多于未到的{absent}人，请核对")]
    LeaveAboveAbsent { on_leave: u32, absent: u32 },
    #[error("人数过大，请核对")]
    TooLarge,
    #[error("临时党支部等组织不能召开{kind}（{basis}）")]
    ForbiddenInOrg { kind: String, basis: String },
    #[error("必须逐个讨论和表决，请对每一人分别表决（{basis}）")]
    OneByOne { basis: String },
    #[error("预备党员和被停止党员权利的人没有表决权，{people}票应当剔除后重新计票")]
    NoRightToVote { people: u32 },
    #[error("{kind}不采用这种表决方式，请改用{allowed}")]
    BallotNotAllowed { kind: String, allowed: String },
    #[error("线上无记名表决须先有上级党组织批准并记录在案，请改用纸质选票或先报批")]
    SuperiorApprovalMissing,
    #[error("线上无记名表决不足{least}人参加会暴露个人意见，请改用纸质选票")]
    TooFewOnlineVoters { least: u32, voters: u32 },
    #[error("赞成、反对、弃权共{votes}票，多于实到会有表决权的{voters}人，请重新计票")]
    MoreVotesThanVoters { votes: u64, voters: u32 },
    #[error("这类会议不计会前书面意见")]
    WrittenNotCounted,
    #[error("书面意见{written}份，多于未到会有表决权的{absent}人，请核对")]
    MoreWrittenThanAbsent { written: u64, absent: u32 },
    #[error("无效票{invalid}张多于收回的{returned}张，请核对")]
    MoreInvalidThanReturned { invalid: u32, returned: u32 },
    #[error("收回{returned}张多于发出的{issued}张，请核对")]
    MoreReturnedThanIssued { issued: u32, returned: u32 },
    #[error("发出{issued}张多于实到会有表决权的{voters}人，请核对")]
    MoreIssuedThanVoters { issued: u32, voters: u32 },
    #[error("得票合计{votes}与有效票{valid}张不符，请重新计票")]
    TallyDoesNotAddUp { votes: u64, valid: u32 },
    #[error("{kind}不进行正式表决；需要表决的事项请提交支部党员大会")]
    NoVoteInThisKind { kind: String },
    #[error("只有选举可以按规定减计应到人数；请假的人仍计入应到")]
    ExclusionsOnlyForElections,
    #[error("不计入的{excluded}人多于应到的{due}人，请核对")]
    MoreExcludedThanDue { excluded: u64, due: u32 },
    #[error("请给出选举的名额、候选人和收回的选票数")]
    ElectionMissing,
    #[error("名额为零，没有可选的")]
    NoSeats,
    #[error("候选人“{name}”列了两次")]
    CandidateTwice { name: String },
    #[error("应选{seats}人，候选人至少{needed}人，现有{candidates}人（{basis}）")]
    TooFewCandidates { seats: u32, needed: u32, candidates: u32, basis: String },
    #[error("“{name}”的票数{votes}多于有效票{valid}张，请重新计票")]
    CandidateAboveBallots { name: String, votes: u64, valid: u32 },
    #[error("全部赞成票{votes}多于有效票{valid}张乘以名额，选人多于名额的票应当作废")]
    MoreNamesThanSeats { votes: u64, valid: u32 },
    #[error("选举要用“election”填写各候选人的票数，不用“vote”")]
    VoteInElection,
    #[error("请给出民主测评各等次的人数")]
    ReviewMissing,
    #[error("没有“{grade}”这个等次")]
    UnknownGrade { grade: String },
    #[error("评定等次的{graded}人多于正式党员{members}人；预备党员参加评议但不评定等次")]
    MoreGradedThanMembers { graded: u64, members: u32 },
    #[error("组织生活会请写明按哪种会议召开（form）：{allowed}")]
    FormMissing { allowed: String },
    #[error("这类会议没有“{what}”")]
    NotForThisKind { what: &'static str },
    #[error("规则文件中没有这类会议的规则")]
    NoRules,
}

impl Ballot {
    /// As a recorder says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hand => "举手或口头表决",
            Self::PaperSecret => "纸质无记名投票",
            Self::OnlineSecret => "线上无记名投票",
        }
    }
}
