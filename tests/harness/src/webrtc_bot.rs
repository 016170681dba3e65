//! A participant on the async `webrtc` crate: another independent WebRTC implementation, and the
//! one that the server's protocol crates come from.
//!
//! It publishes marked Opus and VP8 samples, receives into recvonly m-lines and counts by mark. It
//! is a bot for function, not for load or loss: the crate keeps asking for packets that came
//! already, and gives its user no key-frame request, so a key frame is sent each second.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rtc::media::Sample;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RtpCodecKind,
};
use signaling::message::{Assignment, Event, Offer, Publication, Source};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use webrtc::media_stream::track_local::static_sample::TrackLocalStaticSample;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSdpType, RTCSessionDescription, Registry,
    register_default_interceptors,
};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};

use crate::bot::Stream;
use crate::http::{Account, Place};
use crate::line::Line;
use crate::mark::Mark;

const GATHERING: Duration = Duration::from_secs(5);
const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
const VIDEO_INTERVAL: Duration = Duration::from_millis(66);
/// Frames from one key frame to the next: a second.
const KEY_INTERVAL: u32 = 15;
const FRAME_BYTES: usize = 3_000;

/// What came, by the sending bot's number and the source.
pub type Came = BTreeMap<(u32, Source), Stream>;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Told by the crate's driver; shared with the bot.
struct Heard {
    came: Arc<Mutex<Came>>,
    connected: watch::Sender<bool>,
    gathered: mpsc::Sender<()>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Heard {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            // A second one would say nothing new.
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.connected.send_replace(state == RTCPeerConnectionState::Connected);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let came = Arc::clone(&self.came);
        tokio::spawn(async move {
            let video = track.kind().await == RtpCodecKind::Video;
            let source = if video { Source::Camera } else { Source::Microphone };
            // Ends with the connection.
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event
                    && let Some(mark) = Mark::read(&packet.payload)
                {
                    let now = Instant::now();
                    let mut came = came.lock().unwrap_or_else(PoisonError::into_inner);
                    let stream = came.entry((mark.bot, source)).or_insert_with(|| Stream::new(now));
                    stream.take(mark.number, now);
                }
            }
        });
    }
}

pub struct WebrtcBot {
    /// What marks its samples.
    pub id: u32,
    pub line: Line,
    /// The whole map of receive slots as last told.
    pub assignments: Vec<Assignment>,
    connection: Arc<dyn PeerConnection>,
    came: Arc<Mutex<Came>>,
    connected: watch::Receiver<bool>,
    slots: (u32, u32),
    tasks: Vec<JoinHandle<()>>,
}

