//! The description of the whole HTTP interface (OpenAPI 3.1), from the types that are served.
//!
//! A file a group of resources says for every route what it takes and gives. Bodies and answers
//! are the schemas that utoipa derives from the very types serde reads and writes. A test compares
//! its paths with [`super::routes::table`], so that no route is forgotten, and Schemathesis looks
//! whether any answer contradicts it.

mod account;
mod archive;
mod attendance;
mod ballots;
mod ids;
mod minutes;
mod operation;
mod orgs;
mod sessions;
mod system;
pub mod wire;

use std::sync::OnceLock;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, Method};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder};

use operation::{Described, SESSION_COOKIE};

/// Every route that is described.
fn all() -> Vec<Described> {
    [
        account::operations(),
        sessions::operations(),
        ballots::operations(),
        orgs::operations(),
        attendance::operations(),
        archive::operations(),
        minutes::operations(),
        system::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Method and path of every route that is described.
pub fn table() -> Vec<(Method, &'static str)> {
    all().into_iter().map(|described| (described.method, described.path)).collect()
}

/// The document.
pub fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    let cookie = ApiKeyValue::with_description(
        super::caller::COOKIE_NAME,
        "Set by POST /api/login; HttpOnly, SameSite=Lax",
    );
    let mut components = ComponentsBuilder::new()
        .security_scheme(SESSION_COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    for described in all() {
        let (path, item, schemas) = described.build();
        paths = paths.path(path, item);
        components = components.schemas_from_iter(schemas);
    }
    let info = InfoBuilder::new()
        .title("云堂")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Errors are RFC 9457 problem+json with a stable `code`. Times are microseconds UTC. \
             Unsafe methods need an Origin that names the host asked, or none and no cookie. \
             Details: docs/API.md.",
        ))
        .build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}

/// The document as it is served and kept in `docs/openapi.json`.
///
/// # Errors
/// Never, as long as schemas are plain data.
pub fn text() -> Result<String, serde_json::Error> {
    // Through a value: keys in one order, whatever the builders do.
    let value = serde_json::to_value(document())?;
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

/// `GET /api/openapi.json`
pub async fn serve() -> ([(HeaderName, &'static str); 1], &'static str) {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| text().unwrap_or_default());
    ([(CONTENT_TYPE, "application/json")], text)
}
