//! `GET /api/sessions/{id}/stats`: the media statistics of a running room, flat lists of numbers
//! for tables and charts. Persons are named by id only.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use media::stats::{PeerReport, SlotReport, TrackReport};
use serde::Serialize;
use signaling::ErrorCode;
use signaling::view::Grade;
use uuid::Uuid;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::At;
use crate::app::App;
use crate::auth::policy::Action;
use crate::domain::SessionId;
use crate::room::report::{MediaReport, Point, permille, wire_grade};

#[derive(Serialize, utoipa::ToSchema)]
pub struct Statistics {
    /// Wall time of the sample; 0 when nothing was sampled yet.
    at_us: i64,
    /// What the rates are over.
    interval_ms: u64,
    participants: Vec<Participant>,
    tracks: Vec<Track>,
    subscriptions: Vec<Subscription>,
    /// The whole room, oldest first, every two seconds for five minutes.
    history: Vec<Point>,
}

/// One device of a person.
#[derive(Serialize, utoipa::ToSchema)]
struct Participant {
    participant: String,
    endpoint: String,
    #[schema(value_type = Option<String>)]
    grade: Option<Grade>,
    connected: bool,
    path: Option<&'static str>,
    rtt_ms: Option<u64>,
    loss_permille: u32,
    jitter_ms: u64,
    frozen_permille: u32,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Track {
    /// The publishing device.
    endpoint: String,
    source: &'static str,
    codec: &'static str,
    enabled: bool,
    subscribers: u32,
    layers: Vec<Layer>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Layer {
    active: bool,
    bps: u64,
    loss_permille: u32,
    jitter_ms: u64,
    packets: u64,
    lost: u64,
    repaired: u64,
    nacks: u64,
    plis: u64,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Subscription {
    /// The receiving device, and the publishing one.
    endpoint: String,
    from: String,
    source: &'static str,
    layer: Option<u8>,
    bps: u64,
    loss_permille: u32,
    jitter_ms: u64,
    packets: u64,
    rtx: u64,
    nacks: u64,
    plis: u64,
    freezes: u64,
    frozen_ms: u64,
}

pub async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Json<Statistics>> {
    caller.session(&app, id, Action::ReadStatistics).await?;
    let report = app.rooms.media_report(id).ok_or_else(|| {
        ApiError::new(ErrorCode::SessionNotOpen, "会议没有在进行，没有会议质量数据")
    })?;
    Ok(Json(Statistics::of(&report)))
}

impl Statistics {
    fn of(report: &MediaReport) -> Self {
        let MediaReport { at_us, report, history } = report;
        Self {
            at_us: *at_us,
            interval_ms: ms(report.interval),
            participants: report.peers.iter().map(participant).collect(),
            tracks: report.tracks.iter().map(track).collect(),
            subscriptions: report.slots.iter().map(subscription).collect(),
            history: history.clone(),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn id(of: u128) -> String {
    Uuid::from_u128(of).to_string()
}

fn participant(peer: &PeerReport) -> Participant {
    Participant {
        participant: id(peer.stats.owner.0),
        endpoint: id(peer.stats.peer.0),
        grade: peer.grade.map(wire_grade),
        connected: peer.stats.connected,
        path: peer.stats.path.map(|path| path.name()),
        rtt_ms: peer.stats.rtt.map(ms),
        loss_permille: permille(peer.figures.loss),
        jitter_ms: ms(peer.figures.jitter),
        frozen_permille: permille(peer.figures.frozen),
    }
}

fn track(track: &TrackReport) -> Track {
    let layers = track.stats.layers().iter().zip(&track.rates).map(|(layer, rates)| Layer {
        active: layer.active,
        bps: rates.bitrate,
        loss_permille: permille(rates.loss),
        jitter_ms: ms(layer.jitter),
        packets: layer.packets,
        lost: layer.lost,
        repaired: layer.repaired,
        nacks: layer.nacks,
        plis: layer.plis,
    });
    Track {
        endpoint: id(track.stats.peer.0),
        source: track.stats.source.name(),
        codec: track.stats.codec.name(),
        enabled: track.stats.enabled,
        subscribers: track.stats.subscribers,
        layers: layers.collect(),
    }
}

fn subscription(slot: &SlotReport) -> Subscription {
    let stats = &slot.stats;
    Subscription {
        endpoint: id(stats.peer.0),
        from: id(stats.from.0),
        source: stats.source.name(),
        layer: stats.layer,
        bps: slot.bitrate,
        loss_permille: permille(slot.loss),
        jitter_ms: ms(stats.jitter),
        packets: stats.packets,
        rtx: stats.resent,
        nacks: stats.nacks,
        plis: stats.plis,
        freezes: stats.freezes,
        frozen_ms: ms(stats.frozen),
    }
}