impl WebrtcBot {
    /// Signs in, joins and offers; `publishes` says whether it has a microphone and a camera.
    ///
    /// # Errors
    /// Whatever refused it on the way.
    pub async fn enter(
        id: u32,
        place: &Place,
        account: &Account,
        session: &str,
        publishes: bool,
    ) -> Result<Self, Failed> {
        let (at, account, session) = (place.clone(), account.clone(), session.to_owned());
        let joining = move || at.sign_in(&account)?.join(&session);
        let token = tokio::task::spawn_blocking(joining).await??;
        let line = Line::open(place, token, true, None).await?;
        let came = Arc::default();
        let (connected_tx, connected) = watch::channel(false);
        let (gathered_tx, mut gathered) = mpsc::channel(1);
        let heard =
            Heard { came: Arc::clone(&came), connected: connected_tx, gathered: gathered_tx };
        let connection = connect(heard).await?;

        let mut tracks = Vec::new();
        if publishes {
            for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
                let ssrc = id.wrapping_mul(2) + u32::from(kind == RtpCodecKind::Video) + 0x1000;
                let track =
                    Arc::new(TrackLocalStaticSample::new(Instant::now(), track(kind, ssrc))?);
                let transceiver = connection
                    .add_transceiver_from_track(Arc::clone(&track) as _, one_way(true))
                    .await?;
                tracks.push((kind, ssrc, track, transceiver));
            }
        }
        let least = u32::from(!publishes);
        let slots = (line.welcome.slots_audio.max(least), line.welcome.slots_video.max(least));
        let mut bot = Self {
            id,
            line,
            assignments: Vec::new(),
            connection,
            came,
            connected,
            slots: (0, 0),
            tasks: Vec::new(),
        };
        bot.add_receivers(slots).await?;
        bot.offer(Some(&mut gathered)).await?;
        for (kind, ssrc, track, transceiver) in tracks {
            let sender = transceiver.sender().await?.ok_or("a sending m-line has no sender")?;
            let codecs = sender.get_parameters().await?.rtp_parameters.codecs;
            let pt = codecs.first().ok_or("the answer has no codec for a track")?.payload_type;
            bot.tasks.push(tokio::spawn(publish(id, kind, ssrc, pt, track, bot.connected.clone())));
        }
        Ok(bot)
    }

    async fn add_receivers(&mut self, (audio, video): (u32, u32)) -> Result<(), Failed> {
        for (kind, count) in [
            (RtpCodecKind::Audio, audio.saturating_sub(self.slots.0)),
            (RtpCodecKind::Video, video.saturating_sub(self.slots.1)),
        ] {
            for _ in 0..count {
                self.connection.add_transceiver_from_kind(kind, one_way(false)).await?;
            }
        }
        self.slots = (self.slots.0.max(audio), self.slots.1.max(video));
        Ok(())
    }

    /// One round of offer and answer.
    async fn offer(&mut self, gathered: Option<&mut mpsc::Receiver<()>>) -> Result<(), Failed> {
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer).await?;
        if let Some(gathered) = gathered {
            tokio::time::timeout(GATHERING, gathered.recv()).await?;
        }
        let local = self.connection.local_description().await.ok_or("no local description")?;
        let offer = Offer { publications: publications(&local.sdp), sdp: local.sdp };
        let answer = self.line.offer(offer).await?;
        self.assignments = answer.assignments;
        let remote = RTCSessionDescription::answer(answer.sdp)?;
        debug_assert_eq!(remote.sdp_type, RTCSdpType::Answer);
        self.connection.set_remote_description(remote).await?;
        Ok(())
    }

    /// Takes the next event of the line, and acts on it as the protocol wants; `None` when the
    /// line is gone.
    ///
    /// # Errors
    /// A refused offer.
    pub async fn event(&mut self) -> Result<Option<Event>, Failed> {
        let Some(event) = self.line.event().await else { return Ok(None) };
        match &event {
            Event::Assignments { assignments } => self.assignments.clone_from(assignments),
            Event::Slots { audio, video } if *audio > self.slots.0 || *video > self.slots.1 => {
                self.add_receivers((*audio, *video)).await?;
                self.offer(None).await?;
            }
            _ => {}
        }
        Ok(Some(event))
    }

    /// Takes events until the bot is as wanted; looks at it again every 20 ms. Says whether it
    /// came to that within `limit`.
    ///
    /// # Errors
    /// As [`WebrtcBot::event`], and the end of the line.
    pub async fn until(
        &mut self,
        limit: Duration,
        mut wanted: impl FnMut(&Self) -> bool,
    ) -> Result<bool, Failed> {
        let deadline = Instant::now() + limit;
        while !wanted(self) {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            let look = tokio::time::timeout(AUDIO_INTERVAL, self.line.events_ready());
            if look.await == Ok(false) {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            while self.line.has_event() {
                self.event().await?;
            }
        }
        Ok(true)
    }

    pub fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// How many packets or samples of a bot's source have come.
    pub fn heard(&self, bot: u32, source: Source) -> usize {
        let came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.get(&(bot, source)).map_or(0, |stream| stream.numbers.len())
    }

    pub fn is_assigned(&self, participant: &str, source: Source) -> bool {
        self.assignments.iter().any(|a| a.participant == participant && a.source == source)
    }

    /// Ends the media and drops the line.
    ///
    /// # Errors
    /// Those of the crate.
    pub async fn close(self) -> Result<(), Failed> {
        for task in &self.tasks {
            task.abort();
        }
        Ok(self.connection.close().await?)
    }
}

