//! The one table of routes, and the layers around them.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use axum::{Router, middleware as layer};

use super::{
    account, archive, assets, attendance, ballots, corrections, daily, health, imports, join,
    knock, leave, members, metrics, middleware, minutes, network, openapi, orgs, people, roles,
    room_sites, rules, sessions, statistics, whip,
};
use crate::app::App;
use crate::ws::Ws;

/// Largest body of a request, in bytes; tables that are imported have limits of their own.
const MAX_BODY: usize = 64 * 1024;

/// Routes as they are added, so that a test can walk all of them.
struct Routes {
    router: Router<Arc<App>>,
    table: Vec<(Method, &'static str)>,
}

impl Routes {
    fn new() -> Self {
        Self { router: Router::new(), table: Vec::new() }
    }

    fn add<H, T>(mut self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        let filter = match method {
            Method::POST => MethodFilter::POST,
            Method::PUT => MethodFilter::PUT,
            // HEAD comes with it.
            _ => MethodFilter::GET,
        };
        self.table.push((method, path));
        self.router = self.router.route(path, on(filter, handler));
        self
    }
}

/// Answers within a time limit.
fn quick() -> Routes {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    Routes::new()
        .add(POST, "/api/login", account::login)
        .add(POST, "/api/logout", account::logout)
        .add(POST, "/api/logout-everywhere", account::logout_everywhere)
        .add(POST, "/api/password", account::password)
        .add(GET, "/api/me", account::me)
        .add(PUT, "/api/me/preferences", account::preferences)
        .add(GET, "/api/sessions", sessions::list)
        .add(POST, "/api/sessions", sessions::create)
        .add(GET, "/api/sessions/{id}", sessions::read)
        .add(POST, "/api/sessions/{id}/open", sessions::open)
        .add(POST, "/api/sessions/{id}/cancel", sessions::cancel)
        .add(PUT, "/api/sessions/{id}/policy", sessions::policy)
        .add(POST, "/api/sessions/{id}/join", join::join)
        .add(POST, "/api/sessions/{id}/site", room_sites::open)
        .add(GET, "/api/sessions/{id}/checkin.svg", room_sites::code_svg)
        .add(POST, "/api/sessions/{id}/checkin", room_sites::check_in)
        .add(POST, "/api/sessions/{id}/checkout", room_sites::check_out)
        .add(GET, "/api/sessions/{id}/attendance", attendance::live)
        .add(POST, "/api/sessions/{id}/corrections", corrections::correct)
        .add(GET, "/api/sessions/{id}/leave", leave::list)
        .add(POST, "/api/sessions/{id}/leave", leave::ask)
        .add(POST, "/api/sessions/{id}/leave/withdraw", leave::withdraw)
        .add(POST, "/api/sessions/{id}/leave/{person}", leave::decide)
        .add(GET, "/api/sessions/{id}/knock", knock::look)
        .add(POST, "/api/sessions/{id}/knock", knock::knock)
        .add(POST, "/api/sessions/{id}/knock/{person}", knock::answer)
        .add(GET, "/api/sessions/{id}/stats", statistics::read)
        .add(GET, "/api/rules", rules::mine)
        .add(POST, "/api/rules/decide", rules::calculate)
        .add(GET, "/api/orgs/{id}/rules", rules::of_org)
        .add(PUT, "/api/orgs/{id}/rules", rules::set)
        .add(POST, "/api/sessions/{id}/ballots/{ballot}/papers", ballots::cast)
        .add(GET, "/api/sessions/{id}/ballots/{ballot}/papers", ballots::papers)
        .add(GET, "/api/sessions/{id}/scans/{digest}", ballots::scan)
        .add(GET, "/api/network", network::info)
        .add(POST, "/api/network/probe", network::probe)
        .add(GET, "/api/network/download", network::download)
        .add(POST, "/api/network/upload", network::upload)
        .add(GET, "/api/people", people::list)
        .add(GET, "/api/orgs", orgs::list)
        .add(POST, "/api/orgs", orgs::create)
        .add(GET, "/api/orgs/search", orgs::search)
        .add(GET, "/api/orgs/{id}", orgs::read)
        .add(PUT, "/api/orgs/{id}", orgs::edit)
        .add(GET, "/api/orgs/{id}/subtree", orgs::subtree)
        .add(POST, "/api/orgs/{id}/move", orgs::move_to)
        .add(POST, "/api/orgs/{id}/close", orgs::close)
        .add(GET, "/api/orgs/{id}/audit", orgs::audit)
        .add(GET, "/api/orgs/{id}/members", members::list)
        .add(POST, "/api/orgs/{id}/members", members::create)
        .add(PUT, "/api/orgs/{id}/seats", members::seat)
        .add(PUT, "/api/members/{id}", members::edit)
        .add(POST, "/api/members/{id}/account", members::account)
        .add(GET, "/api/imports/{id}", imports::read)
        .add(POST, "/api/imports/{id}/confirm", imports::confirm)
        .add(POST, "/api/imports/{id}/discard", imports::discard)
        .add(GET, "/api/orgs/{id}/roles", roles::list)
        .add(POST, "/api/orgs/{id}/roles", roles::grant)
        .add(POST, "/api/orgs/{id}/roles/revoke", roles::revoke)
        .add(GET, "/api/archive/{id}", archive::read)
        .add(GET, "/api/archive/{id}/journal", archive::journal)
        .add(GET, "/api/archive/{id}/attendance.xlsx", attendance::xlsx)
        .add(GET, "/api/archive/{id}/attendance.csv", attendance::csv)
        .add(GET, "/api/archive/{id}/attendance.json", attendance::json)
        .add(POST, "/api/archive/{id}/render", archive::render)
        .add(GET, "/api/openapi.json", openapi::serve)
        .add(GET, "/api/archive/{id}/minutes", minutes::read)
        .add(
            PUT,
            "/api/archive/{id}/minutes",
            minutes::save.layer(DefaultBodyLimit::max(minutes::MAX_SAVE)),
        )
        .add(GET, "/api/archive/{id}/minutes/versions", minutes::history)
        .add(POST, "/api/archive/{id}/minutes/submit", minutes::submit)
        .add(POST, "/api/archive/{id}/minutes/confirm", minutes::confirm)
        .add(POST, "/api/archive/{id}/minutes/return", minutes::give_back)
        .add(POST, "/api/archive/{id}/minutes/objections", minutes::object)
        .add(
            POST,
            "/api/archive/{id}/minutes/objections/{objection}/answer",
            minutes::answer_objection,
        )
        .add(POST, "/api/archive/{id}/minutes/seal", minutes::seal)
        .add(POST, "/api/archive/{id}/minutes/corrections", minutes::correct)
        .add(GET, "/api/archive/{id}/minutes.docx", minutes::docx_file)
        .add(GET, "/api/archive/{id}/minutes.pdf", minutes::pdf_file)
        .add(GET, "/api/orgs/{id}/minutes-policy", minutes::read_policy)
        .add(PUT, "/api/orgs/{id}/minutes-policy", minutes::set_policy)
        .add(GET, "/api/orgs/{id}/daily-chain", daily::days)
        .add(GET, "/livez", health::live)
        .add(GET, "/readyz", health::ready)
        .add(GET, "/metrics", metrics::metrics)
        .add(GET, "/ca.crt", health::ca)
}

/// Uploads of a page or two, larger than other bodies.
fn scans() -> Routes {
    Routes::new().add(Method::POST, "/api/sessions/{id}/scans", ballots::upload)
}

/// May take as long as the client's line does.
fn slow() -> Routes {
    Routes::new()
        .add(Method::GET, "/api/archive/{id}/journal.jsonl", archive::journal_file)
        .add(Method::POST, "/api/orgs/{id}/import", imports::upload)
        .add(Method::GET, "/api/orgs/{id}/export", imports::export)
        .add(Method::GET, "/api/orgs/{id}/daily-chain.jsonl", daily::file)
        .add(Method::GET, "/media/{id}/recording.mp4", archive::recording)
        .add(Method::GET, "/media/{id}/poster.jpg", archive::poster)
}

/// Every route with its method, for the test that walks them.
pub fn table() -> Vec<(Method, &'static str)> {
    let mut table = quick().table;
    table.extend(slow().table);
    table.extend(scans().table);
    table
}

/// The whole of HTTP, the websocket and the web client.
pub fn router(app: Arc<App>, ws: Arc<Ws>) -> Router {
    let whip = whip::router(app.clone()).layer(layer::from_fn(middleware::time_limit));
    quick()
        .router
        .layer(layer::from_fn(middleware::time_limit))
        .merge(slow().router)
        .merge(scans().router.layer(DefaultBodyLimit::max(ballots::MAX_SCAN)))
        .fallback(assets::serve)
        .with_state(app)
        .merge(whip)
        .merge(crate::ws::router(ws))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(layer::from_fn(middleware::same_origin))
        .layer(layer::from_fn(middleware::security_headers))
        .layer(layer::from_fn(middleware::trace))
}
