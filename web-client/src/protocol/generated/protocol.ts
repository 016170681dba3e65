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

export type ChatMessage = { id: string, participant: string, name: string, text: string, at_us: number, };

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
 * Codes never change their meaning; new ones are added.
 */
export type ErrorCode = "bad_request" | "unsupported_version" | "too_large" | "too_deep" | "not_authenticated" | "invalid_credentials" | "token_invalid" | "token_expired" | "forbidden" | "not_found" | "conflict" | "invalid_sdp" | "unsupported_media" | "session_not_open" | "session_ended" | "not_chair" | "validation" | "password_too_weak" | "password_change_required" | "origin_refused" | "rate_limited" | "overloaded" | "storage_unavailable" | "restarting" | "internal";

export type Event = { "kind": "participant_joined", participant: ParticipantView, } | { "kind": "participant_changed", participant: ParticipantView, } | { "kind": "participant_left", participant: string, reason: LeaveReason, } | { "kind": "counts", counts: Counts, } | { "kind": "session_state", state: SessionState, at_us: number, } | { "kind": "agenda", index: number, } | { "kind": "chair", chair?: string, may_take_over: boolean, } | { "kind": "chat", message: ChatMessage, } | { "kind": "slots", audio: number, video: number, } | { "kind": "assignments", assignments: Array<Assignment>, } | { "kind": "publish_layers", source: Source, active: [boolean, boolean, boolean], } | { "kind": "publish_codec", source: Source, codec: VideoCodec, } | { "kind": "track_paused", participant: string, source: Source, paused: boolean, } | { "kind": "speaker", participant?: string, } | { "kind": "recording", recording: RecordingView, } | { "kind": "records", away: boolean, } | { "kind": "muted", source: Source, by: string, } | { "kind": "replaced" } | { "kind": "may_publish" } | { "kind": "quality", participants: Array<ParticipantQuality>, } | { "kind": "media_connected", connected: boolean, };

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
 * Member class, `domain.md` §2.1.
 */
export type MemberClass = "full" | "probationary" | "on_party_probation" | "rights_suspended";

export type Offer = { sdp: string, 
/**
 * What each sending m-line carries.
 */
publications: Array<Publication>, };

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

export type Reply = { "kind": "welcome" } & Welcome | { "kind": "answer" } & Answer | { "kind": "done" };

export type Request = { "method": "hello" } & Hello | { "method": "offer" } & Offer | { "method": "media_state", source: Source, on: boolean, } | { "method": "view", tracks: Array<ShownTrack>, } | { "method": "chat", text: string, } | { "method": "hand", raised: boolean, } | { "method": "declare_open" } | { "method": "declare_close" } | { "method": "agenda", index: number, } | { "method": "hand_over", participant: string, } | { "method": "take_over" } | { "method": "mute", participant: string, source: Source, } | { "method": "lower_hand", participant: string, } | { "method": "remove", participant: string, } | { "method": "recording_pause", paused: boolean, } | { "method": "leave" };

export type Resume = { token: string, 
/**
 * Last event sequence number seen.
 */
last_seq: number, };

/**
 * Role of a participant inside one session.
 */
export type Role = "chair" | "recorder" | "member" | "observer" | "site";

export type ServerMessage = { "type": "reply", id: number, reply: Reply, } | { "type": "error", id: number, error: WireError, } | { "type": "event", seq: number, event: Event, } | { "type": "ping", seq: number, } | { "type": "bye", error: WireError, };

/**
 * Everything a page needs to draw the room after `welcome`.
 */
export type SessionSnapshot = { id: string, 
/**
 * Rule kind, e.g. `branch_assembly`; the client has the Chinese word.
 */
kind: string, title: string, org_name: string, state: SessionState, planned_start_us: number, declared_open_us?: number, declared_closed_us?: number, agenda: Array<AgendaItem>, agenda_index?: number, participants: Array<ParticipantView>, counts: Counts, recording: RecordingView, 
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
 * The last 200 messages, oldest first.
 */
chat: Array<ChatMessage>, };

/**
 * Life of a session, `domain.md` §8 (states that this version can reach).
 */
export type SessionState = "planned" | "opened" | "declared_open" | "declared_closed" | "archived" | "cancelled";

/**
 * How one track is shown. Sizes in device pixels.
 */
export type ShownTrack = { participant: string, source: Source, width: number, height: number, visible: boolean, 
/**
 * Who comes first when not everything fits: higher before lower.
 */
priority: number, };

export type Source = "microphone" | "camera" | "screen" | "screen_audio";

/**
 * One published track as others see it.
 */
export type TrackView = { participant: string, source: Source, };

export type VideoCodec = "vp8" | "vp9" | "h264" | "av1";

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
