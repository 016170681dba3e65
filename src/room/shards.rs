//! The media shards as the room's seam: ids, words and errors translated, nothing decided.

use std::path::PathBuf;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use media::api::{
    Assignment as MediaAssignment, Codec, Event, GoneReason, OfferError, OfferRequest, OwnerId,
    PeerId, RoomId, Source as MediaSource, TrackView as MediaTrackView, View, Watch,
};
use media::stats::RoomStats;
use media_io::{CaptureError, CaptureProblem, CaptureStatus, CaptureTarget, Media, MediaStats};
use signaling::{Answer, Assignment, ErrorCode, ShownTrack, Source, VideoCodec, WireError};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::effect::{CaptureReport, CaptureTrouble, MediaNotice, Programme, Stream};
use super::ports::{MediaPort, OfferCommand};
use crate::domain::{EndpointId, PersonId, SessionId};

/// Notices between the shard's channel and the room; when it is full the shard's own bounds apply.
const NOTICES: usize = 64;

/// RFC 7675 section 5.1.
const CONSENT_US: i64 = 30_000_000;

pub struct Shards {
    media: Media,
    /// Holds one folder a session.
    captures: PathBuf,
}

impl Shards {
    pub fn new(media: Media, captures: PathBuf) -> Self {
        Self { media, captures }
    }
}

impl MediaPort for Shards {
    fn open_room(
        &self,
        session: SessionId,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<MediaNotice>, WireError>> {
        async move {
            let mut events = self.media.open_room(room(session)).await.map_err(|_| busy())?;
            let (tx, rx) = mpsc::channel(NOTICES);
            tokio::spawn(async move {
                loop {
                    let event = tokio::select! {
                        event = events.recv() => event,
                        // The room has ended: dropping `events` closes the media room.
                        () = tx.closed() => return,
                    };
                    let Some(event) = event else { return };
                    if let Some(notice) = notice(event)
                        && tx.send(notice).await.is_err()
                    {
                        return;
                    }
                }
            });
            Ok(rx)
        }
        .boxed()
    }

    fn close_room(&self, session: SessionId) -> BoxFuture<'_, ()> {
        async move {
            if let Err(error) = self.media.close_room(room(session)) {
                tracing::debug!(%session, %error, "media room not closed");
            }
        }
        .boxed()
    }

