//! A whole participant on str0m: signs in, says hello, offers, adds slots when told, and is
//! steered from a test while a thread of its own keeps its media going.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use signaling::WireError;
use signaling::message::{Assignment, Event, Offer, Reply, Request, Source};
use signaling::view::Role;
use tokio::runtime::Handle;

use crate::bot::{Bot, BotConfig};
use crate::http::{Account, Place};
use crate::line::Line;

/// How long one round of media goes on before the line and the test are looked at.
const ROUND: Duration = Duration::from_millis(5);

/// A participant's state; lives on its thread.
pub struct Seat {
    pub bot: Bot,
    pub line: Line,
    /// The whole map of receive slots as last told.
    pub assignments: Vec<Assignment>,
    /// Everything that the line told, in order, with the time.
    pub events: Vec<(Instant, Event)>,
    runtime: Handle,
    slots: (u32, u32),
}

/// How somebody enters.
#[derive(Debug, Clone)]
pub struct Entry {
    pub place: Place,
    pub account: Account,
    /// Id of the meeting.
    pub session: String,
    pub config: BotConfig,
}

impl Seat {
    /// From signing in to the first answered offer; observers publish nothing. Must not be called inside async code.
    ///
    /// # Errors
    /// Whatever refused it on the way.
    pub fn enter(runtime: &Handle, entry: &Entry) -> io::Result<Self> {
        let token = entry.place.sign_in(&entry.account)?.join(&entry.session)?;
        let line = runtime.block_on(Line::open(&entry.place, token, true, None))?;
        let (audio, video) = (line.welcome.slots_audio, line.welcome.slots_video);
        let participants = &line.welcome.session.participants;
        let me = participants.iter().find(|p| p.id == line.welcome.participant);
        let mut config = entry.config.clone();
        if me.is_some_and(|me| me.role == Role::Observer) {
            (config.microphone, config.camera) = (false, false);
        }
        // An offer needs an m-line; who publishes nothing asks for one of each at least.
        let least = u32::from(!config.microphone && !config.camera);
        let slots = (audio.max(least), video.max(least));
        (config.audio_slots, config.video_slots) = slots;
        let mut assignments = Vec::new();
        let bot = Bot::join(&config, |offer| exchange(runtime, &line, offer, &mut assignments))?;
        let runtime = runtime.clone();
        Ok(Self { bot, line, assignments, events: Vec::new(), runtime, slots })
    }

    /// The person's id, as others see it.
    pub fn participant(&self) -> &str {
        &self.line.welcome.participant
    }

    /// Asks and waits; the media stands still meanwhile.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn ask(&self, request: Request) -> Result<Reply, WireError> {
        self.runtime.block_on(self.line.ask(request))
    }

    /// One round: media, then what the line told.
    ///
    /// # Errors
    /// Those of the socket, the WebRTC stack and refused offers.
    pub fn step(&mut self) -> io::Result<()> {
        self.bot.run(ROUND)?;
        while let Some(event) = self.line.try_event() {
            match &event {
                Event::Assignments { assignments } => self.assignments.clone_from(assignments),
                Event::Slots { audio, video } => self.add_slots(*audio, *video)?,
                _ => {}
            }
            self.events.push((Instant::now(), event));
        }
        Ok(())
    }

    fn add_slots(&mut self, audio: u32, video: u32) -> io::Result<()> {
        let more = (audio.saturating_sub(self.slots.0), video.saturating_sub(self.slots.1));
        if more == (0, 0) {
            return Ok(());
        }
        let Self { bot, line, assignments, runtime, .. } = self;
        bot.add_slots(more.0, more.1, |offer| exchange(runtime, line, offer, assignments))?;
        self.slots = (self.slots.0 + more.0, self.slots.1 + more.1);
        Ok(())
    }

    /// Receive m-lines, audio and video.
    pub fn slots(&self) -> (u32, u32) {
        self.slots
    }

    /// Whether a slot carries this source of a person.
    pub fn is_assigned(&self, participant: &str, source: Source) -> bool {
        self.assignments.iter().any(|a| a.participant == participant && a.source == source)
    }

    /// How many packets of a bot's source have come.
    pub fn heard(&self, bot: u32, source: Source) -> usize {
        self.bot.stats().from.get(&(bot, source)).map_or(0, |stream| stream.numbers.len())
    }
}

