//! What a client is shown of a session: plain data, all times `*_us` in microseconds.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::message::Source;

/// Life of a session, `domain.md` §8 (states that this version can reach).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    Planned,
    /// 会场已开放, 名册已冻结 (roster frozen at opening).
    Opened,
    /// 已宣布开会: official time runs.
    DeclaredOpen,
    /// 已散会: official time ended.
    DeclaredClosed,
    /// Recording composed, archive complete.
    Archived,
    Cancelled,
}

/// Role of a participant inside one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 主持人
    Chair,
    /// 记录人
    Recorder,
    /// 参会党员
    Member,
    /// 列席 (superior who sits in); never counted in 应到/实到.
    Observer,
    /// 会场: a room with many people before one device; nobody by itself.
    Site,
}

/// Member class, `domain.md` §2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum MemberClass {
    /// 正式党员
    Full,
    /// 预备党员
    Probationary,
    /// 留党察看
    OnPartyProbation,
    /// 权利中止
    RightsSuspended,
}

/// Connection quality, 好 / 一般 / 差; what it is made of stands in docs/STATISTICS.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    Good,
    Fair,
    Poor,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ParticipantView {
    /// The person: the same after a reload and on every device.
    pub id: String,
    pub name: String,
    pub role: Role,
    /// Name of the person's organisation (shown for observers).
    pub org_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub class: Option<MemberClass>,
    /// At least one websocket is alive.
    pub online: bool,
    pub devices: u32,
    pub mic: bool,
    pub cam: bool,
    pub screen: bool,
    pub hand: bool,
    /// False: declined the recording notice, so not captured.
    pub consent: bool,
    /// Of the device that publishes; absent while nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quality: Option<Grade>,
    /// Wall time of this presence's start.
    #[ts(type = "number")]
    pub since_us: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AgendaItem {
    pub title: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ChatMessage {
    pub id: String,
    pub participant: String,
    pub name: String,
    pub text: String,
    #[ts(type = "number")]
    pub at_us: i64,
}

/// 应到/实到: heads, and those of them with 表决权.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
pub struct Counts {
    pub due: u32,
    pub present: u32,
    pub due_voters: u32,
    pub present_voters: u32,
    /// 请假 granted and not here; 缺席 so far: neither here nor on leave.
    #[serde(default)]
    pub leave: u32,
    #[serde(default)]
    pub absent: u32,
    /// 列席, outside all the others.
    pub observers: u32,
    /// By the rules for this kind of meeting; absent where they ask for no quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quorum: Option<Quorum>,
}

/// 法定人数 at this instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
pub struct Quorum {
    /// Present and counted, of so many, and how many it takes.
    pub count: u32,
    pub base: u32,
    pub needed: u32,
    pub met: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    Off,
    On,
    Paused,
    /// Disk full or capture writer failed: nothing is being kept.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RecordingView {
    pub state: RecordingState,
    /// Everything up to this wall time is on disk; shown as 录制 HH:MM:SS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub safe_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub problem: Option<String>,
}

/// 会场, as its own screen shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SiteView {
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub expected: Option<u32>,
    pub checked_in: u32,
    /// What the link in the QR code carries; another one comes before this is over.
    pub code: String,
    #[ts(type = "number")]
    pub code_until_us: i64,
}

/// 点名 that is running, as one person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RollcallView {
    pub number: u32,
    #[ts(type = "number")]
    pub until_us: i64,
    pub asked: u32,
    pub answered: u32,
    pub asks_me: bool,
    pub i_answered: bool,
}

/// Everything a page needs to draw the room after `welcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SessionSnapshot {
    pub id: String,
    /// Rule kind, e.g. `branch_assembly`; the client has the Chinese word.
    pub kind: String,
    pub title: String,
    pub org_name: String,
    pub state: SessionState,
    #[ts(type = "number")]
    pub planned_start_us: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub declared_open_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub declared_closed_us: Option<i64>,
    /// 休会 since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub paused_us: Option<i64>,
    pub agenda: Vec<AgendaItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub agenda_index: Option<u32>,
    pub participants: Vec<ParticipantView>,
    pub counts: Counts,
    pub recording: RecordingView,
    /// The database is away: [`crate::Event::Records`].
    #[serde(default)]
    pub records_away: bool,
    /// Person presiding now; none while the chair is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub chair: Option<String>,
    /// Loudest speaker now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub speaker: Option<String>,
    /// Resolutions and ballots, and what this page's person may do in them.
    pub ballots: crate::ballot::BallotsView,
    /// The last 200 messages, oldest first.
    pub chat: Vec<ChatMessage>,
}

/// One published track as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct TrackView {
    pub participant: String,
    pub source: Source,
}