    fn offer(&self, offer: OfferCommand) -> BoxFuture<'_, Result<Answer, WireError>> {
        async move {
            let request = OfferRequest {
                room: room(offer.session),
                peer: peer(offer.endpoint),
                owner: owner(offer.person),
                sdp: offer.sdp,
                publications: offer
                    .publications
                    .into_iter()
                    .map(|publication| (publication.mid, to_media(publication.source)))
                    .collect(),
                may_publish: offer.may_publish,
                may_capture: offer.may_capture,
                watch: match offer.stream {
                    None => Watch::Everyone,
                    Some(Stream::Publish) => Watch::Nobody,
                    Some(Stream::Watch(None)) => Watch::Programme,
                    Some(Stream::Watch(Some(person))) => Watch::Owner(owner(person)),
                },
            };
            match self.media.offer(request).await {
                Ok(answer) => Ok(Answer {
                    sdp: answer.sdp,
                    assignments: answer.assignments.into_iter().map(assignment).collect(),
                }),
                Err(error) => Err(refusal(&error)),
            }
        }
        .boxed()
    }

    fn remove_peer(&self, session: SessionId, endpoint: EndpointId) -> BoxFuture<'_, ()> {
        async move {
            if let Err(error) = self.media.remove_peer(room(session), peer(endpoint)) {
                // The peer's consent expires by itself.
                tracing::warn!(%session, %error, "peer not removed");
            }
        }
        .boxed()
    }

    fn set_enabled(
        &self,
        session: SessionId,
        endpoint: EndpointId,
        source: Source,
        on: bool,
    ) -> BoxFuture<'_, ()> {
        async move {
            let (room, peer) = (room(session), peer(endpoint));
            if let Err(error) = self.media.set_enabled(room, peer, to_media(source), on) {
                tracing::warn!(%session, %error, "source not switched");
            }
        }
        .boxed()
    }

    fn set_chair(&self, session: SessionId, chair: Option<PersonId>) -> BoxFuture<'_, ()> {
        async move {
            let chair = chair.map(|person| OwnerId(person.as_uuid().as_u128()));
            if let Err(error) = self.media.set_chair(room(session), chair) {
                tracing::debug!(%session, %error, "chair not set");
            }
        }
        .boxed()
    }

    fn set_view(
        &self,
        session: SessionId,
        endpoint: EndpointId,
        tracks: Vec<(PersonId, ShownTrack)>,
    ) -> BoxFuture<'_, ()> {
        async move {
            let views = tracks.iter().map(|(person, shown)| view(*person, shown)).collect();
            if let Err(error) = self.media.set_view(room(session), peer(endpoint), views) {
                tracing::debug!(%session, %error, "view not set");
            }
        }
        .boxed()
    }

    fn set_programme(&self, session: SessionId, programme: Programme) -> BoxFuture<'_, ()> {
        async move {
            let programme = media::api::Programme {
                lead: programme.lead.map(owner),
                speaker: programme.speaker.map(owner),
            };
            if let Err(error) = self.media.set_programme(room(session), programme) {
                tracing::debug!(%session, %error, "programme not set");
            }
        }
        .boxed()
    }

    fn start_capture(
        &self,
        session: SessionId,
        origin: Instant,
        origin_mono_us: i64,
    ) -> BoxFuture<'_, Result<(), WireError>> {
        async move {
            let dir = self.captures.join(session.to_string());
            let target = CaptureTarget { dir, origin, origin_mono_us };
            match self.media.start_capture(room(session), target).await {
                Ok(()) | Err(CaptureError::AlreadyStarted) => Ok(()),
                Err(error) => {
                    tracing::error!(%session, %error, "capture not started");
                    Err(busy())
                }
            }
        }
        .boxed()
    }

    fn pause_capture(&self, session: SessionId) -> BoxFuture<'_, ()> {
        async move { report(session, self.media.pause_capture(room(session)).await) }.boxed()
    }

    fn resume_capture(&self, session: SessionId) -> BoxFuture<'_, ()> {
        async move { report(session, self.media.resume_capture(room(session)).await) }.boxed()
    }

    fn stop_capture(&self, session: SessionId) -> BoxFuture<'_, ()> {
        async move { report(session, self.media.stop_capture(room(session)).await) }.boxed()
    }

    fn stats(&self, session: SessionId) -> BoxFuture<'_, Option<RoomStats>> {
        self.media.room_stats(room(session)).boxed()
    }

    fn totals(&self) -> Option<MediaStats> {
        Some(self.media.stats())
    }

    fn capture_reports(&self, session: SessionId) -> watch::Receiver<CaptureReport> {
        let mut status = self.media.capture_status(room(session));
        let (tx, rx) = watch::channel(CaptureReport::default());
        tokio::spawn(async move {
            loop {
                let report = report_of(&status.borrow_and_update());
                tx.send_if_modified(|old| std::mem::replace(old, report) != report);
                tokio::select! {
                    changed = status.changed() => if changed.is_err() { return },
                    () = tx.closed() => return,
                }
            }
        });
        rx
    }
}

fn report(session: SessionId, result: Result<(), CaptureError>) {
    match result {
        Ok(()) | Err(CaptureError::NoSuchRoom | CaptureError::NotStarted) => {}
        Err(error) => tracing::error!(%session, %error, "capture"),
    }
}

fn report_of(status: &CaptureStatus) -> CaptureReport {
    let trouble = status.problem.map(|problem| match problem {
        CaptureProblem::DiskFull => CaptureTrouble::DiskFull,
        CaptureProblem::Storage(_) | CaptureProblem::WriterFailed => CaptureTrouble::Failed,
        CaptureProblem::TooSlow => CaptureTrouble::TooSlow,
    });
    CaptureReport { safe_mono_us: status.safe_mono_us, trouble }
}

fn room(session: SessionId) -> RoomId {
    RoomId(session.as_uuid().as_u128())
}

fn peer(endpoint: EndpointId) -> PeerId {
    PeerId(endpoint.as_uuid().as_u128())
}

fn endpoint(peer: PeerId) -> EndpointId {
    Uuid::from_u128(peer.0).into()
}

