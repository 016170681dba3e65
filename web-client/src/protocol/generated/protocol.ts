// Made from the Rust crate `signaling` by `cargo dev gen`; do not edit.
// docs/PROTOCOL.md says in prose what these types mean.

export const PROTOCOL_VERSION = 1;
export const MAX_FRAME_BYTES = 65536;
export const MAX_DEPTH = 16;
export const PING_INTERVAL_MS = 5000;
export const DEAD_AFTER_MS = 10000;
export const RESUME_WINDOW_MS = 60000;
export const MAX_CHAT_CHARS = 2000;

/** Come back after a while (`retry_after_ms`, else a growing pause). */
export const TRANSIENT_CODES: readonly ErrorCode[] = ["rate_limited", "overloaded", "storage_unavailable", "restarting"];

export type AgendaItem = { title: string, };

export type Answer = { sdp: string, 
/**
 * The whole map of receive slots after this answer.
 */
assignments: Array<Assignment>, };

/**
 * Which track a receive slot (an m-line, named by its mid) carries now.
 */
export type Assignment = { mid: string, participant: string, source: Source, };

/**
 * 应到 and 实到 at the instant the ballot opened: heads, and the voters among them. Before
 * exclusions of an election.
 */
export type BallotHeads = { due: number, present: number, due_voters: number, present_voters: number, };

/**
 * How it is voted.
 */
export type BallotMethod = "hand" | "paper_secret" | "online_secret";

export type BallotPhase = "registering" | "open" | "closed" | "withdrawn";

export type BallotView = { id: string, matter: Matter, phase: BallotPhase, opened_us: number, closed_us?: number, heads: BallotHeads, 
/**
 * Frozen voters of a named ballot while it is open, so that the recorder can enter the vote
 * of who has no device; their votes once it is closed. Left out above 200 voters.
 */
named: Array<NamedVote>, 
/**
 * How many have voted (online secret: ballots in the box, told every few seconds), or have
 * fetched their ballot while it registers.
 */
voted: number, 
/**
 * How many hold an online secret ballot.
 */
issued: number, 
/**
 * Show of hands counted in the room, of those without a device.
 */
counted?: VoteCount, 
/**
 * What the recorder has entered so far; the chair confirms it by closing.
 */
paper?: PaperCount, tally?: Tally, decision?: DecisionView, 
/**
 * Online secret: the ballot's RSA public key (RFC 9474), SPKI DER, base64.
 */
public_key?: string, 
/**
 * Why it was withdrawn.
 */
reason?: string, };

/**
 * All ballots of a session, as a page draws them.
 */
export type BallotsView = { 
/**
 * In the order of opening, the last 20; at most the last one is open.
 */
ballots: Array<BallotView>, mine?: MyBallot, approval?: SuperiorApproval, 
/**
 * How many written opinions are on record for each applicant; not what they say.
 */
opinions: Array<OpinionCount>, 
/**
 * What this session may vote on, by its frozen rules.
 */
kinds: Array<VotableKind>, };

export type CandidateCount = { name: string, 
/**
 * 另选他人: written in by voters.
 */
write_in: boolean, for: number, against: number, abstain: number, };

export type ChatMessage = { id: string, participant: string, name: string, text: string, at_us: number, };

export type Choice = "for" | "against" | "abstain";

/**
 * `{"type":"request","id":7,"request":{"method":"chat","text":"…"}}` or `{"type":"pong","seq":12}`.
 */
export type ClientMessage = { "type": "request", id: number, request: Request, } | { "type": "pong", seq: number, };

/**
 * 应到/实到: heads, and those of them with 表决权.
 */
export type Counts = { due: number, present: number, due_voters: number, present_voters: number, 
/**
 * 请假 granted and not here; 缺席 so far: neither here nor on leave.
 */
leave: number, absent: number, 
/**
 * 列席, outside all the others.
 */
observers: number, 
/**
 * By the rules for this kind of meeting; absent where they ask for no quorum.
 */
quorum?: Quorum, };

/**
 * What the rules make of the counts, explained.
 */
export type DecisionView = { 
/**
 * As in docs/RULES.md: `passed`, `not_passed`, `void`, `elected` …
 */
outcome: string, kind_words: string, 
/**
 * Articles.
 */
basis: string, rules_version: number, 
/**
 * After exclusions.
 */
heads: BallotHeads, quorum?: ShareView, majority?: ShareView, election?: ElectedView, reasons: Array<RemarkView>, warnings: Array<RemarkView>, };

export type ElectedView = { seats: number, needed: number, winners: Array<string>, revote: Array<string>, revote_seats: number, vacant: number, };

export type ElectionMatter = { seats: number, 
/**
 * Names; the room puts them into the order of 姓氏笔画 where the rules ask for it.
 */
candidates: Array<string>, 
/**
 * Electors who need not be counted as due.
 */
exclusions?: Array<ExclusionEntry>, 
/**
 * Both are needed for the exclusions to be in force.
 */
superior_consent: boolean, members_resolution: boolean, };

