//! The floor's way out: sendmmsg of UDP_SEGMENT messages, and nothing else.
//!
//! Written apart from `media-io` on purpose: the yardstick must not change with what it measures.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

/// `count` datagrams of `segment` bytes each, from `start` of the buffer.
#[derive(Clone, Copy)]
pub struct Run {
    pub destination: SocketAddrV4,
    pub start: usize,
    pub len: usize,
    pub segment: u16,
}

const MESSAGES: usize = 64;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 32]);

pub struct Sender {
    socket: UdpSocket,
    names: Vec<libc::sockaddr_in>,
    vectors: Vec<libc::iovec>,
    controls: Vec<Control>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the raw pointers in the headers are set anew before each call and not used after it.
unsafe impl Send for Sender {}

impl Sender {
    pub fn new(socket: UdpSocket) -> Self {
        // SAFETY: all-zero bytes are valid values of these plain C structs.
        unsafe {
            Self {
                socket,
                names: vec![zeroed(); MESSAGES],
                vectors: vec![zeroed(); MESSAGES],
                controls: vec![Control([0; 32]); MESSAGES],
                headers: vec![zeroed(); MESSAGES],
            }
        }
    }

    pub fn send(&mut self, bytes: &[u8], runs: &[Run]) -> io::Result<()> {
        for chunk in runs.chunks(MESSAGES) {
            let mut sent = 0;
            self.fill(bytes, chunk);
            while sent < chunk.len() {
                // SAFETY: headers[..chunk.len()] point into self and `bytes`, all alive here.
                let result = unsafe {
                    libc::sendmmsg(
                        self.socket.as_raw_fd(),
                        self.headers[sent..].as_mut_ptr(),
                        (chunk.len() - sent) as libc::c_uint,
                        0,
                    )
                };
                match result {
                    -1 => return Err(io::Error::last_os_error()),
                    count => sent += count as usize,
                }
            }
        }
        Ok(())
    }

    fn fill(&mut self, bytes: &[u8], runs: &[Run]) {
        for (index, run) in runs.iter().enumerate() {
            let data = &bytes[run.start..run.start + run.len];
            self.names[index] = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: run.destination.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*run.destination.ip()).to_be() },
                sin_zero: [0; 8],
            };
            self.vectors[index] =
                libc::iovec { iov_base: data.as_ptr() as *mut _, iov_len: data.len() };
            // SAFETY: zero is a valid msghdr; the pointers set below outlive the send.
            let mut header: libc::msghdr = unsafe { zeroed() };
            header.msg_name = (&raw mut self.names[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_iov = &raw mut self.vectors[index];
            header.msg_iovlen = 1;
            if run.len > usize::from(run.segment) {
                header.msg_control = self.controls[index].0.as_mut_ptr().cast();
                // SAFETY: the control buffer is aligned and holds one u16 message (24 bytes).
                unsafe {
                    header.msg_controllen = libc::CMSG_SPACE(2) as usize;
                    let message = libc::CMSG_FIRSTHDR(&header);
                    (*message).cmsg_level = libc::SOL_UDP;
                    (*message).cmsg_type = libc::UDP_SEGMENT;
                    (*message).cmsg_len = libc::CMSG_LEN(2) as usize;
                    libc::CMSG_DATA(message).cast::<u16>().write_unaligned(run.segment);
                }
            }
            self.headers[index] = libc::mmsghdr { msg_hdr: header, msg_len: 0 };
        }
    }
}

/// The destinations of the benchmark are IPv4 on loopback.
pub fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => panic!("the benchmark binds IPv4 only"),
    }
}
