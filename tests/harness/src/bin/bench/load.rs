//! One measurement of the server: starts it, joins the publisher and the subscribers, and counts.

use std::io::{self, BufRead, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use harness::client::Client;
use serde::{Deserialize, Serialize};
use str0m::media::{Direction, MediaKind, Mid};

use crate::clock;
use crate::flood;
use crate::publisher::Publisher;
use crate::rival;
use crate::scenario::Scenario;
use crate::sendlog::SendLog;
use crate::server::{Gauges, Reply, Request};
use crate::sink;
use crate::subscribers::{Delays, Joining, Seen, Subscribers, is_sample};
use crate::traffic;

const JOIN: Duration = Duration::from_secs(60);
/// How long a join holds up the next one, and how long the last ones are waited for.
const DOOR: Duration = Duration::from_millis(200);
const LAST: Duration = Duration::from_secs(20);
/// Joins under way at the same time.
const AT_A_TIME: usize = 32;
/// Between the last join and the measurement: key frames and first reports are over.
const SETTLE: Duration = Duration::from_secs(2);
/// After the publisher stopped, for what is still under way.
const DRAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Forwarding {
    pub subscribers: usize,
    pub seconds: f64,
    /// Of the subscribers; the others failed to join.
    pub with_media: usize,
    pub packets_published: u64,
    pub packets_received: u64,
    pub cpu_ns_per_packet: f64,
    /// Of one core.
    pub cpu_share: f64,
    pub resident_per_subscriber: f64,
    pub resident: u64,
    /// From a packet's own sending to its arrival.
    pub delay_us_p50: f64,
    pub delay_us_p99: f64,
    pub delays_sampled: usize,
    /// From the first packet of a frame sent to its last packet out to all subscribers.
    pub frame_us_p50: f64,
    pub frame_us_p99: f64,
    pub frames_complete: usize,
    /// Of what the publisher sent to every subscriber, in percent.
    pub loss_percent: f64,
    pub datagrams_per_message: f64,
    pub send_dropped: u64,
    pub gso: bool,
    /// Without and with the media that was forwarded meanwhile.
    pub join_cpu_us: f64,
    pub join_with_media_cpu_us: f64,
    /// From the offer to the first media.
    pub join_ms_p50: f64,
    pub join_ms_p99: f64,
}

struct Server {
    process: Child,
    input: ChildStdin,
    output: io::Lines<io::BufReader<ChildStdout>>,
}

impl Server {
    fn start(scenario: &Scenario) -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["server", &scenario.shards.to_string(), &scenario.span.to_string()])
            .arg(scenario.rivals.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let output = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { process, input, output: io::BufReader::new(output).lines() })
    }

    fn ask(&mut self, request: &Request) -> io::Result<Reply> {
        serde_json::to_writer(&mut self.input, request)?;
        self.input.write_all(b"\n")?;
        self.input.flush()?;
        let line = self.output.next().unwrap_or(Err(io::ErrorKind::UnexpectedEof.into()))?;
        Ok(serde_json::from_str(&line)?)
    }

    fn gauges(&mut self) -> io::Result<Gauges> {
        match self.ask(&Request::Gauges)? {
            Reply::Gauges(gauges) => Ok(gauges),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }

    /// A client with the server's answer, its mids and the server's address.
    fn join(
        &mut self,
        (peer, owner): (u64, u64),
        lines: &[(MediaKind, Direction)],
    ) -> io::Result<(Client, Vec<Mid>, SocketAddr)> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        sink::roomy(&socket)?;
        let mut client = Client::without_feedback(Arc::new(socket))?;
        let (sdp, mids) = client.offer(lines)?;
        let sends = |index: &usize| lines[*index].1 == Direction::SendOnly;
        let publications = (0..lines.len())
            .filter(sends)
            .map(|index| {
                let name = if lines[index].0 == MediaKind::Audio { "microphone" } else { "camera" };
                (mids[index].to_string(), name.to_owned())
            })
            .collect();
        match self.ask(&Request::Offer { peer, owner, sdp, publications })? {
            Reply::Answer { sdp } => {
                client.answer(&sdp)?;
                Ok((client, mids, candidate(&sdp)?))
            }
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }
}

