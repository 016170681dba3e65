//! Errors at the edge: RFC 9457 problem+json, from one table of codes.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use signaling::{ErrorCode, WireError};

use crate::auth::SignInError;
use crate::auth::password::{PasswordError, WeakPassword};
use crate::auth::policy::Denied;
use crate::store::StoreError;

/// A refused request; what a handler returns instead of an answer.
#[derive(Debug)]
pub struct ApiError(pub WireError);

pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(WireError::new(code, message))
    }

    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "没有找到，可能已被取消或链接不完整")
    }

    pub fn not_signed_in() -> Self {
        Self::new(ErrorCode::NotAuthenticated, "请先登录")
    }

    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Validation, message)
    }

    /// A bug or a broken disk: logged once here, with no more than its kind told outside.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "request failed");
        Self::new(ErrorCode::Internal, "系统出错，请稍后再试；如仍不行，请联系管理员")
    }

    pub fn retry_after_ms(mut self, ms: u32) -> Self {
        self.0.retry_after_ms = Some(ms);
        self
    }
}

/// The one table from code to status and title.
pub const fn status_and_title(code: ErrorCode) -> (StatusCode, &'static str) {
    use ErrorCode as C;
    use StatusCode as S;
    match code {
        C::BadRequest => (S::BAD_REQUEST, "Bad request"),
        C::UnsupportedVersion => (S::BAD_REQUEST, "Unsupported version"),
        C::TooLarge => (S::PAYLOAD_TOO_LARGE, "Too large"),
        C::TooDeep => (S::BAD_REQUEST, "Nested too deeply"),
        C::NotAuthenticated => (S::UNAUTHORIZED, "Not signed in"),
        C::InvalidCredentials => (S::UNAUTHORIZED, "Wrong login or password"),
        C::TokenInvalid => (S::UNAUTHORIZED, "Token invalid"),
        C::TokenExpired => (S::UNAUTHORIZED, "Token expired"),
        C::Forbidden => (S::FORBIDDEN, "Forbidden"),
        C::NotFound => (S::NOT_FOUND, "Not found"),
        C::Conflict => (S::CONFLICT, "Conflict"),
        C::InvalidSdp => (S::UNPROCESSABLE_ENTITY, "Invalid SDP"),
        C::UnsupportedMedia => (S::UNPROCESSABLE_ENTITY, "Unsupported media"),
        C::SessionNotOpen => (S::CONFLICT, "Session not open"),
        C::SessionEnded => (S::CONFLICT, "Session ended"),
        C::NotChair => (S::FORBIDDEN, "Not the chair"),
        C::NoQuorum => (S::CONFLICT, "No quorum"),
        C::Validation => (S::UNPROCESSABLE_ENTITY, "Validation failed"),
        C::PasswordTooWeak => (S::UNPROCESSABLE_ENTITY, "Password too weak"),
        C::PasswordChangeRequired => (S::FORBIDDEN, "Password change required"),
        C::OriginRefused => (S::FORBIDDEN, "Origin refused"),
        C::RateLimited => (S::TOO_MANY_REQUESTS, "Too many requests"),
        C::Overloaded => (S::SERVICE_UNAVAILABLE, "Overloaded"),
        C::StorageUnavailable => (S::SERVICE_UNAVAILABLE, "Storage unavailable"),
        C::Restarting => (S::SERVICE_UNAVAILABLE, "Restarting"),
        C::Internal => (S::INTERNAL_SERVER_ERROR, "Internal error"),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.into_response_as(None)
    }
}

impl ApiError {
    /// With another status than its code has by the table, where a protocol names one.
    pub fn into_response_as(self, status: Option<StatusCode>) -> Response {
        let WireError { code, message, retry_after_ms } = self.0;
        let (usual, title) = status_and_title(code);
        let title = status.and_then(|status| status.canonical_reason()).unwrap_or(title);
        let status = status.unwrap_or(usual);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(ms) = retry_after_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        }
        let problem = json!({
            "type": "about:blank",
            "title": title,
            "status": status.as_u16(),
            "code": code,
            "detail": message,
            "retry_after_ms": retry_after_ms,
        });
        let mut response = (status, Json(problem)).into_response();
        response.headers_mut().extend(headers);
        response
    }
}

impl From<WireError> for ApiError {
    fn from(error: WireError) -> Self {
        Self(error)
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self(denied.into())
    }
}

impl From<WeakPassword> for ApiError {
    fn from(weak: WeakPassword) -> Self {
        Self::new(ErrorCode::PasswordTooWeak, weak.to_string())
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Overloaded => {
                Self::new(ErrorCode::Overloaded, "登录的人较多，请稍等几秒再试")
                    .retry_after_ms(3000)
            }
            PasswordError::Failed => Self::internal(error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "the store is not available");
                Self::new(
                    ErrorCode::StorageUnavailable,
                    "数据库暂时不可用，请稍后再试；正在进行的会议不受影响",
                )
                .retry_after_ms(2000)
            }
            StoreError::Conflict(_) => {
                Self::new(ErrorCode::Conflict, "内容已被他人更改，请刷新页面后再试")
            }
            StoreError::NotFound(_) => Self::not_found(),
            StoreError::AppendOnly
            | StoreError::Corrupt(_)
            | StoreError::Tampered(_)
            | StoreError::Invalid(_)
            | StoreError::Database(_) => Self::internal(error),
        }
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Wrong => {
                Self::new(ErrorCode::InvalidCredentials, "登录名或密码不正确，请核对后再试")
            }
            SignInError::Throttled { wait_us } => {
                let minutes = (wait_us + 59_999_999) / 60_000_000;
                let message = format!("密码错误次数过多，请{minutes}分钟后再试");
                let ms = u32::try_from(wait_us / 1000).unwrap_or(u32::MAX);
                Self::new(ErrorCode::RateLimited, message).retry_after_ms(ms)
            }
            SignInError::Weak(weak) => weak.into(),
            SignInError::Password(error) => error.into(),
            SignInError::Store(error) => error.into(),
            SignInError::Key(error) => Self::internal(error),
        }
    }
}
