//! sendmmsg of UDP_SEGMENT runs: one call sends hundreds of datagrams to tens of peers.

use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use media::shard::{Egress, Run};
use media::transport::Via;

use super::locals::Locals;
use crate::wake::wait_writable;

/// Messages of one call.
const MESSAGES: usize = 64;
/// Bounds of a UDP_SEGMENT message (UDP_MAX_SEGMENTS of older kernels, and an IPv4 datagram).
const SEGMENTS: usize = 64;
const MESSAGE: usize = 65_507;
/// Runs refused one after the other, with none taken, until no more are tried.
const REFUSALS: u32 = 64;
/// How long a full socket buffer may hold up the shard before a message is dropped.
const PATIENCE: Duration = Duration::from_millis(2);

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 64]);

/// Totals of one [`Transmitter::send`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub datagrams: u64,
    pub bytes: u64,
    pub messages: u64,
    pub calls: u64,
    pub dropped: u64,
    pub refused: u64,
}

pub(crate) struct Transmitter {
    /// The socket is IPv6: IPv4 destinations are written as mapped addresses.
    v6: bool,
    gso: bool,
    /// Runs refused since one was last taken.
    refusals: u32,
    pieces: Vec<Run>,
    /// From which of our addresses each message of a call goes.
    sources: Vec<Option<IpAddr>>,
    names: Vec<libc::sockaddr_storage>,
    vectors: Vec<libc::iovec>,
    controls: Vec<Control>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the raw pointers in the headers are set anew before each call and not used after it.
unsafe impl Send for Transmitter {}

impl Transmitter {
    /// For a socket of this family; `gso` as found when it was opened.
    pub fn new(v6: bool, gso: bool) -> Self {
        // SAFETY: all-zero bytes are valid values of these plain C structs.
        unsafe {
            Self {
                v6,
                gso,
                refusals: 0,
                pieces: Vec::with_capacity(1_024),
                sources: Vec::with_capacity(MESSAGES),
                names: vec![zeroed(); MESSAGES],
                vectors: vec![zeroed(); MESSAGES],
                controls: vec![Control([0; 64]); MESSAGES],
                headers: vec![zeroed(); MESSAGES],
            }
        }
    }

    /// Whether runs still go out as one message.
    pub fn gso(&self) -> bool {
        self.gso
    }

    /// Sends all runs that go by UDP. What the kernel does not take is dropped and counted: media that waits is
    /// worth nothing.
    pub fn send(&mut self, socket: &UdpSocket, egress: &Egress, locals: &mut Locals) -> Sent {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.clear();
        for run in egress.runs.iter().filter(|run| run.dst.via == Via::Udp) {
            let per_message = if self.gso { message_limit(run.segment) } else { 1 };
            split(run, per_message, &mut pieces);
        }
        let mut sent = Sent::default();
        for chunk in pieces.chunks(MESSAGES) {
            self.send_chunk(socket, &egress.bytes, chunk, locals, &mut sent);
        }
        self.pieces = pieces;
        sent
    }

    fn send_chunk(
        &mut self,
        socket: &UdpSocket,
        bytes: &[u8],
        runs: &[Run],
        locals: &mut Locals,
        sent: &mut Sent,
    ) {
        self.fill(bytes, runs, locals);
        let (mut done, mut waited) = (0, false);
        while done < runs.len() {
            // SAFETY: headers[..runs.len()] point into self and `bytes`, all alive here.
            let result = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    self.headers[done..].as_mut_ptr(),
                    (runs.len() - done) as libc::c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            sent.calls += 1;
            if result > 0 {
                for run in &runs[done..done + result as usize] {
                    sent.messages += 1;
                    sent.datagrams += datagrams(run);
                    sent.bytes += run.len as u64;
                    if datagrams(run) > 1 {
                        self.refusals = 0;
                    }
                }
                done += result as usize;
                waited = false;
                continue;
            }
            // The error belongs to the first message of the call.
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN | libc::ENOBUFS) if !waited => {
                    waited = true;
                    wait_writable(socket.as_raw_fd(), PATIENCE);
                }
                Some(libc::EINVAL | libc::ENETUNREACH | libc::EADDRNOTAVAIL)
                    if self.sources[done].is_some_and(|local| !has(local)) =>
                {
                    // Our own address is gone: the system chooses another.
                    self.sources[done].into_iter().for_each(|local| locals.forget(local));
                    one_by_one(socket, self.v6, bytes, &runs[done], sent);
                    done += 1;
                }
                Some(code) if refuses_gso(code) && datagrams(&runs[done]) > 1 => {
                    // EIO is the device: it cannot do the checksums. The others may be this
                    // path's MTU and say nothing about other peers, unless they are all there is.
                    self.refusals += 1;
                    self.gso &= code != libc::EIO && self.refusals < REFUSALS;
                    sent.refused += 1;
                    one_by_one(socket, self.v6, bytes, &runs[done], sent);
                    done += 1;
                }
                _ => {
                    sent.dropped += datagrams(&runs[done]);
                    done += 1;
                }
            }
        }
    }

    fn fill(&mut self, bytes: &[u8], runs: &[Run], locals: &Locals) {
        self.sources.clear();
        for (index, run) in runs.iter().enumerate() {
            let data = &bytes[run.start..run.start + run.len];
            let name_len = write_name(&mut self.names[index], run.dst.addr, self.v6);
            self.vectors[index] =
                libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
            // SAFETY: zero is a valid msghdr; the pointers set below outlive the send.
            let mut header: libc::msghdr = unsafe { zeroed() };
            header.msg_name = (&raw mut self.names[index]).cast();
            header.msg_namelen = name_len;
            header.msg_iov = &raw mut self.vectors[index];
            header.msg_iovlen = 1;
            let source = locals.of(run.dst.addr);
            self.sources.push(source);
            let segment = (run.len > usize::from(run.segment)).then_some(run.segment);
            write_control(&mut header, &mut self.controls[index], segment, source, self.v6);
            self.headers[index] = libc::mmsghdr { msg_hdr: header, msg_len: 0 };
        }
    }
}

