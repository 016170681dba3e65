//! A machine that is too small: the server keeps to one core, and beside it threads of another
//! process spin there, so that it is left its share and no more.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};

use crate::clock;

pub const SERVER_CORE: usize = 0;
pub const LOAD_CORE: usize = 1;

/// Keeps this process on the server's core with so many rivals; they end with the result.
pub fn share_core(rivals: usize) -> io::Result<Option<Rivals>> {
    if rivals == 0 {
        return Ok(None);
    }
    clock::stay_on(&[SERVER_CORE])?;
    let process = Command::new(std::env::current_exe()?)
        .args(["rivals", &rivals.to_string()])
        .stdin(Stdio::piped())
        .spawn()?;
    Ok(Some(Rivals(process)))
}

pub struct Rivals(Child);

impl Drop for Rivals {
    fn drop(&mut self) {
        // Closing its input ends it; so does the end of this process.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The rivals' process: spins until its input ends.
pub fn spin(threads: usize) -> io::Result<()> {
    for _ in 0..threads {
        std::thread::Builder::new().spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        })?;
    }
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
