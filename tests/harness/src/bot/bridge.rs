//! ICE-TCP for a bot that speaks UDP: each datagram becomes a frame of a TCP connection to the
//! server's passive candidate, and back (RFC 4571). To the server this is a client behind a firewall
//! that lets no UDP out; none of the server's code is used.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// How soon a bridge that is dropped ends.
const LOOK: Duration = Duration::from_millis(50);

pub(super) struct Bridge {
    address: SocketAddr,
    stream: TcpStream,
    ended: Arc<AtomicBool>,
}

impl Bridge {
    /// Connects to the first passive TCP candidate of an answer; serves the client on `client`.
    pub(super) fn open(answer: &str, client: SocketAddr) -> io::Result<Self> {
        let server = passive(answer).ok_or_else(|| io::Error::other("no passive candidate"))?;
        let stream = TcpStream::connect_timeout(&server, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(LOOK))?;
        let address = socket.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let (mut out, from, flag) = (stream.try_clone()?, socket.try_clone()?, ended.clone());
        thread::spawn(move || {
            let mut frame = [0; 2 + 2_048];
            while !flag.load(Relaxed) {
                let Ok((len, _)) = from.recv_from(&mut frame[2..]) else { continue };
                frame[..2].copy_from_slice(&(len as u16).to_be_bytes());
                if out.write_all(&frame[..2 + len]).is_err() {
                    return;
                }
            }
        });
        let mut back = stream.try_clone()?;
        thread::spawn(move || {
            let (mut head, mut body) = ([0; 2], vec![0; 65_536]);
            while back.read_exact(&mut head).is_ok() {
                let body = &mut body[..usize::from(u16::from_be_bytes(head))];
                if back.read_exact(body).is_err() || socket.send_to(body, client).is_err() {
                    return;
                }
            }
        });
        Ok(Self { address, stream, ended })
    }

    /// The answer with this bridge as its only candidate.
    pub(super) fn instead_of_candidates(&self, answer: &str) -> String {
        let mut told = false;
        let mut out = String::new();
        for line in answer.lines() {
            if !line.starts_with("a=candidate:") {
                out.push_str(line);
            } else if !told {
                told = true;
                let (ip, port) = (self.address.ip(), self.address.port());
                out.push_str(&format!("a=candidate:1 1 udp 2130706431 {ip} {port} typ host"));
            } else {
                continue;
            }
            out.push_str("\r\n");
        }
        out
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        // The other thread waits in a read; a broken connection has ended it already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// `a=candidate:3 1 tcp 1526726655 192.0.2.1 8443 typ host tcptype passive`
fn passive(answer: &str) -> Option<SocketAddr> {
    let line = answer.lines().find(|l| l.contains(" 1 tcp ") && l.ends_with(" tcptype passive"))?;
    let mut words = line.split(' ').skip(4);
    Some(SocketAddr::new(words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}
