//! Opening the port and asking the kernel for what makes batches work.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, Socket, Type};

use crate::error::StartError;

/// A bound socket and what the kernel can do for it.
pub(crate) struct Bound {
    pub socket: UdpSocket,
    pub address: SocketAddr,
    /// Runs may be sent as one message.
    pub gso: bool,
}

pub(crate) fn bind(address: SocketAddr, buffer: usize, offload: bool) -> Result<Bound, StartError> {
    open(address, buffer, offload).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse(address),
        _ => StartError::Socket { address, source },
    })
}

fn open(address: SocketAddr, buffer: usize, offload: bool) -> io::Result<Bound> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM.nonblocking().cloexec(),
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        // `[::]` is meant to serve IPv4 too.
        socket.set_only_v6(false)?;
    }
    widen(&socket, buffer)?;
    if address.ip().is_unspecified() {
        // Says of each datagram which of our addresses it was sent to. Of an IPv6 socket IPv4 is
        // told as a mapped address.
        let (level, name) = match address.is_ipv6() {
            true => (libc::SOL_IPV6, libc::IPV6_RECVPKTINFO),
            false => (libc::SOL_IP, libc::IP_PKTINFO),
        };
        let _ = set(&socket, level, name, 1);
    }
    // When each datagram came, by the kernel: the shard reads them a batch at a time, and later when
    // it has much to do.
    let _ = set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1);
    socket.bind(&address.into())?;
    // Neither is needed to work: an old kernel sends and receives one by one.
    let gso = offload && set(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok();
    if offload {
        let _ = set(&socket, libc::SOL_UDP, libc::UDP_GRO, 1);
    }
    let socket = UdpSocket::from(socket);
    let address = socket.local_addr()?;
    Ok(Bound { socket, address, gso })
}

/// Kernel buffers of `buffer` bytes, past the system's maximum if we may, else as much as it gives.
fn widen(socket: &Socket, buffer: usize) -> io::Result<()> {
    let value = i32::try_from(buffer).unwrap_or(i32::MAX);
    if set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, value).is_err() {
        socket.set_recv_buffer_size(buffer)?;
    }
    if set(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, value).is_err() {
        socket.set_send_buffer_size(buffer)?;
    }
    Ok(())
}

fn set(socket: &Socket, level: i32, name: i32, value: i32) -> io::Result<()> {
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