/**
 * Codes never change their meaning; new ones are added.
 */
export type ErrorCode = "bad_request" | "unsupported_version" | "too_large" | "too_deep" | "not_authenticated" | "invalid_credentials" | "token_invalid" | "token_expired" | "forbidden" | "not_found" | "conflict" | "invalid_sdp" | "unsupported_media" | "session_not_open" | "session_ended" | "not_chair" | "no_quorum" | "validation" | "password_too_weak" | "password_change_required" | "origin_refused" | "rate_limited" | "overloaded" | "storage_unavailable" | "restarting" | "internal";

export type Event = { "kind": "participant_joined", participant: ParticipantView, } | { "kind": "participant_changed", participant: ParticipantView, } | { "kind": "participant_left", participant: string, reason: LeaveReason, } | { "kind": "counts", counts: Counts, } | { "kind": "session_state", state: SessionState, at_us: number, } | { "kind": "paused", paused: boolean, at_us: number, } | { "kind": "rollcall", rollcall?: RollcallView, } | { "kind": "site", site: SiteView, } | { "kind": "attendance_changed" } | { "kind": "agenda", index: number, } | { "kind": "chair", chair?: string, may_take_over: boolean, } | { "kind": "chat", message: ChatMessage, } | { "kind": "ballot", ballot: BallotView, } | { "kind": "ballot_progress", ballot: string, voted: number, issued: number, } | { "kind": "my_ballot", mine: MyBallot, } | { "kind": "ballot_records", approval?: SuperiorApproval, opinions: Array<OpinionCount>, } | { "kind": "slots", audio: number, video: number, } | { "kind": "assignments", assignments: Array<Assignment>, } | { "kind": "publish_layers", source: Source, active: [boolean, boolean, boolean], } | { "kind": "publish_codec", source: Source, codec: VideoCodec, } | { "kind": "track_paused", participant: string, source: Source, paused: boolean, } | { "kind": "speaker", participant?: string, } | { "kind": "recording", recording: RecordingView, } | { "kind": "records", away: boolean, } | { "kind": "muted", source: Source, by: string, } | { "kind": "replaced" } | { "kind": "may_publish" } | { "kind": "quality", participants: Array<ParticipantQuality>, } | { "kind": "media_connected", connected: boolean, };

export type ExclusionEntry = { 
/**
 * Person of the roster.
 */
participant: string, 
/**
 * As in docs/RULES.md, e.g. `bedridden`.
 */
reason: string, };

/**
 * Connection quality, 好 / 一般 / 差; what it is made of stands in docs/STATISTICS.md.
 */
export type Grade = "good" | "fair" | "poor";

export type Hello = { version: number, 
/**
 * Join token from `POST /api/sessions/{id}/join`; bound to session, person and role.
 */
token: string, resume?: Resume, 
/**
 * Answer to the recording notice.
 */
consent: boolean, 
/**
 * `phone`, `desktop` or `site`; a hint for the attendance sheet.
 */
device: string, };

export type LeaveReason = "user" | "drop" | "kick" | "server";

/**
 * What is voted on, and how.
 */
export type Matter = { 
/**
 * Kind by whose rules is decided, e.g. `branch_assembly`, `admit_probationary`, `election`.
 */
kind: string, 
/**
 * 表决事项, as it stands in the minutes.
 */
text: string, method: BallotMethod, 
/**
 * Agenda item, from zero.
 */
agenda?: number, 
/**
 * Names of those on whom is decided: one at a time where the rules say so.
 */
applicants?: Array<string>, 
/**
 * 预备党员转正: which of the outcomes of the rules file is voted on.
 */
proposal?: string, election?: ElectionMatter, tellers?: Array<Teller>, 
/**
 * The meeting has approved the tellers.
 */
tellers_approved: boolean, 
/**
 * The ballot that is voted again (重新表决, 再次投票).
 */
again?: string, };

/**
 * Member class, `domain.md` §2.1.
 */
export type MemberClass = "full" | "probationary" | "on_party_probation" | "rights_suspended";

/**
 * My part in the ballot that is open.
 */
export type MyBallot = { ballot: string, 
/**
 * In the frozen list of voters.
 */
may_vote: boolean, 
/**
 * Voted; online secret: fetched a ballot.
 */
voted: boolean, };

export type NamedVote = { participant: string, name: string, 
/**
 * None: did not vote.
 */
choice?: Choice, };

export type Offer = { sdp: string, 
/**
 * What each sending m-line carries.
 */
publications: Array<Publication>, };

export type OpinionCount = { kind: string, applicant: string, opinions: number, };

/**
 * What the tellers counted: 发出、收回、无效 and what stood on the valid ones.
 */
