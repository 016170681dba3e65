//! `cargo dev bench`: what a forwarded packet costs, beside the least it could cost here.
//!
//! Each part is a process of its own (this program with another first argument), so that the CPU
//! time of one is its own and nothing else's: the floor and its reader, the server, and here the
//! publisher and the subscribers.

mod clock;
mod flood;
mod floor;
mod gso;
mod journal;
mod load;
mod publisher;
mod report;
mod rival;
mod scenario;
mod sendlog;
mod server;
mod sink;
mod stream;
mod subscribers;
mod traffic;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use scenario::Scenario;

const USAGE: &str = "\
bench [--only lecture,meeting,shards,viewers,flood,ceiling,journal] [--subscribers N,N] [--seconds S]
      [--json FILE] [--journal-program FILE]";

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
        Some("rivals") => {
            rival::spin(arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(1))
        }
        Some("server") => {
            let number = |at: usize, otherwise| {
                arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
            };
            server::serve(number(1, 1), number(2, usize::MAX), number(3, 0))
        }
        _ => bench(&options(&arguments)?),
    }
}

fn bench(options: &Options) -> io::Result<()> {
    let mut report = report::Report::default();
    let mut failed = Vec::new();
    for (kind, scenario) in scenarios(&options.subscribers) {
        if options.wants(kind) {
            match row(kind, scenario, options.length) {
                Ok(row) => report.rows.push(row),
                // What was measured before and what comes after is worth having all the same.
                Err(error) => failed.push(format!("{}: {error}", scenario.name())),
            }
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
    if failed.is_empty() { Ok(()) } else { Err(io::Error::other(failed.join("; "))) }
}

/// In the order of the tables.
fn scenarios(subscribers: &[usize]) -> Vec<(&'static str, Scenario)> {
    let mut all: Vec<_> =
        subscribers.iter().map(|count| ("lecture", Scenario::lecture(*count))).collect();
    all.push(("meeting", Scenario::meeting(8, 8, 8)));
    all.push(("meeting", Scenario::meeting(25, 9, 5)));
    // The same lecture, one after the other, on one shard and on two.
    all.push(("shards", Scenario::lecture(300)));
    all.push(("shards", Scenario::lecture(300).on_shards(2, 150)));
    all.push(("viewers", Scenario::lecture(1_000).on_shards(2, 150)));
    // The same meeting, in peace and under a flood of requests of nobody's.
    all.push(("flood", Scenario::meeting(8, 8, 8)));
    all.push(("flood", Scenario::meeting(8, 8, 8).flooded(20_000)));
    // Ever more viewers on an eighth of a core, until it can do no more, and further.
    all.extend(
        [100, 200, 300, 400, 600].map(|n| ("ceiling", Scenario::lecture(n).layered().beside(7))),
    );
    all
}

fn row(kind: &'static str, scenario: Scenario, length: Duration) -> io::Result<report::Row> {
    let name = scenario.name();
    eprintln!("{kind}, {name}: floor");
    let floor = floor::measure(&scenario, length)?;
    eprintln!("{kind}, {name}: server");
    let forwarding = load::measure(&scenario, length)?;
    eprintln!("{kind}, {name}: floor again");
    let again = floor::measure(&scenario, length)?;
    // Other work on the machine makes the floor dearer and us look better: the lower counts.
    let lower = |a: floor::Floor, b: floor::Floor| {
        if a.cpu_ns_per_packet <= b.cpu_ns_per_packet { a } else { b }
    };
    Ok(report::Row::new(kind, name, lower(floor, again), forwarding))
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
        subscribers: vec![50, 100, 200, 400],
        length: Duration::from_secs(5),
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
