//! `cargo dev bench`: what a forwarded packet costs, beside the least it could cost here.
//!
//! Each part is a process of its own (this program with another first argument), so that the CPU
//! time of one is its own and nothing else's.

#[expect(dead_code, reason = "the load process reads memory and stamps")]
mod clock;
mod floor;
mod gso;
#[expect(dead_code, reason = "the load process reads memory and stamps")]
mod sink;
mod traffic;

use std::io;
use std::time::Duration;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: usize| {
        arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    match arguments.first().map(String::as_str) {
        Some("sink") => floor::reader(number(1, 1)),
        _ => {
            for destinations in [50, 200] {
                println!("{:?}", floor::measure(destinations, Duration::from_secs(5))?);
            }
            Ok(())
        }
    }
}