export type PaperCount = { issued: number, returned: number, invalid: number, 
/**
 * Of a resolution.
 */
vote?: VoteCount, 
/**
 * Of an election.
 */
candidates?: Array<CandidateCount>, 
/**
 * Of a 民主测评: how many members got each grade.
 */
grades?: { [key in string]: number }, scan?: Scan, };

export type ParticipantQuality = { participant: string, grade: Grade, };

export type ParticipantView = { 
/**
 * The person: the same after a reload and on every device.
 */
id: string, name: string, role: Role, 
/**
 * Name of the person's organisation (shown for observers).
 */
org_name: string, class?: MemberClass, 
/**
 * At least one websocket is alive.
 */
online: boolean, devices: number, mic: boolean, cam: boolean, screen: boolean, hand: boolean, 
/**
 * False: declined the recording notice, so not captured.
 */
consent: boolean, 
/**
 * Of the device that publishes; absent while nothing is known.
 */
quality?: Grade, 
/**
 * Wall time of this presence's start.
 */
since_us: number, };

export type Publication = { mid: string, source: Source, };

/**
 * 法定人数 at this instant.
 */
export type Quorum = { 
/**
 * Present and counted, of so many, and how many it takes.
 */
count: number, base: number, needed: number, met: boolean, };

export type RecordingState = "off" | "on" | "paused" | "failed";

export type RecordingView = { state: RecordingState, 
/**
 * Everything up to this wall time is on disk; shown as 录制 HH:MM:SS.
 */
safe_us?: number, problem?: string, };

/**
 * A stable code and a sentence.
 */
export type RemarkView = { code: string, words: string, };

export type Reply = { "kind": "welcome" } & Welcome | { "kind": "answer" } & Answer | { "kind": "paper_signed", signature: string, } | { "kind": "done" };

export type Request = { "method": "hello" } & Hello | { "method": "offer" } & Offer | { "method": "media_state", source: Source, on: boolean, } | { "method": "view", tracks: Array<ShownTrack>, } | { "method": "chat", text: string, } | { "method": "hand", raised: boolean, } | { "method": "declare_open" } | { "method": "declare_close" } | { "method": "pause", paused: boolean, } | { "method": "rollcall_open", window_s: number, } | { "method": "rollcall_plan", times: number, within_min: number, window_s: number, } | { "method": "rollcall_answer", rollcall: number, } | { "method": "rollcall_mark", participant: string, } | { "method": "check_in", participant: string, site: string, reason: string, } | { "method": "check_in_decide", participant: string, accepted: boolean, } | { "method": "check_out", participant: string, } | { "method": "agenda", index: number, } | { "method": "hand_over", participant: string, } | { "method": "take_over" } | { "method": "mute", participant: string, source: Source, } | { "method": "lower_hand", participant: string, } | { "method": "remove", participant: string, } | { "method": "recording_pause", paused: boolean, } | { "method": "ballot_open", matter: Matter, } | { "method": "ballot_vote", ballot: string, choice: Choice, } | { "method": "ballot_vote_for", ballot: string, participant: string, choice: Choice, } | { "method": "ballot_count", ballot: string, count: VoteCount, } | { "method": "ballot_paper", ballot: string, paper: PaperCount, } | { "method": "ballot_token", ballot: string, blinded: string, } | { "method": "ballot_start", ballot: string, } | { "method": "ballot_close", ballot: string, } | { "method": "ballot_withdraw", ballot: string, reason: string, } | { "method": "ballot_approval", approval: SuperiorApproval, } | { "method": "ballot_opinion", opinion: WrittenOpinion, } | { "method": "leave" };

export type Resume = { token: string, 
/**
 * Last event sequence number seen.
 */
last_seq: number, };

/**
 * Role of a participant inside one session.
 */
export type Role = "chair" | "recorder" | "member" | "observer" | "site";

/**
 * 点名 that is running, as one person sees it.
 */
export type RollcallView = { number: number, until_us: number, asked: number, answered: number, asks_me: boolean, i_answered: boolean, };

/**
 * A picture or PDF that was uploaded: of a tally sheet, of a written opinion.
 */
export type Scan = { 
/**
 * SHA-256, 64 hex digits: the file's name in the session's folder.
 */
digest: string, 
/**
 * `image/jpeg`, `image/png` or `application/pdf`.
 */
media_type: string, bytes: number, };

export type ServerMessage = { "type": "reply", id: number, reply: Reply, } | { "type": "error", id: number, error: WireError, } | { "type": "event", seq: number, event: Event, } | { "type": "ping", seq: number, } | { "type": "bye", error: WireError, };

/**
 * Everything a page needs to draw the room after `welcome`.
 */
