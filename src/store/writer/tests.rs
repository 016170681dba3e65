//! The writer over a database that comes and goes, and a disk that forgets what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::journal::Digest;
use crate::store::spool::testing::{Failing, FakeFile};

/// How the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Database {
    Up,
    Down,
    /// The next commit is done and its answer lost; down from then on.
    LosesAnswer,
    /// The next commit is not done, and nobody can tell.
    LosesCommit,
    /// The next commit is done after somebody has looked whether it was.
    LateCommit,
}

type Rows = BTreeMap<(SessionId, u64), (Digest, Digest)>;

#[derive(Debug)]
struct Inside {
    how: Database,
    rows: Rows,
    chat: BTreeSet<Uuid>,
    states: BTreeMap<SessionId, SessionState>,
    late: Option<(Rows, BTreeSet<Uuid>)>,
}

#[derive(Clone)]
struct FakeBooks {
    inside: Arc<Mutex<Inside>>,
    up: watch::Sender<bool>,
}

fn session(n: u8) -> SessionId {
    Uuid::from_u128(u128::from(n) + 1).into()
}

/// Hash of the header of every session.
const START: Digest = Digest([7; 32]);

impl FakeBooks {
    fn new() -> Self {
        let inside = Inside {
            how: Database::Up,
            rows: Rows::new(),
            chat: BTreeSet::new(),
            states: BTreeMap::new(),
            late: None,
        };
        Self { inside: Arc::new(Mutex::new(inside)), up: watch::Sender::new(true) }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, how: Database) {
        self.inside().how = how;
        self.up.send_replace(how != Database::Down);
    }

    /// The database as somebody finds it who can reach it.
    fn reach(&self) -> Result<MutexGuard<'_, Inside>, StoreError> {
        let inside = self.inside();
        match inside.how {
            Database::Down => Err(StoreError::Unavailable("down".into())),
            _ => Ok(inside),
        }
    }

    fn chain(&self, session: SessionId) -> Vec<(u64, (Digest, Digest))> {
        let of = |((_, seq), row): (&(SessionId, u64), &_)| (*seq, *row);
        self.inside().rows.range((session, 0)..=(session, u64::MAX)).map(of).collect()
    }
}

impl Inside {
    fn free(&self, rows: &Rows) -> Result<(), StoreError> {
        match rows.keys().any(|key| self.rows.contains_key(key)) {
            true => Err(StoreError::Conflict("it exists already".into())),
            false => Ok(()),
        }
    }

    /// All or nothing.
    fn put(&mut self, rows: Rows, chat: BTreeSet<Uuid>) -> Result<(), StoreError> {
        self.free(&rows)?;
        self.rows.extend(rows);
        self.chat.extend(chat);
        Ok(())
    }
}

impl Books for FakeBooks {
    async fn head(&self, session: SessionId) -> Result<Head, StoreError> {
        let inside = self.reach()?;
        let last = inside.rows.range((session, 0)..=(session, u64::MAX)).next_back();
        Ok(last.map_or(Head { seq: 0, hash: START }, |((_, seq), (_, hash))| Head {
            seq: *seq,
            hash: *hash,
        }))
    }

    async fn hashes(
        &self,
        session: SessionId,
        from: u64,
        to: u64,
    ) -> Result<Vec<(u64, Digest)>, StoreError> {
        let inside = self.reach()?;
        let rows = inside.rows.range((session, from)..=(session, to));
        Ok(rows.map(|((_, seq), (_, hash))| (*seq, *hash)).collect())
    }

    async fn commit(
        &self,
        chat: &[(SessionId, &StoredChat)],
        rows: &[EventRow<'_>],
    ) -> Result<(), Failed> {
        tokio::task::yield_now().await;
        let known = |error| Failed { error, unknown: false };
        let mut inside = self.reach().map_err(known)?;
        if let Some((rows, chat)) = inside.late.take() {
            let _ = inside.put(rows, chat);
        }
        let new: Rows = rows.iter().map(|r| ((r.session, r.seq), (r.prev_hash, r.hash))).collect();
        let chat: BTreeSet<Uuid> = chat.iter().map(|(_, m)| *m.id.as_uuid()).collect();
        // The statement itself waits for rows under way and finds its place taken, whatever becomes
        // of its commit.
        inside.free(&new).map_err(known)?;
        let how = inside.how;
        if how == Database::Up {
            return inside.put(new, chat).map_err(known);
        }
        if how == Database::LosesAnswer {
            inside.put(new, chat).map_err(known)?;
        } else if how == Database::LateCommit {
            inside.late = Some((new, chat));
        }
        drop(inside);
        self.set(Database::Down);
        Err(Failed { error: StoreError::Unavailable("the answer was lost".into()), unknown: true })
    }

    async fn advance(
        &self,
        session: SessionId,
        state: SessionState,
        _: i64,
    ) -> Result<(), StoreError> {
        self.reach()?.states.insert(session, state);
        Ok(())
    }

    fn back(&self) -> BoxFuture<'static, ()> {
        let mut up = self.up.subscribe();
        async move {
            let _ = up.wait_for(|up| *up).await;
        }
        .boxed()
    }