fn owner(person: PersonId) -> OwnerId {
    OwnerId(person.as_uuid().as_u128())
}

fn assignment(from: MediaAssignment) -> Assignment {
    Assignment {
        mid: from.mid,
        participant: Uuid::from_u128(from.owner.0).to_string(),
        source: from_media(from.source),
    }
}

fn view(person: PersonId, shown: &ShownTrack) -> MediaTrackView {
    let &ShownTrack { source, width, height, visible, priority, .. } = shown;
    MediaTrackView {
        owner: owner(person),
        source: to_media(source),
        view: View { width, height, visible, priority },
    }
}

fn to_media(source: Source) -> MediaSource {
    match source {
        Source::Microphone => MediaSource::Microphone,
        Source::Camera => MediaSource::Camera,
        Source::Screen => MediaSource::Screen,
        Source::ScreenAudio => MediaSource::ScreenAudio,
    }
}

fn from_media(source: MediaSource) -> Source {
    match source {
        MediaSource::Microphone => Source::Microphone,
        MediaSource::Camera => Source::Camera,
        MediaSource::Screen => Source::Screen,
        MediaSource::ScreenAudio => Source::ScreenAudio,
    }
}

fn notice(event: Event) -> Option<MediaNotice> {
    Some(match event {
        Event::PeerConnected { peer, .. } => MediaNotice::Connected { endpoint: endpoint(peer) },
        Event::PeerGone { peer, reason, .. } => MediaNotice::Gone {
            endpoint: endpoint(peer),
            silent_us: match reason {
                GoneReason::ConsentExpired => CONSENT_US,
                GoneReason::Closed | GoneReason::HandshakeFailed | GoneReason::Removed => 0,
            },
        },
        // What a person shows is what they say, not when the first packet comes.
        Event::TrackStarted { .. } => return None,
        Event::TrackEnded { peer, source, .. } => {
            MediaNotice::TrackEnded { endpoint: endpoint(peer), source: from_media(source) }
        }
        Event::Slots { peer, audio, video, .. } => {
            MediaNotice::Slots { endpoint: endpoint(peer), audio, video }
        }
        Event::Assignments { peer, assignments, .. } => MediaNotice::Assignments {
            endpoint: endpoint(peer),
            assignments: assignments.into_iter().map(assignment).collect(),
        },
        Event::PublishLayers { peer, source, active, .. } => MediaNotice::PublishLayers {
            endpoint: endpoint(peer),
            source: from_media(source),
            active,
        },
        Event::PublishCodec { peer, source, codec, .. } => MediaNotice::PublishCodec {
            endpoint: endpoint(peer),
            source: from_media(source),
            codec: video_codec(codec)?,
        },
        Event::TrackPaused { peer, owner, source, paused, .. } => MediaNotice::TrackPaused {
            endpoint: endpoint(peer),
            person: PersonId::from(Uuid::from_u128(owner.0)),
            source: from_media(source),
            paused,
        },
        Event::Speaker { peer, .. } => MediaNotice::Speaker { endpoint: peer.map(endpoint) },
        Event::RoomFailed { .. } => MediaNotice::RoomFailed,
    })
}

fn video_codec(codec: Codec) -> Option<VideoCodec> {
    match codec {
        Codec::Opus => None,
        Codec::Vp8 => Some(VideoCodec::Vp8),
        Codec::Vp9 => Some(VideoCodec::Vp9),
        Codec::H264 => Some(VideoCodec::H264),
        Codec::Av1 => Some(VideoCodec::Av1),
    }
}

fn refusal(error: &OfferError) -> WireError {
    match error {
        OfferError::InvalidSdp(_) => WireError::new(
            ErrorCode::InvalidSdp,
            "浏览器的音视频参数无法识别，请刷新页面或更换浏览器",
        ),
        OfferError::UnsupportedMedia(_) => WireError::new(
            ErrorCode::UnsupportedMedia,
            "浏览器不支持会议所用的音视频格式，请更换新版浏览器",
        ),
        OfferError::NoSuchRoom | OfferError::Overloaded => busy(),
    }
}

fn busy() -> WireError {
    WireError {
        code: ErrorCode::Overloaded,
        message: "服务器繁忙，音视频稍后自动连接".into(),
        retry_after_ms: Some(1_000),
    }
}
