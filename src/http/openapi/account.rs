//! The own account.

use axum::http::{Method, StatusCode};

use super::operation::{Described, route};
use crate::http::account::{Login, PasswordChange, Preferences};
use crate::http::view::Me;

const TAG: &str = "account";

pub fn operations() -> Vec<Described> {
    let ok = StatusCode::OK;
    let none = StatusCode::NO_CONTENT;
    vec![
        route(Method::POST, "/api/login", TAG, "登录")
            .anyone()
            .takes::<Login>()
            .gives::<Me>(ok)
            .refuses([401]),
        route(Method::POST, "/api/logout", TAG, "退出登录").gives_nothing(none),
        route(Method::POST, "/api/logout-everywhere", TAG, "在所有设备上退出登录")
            .gives_nothing(none),
        route(Method::POST, "/api/password", TAG, "修改密码")
            .takes::<PasswordChange>()
            .gives_nothing(none),
        route(Method::GET, "/api/me", TAG, "我的账号").gives::<Me>(ok),
        route(Method::PUT, "/api/me/preferences", TAG, "我的设置")
            .takes::<Preferences>()
            .gives::<Me>(ok),
    ]
}
