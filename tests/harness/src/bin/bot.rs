//! `cargo dev bot`: fills a room of a running server, so that one person alone can try it.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::bot::BotConfig;
use harness::http::{Demo, Place};
use harness::member::{Entry, Seat};

const USAGE: &str = "\
usage: bot [--url http://localhost:PORT] [--demo FILE] [--session KEY|ID] [--as KEY,KEY]
           [--seconds N] [--open]
  --url      of the server, on this machine (default: the one in the demo file)
  --demo     accounts and sessions (default: data/demo.json)
  --session  key or id of the meeting (default: the first of the demo file)
  --as       accounts, by key (default: member1,member2,member3)
  --seconds  stay so long (default: 600)
  --open     open the meeting first, as the secretary";

struct Options {
    url: Option<String>,
    demo: PathBuf,
    session: Option<String>,
    accounts: Vec<String>,
    length: Duration,
    open: bool,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return Ok(());
    }
    let options = options(&arguments)?;
    let bytes = std::fs::read(&options.demo)
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", options.demo.display())))?;
    let demo: Demo = serde_json::from_slice(&bytes)?;
    let place = Place::of(options.url.as_deref().unwrap_or(&demo.http_url))?;
    let session = session(&demo, options.session.as_deref())?;
    if options.open {
        place.sign_in(demo.account("secretary")?)?.open(&session)?;
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let handle = runtime.handle().clone();
    let end = Instant::now() + options.length;
    let mut threads = Vec::new();
    for (number, key) in (1..).zip(&options.accounts) {
        let entry = Entry {
            place: place.clone(),
            account: demo.account(key)?.clone(),
            session: session.clone(),
            config: BotConfig { seed: number, ..BotConfig::default() },
        };
        let handle = handle.clone();
        threads.push((key, std::thread::spawn(move || stay(&handle, &entry, end))));
    }
    let mut failed = 0;
    for (key, thread) in threads {
        match thread.join() {
            Ok(Ok((sent, received))) => println!("{key}: {sent} packets sent, {received} received"),
            Ok(Err(error)) => {
                eprintln!("{key}: {error}");
                failed += 1;
            }
            Err(_) => failed += 1,
        }
    }
    if failed == 0 { Ok(()) } else { Err(io::Error::other(format!("{failed} bots failed"))) }
}

/// Enters and stays until `end` or until the meeting ends; packets sent and received.
fn stay(handle: &tokio::runtime::Handle, entry: &Entry, end: Instant) -> io::Result<(u64, u64)> {
    let mut seat = Seat::enter(handle, entry)?;
    println!("{}: is in", entry.account.key);
    while Instant::now() < end && seat.line.is_open() {
        seat.step()?;
        // Nobody reads them here, and a long meeting tells much.
        seat.events.clear();
    }
    if seat.line.is_open() {
        // Refused only if the meeting ended just now.
        let _ = seat.ask(signaling::Request::Leave);
    }
    let stats = seat.bot.stats();
    Ok((stats.sent_packets, stats.packets()))
}

/// The id of the session of this key or id.
fn session(demo: &Demo, wanted: Option<&str>) -> io::Result<String> {
    let named = |wanted: &str| {
        let known = demo.sessions.iter().find(|session| session.key == wanted);
        known.map_or_else(|| wanted.to_owned(), |session| session.id.clone())
    };
    let first = || demo.sessions.first().map(|session| session.id.clone());
    wanted.map(named).or_else(first).ok_or_else(|| io::Error::other("the demo file has no session"))
}

fn options(arguments: &[String]) -> io::Result<Options> {
    let mut options = Options {
        url: None,
        demo: "data/demo.json".into(),
        session: None,
        accounts: ["member1", "member2", "member3"].map(String::from).into(),
        length: Duration::from_secs(600),
        open: false,
    };
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, USAGE);
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(flag) = rest.next() {
        if flag == "--open" {
            options.open = true;
            continue;
        }
        let value = rest.next().ok_or_else(wrong)?;
        match flag {
            "--url" => options.url = Some(value.to_owned()),
            "--demo" => options.demo = value.into(),
            "--session" => options.session = Some(value.to_owned()),
            "--as" => options.accounts = value.split(',').map(str::to_owned).collect(),
            "--seconds" => {
                options.length = Duration::from_secs(value.parse().map_err(|_| wrong())?);
            }
            _ => return Err(wrong()),
        }
    }
    Ok(options)
}
