//! The connection test, and what machines ask for.

use axum::http::{Method, StatusCode};

use super::operation::{Described, route};
use crate::http::network::{Info, ProbeAnswer, ProbeOffer};

const TAG: &str = "system";

pub fn operations() -> Vec<Described> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    let ok = StatusCode::OK;
    vec![
        route(GET, "/api/openapi.json", TAG, "本接口的描述").anyone().gives_object(ok),
        route(GET, "/api/network", TAG, "连接测试").anyone().gives::<Info>(ok),
        route(POST, "/api/network/probe", TAG, "测试一种连接方式")
            .anyone()
            .takes::<ProbeOffer>()
            .gives::<ProbeAnswer>(ok),
        route(GET, "/api/network/download", TAG, "测试下行")
            .anyone()
            .gives_file("application/octet-stream"),
        route(POST, "/api/network/upload", TAG, "测试上行")
            .anyone()
            .takes_bytes()
            .gives_nothing(StatusCode::NO_CONTENT),
        route(GET, "/livez", TAG, "进程在运行").anyone().gives_file("text/plain"),
        route(GET, "/readyz", TAG, "可以使用").anyone().gives_file("text/plain").plain(503),
        route(GET, "/metrics", TAG, "Prometheus").anyone().gives_file("text/plain").refuses([404]),
        route(GET, "/ca.crt", TAG, "本机的根证书")
            .anyone()
            .gives_file("application/x-x509-ca-cert")
            .refuses([404]),
    ]
}
