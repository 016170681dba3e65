//! A WebRTC client without a browser: str0m over one real UDP socket, driven by its owner.
//!
//! An implementation that shares no code with the server, in RTP mode: what is written is what
//! travels, what is read is what arrived. Nothing here waits; [`Client::step`] waits for a bounded
//! time on the socket.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{Extension, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

const DATAGRAM: usize = 2_048;

/// What happened at a client.
#[derive(Debug)]
pub enum Happened {
    Connected,
    Packet(Box<RtpPacket>),
    /// The server wants a key frame of this m-line.
    KeyframeWanted(Mid),
    Disconnected,
}

pub struct Client {
    rtc: Rtc,
    socket: Arc<UdpSocket>,
    address: SocketAddr,
    pending: Option<SdpPendingOffer>,
    timeout: Instant,
    connected: bool,
}

impl Client {
    /// A client on `socket`, which must be bound to an address that the server can reach.
    pub fn new(socket: Arc<UdpSocket>) -> io::Result<Self> {
        Self::build(socket, Rtc::builder())
    }

    /// A client for load: its owner reads most media past it, so it does not negotiate
    /// transport-wide feedback, which would tell of loss where there is none.
    pub fn without_feedback(socket: Arc<UdpSocket>) -> io::Result<Self> {
        let config = Rtc::builder()
            .clear_extension_map()
            .set_extension(1, Extension::AudioLevel)
            .set_extension(4, Extension::RtpMid);
        Self::build(socket, config)
    }

    fn build(socket: Arc<UdpSocket>, config: RtcConfig) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let now = Instant::now();
        let mut rtc = config
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .set_rtp_mode(true)
            .build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").map_err(io::Error::other)?);
        Ok(Self { rtc, socket, address, pending: None, timeout: now, connected: false })
    }

    /// A client on a socket of its own on loopback.
    pub fn on_loopback() -> io::Result<Self> {
        Self::new(Arc::new(UdpSocket::bind("127.0.0.1:0")?))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn socket(&self) -> &Arc<UdpSocket> {
        &self.socket
    }

    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Offers one more m-line for each of `media`; gives the SDP and their mids.
    pub fn offer(&mut self, media: &[(MediaKind, Direction)]) -> io::Result<(String, Vec<Mid>)> {
        let mut changes = self.rtc.sdp_api();
        let mids = media
            .iter()
            .map(|&(kind, direction)| changes.add_media(kind, direction, None, None, None))
            .collect();
        let (offer, pending) =
            changes.apply().ok_or_else(|| io::Error::other("nothing to offer"))?;
        self.pending = Some(pending);
        Ok((offer.to_sdp_string(), mids))
    }

    /// Takes the server's answer to the last offer.
    pub fn answer(&mut self, sdp: &str) -> io::Result<()> {
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(io::Error::other)?;
        let pending = self.pending.take().ok_or_else(|| io::Error::other("no offer was made"))?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(io::Error::other)?;
        self.timeout = Instant::now();
        Ok(())
    }

    /// The payload type of a codec.
    pub fn payload_type(&self, codec: Codec) -> Option<Pt> {
        let found = self.rtc.codec_config().find(|params| params.spec().codec == codec);
        found.map(|params| params.pt())
    }

    /// Queues an RTP packet on an m-line that sends; it leaves with the next [`Client::drain`].
    pub fn write(&mut self, mid: Mid, packet: RtpWrite) {
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, None) {
            stream.write_rtp(packet);
        }
    }

    /// When [`Client::tick`] is wanted next.
    pub fn timeout(&self) -> Instant {
        self.timeout
    }

    /// Lets time pass; call after [`Client::timeout`], and then drain.
    pub fn tick(&mut self, now: Instant) -> io::Result<()> {
        self.rtc.handle_input(Input::Timeout(now)).map_err(io::Error::other)
    }

    /// Takes a datagram that was read from the socket; drain afterwards. What cannot be read as
    /// STUN, DTLS, RTP or RTCP is ignored.
    pub fn feed(&mut self, now: Instant, source: SocketAddr, data: &[u8]) -> io::Result<()> {
        let Ok(receive) = Receive::new(Protocol::Udp, source, self.address, data) else {
            return Ok(());
        };
        self.rtc.handle_input(Input::Receive(now, receive)).map_err(io::Error::other)
    }

    /// Gives out what is to be sent and what happened.
    pub fn drain(
        &mut self,
        mut send: impl FnMut(SocketAddr, &[u8]),
        mut happened: impl FnMut(Happened),
    ) -> io::Result<()> {
        if !self.rtc.is_alive() {
            return Ok(());
        }
        loop {
            match self.rtc.poll_output().map_err(io::Error::other)? {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return Ok(());
                }
                Output::Transmit(transmit) => send(transmit.destination, &transmit.contents),
                Output::Event(Event::Connected) => {
                    self.connected = true;
                    happened(Happened::Connected);
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    happened(Happened::Packet(Box::new(packet)));
                }
                Output::Event(Event::KeyframeRequest(request)) => {
                    happened(Happened::KeyframeWanted(request.mid));
                }
                Output::Event(Event::IceConnectionStateChange(
                    str0m::IceConnectionState::Disconnected,
                )) => happened(Happened::Disconnected),
                Output::Event(_) => {}
            }
        }
    }

    /// Sends what is due, then waits at most `timeout` for datagrams and takes them in.
    pub fn step(
        &mut self,
        timeout: Duration,
        mut happened: impl FnMut(Happened),
    ) -> io::Result<()> {
        self.flush(&mut happened)?;
        let now = Instant::now();
        let wait = timeout.min(self.timeout.saturating_duration_since(now));
        // A zero timeout would mean "for ever" to the socket.
        self.socket.set_nonblocking(false)?;
        self.socket.set_read_timeout(Some(wait.max(Duration::from_micros(100))))?;
        let mut data = [0; DATAGRAM];
        let mut received = self.socket.recv_from(&mut data);
        self.socket.set_nonblocking(true)?;
        while let Ok((len, source)) = received {
            self.feed(Instant::now(), source, &data[..len])?;
            self.flush(&mut happened)?;
            received = self.socket.recv_from(&mut data);
        }
        if Instant::now() >= self.timeout {
            self.tick(Instant::now())?;
        }
        self.flush(&mut happened)
    }

    fn flush(&mut self, happened: impl FnMut(Happened)) -> io::Result<()> {
        let socket = Arc::clone(&self.socket);
        // A full socket buffer loses the datagram, as a network does.
        self.drain(|to, data| drop(socket.send_to(data, to)), happened)
    }

    /// Steps until `done` says so or `limit` has passed; says whether it was done.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut happened: impl FnMut(Happened),
        mut done: impl FnMut(&Client) -> bool,
    ) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        while !done(self) {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.step(Duration::from_millis(20), &mut happened)?;
        }
        Ok(true)
    }
}