export type SessionSnapshot = { id: string, 
/**
 * Rule kind, e.g. `branch_assembly`; the client has the Chinese word.
 */
kind: string, title: string, org_name: string, state: SessionState, planned_start_us: number, declared_open_us?: number, declared_closed_us?: number, 
/**
 * 休会 since.
 */
paused_us?: number, agenda: Array<AgendaItem>, agenda_index?: number, participants: Array<ParticipantView>, counts: Counts, recording: RecordingView, 
/**
 * The database is away: [`crate::Event::Records`].
 */
records_away: boolean, 
/**
 * Person presiding now; none while the chair is lost.
 */
chair?: string, 
/**
 * Loudest speaker now.
 */
speaker?: string, 
/**
 * Resolutions and ballots, and what this page's person may do in them.
 */
ballots: BallotsView, 
/**
 * The last 200 messages, oldest first.
 */
chat: Array<ChatMessage>, };

/**
 * Life of a session, `domain.md` §8 (states that this version can reach).
 */
export type SessionState = "planned" | "opened" | "declared_open" | "declared_closed" | "archived" | "cancelled";

/**
 * A share of the rules, applied.
 */
export type ShareView = { 
/**
 * In words, e.g. 超过半数.
 */
rule: string, 
/**
 * What the share is taken of, and what is compared with it.
 */
base: number, count: number, needed: number, met: boolean, 
/**
 * Local practice, no article says so.
 */
local: boolean, };

/**
 * How one track is shown. Sizes in device pixels.
 */
export type ShownTrack = { participant: string, source: Source, width: number, height: number, visible: boolean, 
/**
 * Who comes first when not everything fits: higher before lower.
 */
priority: number, };

/**
 * 会场, as its own screen shows it.
 */
export type SiteView = { id: string, name: string, expected?: number, checked_in: number, 
/**
 * What the link in the QR code carries; another one comes before this is over.
 */
code: string, code_until_us: number, };

export type Source = "microphone" | "camera" | "screen" | "screen_audio";

/**
 * A superior organisation has approved online secret ballots of this session.
 */
export type SuperiorApproval = { 
/**
 * 批准的上级党组织
 */
organisation: string, 
/**
 * 批准人
 */
approver: string, 
/**
 * 文号
 */
document: string, 
/**
 * `YYYY-MM-DD`
 */
approved_on: string, };

/**
 * All that was counted when a ballot closed.
 */
export type Tally = { 
/**
 * Votes of those present, on their pages, entered for them or counted in the room.
 */
vote?: VoteCount, 
/**
 * Written opinions that count.
 */
written?: VoteCount, 
/**
 * Paper as entered; of an online secret ballot the same figures.
 */
paper?: PaperCount, 
/**
 * SHA-256 over the list of online secret ballots (docs/BALLOTS.md).
 */
ballots_digest?: string, };

export type Teller = { name: string, role: TellerRole, };

export type TellerRole = "scrutineer" | "counter";

/**
 * One published track as others see it.
 */
export type TrackView = { participant: string, source: Source, };

export type VideoCodec = "vp8" | "vp9" | "h264" | "av1";

/**
 * A kind of matter, for the chair's form.
 */
export type VotableKind = { kind: string, words: string, methods: Array<BallotMethod>, default_method: BallotMethod, 
/**
 * Decides on people, one at a time.
 */
one_by_one: boolean, 
/**
 * Conversion: what can be voted on.
 */
outcomes: Array<string>, 
/**
 * Elects to seats.
 */
election: boolean, 
/**
 * Grades of a 民主测评; empty otherwise.
 */
grades: Array<string>, written_opinions: boolean, basis: string, };

/**
 * 赞成、反对、弃权
 */
export type VoteCount = { for: number, against: number, abstain: number, };

export type Welcome = { 
/**
 * Me: the person.
 */
participant: string, 
/**
 * This connection (device); kept by a resume.
 */
endpoint: string, resume_token: string, 
/**
 * True: the missed events follow and media may go on; false: start afresh from the snapshot.
 */
resumed: boolean, 
/**
 * Sequence number of the last event contained in `session`.
 */
seq: number, session: SessionSnapshot, server_time_us: number, 
/**
 * Receive slots wanted now (see [`Event::Slots`]).
 */
slots_audio: number, slots_video: number, };

/**
 * One refused request: the code is stable, the message is Chinese and says what to do.
 */
export type WireError = { code: ErrorCode, message: string, 
/**
 * Set for transient errors: milliseconds after which a retry makes sense.
 */
retry_after_ms?: number, };

/**
 * 会前书面意见 of an absent voter (admission and conversion only).
 */
export type WrittenOpinion = { 
/**
 * Person of the roster.
 */
participant: string, 
/**
 * Kind and name of the applicant that it is about.
 */
kind: string, applicant: string, choice: Choice, 
/**
 * Day it was received, `YYYY-MM-DD`.
 */
received_on: string, scan?: Scan, };