    fn set_away(&self, _: bool) {}
}

struct NoKey;

impl HeadSigner for NoKey {
    fn public_key(&self) -> [u8; 32] {
        [0; 32]
    }

    fn sign(&self, _: &[u8]) -> [u8; 64] {
        [0; 64]
    }
}

/// A server: the writer and its queue.
struct Running {
    queue: mpsc::Sender<Call>,
    away: watch::Receiver<bool>,
    counted: Arc<Counted>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(books: &FakeBooks, file: &FakeFile) -> Self {
        let (spool, _) = Spool::open(file.reopened(), 1 << 20).unwrap();
        let (queue, calls) = mpsc::channel(64);
        let (told, away) = watch::channel(false);
        let counted = Arc::new(Counted::default());
        let writer =
            Writer::new(books.clone(), Arc::new(NoKey), Some(spool), told, Arc::clone(&counted));
        Self { queue, away, counted, task: tokio::spawn(writer.run(calls)) }
    }

    async fn ask(
        &self,
        session: SessionId,
        what: What,
    ) -> oneshot::Receiver<Result<Vec<Envelope>, StoreError>> {
        let (reply, answer) = oneshot::channel();
        assert!(self.queue.send(Call { session, what, reply }).await.is_ok());
        answer
    }

    async fn append(
        &self,
        of: SessionId,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Envelope>, StoreError> {
        self.ask(of, What::Events { chat: vec![], events }).await.await.unwrap()
    }

    async fn settled(&mut self) {
        self.away.wait_for(|away| !*away).await.unwrap();
    }
}

fn event(at_us: i64, event: Event) -> NewEvent {
    NewEvent { at_us, mono_us: at_us, actor: Actor::System, event }
}

fn hand(n: i64) -> NewEvent {
    event(n, Event::Hand { person: Uuid::from_u128(3).into(), raised: n % 2 == 0 })
}

/// What must not wait; no ballot is needed to try that.
fn ballot(n: i64) -> NewEvent {
    event(n, Event::Sealed)
}

fn chat(n: i64) -> (StoredChat, NewEvent) {
    let id = Uuid::from_u128(1_000_000 + u128::try_from(n).unwrap()).into();
    let digest = crate::journal::sha256(b"");
    let text = Some(String::new());
    let stored = StoredChat {
        id,
        person_id: Uuid::from_u128(3).into(),
        name: String::new(),
        at_us: n,
        text,
    };
    (stored, event(n, Event::Chat { id, digest }))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn gapless(chain: &[(u64, (Digest, Digest))]) -> bool {
    let mut before = START;
    chain.iter().zip(1..).all(|((seq, (prev, hash)), wanted)| {
        *seq == wanted && *prev == std::mem::replace(&mut before, *hash)
    })
}

#[test]
fn attendance_goes_on_and_ballots_are_refused_while_the_database_is_away() {
    block_on(async {
        let (books, file) = (FakeBooks::new(), FakeFile::default());
        let mut running = Running::start(&books, &file);
        running.append(session(0), vec![hand(0)]).await.unwrap();
        books.set(Database::Down);
        let refused = running.append(session(0), vec![ballot(1)]).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert!(*running.away.borrow());
        let kept = running.append(session(0), vec![hand(2), hand(3)]).await.unwrap();
        assert_eq!(kept.iter().map(|e| e.seq).collect::<Vec<_>>(), [2, 3]);
        // Together with what may wait it must not wait either: all or nothing.
        assert!(running.append(session(0), vec![hand(4), ballot(5)]).await.is_err());
        // Nobody has written to this chain yet, and its end is not known.
        assert!(running.append(session(1), vec![hand(6)]).await.is_err());
        assert_eq!(books.chain(session(0)).len(), 1);

        books.set(Database::Up);
        running.settled().await;
        assert_eq!(books.chain(session(0)).len(), 3);
        assert!(gapless(&books.chain(session(0))));
        let ballot = running.append(session(0), vec![ballot(7)]).await.unwrap();
        assert_eq!(ballot[0].seq, 4);
        let count = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
        let c = &running.counted;
        assert_eq!((count(&c.spooled), count(&c.replayed), count(&c.outages)), (2, 2, 1));
        assert_eq!((count(&c.unfit), count(&c.bytes)), (0, 0));
    });
}

#[test]
fn a_ballot_whose_commit_got_no_answer_is_neither_lost_nor_counted_twice() {
    for how in [Database::LosesAnswer, Database::LosesCommit, Database::LateCommit] {
        block_on(async {
            let (books, file) = (FakeBooks::new(), FakeFile::default());
            let mut running = Running::start(&books, &file);
            running.append(session(0), vec![hand(0)]).await.unwrap();
            books.set(how);
            let cast = running.append(session(0), vec![ballot(1)]).await.unwrap();
            assert!(*running.away.borrow(), "{how:?}");
            books.set(Database::Up);
            running.settled().await;
            let chain = books.chain(session(0));
            assert_eq!(chain.len(), 2, "{how:?}");
            assert_eq!(chain[1].1.1, cast[0].hash);
            assert_eq!(file.unfit(), "");
        });
    }
}

#[test]
fn what_does_not_fit_the_database_is_put_aside_and_the_chain_goes_on() {
    block_on(async {
        let (books, file) = (FakeBooks::new(), FakeFile::default());
        let mut running = Running::start(&books, &file);
        running.append(session(0), vec![hand(0), hand(1)]).await.unwrap();
        books.set(Database::Down);
        running.append(session(0), vec![hand(2)]).await.unwrap();
        // An operator brings back a backup of before the last event.
        books.inside().rows.remove(&(session(0), 2));
        books.set(Database::Up);
        running.settled().await;
        assert_eq!(file.unfit().lines().count(), 1);
        let next = running.append(session(0), vec![hand(3)]).await.unwrap();
        assert_eq!(next[0].seq, 2);
        assert!(gapless(&books.chain(session(0))));
    });
}

#[test]
fn closing_a_meeting_reaches_its_row_when_the_database_is_back() {
    block_on(async {
        let (books, file) = (FakeBooks::new(), FakeFile::default());
        let mut running = Running::start(&books, &file);
        running.append(session(0), vec![hand(0)]).await.unwrap();
        books.set(Database::Down);
        let state = SessionState::DeclaredClosed;
        let closing = running.ask(session(0), What::State { state, at_us: 5 }).await;
        closing.await.unwrap().unwrap();
        assert_eq!(books.inside().states.get(&session(0)), None);
        books.set(Database::Up);
        running.settled().await;
        assert_eq!(books.inside().states.get(&session(0)), Some(&state));
    });
}

#[derive(Debug, Clone)]
enum Step {
    /// Calls at once; of each: session, number of events, how the last of them is.
    Append(Vec<(u8, u8, Last)>),
    Database(Database),
    Disk(Option<Failing>),
    /// The power fails after so many steps of the runtime, with calls under way.
    Crash {
        turns: u8,
        kept: usize,
    },
    Turns(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Hand,
    Ballot,
    Chat,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let last = prop_oneof![3 => Just(Last::Hand), 1 => Just(Last::Ballot), 1 => Just(Last::Chat)];
    let calls = prop::collection::vec((0u8..2, 1u8..4, last), 1..5);
    let database = prop_oneof![
        4 => Just(Database::Up),
        2 => Just(Database::Down),
        1 => Just(Database::LosesAnswer),
        1 => Just(Database::LosesCommit),
        1 => Just(Database::LateCommit),
    ];
    let disk = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Failing::Write)),
        1 => Just(Some(Failing::Sync)),
        1 => Just(Some(Failing::Everything)),
    ];
    let step = prop_oneof![
        6 => calls.prop_map(Step::Append),
        4 => database.prop_map(Step::Database),
        1 => disk.prop_map(Step::Disk),
        1 => (0u8..20, 0usize..=1000).prop_map(|(turns, kept)| Step::Crash { turns, kept }),
        2 => (0u8..30).prop_map(Step::Turns),
    ];
    prop::collection::vec(step, 1..30)
}

