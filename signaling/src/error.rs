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
    /// 不足法定人数
    NoQuorum,
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

/// Who has to act on an error (law 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Show it; the same request will fail again.
    Client,
    /// Retry after a while.
    Transient,
    /// A bug of ours.
    Server,
}

impl ErrorCode {
    pub const ALL: &'static [ErrorCode] = &[
        ErrorCode::BadRequest,
        ErrorCode::UnsupportedVersion,
        ErrorCode::TooLarge,
        ErrorCode::TooDeep,
        ErrorCode::NotAuthenticated,
        ErrorCode::InvalidCredentials,
        ErrorCode::TokenInvalid,
        ErrorCode::TokenExpired,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::Conflict,
        ErrorCode::InvalidSdp,
        ErrorCode::UnsupportedMedia,
        ErrorCode::SessionNotOpen,
        ErrorCode::SessionEnded,
        ErrorCode::NotChair,
        ErrorCode::NoQuorum,
        ErrorCode::Validation,
        ErrorCode::PasswordTooWeak,
        ErrorCode::PasswordChangeRequired,
        ErrorCode::OriginRefused,
        ErrorCode::RateLimited,
        ErrorCode::Overloaded,
        ErrorCode::StorageUnavailable,
        ErrorCode::Restarting,
        ErrorCode::Internal,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::BadRequest => "bad_request",
            ErrorCode::UnsupportedVersion => "unsupported_version",
            ErrorCode::TooLarge => "too_large",
            ErrorCode::TooDeep => "too_deep",
            ErrorCode::NotAuthenticated => "not_authenticated",
            ErrorCode::InvalidCredentials => "invalid_credentials",
            ErrorCode::TokenInvalid => "token_invalid",
            ErrorCode::TokenExpired => "token_expired",
            ErrorCode::Forbidden => "forbidden",
            ErrorCode::NotFound => "not_found",
            ErrorCode::Conflict => "conflict",
            ErrorCode::InvalidSdp => "invalid_sdp",
            ErrorCode::UnsupportedMedia => "unsupported_media",
            ErrorCode::SessionNotOpen => "session_not_open",
            ErrorCode::SessionEnded => "session_ended",
            ErrorCode::NotChair => "not_chair",
            ErrorCode::NoQuorum => "no_quorum",
            ErrorCode::Validation => "validation",
            ErrorCode::PasswordTooWeak => "password_too_weak",
            ErrorCode::PasswordChangeRequired => "password_change_required",
            ErrorCode::OriginRefused => "origin_refused",
            ErrorCode::RateLimited => "rate_limited",
            ErrorCode::Overloaded => "overloaded",
            ErrorCode::StorageUnavailable => "storage_unavailable",
            ErrorCode::Restarting => "restarting",
            ErrorCode::Internal => "internal",
        }
    }

    pub fn fault(self) -> Fault {
        match self {
            ErrorCode::RateLimited
            | ErrorCode::Overloaded
            | ErrorCode::StorageUnavailable
            | ErrorCode::Restarting => Fault::Transient,
            ErrorCode::Internal => Fault::Server,
            _ => Fault::Client,
        }
    }

    /// True: the client comes back by itself.
    pub fn is_transient(self) -> bool {
        self.fault() == Fault::Transient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_on_the_wire_is_the_one_serde_writes() {
        for code in ErrorCode::ALL {
            let written = serde_json::to_string(code).expect("plain enum");
            assert_eq!(written, format!("\"{}\"", code.as_str()));
        }
    }
}
