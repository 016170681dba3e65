//! Stable error codes, shared by the websocket, HTTP (RFC 9457 problem+json) and TypeScript.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One refused request: the code is stable, the message is Chinese and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WireError {
    pub code: ErrorCode,
    pub message: String,
    /// Set for transient errors: milliseconds after which a retry makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub retry_after_ms: Option<u32>,
}

impl WireError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }
}

/// Codes never change their meaning; new ones are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    // Fault of the client: show it.
    BadRequest,
    UnsupportedVersion,
    TooLarge,
    TooDeep,
    NotAuthenticated,
    InvalidCredentials,
    TokenInvalid,
    TokenExpired,
    Forbidden,
    NotFound,
    Conflict,
    InvalidSdp,
    UnsupportedMedia,
    SessionNotOpen,
    SessionEnded,
    NotChair,
    Validation,
    PasswordTooWeak,
    PasswordChangeRequired,
    OriginRefused,
    // Transient: retry after a while.
    RateLimited,
    Overloaded,
    StorageUnavailable,
    Restarting,
    // A bug of ours: logged once, counted.
    Internal,
}
