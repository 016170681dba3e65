//! Shapes of values that crates own which know nothing of HTTP.

use serde::Serialize;
use utoipa::ToSchema;

/// RFC 9457.
#[derive(Serialize, ToSchema)]
pub struct Problem {
    r#type: String,
    title: String,
    status: u16,
    /// Stable; one of `signaling::ErrorCode`.
    code: String,
    /// In Chinese, for the person.
    detail: String,
    retry_after_ms: Option<u32>,
}

/// `signaling::view::Counts`
#[derive(Serialize, ToSchema)]
pub struct Counts {
    due: u32,
    present: u32,
    due_voters: u32,
    present_voters: u32,
    leave: u32,
    absent: u32,
    observers: u32,
    quorum: Option<serde_json::Value>,
}

/// `signaling::view::AgendaItem`
#[derive(Serialize, ToSchema)]
pub struct AgendaItem {
    title: String,
}

/// `signaling::view::ChatMessage`
#[derive(Serialize, ToSchema)]
pub struct ChatMessage {
    id: String,
    participant: String,
    name: String,
    text: String,
    at_us: i64,
}

/// A journal line, docs/JOURNAL.md.
#[derive(Serialize, ToSchema)]
pub struct JournalEvent {
    seq: u64,
    at_us: i64,
    mono_us: i64,
    actor: String,
    event: EventBody,
    prev_hash: String,
    hash: String,
}

#[derive(Serialize, ToSchema)]
struct EventBody {
    r#type: String,
}

/// A case of docs/RULES.md; more keys are told there.
#[derive(Serialize, ToSchema)]
pub struct RulesCase {
    kind: String,
    due_voters: u32,
    present_voters: u32,
}

/// Rules of an organisation, YAML.
#[derive(Serialize, ToSchema)]
pub struct RulesText {
    text: String,
}

/// What a paper says.
#[derive(Serialize, ToSchema)]
pub struct PaperChoices {
    choices: Vec<String>,
    write_in: Vec<String>,
}

/// An online secret paper (docs/BALLOTS.md), all parts base64.
#[derive(Serialize, ToSchema)]
pub struct BallotPaper {
    token: String,
    randomizer: String,
    signature: String,
    paper: PaperChoices,
}

/// One of the papers that were counted.
#[derive(Serialize, ToSchema)]
pub struct ListedPaper {
    id: String,
    paper: PaperChoices,
}
