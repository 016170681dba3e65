//! `cargo dev bench`: what a forwarded packet costs, beside the least it could cost here.
//!
//! Each part is a process of its own (this program with another first argument), so that the CPU
//! time of one is its own and nothing else's: the floor and its reader, the server, and here the
//! publisher and the subscribers.

mod clock;
mod floor;
mod gso;
mod journal;
mod load;
mod publisher;
mod report;
mod sendlog;
mod server;
mod sink;
mod subscribers;
mod traffic;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str = "\
bench [--only lecture,journal] [--subscribers N,N] [--seconds S] [--json FILE]
      [--journal-program FILE]";

struct Options {
    only: Option<Vec<String>>,
    journal_program: Option<PathBuf>,
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
    let mut report = report::Report::default();
    if options.wants("lecture") {
        for &subscribers in &options.subscribers {
            report.lecture.push(lecture(subscribers, options.length)?);
        }
    }
    if options.wants("journal") {
        match &options.journal_program {
            Some(program) => {
                eprintln!("journal");
                report.journal = Some(journal::measure(program)?);
            }
            None => {
                eprintln!("journal: left out, its program was not given (cargo dev bench does)")
            }
        }
    }
    print!("{}", report.table());
    if let Some(path) = &options.json {
        std::fs::write(path, report.json()?)?;
    }
    Ok(())
}

fn lecture(subscribers: usize, length: Duration) -> io::Result<report::Row> {
    eprintln!("{subscribers} subscribers: floor, {} s", length.as_secs());
    let floor = floor::measure(subscribers, length)?;
    eprintln!("{subscribers} subscribers: server, {} s", length.as_secs());
    let forwarding = load::measure(subscribers, length)?;
    eprintln!("{subscribers} subscribers: floor again, {} s", length.as_secs());
    let again = floor::measure(subscribers, length)?;
    // Other work on the machine makes the floor dearer and us look better: the lower counts.
    let lower = |a: floor::Floor, b: floor::Floor| {
        if a.cpu_ns_per_packet <= b.cpu_ns_per_packet { a } else { b }
    };
    Ok(report::Row::new(lower(floor, again), forwarding))
}

impl Options {
    fn wants(&self, scenario: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == scenario))
    }
}

fn options(arguments: &[String]) -> io::Result<Options> {
    let mut options = Options {
        only: None,
        journal_program: None,
        subscribers: vec![50, 200],
        length: Duration::from_secs(10),
        json: None,
    };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let value = rest.next().map(String::as_str);
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, USAGE);
        match (flag.as_str(), value) {
            ("--only", Some(names)) => {
                options.only = Some(names.split(',').map(str::to_owned).collect());
            }
            ("--journal-program", Some(path)) => options.journal_program = Some(path.into()),
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
