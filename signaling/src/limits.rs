//! Numbers both ends of the protocol agree on, and the bounds of one connection.
//!
//! Times are microseconds. `docs/PROTOCOL.md` prints the same table.

/// Largest text frame either way, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;
/// Deepest nesting of arrays and objects; checked before parsing.
pub const MAX_DEPTH: usize = 16;
/// A connection that has not said `hello` by then is closed.
pub const HELLO_DEADLINE_US: u64 = 10_000_000;
/// The server pings this often.
pub const PING_INTERVAL_US: u64 = 5_000_000;
/// No frame for so long: the line is dead.
pub const DEAD_AFTER_US: u64 = 10_000_000;
/// A dropped connection can be resumed this long after its last frame.
pub const RESUME_WINDOW_US: u64 = 60_000_000;
/// Events kept for a resume; beyond it the client starts afresh.
pub const REPLAY_EVENTS: usize = 1_024;
/// Bytes of events kept for a resume.
pub const REPLAY_BYTES: usize = 256 * 1024;
/// Frames waiting to be written; beyond it the connection is ended as too slow.
pub const OUTGOING_FRAMES: usize = 512;
/// Bytes waiting to be written.
pub const OUTGOING_BYTES: usize = 512 * 1024;
/// Requests handed to the room and not yet answered.
pub const PENDING_REQUESTS: usize = 64;
/// Tracks in one `view`.
pub const MAX_SHOWN_TRACKS: usize = 128;
/// Longest chat message in characters.
pub const MAX_CHAT_CHARS: usize = 2_000;
/// A `bye` not written by then is given up.
pub const CLOSE_DEADLINE_US: u64 = 2_000_000;
