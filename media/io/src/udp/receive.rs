//! recvmmsg with UDP_GRO: one call brings many datagrams, some of them glued together.

use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use media::shard::Datagram;

use super::locals::{Locals, nameable};

/// Messages of one call.
const MESSAGES: usize = 32;
/// A message is up to 64 KiB when the kernel glued datagrams. Pages that were never written cost
/// no memory.
const MESSAGE: usize = 65_536;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 128]);

/// A stamp older than this is none: the wall clock was set.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What one call brought, before it is cut into datagrams.
#[derive(Clone, Copy)]
struct Message {
    source: SocketAddr,
    len: usize,
    segment: usize,
    /// Since the kernel took it in; of glued datagrams the first has the stamp of all.
    waited: Duration,
}

/// Totals of a receive call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub datagrams: usize,
    pub truncated: usize,
    /// The call filled every slot: there may be more.
    pub full: bool,
}

pub(crate) struct Receiver {
    data: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    vectors: Vec<libc::iovec>,
    controls: Vec<Control>,
    headers: Vec<libc::mmsghdr>,
    messages: Vec<Message>,
    scratch: Vec<Datagram<'static>>,
}

// SAFETY: the raw pointers in the headers point into heap memory of the same value, which does not
// move with it, and are set anew before each call.
unsafe impl Send for Receiver {}

impl Receiver {
    pub fn new() -> Self {
        // SAFETY: all-zero bytes are valid values of these plain C structs.
        unsafe {
            Self {
                data: vec![0; MESSAGES * MESSAGE],
                names: vec![zeroed(); MESSAGES],
                vectors: vec![zeroed(); MESSAGES],
                controls: vec![Control([0; 128]); MESSAGES],
                headers: vec![zeroed(); MESSAGES],
                messages: Vec::with_capacity(MESSAGES),
                scratch: Vec::with_capacity(MESSAGES * 64),
            }
        }
    }

    /// Takes what is there, without waiting, and gives it to `handle` as one batch.
    pub fn receive(
        &mut self,
        socket: &UdpSocket,
        locals: &mut Locals,
        handle: impl FnOnce(&mut [Datagram<'_>]),
    ) -> io::Result<Received> {
        self.prepare();
        // SAFETY: MESSAGES headers whose pointers lead into self.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                MESSAGES as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if count == -1 {
            return match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::default()),
                error => Err(error),
            };
        }
        let read = wall_clock();
        let mut received = Received { full: count as usize == MESSAGES, ..Received::default() };
        self.messages.clear();
        for index in 0..count as usize {
            let header = &self.headers[index];
            let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let source = address(&self.names[index]).filter(|_| !truncated);
            received.truncated += usize::from(truncated);
            // An empty message keeps the slots in step with the data.
            let len = if source.is_some() { header.msg_len as usize } else { 0 };
            let about = about(&header.msg_hdr);
            let segment = about.segment.unwrap_or(len).max(1);
            if let (Some(source), Some(local)) = (source, about.local) {
                locals.note(source, local);
            }
            let source = source.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
            let waited = about.stamp.map_or(Duration::ZERO, |stamp| waited(stamp, read));
            self.messages.push(Message { source, len, segment, waited });
        }

        let mut batch = recycle(std::mem::take(&mut self.scratch));
        for (message, data) in self.messages.iter().zip(self.data.chunks_exact_mut(MESSAGE)) {
            let datagrams = data[..message.len].chunks_mut(message.segment);
            let (src, waited) = (message.source.into(), message.waited);
            batch.extend(datagrams.map(|data| Datagram { src, waited, data }));
        }
        received.datagrams = batch.len();
        if !batch.is_empty() {
            handle(&mut batch);
        }
        self.scratch = recycle(batch);
        Ok(received)
    }

    fn prepare(&mut self) {
        for (index, data) in self.data.chunks_exact_mut(MESSAGE).enumerate() {
            self.vectors[index] =
                libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: MESSAGE };
            // SAFETY: zero is a valid msghdr; the pointers set below lead into self.
            let mut header: libc::msghdr = unsafe { zeroed() };
            header.msg_name = (&raw mut self.names[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut self.vectors[index];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>();
            self.headers[index] = libc::mmsghdr { msg_hdr: header, msg_len: 0 };
        }
    }
}

/// An empty list of another lifetime in the same memory (collecting in place reuses it).
fn recycle<'a, 'b>(mut list: Vec<Datagram<'a>>) -> Vec<Datagram<'b>> {
    list.clear();
    list.into_iter().map(|_| -> Datagram<'b> { unreachable!("the list is empty") }).collect()
}

/// What the kernel says beside a message.
#[derive(Default)]
struct About {
    /// Size of the datagrams that UDP_GRO glued into it.
    segment: Option<usize>,
    /// Which of our addresses it was sent to.
    local: Option<IpAddr>,
    /// When it came, since 1970 by the wall clock.
    stamp: Option<Duration>,
}

fn about(header: &libc::msghdr) -> About {
    let mut about = About::default();
    // SAFETY: the kernel filled the control buffer; the macros stay inside msg_controllen, and each
    // type of message has the data that is read.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let data = libc::CMSG_DATA(message);
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    let size = data.cast::<libc::c_int>().read_unaligned();
                    about.segment = usize::try_from(size).ok();
                }
                (libc::SOL_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    about.local =
                        Some(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into());
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    about.stamp = duration(data.cast::<libc::timespec>().read_unaligned());
                }
                (libc::SOL_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    about.local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).to_canonical());
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    about.local = about.local.filter(|local| nameable(*local));
    about
}

fn duration(time: libc::timespec) -> Option<Duration> {
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// The clock of the kernel's stamps. Only differences of two readings within a call are used, so that
/// nothing follows it when it is set.
fn wall_clock() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a writable timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut time) };
    duration(time).unwrap_or_default()
}

/// How long what came at `stamp` lay there when it was read.
fn waited(stamp: Duration, read: Duration) -> Duration {
    read.checked_sub(stamp).filter(|waited| *waited <= LONGEST_WAIT).unwrap_or_default()
}

/// IPv4 that came over a dual-stack socket is IPv4 to us, as it is to the peer.
fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is a sockaddr_in, which fits the storage.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that this is a sockaddr_in6, which fits the storage.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let (ip, port) = (Ipv6Addr::from(name.sin6_addr.s6_addr), u16::from_be(name.sin6_port));
            Some(match ip.to_ipv4_mapped() {
                Some(ip) => SocketAddrV4::new(ip, port).into(),
                None => SocketAddrV6::new(ip, port, 0, name.sin6_scope_id).into(),
            })
        }
        _ => None,
    }
}
