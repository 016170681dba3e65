//! `cargo dev soak`: a long meeting of bots on the real server, then everybody leaves, and the
//! server must be as it was: memory flat while it lasts, no socket, thread or task left after it.

mod figures;
mod people;
mod server;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use figures::{Sample, slope_mb_per_hour};
use people::Crowd;
use server::Program;

const USAGE: &str = "\
usage: soak --bin YUNTANG [--minutes N] [--people N] [--json FILE]
  --minutes  how long the meeting lasts (default 60; the gate runs 3)
  --people   bots in the meeting (default 25)";

/// Consent (30 s) and parked resumes (60 s) must have run out before anything counts as leaked.
const AFTERWARDS: Duration = Duration::from_secs(100);
/// Of the slope of an hour, after the first ten minutes.
const SLOPE_MB_PER_HOUR: f64 = 1.0;
/// A short run says nothing about a slope so small: it may grow by this in its second half.
const SHORT_GROWTH_MB: f64 = 6.0;
const LONG: Duration = Duration::from_secs(30 * 60);

struct Options {
    program: PathBuf,
    length: Duration,
    people: usize,
    json: Option<PathBuf>,
}

fn main() -> io::Result<()> {
    let options = options()?;
    let program = Program::start(&options.program, options.people)?;
    // Once in and out, so that what is made on first use is there before it is counted.
    let mut crowd = Crowd::new(&program)?;
    crowd.everybody_in()?;
    crowd.everybody_out()?;
    let before = program.settled(AFTERWARDS, None)?;
    println!("empty, after a first meeting: {before}");

    let begun = Instant::now();
    crowd.everybody_in()?;
    let mut samples = Vec::new();
    let mut next = Duration::ZERO;
    while begun.elapsed() < options.length {
        crowd.live(Duration::from_secs(1))?;
        let sample = program.sample(begun.elapsed())?;
        samples.push(sample);
        if begun.elapsed() >= next {
            println!("{:>5} s  {sample}  {}", begun.elapsed().as_secs(), crowd.tally());
            next += (options.length / 12).max(Duration::from_secs(15));
        }
    }
    let said = crowd.tally();
    crowd.everybody_out()?;
    let after = program.settled(AFTERWARDS, Some(&before))?;
    println!("empty again: {after}");
    verdict(&options, &samples, &before, &after, &said)
}

fn verdict(
    options: &Options,
    samples: &[Sample],
    before: &Sample,
    after: &Sample,
    said: &people::Tally,
) -> io::Result<()> {
    let long = options.length >= LONG;
    // The first ten minutes of an hour, the first half of less.
    let warm = if long { Duration::from_secs(600) } else { options.length / 2 };
    let steady: Vec<Sample> = samples.iter().copied().filter(|s| s.at >= warm).collect();
    let slope = slope_mb_per_hour(&steady)
        .ok_or_else(|| io::Error::other("too few samples for a slope"))?;
    let hours = (options.length - warm).as_secs_f64() / 3_600.0;
    let mut wrong = Vec::new();
    if long && slope >= SLOPE_MB_PER_HOUR {
        wrong.push(format!("memory grows by {slope:.2} MB an hour"));
    }
    if !long && slope * hours >= SHORT_GROWTH_MB {
        wrong.push(format!("memory grew by {:.2} MB in {:.0} s", slope * hours, hours * 3_600.0));
    }
    for (what, was, is) in [
        ("sockets and files", before.files, after.files),
        ("threads", before.threads, after.threads),
        ("tasks", before.tasks, after.tasks),
    ] {
        if is > was {
            wrong.push(format!("{what}: {was} before, {is} after everybody left"));
        }
    }
    if said.received == 0 || said.joins < options.people as u64 * 2 {
        wrong.push(format!("the meeting did not happen: {said}"));
    }
    let report = serde_json::json!({
        "seconds": options.length.as_secs(), "people": options.people,
        "slope_mb_per_hour": slope, "warm_up_s": warm.as_secs(),
        "before": before, "after": after, "traffic": said, "wrong": wrong,
    });
    if let Some(file) = &options.json {
        std::fs::write(file, format!("{report:#}\n"))?;
    }
    println!("memory after the first {} s: {slope:+.2} MB an hour; {said}", warm.as_secs());
    if wrong.is_empty() { Ok(()) } else { Err(io::Error::other(wrong.join("; "))) }
}

fn options() -> io::Result<Options> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, USAGE);
    let mut options = Options {
        program: PathBuf::new(),
        length: Duration::from_secs(3_600),
        people: 25,
        json: None,
    };
    let mut rest = std::env::args().skip(1);
    while let Some(flag) = rest.next() {
        let value = rest.next().ok_or_else(wrong)?;
        match flag.as_str() {
            "--bin" => options.program = value.into(),
            "--minutes" => {
                let minutes: u64 = value.parse().map_err(|_| wrong())?;
                options.length = Duration::from_secs(minutes.clamp(1, 600) * 60);
            }
            "--people" => options.people = value.parse().map_err(|_| wrong())?,
            "--json" => options.json = Some(value.into()),
            _ => return Err(wrong()),
        }
    }
    if options.program.as_os_str().is_empty() || options.people == 0 {
        Err(wrong())
    } else {
        Ok(options)
    }
}