fn exchange(
    runtime: &Handle,
    line: &Line,
    offer: &Offer,
    assignments: &mut Vec<Assignment>,
) -> io::Result<String> {
    let answer = runtime.block_on(line.offer(offer.clone()))?;
    *assignments = answer.assignments;
    Ok(answer.sdp)
}

type Work = Box<dyn FnMut(&mut Seat) -> bool + Send>;

/// A seat on a thread.
pub struct Member {
    work: mpsc::Sender<Work>,
    thread: JoinHandle<io::Result<Seat>>,
}

/// A seat's whole life: work, a round, work.
fn sit(runtime: &Handle, entry: &Entry, waiting: &mpsc::Receiver<Work>) -> io::Result<Seat> {
    let mut seat = Seat::enter(runtime, entry)?;
    let mut open: Vec<Work> = Vec::new();
    loop {
        loop {
            match waiting.try_recv() {
                Ok(work) => open.push(work),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => return Ok(seat),
            }
        }
        seat.step()?;
        open.retain_mut(|work| !work(&mut seat));
    }
}

impl Member {
    /// Enters on a thread of its own and stays until [`Member::end`].
    ///
    /// # Errors
    /// When no thread can be started; what goes wrong on it is told by [`Member::end`].
    pub fn spawn(runtime: Handle, entry: Entry) -> io::Result<Self> {
        let (work, waiting) = mpsc::channel();
        let name = format!("bot-{}", entry.account.key);
        let thread = std::thread::Builder::new().name(name.clone()).spawn(move || {
            // Who asks for its work next learns only that it is gone.
            sit(&runtime, &entry, &waiting).inspect_err(|error| eprintln!("{name}: {error}"))
        })?;
        Ok(Self { work, thread })
    }

    /// Does something with the seat and gives its result; waits until the bot has entered.
    ///
    /// # Panics
    /// When the bot has failed.
    pub fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Seat) -> T + Send + 'static) -> T {
        let mut work = Some(work);
        self.find(Duration::from_secs(60), move |seat| work.take().map(|work| work(seat)))
            .expect("the bot does its work within a minute")
    }

    /// Waits until the seat gives something, at most `limit`.
    ///
    /// # Panics
    /// When the bot has failed.
    pub fn find<T: Send + 'static>(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&mut Seat) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let (found, result) = mpsc::channel();
        let deadline = Instant::now() + limit;
        let work = move |seat: &mut Seat| match wanted(seat) {
            Some(value) => {
                // Who waited may have given up.
                let _ = found.send(value);
                true
            }
            None => Instant::now() >= deadline,
        };
        self.work.send(Box::new(work)).expect("the bot is there");
        result.recv().ok()
    }

    /// Waits until the seat is as wanted, at most `limit`.
    pub fn until(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&Seat) -> bool + Send + 'static,
    ) -> bool {
        self.find(limit, move |seat| wanted(seat).then_some(())).is_some()
    }

    /// Stops the thread. The line stays open until the seat is dropped, which is a drop and not a
    /// leave.
    ///
    /// # Errors
    /// What the bot failed with.
    pub fn end(self) -> io::Result<Seat> {
        drop(self.work);
        self.thread.join().map_err(|_| io::Error::other("the bot's thread panicked"))?
    }

    /// 离开.
    ///
    /// # Errors
    /// As [`Member::end`].
    pub fn leave(self) -> io::Result<Seat> {
        self.with(|seat| seat.ask(Request::Leave)).map_err(|e| io::Error::other(e.message))?;
        self.end()
    }
}
