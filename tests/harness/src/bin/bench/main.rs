//! `cargo dev bench`: what a forwarded packet costs, beside the least it could cost here.
//!
//! Each part is a process of its own (this program with another first argument), so that the CPU
//! time of one is its own and nothing else's: the floor and its reader, the server, and here the
//! publisher and the subscribers.

mod clock;
mod floor;
mod gso;
mod load;
mod publisher;
mod report;
mod server;
mod sink;
mod subscribers;
mod traffic;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str = "bench [--subscribers N,N] [--seconds S] [--json FILE]";

struct Options {
    subscribers: Vec<usize>,
    length: Duration,
    json: Option<PathBuf>,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("sink") => {
            let destinations = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(1);
            floor::reader(destinations)
        }
        Some("server") => server::serve(),
        _ => bench(&options(&arguments)?),
    }
}

fn bench(options: &Options) -> io::Result<()> {
    let mut rows = Vec::new();
    for &subscribers in &options.subscribers {
        eprintln!("{subscribers} subscribers: floor, {} s", options.length.as_secs());
        let floor = floor::measure(subscribers, options.length)?;
        eprintln!("{subscribers} subscribers: server, {} s", options.length.as_secs());
        let forwarding = load::measure(subscribers, options.length)?;
        eprintln!("{subscribers} subscribers: floor again, {} s", options.length.as_secs());
        let again = floor::measure(subscribers, options.length)?;
        // Other work on the machine makes the floor dearer and us look better: the lower counts.
        let lower = |a: floor::Floor, b: floor::Floor| {
            if a.cpu_ns_per_packet <= b.cpu_ns_per_packet { a } else { b }
        };
        rows.push(report::Row::new(lower(floor, again), forwarding));
    }
    print!("{}", report::table(&rows));
    if let Some(path) = &options.json {
        std::fs::write(path, report::json(&rows)?)?;
    }
    Ok(())
}

fn options(arguments: &[String]) -> io::Result<Options> {
    let mut options =
        Options { subscribers: vec![50, 200], length: Duration::from_secs(10), json: None };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let value = rest.next().map(String::as_str);
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, USAGE);
        match (flag.as_str(), value) {
            ("--json", Some(path)) => options.json = Some(path.into()),
            ("--seconds", Some(text)) => {
                options.length = Duration::from_secs(text.parse().map_err(|_| wrong())?);
            }
            ("--subscribers", Some(text)) => {
                let numbers = text.split(',').map(str::parse);
                options.subscribers = numbers.collect::<Result<_, _>>().map_err(|_| wrong())?;
            }
            _ => return Err(wrong()),
        }
    }
    Ok(options)
}