/// The address of the first host candidate (RFC 8839 §5.1).
fn candidate(sdp: &str) -> io::Result<SocketAddr> {
    let line = sdp.lines().find_map(|line| line.strip_prefix("a=candidate:"));
    let mut fields = line.into_iter().flat_map(|line| line.split(' ')).skip(4);
    let address = fields
        .next()
        .zip(fields.next())
        .and_then(|(ip, port)| Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?)));
    address.ok_or_else(|| io::Error::other("the answer has no candidate"))
}

/// Runs a scenario against a server process of its own.
pub fn measure(scenario: &Scenario, length: Duration) -> io::Result<Forwarding> {
    if scenario.rivals > 0 {
        clock::stay_on(&[rival::LOAD_CORE])?;
    }
    let outcome = run(scenario, length);
    clock::stay_on(&[rival::SERVER_CORE, rival::LOAD_CORE])?;
    outcome
}

fn run(scenario: &Scenario, length: Duration) -> io::Result<Forwarding> {
    let mut server = Server::start(scenario)?;
    let logs: Vec<Arc<SendLog>> = (0..scenario.publishers).map(|_| Arc::default()).collect();
    let mut publishers = Vec::new();
    let mut address = None;
    for (number, log) in logs.iter().enumerate() {
        let id = number as u64 + 1;
        let lines =
            [(MediaKind::Audio, Direction::SendOnly), (MediaKind::Video, Direction::SendOnly)];
        let (mut client, mids, at) = server.join((id, id), &lines)?;
        address = Some(at);
        if !client.run_until(JOIN, |_| {}, Client::is_connected)? {
            return Err(io::Error::other("a publisher could not connect"));
        }
        let mids = (mids[0], mids[1]);
        publishers.push(Publisher::new(
            client,
            mids,
            number as u8,
            scenario.layered,
            Arc::clone(log),
        )?);
    }
    let (stop_sending, stop_reading) = (AtomicBool::new(false), AtomicBool::new(false));
    let (sent, seen) = (AtomicU64::new(0), Seen::default());

    let outcome = std::thread::scope(|scope| {
        let (stop, counter) = (&stop_sending, &sent);
        let sending: Vec<_> = publishers
            .into_iter()
            .enumerate()
            .map(|(number, publisher)| {
                let phase = traffic::phase(number, scenario.publishers);
                scope.spawn(move || publisher.run(phase, stop, counter))
            })
            .collect();
        if let Some(at) = address.filter(|_| scenario.flood > 0) {
            scope.spawn(move || flood::run(at, scenario.flood, stop));
        }
        let (welcome, incoming) = sync_channel(scenario.subscribers);
        let pictures = scenario.video_slots;
        let subscribing = Subscribers::new(incoming, pictures, scenario.audience(), logs)?;
        let reading = scope.spawn(|| subscribing.run(&seen, &stop_reading));
        let window = (|| {
            wait(Duration::from_millis(500));
            let alone = server.gauges()?;
            for index in 0..scenario.subscribers {
                let joining = subscribe(&mut server, scenario, index)?;
                welcome.send(joining).map_err(|_| io::Error::other("the readers failed"))?;
                // Not more at a time than a room's door lets in.
                let before = (index + 1).saturating_sub(AT_A_TIME);
                watching(&seen, before, DOOR, || reading.is_finished())?;
            }
            watching(&seen, scenario.subscribers, LAST, || reading.is_finished())?;
            let there = seen.watching.load(Relaxed);
            // Past the ceiling it is a figure how many get in, not a mistake.
            if scenario.rivals == 0 && there * 10 < scenario.subscribers * 9 {
                let all = scenario.subscribers;
                return Err(io::Error::other(format!("{there} of {all} subscribers got media")));
            }
            let joined = server.gauges()?;
            wait(SETTLE);
            let begun = Mark::take(&mut server, &sent, &seen)?;
            seen.measuring.store(true, Relaxed);
            wait(length);
            let ended = Mark::take(&mut server, &sent, &seen)?;
            Ok::<_, io::Error>((alone, joined, begun, ended))
        })();
        stop_sending.store(true, Relaxed);
        for sending in sending {
            sending.join().map_err(|_| io::Error::other("a publisher failed"))??;
        }
        wait(DRAIN);
        stop_reading.store(true, Relaxed);
        let delays = reading.join().map_err(|_| io::Error::other("the readers failed"))??;
        let (alone, joined, begun, ended) = window?;
        let subscribers = scenario.subscribers;
        let mut forwarding = begun.to(&ended, subscribers);
        forwarding.resident_per_subscriber =
            ended.server.resident.saturating_sub(alone.resident) as f64 / subscribers as f64;
        let spent = (joined.cpu_ns - alone.cpu_ns) as f64;
        // Media went on meanwhile, at what it was seen to cost afterwards.
        let media = (joined.packets_forwarded - alone.packets_forwarded) as f64
            * forwarding.cpu_ns_per_packet;
        forwarding.join_cpu_us = (spent - media) / 1e3 / subscribers as f64;
        forwarding.join_with_media_cpu_us = spent / 1e3 / subscribers as f64;
        // Counted from the begin of the window to the last packet that was under way.
        let missing = delays.expected.saturating_sub(delays.received);
        forwarding.loss_percent = missing as f64 * 100.0 / delays.expected.max(1) as f64;
        forwarding.with_media = seen.watching.load(Relaxed);
        fill(&mut forwarding, delays);
        Ok::<_, io::Error>(forwarding)
    });
    // Closing its input ends the server.
    drop(server.input);
    server.process.wait()?;
    outcome
}

