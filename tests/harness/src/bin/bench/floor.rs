//! The paced floor: the least that forwarding can cost on this machine, in this run.
//!
//! A bare loop has the packets of [`crate::traffic`] ready, and at their times, frame by frame,
//! copies and seals each for every destination with AES-128-GCM and sends them by sendmmsg of GSO
//! runs. No receiving, no repair, no statistics. The readers are another process, and are woken.

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::gso::{Run, Sender, v4};
use crate::scenario::Scenario;
use crate::sink::{self, Sink};
use crate::traffic::{self, Burst, Kind};

const HEADER: usize = 12;
const TAG: usize = 16;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Floor {
    pub destinations: usize,
    pub packets_sent: u64,
    pub packets_read: u64,
    pub cpu_ns_per_packet: f64,
}

/// Measures the floor of a scenario during `length`, with a reader process of its own.
pub fn measure(scenario: &Scenario, length: Duration) -> io::Result<Floor> {
    let destinations = scenario.subscribers;
    let mut reader = Command::new(std::env::current_exe()?)
        .args(["sink", &destinations.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines =
        io::BufReader::new(reader.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?).lines();
    let mut next = || lines.next().unwrap_or(Err(io::ErrorKind::UnexpectedEof.into()));
    let ports: Vec<u16> = serde_json::from_str(&next()?)?;
    let addresses: Vec<_> =
        ports.iter().map(|&port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).collect();

    let (packets_sent, cpu) = run(&addresses, scenario, length)?;

    // Closing its input asks the reader for its count.
    drop(reader.stdin.take());
    let packets_read = serde_json::from_str(&next()?)?;
    reader.wait()?;
    Ok(Floor {
        destinations,
        packets_sent,
        packets_read,
        cpu_ns_per_packet: cpu.as_nanos() as f64 / packets_sent.max(1) as f64,
    })
}

fn run(
    addresses: &[SocketAddrV4],
    scenario: &Scenario,
    length: Duration,
) -> io::Result<(u64, Duration)> {
    let mut sender = Sender::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
    let keys: Vec<LessSafeKey> = (0..addresses.len())
        .map(|index| {
            let mut key = [7; 16];
            key[..8].copy_from_slice(&(index as u64).to_be_bytes());
            UnboundKey::new(&AES_128_GCM, &key).map(LessSafeKey::new)
        })
        .collect::<Result<_, _>>()
        .map_err(|_| io::Error::other("AES-128-GCM refused a key"))?;
    let one = traffic::schedule(length);
    let packets: Vec<Vec<Vec<u8>>> = one.iter().take(256).map(packets).collect();
    let publishers = scenario.publishers;
    let mut bursts: Vec<(Duration, usize, usize)> = (0..publishers)
        .flat_map(|publisher| {
            let phase = traffic::phase(publisher, publishers);
            one.iter().enumerate().map(move |(index, burst)| (burst.at + phase, publisher, index))
        })
        .collect();
    bursts.sort_unstable();
    let (mut bytes, mut runs) = (Vec::with_capacity(4 << 20), Vec::with_capacity(1_024));
    let mut sent = 0;
    let start = Instant::now();
    let before = clock::process_cpu();
    for (at, publisher, index) in bursts {
        clock::wait_until(start + at);
        let slots = match one[index].kind {
            Kind::Video => scenario.video_slots,
            Kind::Audio => scenario.audio_slots,
        };
        // The same memory again and again would be kinder than a real publisher's packets.
        let burst = &packets[index % packets.len()];
        bytes.clear();
        runs.clear();
        let mut audience = 0;
        for (reader, (address, key)) in addresses.iter().zip(&keys).enumerate() {
            // Nobody receives themselves; of many, each receives as many as have slots.
            let ahead = (publisher + publishers - reader % publishers) % publishers;
            if publishers > 1 && (ahead == 0 || ahead > slots) {
                continue;
            }
            audience += 1;
            seal(burst, *address, key, index as u64, &mut bytes, &mut runs)?;
        }
        sender.send(&bytes, &runs)?;
        sent += (burst.len() * audience) as u64;
    }
    Ok((sent, clock::process_cpu() - before))
}

fn packets(burst: &Burst) -> Vec<Vec<u8>> {
    let packet = |(index, &payload): (usize, &usize)| {
        let mut packet = vec![burst.index as u8 ^ index as u8; HEADER + payload];
        packet[0] = 0x80;
        packet
    };
    burst.payloads.iter().enumerate().map(packet).collect()
}

fn seal(
    burst: &[Vec<u8>],
    destination: SocketAddrV4,
    key: &LessSafeKey,
    number: u64,
    bytes: &mut Vec<u8>,
    runs: &mut Vec<Run>,
) -> io::Result<()> {
    for (index, packet) in burst.iter().enumerate() {
        let start = bytes.len();
        bytes.extend_from_slice(packet);
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        nonce[11] = index as u8;
        let (header, payload) = bytes[start..].split_at_mut(HEADER);
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&*header),
                payload,
            )
            .map_err(|_| io::Error::other("sealing failed"))?;
        bytes.extend_from_slice(tag.as_ref());
        let len = packet.len() + TAG;
        match runs.last_mut() {
            Some(run) if run.destination == destination && usize::from(run.segment) == len => {
                run.len += len;
            }
            _ => runs.push(Run { destination, start, len, segment: len as u16 }),
        }
    }
    Ok(())
}

/// The reader process: prints its ports, reads until its input closes, prints how many came.
pub fn reader(destinations: usize) -> io::Result<()> {
    let sockets = (0..destinations)
        .map(|_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            sink::roomy(&socket)?;
            Ok(socket)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let ports: Vec<u16> = sockets
        .iter()
        .map(|socket| Ok(v4(socket.local_addr()?).port()))
        .collect::<io::Result<_>>()?;
    println!("{}", serde_json::to_string(&ports)?);
    io::stdout().flush()?;

    let mut sink = Sink::new(sockets)?;
    let (count, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Ends when the parent closes the pipe; an error means the same.
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            stop.store(true, Relaxed);
        });
        let mut read = 0;
        while !stop.load(Relaxed) {
            sink.wait(Duration::from_millis(100), |_| read += 1)?;
        }
        // What was still queued when the sender ended.
        sink.wait(Duration::ZERO, |_| read += 1)?;
        count.store(read, Relaxed);
        Ok::<_, io::Error>(())
    })?;
    println!("{}", count.load(Relaxed));
    Ok(())
}
