//! The rules of meetings as data, and the engine that applies them. See docs/RULES.md.

mod case;
mod check;
mod decide;
mod elect;
mod file;
mod refusal;
mod threshold;

pub use case::{BallotCount, Candidate, Case, Election, Exclusion, ExclusionReason, Review, Vote};
pub use decide::{Applied, Decision, Heads, Outcome, Remark, decide};
pub use elect::Elected;
pub use file::{BUILT_IN, Ballot, Frozen, KindRules, Layer, Rules, RulesError};
pub use refusal::Refusal;
pub use threshold::{Base, Certainty, Op, Threshold};
