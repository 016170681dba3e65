//! Cheap receivers: many sockets, one thread that is woken by epoll and reads with recvmmsg.
//!
//! They have no UDP_GRO, as browsers have none; floor and server are read by the same code.

use std::io;
use std::mem::zeroed;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

const MESSAGES: usize = 32;
const DATAGRAM: usize = 2_048;
const READY: usize = 256;

/// One datagram read.
pub struct Received<'a> {
    /// Which socket, in the order of the list given to [`Sink::new`].
    pub socket: usize,
    pub data: &'a [u8],
    /// When the kernel took it in (wall clock), if the socket was asked to stamp.
    pub stamp: Option<Duration>,
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 64]);

pub struct Sink {
    epoll: OwnedFd,
    sockets: Vec<UdpSocket>,
    data: Vec<u8>,
    vectors: Vec<libc::iovec>,
    controls: Vec<Control>,
    headers: Vec<libc::mmsghdr>,
    ready: Vec<libc::epoll_event>,
}

// SAFETY: the raw pointers in the headers point into the Vecs of the same value, whose heap memory
// does not move with it; they are set anew before each call.
unsafe impl Send for Sink {}

impl Sink {
    pub fn new(sockets: Vec<UdpSocket>) -> io::Result<Self> {
        // SAFETY: epoll_create1 returns a new descriptor, owned by nobody else.
        let epoll = unsafe {
            match libc::epoll_create1(libc::EPOLL_CLOEXEC) {
                -1 => return Err(io::Error::last_os_error()),
                fd => OwnedFd::from_raw_fd(fd),
            }
        };
        // SAFETY: all-zero bytes are valid values of these plain C structs.
        let mut sink = unsafe {
            Self {
                epoll,
                sockets: Vec::new(),
                data: vec![0; MESSAGES * DATAGRAM],
                vectors: vec![zeroed(); MESSAGES],
                controls: vec![Control([0; 64]); MESSAGES],
                headers: vec![zeroed(); MESSAGES],
                ready: vec![zeroed(); READY],
            }
        };
        sockets.into_iter().try_for_each(|socket| sink.add(socket))?;
        Ok(sink)
    }

    pub fn add(&mut self, socket: UdpSocket) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let index = self.sockets.len() as u64;
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: index };
        // SAFETY: both descriptors are open and `event` is valid.
        let result = unsafe {
            let (epoll, socket) = (self.epoll.as_raw_fd(), socket.as_raw_fd());
            libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket, &mut event)
        };
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
        self.sockets.push(socket);
        Ok(())
    }

    /// Waits at most `timeout` for datagrams and gives each to `take`.
    pub fn wait(
        &mut self,
        timeout: Duration,
        mut take: impl FnMut(Received<'_>),
    ) -> io::Result<()> {
        let milliseconds = timeout.as_millis().min(1_000) as i32;
        // SAFETY: `ready` holds READY events.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                self.ready.as_mut_ptr(),
                READY as i32,
                milliseconds,
            )
        };
        if count == -1 {
            return match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                error => Err(error),
            };
        }
        for event in 0..count as usize {
            let index = self.ready[event].u64 as usize;
            self.read(index, &mut take)?;
        }
        Ok(())
    }

    fn read(&mut self, index: usize, take: &mut impl FnMut(Received<'_>)) -> io::Result<()> {
        for slot in 0..MESSAGES {
            let data = &mut self.data[slot * DATAGRAM..][..DATAGRAM];
            self.vectors[slot] =
                libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: DATAGRAM };
            // SAFETY: zero is a valid msghdr; the pointers set here outlive the call below.
            let mut header: libc::msghdr = unsafe { zeroed() };
            header.msg_iov = &raw mut self.vectors[slot];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[slot].0.as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>();
            self.headers[slot] = libc::mmsghdr { msg_hdr: header, msg_len: 0 };
        }
        // SAFETY: MESSAGES headers that point into self.
        let count = unsafe {
            libc::recvmmsg(
                self.sockets[index].as_raw_fd(),
                self.headers.as_mut_ptr(),
                MESSAGES as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if count == -1 {
            return match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                error => Err(error),
            };
        }
        for slot in 0..count as usize {
            let len = self.headers[slot].msg_len as usize;
            let stamp = stamp(&self.headers[slot].msg_hdr);
            take(Received { socket: index, data: &self.data[slot * DATAGRAM..][..len], stamp });
        }
        Ok(())
    }
}

fn stamp(header: &libc::msghdr) -> Option<Duration> {
    // SAFETY: the kernel filled the control buffer; the macros stay inside msg_controllen.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        if message.is_null() || (*message).cmsg_type != libc::SCM_TIMESTAMPNS {
            return None;
        }
        let time = libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned();
        Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }
}

/// Asks the kernel to stamp what this socket receives.
pub fn stamp_arrivals(socket: &UdpSocket) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// A receiver must not lose what the sender sent: room for a few seconds.
pub fn roomy(socket: &UdpSocket) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, 1 << 20)
}

fn set(socket: &UdpSocket, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the option value is an int that lives through the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
