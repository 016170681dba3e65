//! Waking a thread that waits for its socket: an eventfd beside it in one poll.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    pub fn new() -> io::Result<Self> {
        // SAFETY: eventfd returns a new descriptor, owned by nobody else.
        match unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) } {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: as above.
            fd => Ok(Self(Arc::new(unsafe { OwnedFd::from_raw_fd(fd) }))),
        }
    }

    pub fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // A full counter (EAGAIN) means that the thread has been woken already.
        // SAFETY: eight readable bytes and an open descriptor.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    fn clear(&self) {
        let mut count = [0; 8];
        // SAFETY: eight writable bytes and an open descriptor.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    /// Waits until `socket` can be read, a wake-up or `timeout`; says whether `socket` can be read.
    pub fn wait(&self, socket: RawFd, timeout: Duration) -> bool {
        let readable = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut descriptors = [readable(socket), readable(self.0.as_raw_fd())];
        poll(&mut descriptors, timeout);
        if descriptors[1].revents != 0 {
            self.clear();
        }
        descriptors[0].revents != 0
    }
}

/// Waits until `socket` can be written or `timeout`.
pub(crate) fn wait_writable(socket: RawFd, timeout: Duration) {
    poll(&mut [libc::pollfd { fd: socket, events: libc::POLLOUT, revents: 0 }], timeout);
}

fn poll(descriptors: &mut [libc::pollfd], timeout: Duration) {
    let time = libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // An interrupted or failed poll reads as nothing ready: the caller's loop comes again.
    // SAFETY: the descriptors are a valid slice; timeout and (null) signal mask are valid.
    unsafe {
        libc::ppoll(
            descriptors.as_mut_ptr(),
            descriptors.len() as libc::nfds_t,
            &time,
            std::ptr::null(),
        )
    };
}