/// What the test knows by itself.
#[derive(Default)]
struct Truth {
    next: i64,
    acknowledged: Vec<(SessionId, Envelope)>,
    chat: Vec<Uuid>,
    asked: usize,
    /// A call may have been carried out without anybody having been told.
    vague: bool,
}

async fn turns(n: u8) {
    for _ in 0..n {
        tokio::task::yield_now().await;
    }
}

async fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (books, file) = (FakeBooks::new(), FakeFile::default());
    let mut running = Running::start(&books, &file);
    let mut truth = Truth::default();
    let mut crash_next: Option<(u8, usize)> = None;
    for step in steps {
        match step {
            Step::Append(calls) => {
                let mut answers = Vec::new();
                for (of, count, last) in calls {
                    let mut texts = Vec::new();
                    let mut events = Vec::new();
                    for n in 0..count {
                        truth.next += 1;
                        let new = match last {
                            Last::Ballot if n + 1 == count => ballot(truth.next),
                            Last::Chat if n + 1 == count => {
                                let (text, event) = chat(truth.next);
                                texts.push(text);
                                event
                            }
                            _ => hand(truth.next),
                        };
                        events.push(new);
                    }
                    truth.asked += events.len();
                    let ids: Vec<Uuid> = texts.iter().map(|text| *text.id.as_uuid()).collect();
                    let what = What::Events { chat: texts, events };
                    answers.push((session(of), ids, running.ask(session(of), what).await));
                }
                if let Some((after, kept)) = crash_next.take() {
                    turns(after).await;
                    // Whoever was not answered by now never is.
                    running.task.abort();
                    file.crash(kept);
                    truth.vague = true;
                    running = Running::start(&books, &file);
                }
                for (of, ids, answer) in answers {
                    if let Ok(Ok(stored)) = answer.await {
                        truth.acknowledged.extend(stored.into_iter().map(|e| (of, e)));
                        truth.chat.extend(ids);
                    }
                }
            }
            Step::Database(how) => books.set(how),
            Step::Disk(failing) => {
                truth.vague |= failing.is_some();
                file.fail(failing);
            }
            Step::Crash { turns, kept } => crash_next = Some((turns, kept)),
            Step::Turns(n) => turns(n).await,
        }
    }
    file.fail(None);
    books.set(Database::Up);
    // One more server start, so that what is left in the spool comes in as after a crash.
    running.task.abort();
    let _ = running.task.await;
    let mut last = Running::start(&books, &file);
    last.settled().await;
    // A commit that comes to its end only now must find its place taken.
    let late = books.inside().late.take();
    if let Some((rows, chat)) = late {
        let again = rows.clone();
        let mut inside = books.inside();
        match inside.put(rows, chat) {
            Ok(()) => prop_assert!(truth.vague, "a commit came late and nobody had waited for it"),
            Err(_) => {
                prop_assert!(again.iter().all(|(key, row)| inside.rows.get(key) == Some(row)))
            }
        }
    }
    for n in 0..2 {
        prop_assert!(
            gapless(&books.chain(session(n))),
            "a gap or a fork: {:?}",
            books.chain(session(n))
        );
    }
    let rows = books.inside().rows.clone();
    for (of, e) in &truth.acknowledged {
        prop_assert_eq!(rows.get(&(*of, e.seq)), Some(&(e.prev_hash, e.hash)), "lost: {:?}", e);
    }
    prop_assert!(truth.chat.iter().all(|id| books.inside().chat.contains(id)));
    let places: BTreeSet<_> = truth.acknowledged.iter().map(|(of, e)| (*of, e.seq)).collect();
    prop_assert_eq!(places.len(), truth.acknowledged.len(), "one place was given twice");
    if !truth.vague {
        prop_assert_eq!(rows.len(), truth.acknowledged.len(), "more than was acknowledged");
    }
    prop_assert!(rows.len() <= truth.asked);
    // A failing disk may bring back what nobody was told of; never what somebody was.
    let hashes: BTreeSet<_> = truth.acknowledged.iter().map(|(_, e)| e.hash.to_string()).collect();
    for line in file.unfit().lines() {
        prop_assert!(truth.vague, "put aside: {}", line);
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        prop_assert!(!hashes.contains(record["hash"].as_str().unwrap()), "put aside: {}", line);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Outages, lost answers, failing disks, power failures and replays in any order.
    #[test]
    fn exactly_the_acknowledged_events_stand_gapless_and_once(steps in steps()) {
        block_on(play(steps))?;
    }
}