fn subscribe(server: &mut Server, scenario: &Scenario, index: usize) -> io::Result<Joining> {
    let begun = Instant::now();
    let line = |kind, count| std::iter::repeat_n((kind, Direction::RecvOnly), count);
    let lines: Vec<_> = line(MediaKind::Audio, scenario.audio_slots)
        .chain(line(MediaKind::Video, scenario.video_slots))
        .collect();
    let peer = 10_000 + index as u64;
    let owner = if scenario.is_meeting() { index as u64 + 1 } else { peer };
    let (client, _, server) = server.join((peer, owner), &lines)?;
    Ok(Joining { client, server, begun, sampled: is_sample(index, scenario.subscribers) })
}

/// Waits until so many have media, or for `limit`: who has failed to join is missed in the report.
fn watching(
    seen: &Seen,
    count: usize,
    limit: Duration,
    failed: impl Fn() -> bool,
) -> io::Result<()> {
    let deadline = Instant::now() + limit;
    while seen.watching.load(Relaxed) < count && Instant::now() < deadline {
        if failed() {
            return Err(io::Error::other("the readers failed"));
        }
        wait(Duration::from_millis(2));
    }
    Ok(())
}

/// One look at all counts.
struct Mark {
    at: Instant,
    server: Gauges,
    published: u64,
    received: u64,
}

impl Mark {
    fn take(server: &mut Server, sent: &AtomicU64, seen: &Seen) -> io::Result<Self> {
        let (published, received) = (sent.load(Relaxed), seen.media_packets.load(Relaxed));
        Ok(Self { at: Instant::now(), server: server.gauges()?, published, received })
    }

    fn to(&self, end: &Self, subscribers: usize) -> Forwarding {
        let cpu = (end.server.cpu_ns - self.server.cpu_ns) as f64;
        let received = end.received - self.received;
        let seconds = (end.at - self.at).as_secs_f64();
        let messages = end.server.messages_out - self.server.messages_out;
        Forwarding {
            subscribers,
            seconds,
            packets_published: end.published - self.published,
            packets_received: received,
            cpu_ns_per_packet: cpu / received.max(1) as f64,
            cpu_share: cpu / 1e9 / seconds,
            resident: end.server.resident,
            datagrams_per_message: received as f64 / messages.max(1) as f64,
            send_dropped: end.server.send_dropped,
            gso: end.server.gso,
            ..Forwarding::default()
        }
    }
}

fn fill(forwarding: &mut Forwarding, mut delays: Delays) {
    (forwarding.delay_us_p50, forwarding.delay_us_p99) = percentiles(&mut delays.packets);
    forwarding.delays_sampled = delays.packets.len();
    (forwarding.frame_us_p50, forwarding.frame_us_p99) = percentiles(&mut delays.frames);
    forwarding.frames_complete = delays.frames.len();
    let (p50, p99) = percentiles(&mut delays.joins);
    (forwarding.join_ms_p50, forwarding.join_ms_p99) = (p50 / 1e3, p99 / 1e3);
}

/// p50 and p99 in microseconds; NaN of nothing.
fn percentiles(times: &mut [Duration]) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(index).map_or(f64::NAN, |time| time.as_nanos() as f64 / 1e3)
    };
    (at(0.50), at(0.99))
}

fn wait(length: Duration) {
    clock::wait_until(Instant::now() + length);
}
