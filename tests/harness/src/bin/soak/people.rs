//! Who takes part and what they do: come, look, switch cameras, drop, leave and come again.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use harness::bot::BotConfig;
use harness::member::{Entry, Member};
use serde::Serialize;
use signaling::message::{Request, ShownTrack, Source};
use tokio::runtime::Runtime;

use crate::server::Program;

/// One in three has a camera, one in six an open microphone: as many as a real meeting shows.
const CAMERA_EVERY: usize = 3;
const MICROPHONE_EVERY: usize = 6;
const AT_ONCE: usize = 5;
const ENTER_WITHIN: Duration = Duration::from_secs(60);
/// Something happens to somebody this often.
const BEAT: Duration = Duration::from_millis(700);

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Tally {
    pub joins: u64,
    pub leaves: u64,
    pub drops: u64,
    pub views: u64,
    pub received: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { joins, leaves, drops, views, received } = self;
        write!(
            f,
            "{joins} joins, {leaves} leaves, {drops} drops, {views} views, {received} packets received"
        )
    }
}

pub struct Crowd {
    runtime: Runtime,
    entries: Vec<Entry>,
    here: HashMap<usize, Member>,
    /// When those who are away come again.
    away: HashMap<usize, Instant>,
    tally: Tally,
    received: Arc<AtomicU64>,
    random: u64,
    next: Instant,
}

impl Crowd {
    pub fn new(program: &Program) -> io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let entries = program.accounts.iter().enumerate().map(|(number, account)| Entry {
            place: program.place.clone(),
            account: account.clone(),
            session: program.session.clone(),
            config: BotConfig {
                seed: number as u64 + 1,
                camera: number % CAMERA_EVERY == 0,
                microphone: number % MICROPHONE_EVERY == 0,
                video_bitrate: 120_000,
                frame_rate: 8,
                ..BotConfig::default()
            },
        });
        Ok(Self {
            runtime,
            entries: entries.collect(),
            here: HashMap::new(),
            away: HashMap::new(),
            tally: Tally::default(),
            received: Arc::default(),
            random: 1,
            next: Instant::now(),
        })
    }

    /// A few at a time, as people come; two cores make no more handshakes at once.
    pub fn everybody_in(&mut self) -> io::Result<()> {
        let missing: Vec<usize> =
            (0..self.entries.len()).filter(|number| !self.here.contains_key(number)).collect();
        for group in missing.chunks(AT_ONCE) {
            for number in group {
                self.come(*number)?;
            }
            // In means past the handshake; the first of all has nobody to hear yet.
            for member in group.iter().filter_map(|number| self.here.get(number)) {
                if !member.until(ENTER_WITHIN, |_| true) {
                    return Err(io::Error::other("a bot does not get in"));
                }
            }
        }
        for member in self.here.values() {
            if !member.until(ENTER_WITHIN, |seat| seat.bot.stats().packets() > 0) {
                return Err(io::Error::other("a bot hears nothing"));
            }
        }
        Ok(())
    }

    pub fn everybody_out(&mut self) -> io::Result<()> {
        self.away.clear();
        let here: Vec<usize> = self.here.keys().copied().collect();
        here.into_iter().try_for_each(|number| self.go(number, true))
    }

    /// Lets the meeting go on for `length`, with what people do.
    pub fn live(&mut self, length: Duration) -> io::Result<()> {
        let until = Instant::now() + length;
        while Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(100));
            let now = Instant::now();
            let back: Vec<usize> =
                self.away.iter().filter(|(_, at)| **at <= now).map(|(number, _)| *number).collect();
            for number in back {
                self.away.remove(&number);
                self.come(number)?;
            }
            if now >= self.next {
                self.next = now + BEAT;
                self.something_happens()?;
            }
        }
        Ok(())
    }

    fn something_happens(&mut self) -> io::Result<()> {
        let dice = self.roll(100);
        let mut here: Vec<usize> = self.here.keys().copied().collect();
        here.sort_unstable();
        let Some(&number) = here.get(self.roll(here.len().max(1) as u64) as usize) else {
            return Ok(());
        };
        match dice {
            // The chair stays: without one the room would be another.
            0..15 if number != 0 => {
                let clicked = dice < 10;
                self.go(number, clicked)?;
                let back = Duration::from_millis(500 + self.roll(4_000));
                self.away.insert(number, Instant::now() + back);
            }
            15..30 => {
                let on = self.roll(2) == 0;
                self.ask(number, Request::MediaState { source: Source::Camera, on });
            }
            _ => self.look(number),
        }
        Ok(())
    }

    /// Another window size: other layers are wanted.
    fn look(&mut self, number: usize) {
        let sizes = [(1_280, 720), (640, 360), (320, 180), (160, 90)];
        let (width, height) = sizes[self.roll(4) as usize];
        let visible = self.roll(5) != 0;
        let Some(member) = self.here.get(&number) else { return };
        self.tally.views += 1;
        member.with(move |seat| {
            let tracks = seat.assignments.iter().filter(|a| a.source == Source::Camera);
            let tracks = tracks.map(|a| ShownTrack {
                participant: a.participant.clone(),
                source: a.source,
                width,
                height,
                visible,
                priority: 0,
            });
            // Refused only when the line has just gone.
            let _ = seat.ask(Request::View { tracks: tracks.collect() });
        });
    }

    fn ask(&mut self, number: usize, request: Request) {
        if let Some(member) = self.here.get(&number) {
            // Refused only when the line has just gone.
            member.with(move |seat| drop(seat.ask(request)));
        }
    }

    fn come(&mut self, number: usize) -> io::Result<()> {
        let member = Member::spawn(self.runtime.handle().clone(), self.entries[number].clone())?;
        self.here.insert(number, member);
        self.tally.joins += 1;
        Ok(())
    }

    fn go(&mut self, number: usize, clicked: bool) -> io::Result<()> {
        let Some(member) = self.here.remove(&number) else { return Ok(()) };
        let seat = if clicked { member.leave()? } else { member.end()? };
        if clicked {
            self.tally.leaves += 1;
        } else {
            self.tally.drops += 1;
        }
        self.received.fetch_add(seat.bot.stats().packets(), Ordering::Relaxed);
        Ok(())
    }

    pub fn tally(&self) -> Tally {
        Tally { received: self.received.load(Ordering::Relaxed), ..self.tally }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % sides
    }
}