async fn connect(heard: Heard) -> Result<Arc<dyn PeerConnection>, Failed> {
    let mut media = MediaEngine::default();
    for (kind, payload_type) in [(RtpCodecKind::Audio, 111), (RtpCodecKind::Video, 96)] {
        let codec = RTCRtpCodecParameters { rtp_codec: codec(kind), payload_type };
        media.register_codec(codec, kind)?;
    }
    let registry = register_default_interceptors(Registry::new(), &mut media)?;
    let connection = PeerConnectionBuilder::new()
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(heard))
        .with_udp_addrs(vec!["127.0.0.1:0"])
        .build()
        .await?;
    Ok(Arc::new(connection))
}

fn codec(kind: RtpCodecKind) -> RTCRtpCodec {
    let (mime_type, clock_rate, channels, fmtp) = match kind {
        RtpCodecKind::Audio => (MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1"),
        _ => (MIME_TYPE_VP8, 90_000, 0, ""),
    };
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

fn track(kind: RtpCodecKind, ssrc: u32) -> MediaStreamTrack {
    let coding = RTCRtpCodingParameters { ssrc: Some(ssrc), ..RTCRtpCodingParameters::default() };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: coding,
        codec: codec(kind),
        ..RTCRtpEncodingParameters::default()
    };
    let name = format!("bot-{kind}");
    MediaStreamTrack::new("bot".to_owned(), name.clone(), name, kind, vec![encoding])
}

fn one_way(sends: bool) -> Option<RTCRtpTransceiverInit> {
    let direction = if sends {
        RTCRtpTransceiverDirection::Sendonly
    } else {
        RTCRtpTransceiverDirection::Recvonly
    };
    Some(RTCRtpTransceiverInit { direction, ..RTCRtpTransceiverInit::default() })
}

/// What each sending m-line of an offer carries.
fn publications(sdp: &str) -> Vec<Publication> {
    let sections = sdp.split("\r\nm=").skip(1);
    let sending = sections.filter(|section| section.lines().any(|line| line == "a=sendonly"));
    let named = sending.filter_map(|section| {
        let mid = section.lines().find_map(|line| line.strip_prefix("a=mid:"))?.to_owned();
        let audio = section.starts_with("audio");
        Some(Publication { mid, source: if audio { Source::Microphone } else { Source::Camera } })
    });
    named.collect()
}

/// Samples at their times, from the moment that media flows until the bot is closed.
async fn publish(
    bot: u32,
    kind: RtpCodecKind,
    ssrc: u32,
    payload_type: u8,
    track: Arc<TrackLocalStaticSample>,
    mut connected: watch::Receiver<bool>,
) {
    if connected.wait_for(|connected| *connected).await.is_err() {
        return;
    }
    let video = kind == RtpCodecKind::Video;
    let duration = if video { VIDEO_INTERVAL } else { AUDIO_INTERVAL };
    let mut ticks = tokio::time::interval(duration);
    for number in 1.. {
        ticks.tick().await;
        let mut data = if video { vp8_frame(number % KEY_INTERVAL == 1) } else { opus_frame() };
        Mark { bot, number }.write(&mut data);
        let data = data.into();
        let sample = Sample { data, duration, ..Sample::new(Instant::now()) };
        // A sample that the connection does not take is lost, as on a network.
        let _ = track.sample_writer(ssrc, payload_type).write_sample(&sample).await;
    }
}

/// A frame header of 640 by 360 (RFC 6386 section 9.1) and filler.
fn vp8_frame(key: bool) -> Vec<u8> {
    let mut frame = vec![0xaa; FRAME_BYTES];
    frame[..3].copy_from_slice(&[0x10 | u8::from(!key), 0x02, 0]);
    if key {
        frame[3..10].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
    }
    frame
}

/// TOC: configuration 15 (hybrid, fullband, 20 ms), mono, one frame (RFC 6716 section 3.1).
fn opus_frame() -> Vec<u8> {
    let mut frame = vec![0x55; 80];
    frame[0] = 15 << 3;
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sending_m_lines_are_named() {
        let sdp = "v=0\r\nm=audio 9 X 111\r\na=mid:0\r\na=sendonly\r\nm=video 9 X 96\r\na=mid:1\r\n\
                   a=sendonly\r\nm=audio 9 X 111\r\na=mid:2\r\na=recvonly\r\n";
        let named: Vec<_> = publications(sdp).into_iter().map(|p| (p.mid, p.source)).collect();
        assert_eq!(named, [("0".into(), Source::Microphone), ("1".into(), Source::Camera)]);
    }
}
