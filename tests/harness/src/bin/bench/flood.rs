//! STUN requests of nobody's (RFC 8489) at a server's port, at a steady rate.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::clock;

/// Sent side by side; a rate is met in so many of them a second.
const BURSTS: u32 = 1_000;
/// Different source addresses.
const SOURCES: usize = 8;

/// Sends until `stop`.
pub fn run(server: SocketAddr, rate: u32, stop: &AtomicBool) -> io::Result<()> {
    let sockets: Vec<UdpSocket> =
        (0..SOURCES).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    sockets.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
    let mut request = binding_request();
    let (mut number, mut next) = (0u32, Instant::now());
    let mut answer = [0; 256];
    while !stop.load(Relaxed) {
        for _ in 0..rate.div_ceil(BURSTS) {
            number = number.wrapping_add(1);
            // Another transaction id each time.
            request[8..12].copy_from_slice(&number.to_be_bytes());
            let socket = &sockets[number as usize % SOURCES];
            let _ = socket.send_to(&request, server);
            // What it may answer is taken, as a flooder's kernel would.
            let _ = socket.recv(&mut answer);
        }
        next += Duration::from_secs(1) / BURSTS;
        clock::wait_until(next);
    }
    Ok(())
}

/// A check with a user name that the server does not know, and a false integrity.
fn binding_request() -> Vec<u8> {
    let mut out = vec![0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42];
    out.extend_from_slice(&[0x5a; 12]);
    let username = b"nobodyxx:nowhere!";
    out.extend_from_slice(&[0x00, 0x06, 0x00, username.len() as u8]);
    out.extend_from_slice(username);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(&[0x00, 0x08, 0x00, 20]);
    out.extend_from_slice(&[0xa5; 20]);
    let length = (out.len() - 20) as u16;
    out[2..4].copy_from_slice(&length.to_be_bytes());
    out
}
