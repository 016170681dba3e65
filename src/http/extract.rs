//! Bodies, paths and queries, with refusals in problem+json.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use signaling::ErrorCode;

use super::error::ApiError;

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let limited = Request::from_parts(parts.clone(), body);
        let bytes = Bytes::from_request(limited, state).await.map_err(|r| refuse(r.status()))?;
        if holds_nul(&bytes) {
            return Err(refuse(StatusCode::BAD_REQUEST));
        }
        let whole = Request::from_parts(parts, axum::body::Body::from(bytes));
        match Json::from_request(whole, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse(rejection.status())),
        }
    }
}

/// A text with a NUL can be stored in one of our databases and not in the other.
fn holds_nul(json: &[u8]) -> bool {
    json.windows(6).any(|part| part == b"\\u0000")
}

fn refuse(status: StatusCode) -> ApiError {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::new(ErrorCode::TooLarge, "内容过长，请缩短后再试");
    }
    ApiError::new(ErrorCode::BadRequest, "请求的格式不正确，请刷新页面后再试")
}

/// What the path names. A path that cannot name anything names nothing: `not_found`.
pub struct At<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|_| ApiError::not_found())
    }
}

/// The query.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(value)| Self(value))
            .map_err(|_| ApiError::new(ErrorCode::BadRequest, "请求的参数不正确，请刷新页面后再试"))
    }
}