/// How the message is to be cut, and from which of our addresses it goes.
fn write_control(
    header: &mut libc::msghdr,
    control: &mut Control,
    segment: Option<u16>,
    source: Option<IpAddr>,
    v6: bool,
) {
    if segment.is_none() && source.is_none() {
        return;
    }
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>();
    let mut used = 0;
    let mut put = |level, kind, data: &[u8]| {
        // SAFETY: the buffer is aligned and holds a u16 (24 bytes) and the larger of both
        // addresses (40 bytes); `used` is where the message before ended.
        unsafe {
            let message = control.0.as_mut_ptr().add(used).cast::<libc::cmsghdr>();
            let len = data.len() as libc::c_uint;
            (*message).cmsg_level = level;
            (*message).cmsg_type = kind;
            (*message).cmsg_len = libc::CMSG_LEN(len) as usize;
            libc::CMSG_DATA(message).copy_from_nonoverlapping(data.as_ptr(), data.len());
            used += libc::CMSG_SPACE(len) as usize;
        }
    };
    if let Some(segment) = segment {
        put(libc::SOL_UDP, libc::UDP_SEGMENT, &segment.to_ne_bytes());
    }
    match source {
        // in6_pktinfo: the address, and the interface (0: whichever).
        Some(source) if v6 => {
            let address = match source {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            let mut info = [0; 20];
            info[..16].copy_from_slice(&address.octets());
            put(libc::SOL_IPV6, libc::IPV6_PKTINFO, &info);
        }
        // in_pktinfo: the interface, the local address, and one that is not read here.
        Some(IpAddr::V4(source)) => {
            let mut info = [0; 12];
            info[4..8].copy_from_slice(&source.octets());
            put(libc::SOL_IP, libc::IP_PKTINFO, &info);
        }
        _ => {}
    }
    header.msg_controllen = used;
}

/// Whether the address is still the host's.
fn has(local: IpAddr) -> bool {
    UdpSocket::bind((local, 0)).is_ok()
}

/// Datagrams that one message may hold.
fn message_limit(segment: u16) -> usize {
    (MESSAGE / usize::from(segment).max(1)).clamp(1, SEGMENTS)
}

fn refuses_gso(code: i32) -> bool {
    matches!(code, libc::EIO | libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP)
}

fn datagrams(run: &Run) -> u64 {
    run.len.div_ceil(usize::from(run.segment).max(1)) as u64
}

/// Cuts a run into messages of at most `per_message` datagrams.
fn split(run: &Run, per_message: usize, pieces: &mut Vec<Run>) {
    let step = per_message * usize::from(run.segment).max(1);
    let mut start = 0;
    while start < run.len {
        let len = step.min(run.len - start);
        pieces.push(Run { start: run.start + start, len, ..*run });
        start += len;
    }
}

fn one_by_one(socket: &UdpSocket, v6: bool, bytes: &[u8], run: &Run, sent: &mut Sent) {
    let destination = match run.dst.addr {
        SocketAddr::V4(v4) if v6 => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
        other => other,
    };
    let data = &bytes[run.start..run.start + run.len];
    for datagram in data.chunks(usize::from(run.segment).max(1)) {
        sent.calls += 1;
        match socket.send_to(datagram, destination) {
            Ok(len) => {
                sent.messages += 1;
                sent.datagrams += 1;
                sent.bytes += len as u64;
            }
            Err(_) => sent.dropped += 1,
        }
    }
}

fn write_name(
    name: &mut libc::sockaddr_storage,
    destination: SocketAddr,
    v6: bool,
) -> libc::socklen_t {
    let (ip, port, scope) = match destination {
        SocketAddr::V4(v4) if !v6 => {
            let value = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is large enough and aligned for any address.
            unsafe { (&raw mut *name).cast::<libc::sockaddr_in>().write(value) };
            return size_of::<libc::sockaddr_in>() as libc::socklen_t;
        }
        SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), v4.port(), 0),
        SocketAddr::V6(v6) => (*v6.ip(), v6.port(), v6.scope_id()),
    };
    let value = libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as libc::sa_family_t,
        sin6_port: port.to_be(),
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: ip.octets() },
        sin6_scope_id: scope,
    };
    // SAFETY: as above.
    unsafe { (&raw mut *name).cast::<libc::sockaddr_in6>().write(value) };
    size_of::<libc::sockaddr_in6>() as libc::socklen_t
}
