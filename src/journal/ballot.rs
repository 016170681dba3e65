//! The larger ballot events. What they are made of is `signaling::ballot`.

use serde::{Deserialize, Serialize};
use signaling::ballot::{BallotHeads, DecisionView, Matter, RemarkView, Tally};

use crate::domain::{BallotId, PersonId};

/// `ballot_snapshot`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub ballot: BallotId,
    pub matter: Matter,
    pub heads: BallotHeads,
    /// 有表决权 and present at this instant: only they may vote.
    pub voters: Vec<PersonId>,
    /// Online secret: the ballot's RSA public key (SPKI DER, base64). The secret key was never
    /// written anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// `ballot_refused`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub matter: Matter,
    pub heads: BallotHeads,
    pub why: RemarkView,
}

/// `ballot_closed`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    pub ballot: BallotId,
    pub tally: Tally,
    pub decision: DecisionView,
}

impl Snapshot {
    /// 换届选举, 接收预备党员, … as the matter names it.
    pub fn kind(&self) -> Option<crate::domain::MeetingKind> {
        crate::domain::MeetingKind::from_id(&self.matter.kind)
    }
}
