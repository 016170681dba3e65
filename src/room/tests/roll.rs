//! Sites, check-ins, roll-calls, leave, breaks and corrections in the running meeting.

use signaling::view::RollcallView;
use signaling::{Event, Request, WireError};

use super::*;
use crate::domain::Standing;
use crate::journal::{AttendanceFold, Change, Header};
use crate::room::effect::SiteArrival;
use crate::room::{Act, Acted, KnockAnswer};

const SITE: u128 = 700;
const OTHER: u128 = 701;

fn site_arrival(site: u128, on: u128) -> Arrival {
    Arrival {
        person: person(site),
        name: format!("第{}会场", site - 699),
        role: Role::Site,
        class: None,
        device: "site".into(),
        site: Some(SiteArrival { expected: Some(46), opener: person(RECORDER) }),
        ..arrival(RECORDER, on)
    }
}

impl World {
    fn open_site(&mut self, site: u128, on: u128) -> Vec<Effect> {
        self.arrive(site_arrival(site, on))
    }

    fn act(&mut self, by: u128, act: Act) -> Result<Acted, WireError> {
        self.next_id += 1;
        let ticket = Ticket(u64::from(self.next_id) + 10_000);
        let effects = self.handle(Input::Act { ticket, by: person(by), act });
        let answers: Vec<_> = effects
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Acted { ticket: of, result } if of == ticket => Some(result),
                _ => None,
            })
            .collect();
        assert_eq!(answers.len(), 1, "exactly one answer");
        answers.into_iter().next().unwrap()
    }

    fn scan(&mut self, n: u128, code: &str) -> Result<Acted, WireError> {
        self.act(n, Act::Scan { code: code.to_owned() })
    }

    /// What the screen of a site shows last.
    fn code_on(&self, on: u128) -> String {
        shown_on(&self.effects, on).last().expect("a code").clone()
    }

    /// The sheet of the journal so far.
    fn sheet(&self) -> crate::domain::AttendanceReport {
        let setup = setup();
        let mut fold = AttendanceFold::new(Header {
            format: 1,
            session: setup.session,
            kind: setup.kind,
            title: setup.title,
            org: Uuid::from_u128(5).into(),
            org_name: setup.org_name,
            opened_at_us: at(0).wall_us,
            roster: setup.roster,
            policy: crate::domain::Policy::default(),
            rules_version: 1,
            installation: String::new(),
            installation_key: String::new(),
            hash_algorithm: crate::journal::HashAlgorithm::default(),
        });
        self.envelopes().iter().for_each(|e| fold.push(e));
        fold.report(Some(self.now))
    }
}

fn shown_on(effects: &[Effect], on: u128) -> Vec<String> {
    let code = |event: &&Event| match event {
        Event::Site { site } => Some(site.code.clone()),
        _ => None,
    };
    sent_to(effects, on).iter().filter_map(code).collect()
}

fn rollcalls(effects: &[Effect], on: u128) -> Vec<Option<RollcallView>> {
    let view = |event: &&Event| match event {
        Event::Rollcall { rollcall } => Some(rollcall.clone()),
        _ => None,
    };
    sent_to(effects, on).iter().filter_map(view).collect()
}

fn message(result: Result<Acted, WireError>) -> String {
    result.unwrap_err().message
}

/// Chair and recorder are in, one site is connected.
fn with_site() -> World {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(RECORDER);
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    world.open_site(SITE, 50);
    world
}

#[test]
fn the_device_of_a_site_is_nobody_and_its_people_are_those_who_scan() {
    let mut world = with_site();
    let before = world.room.counts();
    assert_eq!((before.due, before.present, before.observers), (6, 2, 0));
    let acted = world.scan(ALICE, &world.code_on(50)).unwrap();
    assert_eq!(acted.site.as_deref(), Some("第1会场"));
    assert_eq!(world.room.counts().present, 3);
    // Own device and site: once.
    world.join(ALICE);
    assert_eq!(world.room.counts().present, 3);
    world.ask(ALICE, Request::Leave).unwrap();
    assert_eq!(world.room.counts().present, 3);
    let told = sent_to(&world.effects, 50);
    assert!(told.iter().any(|e| matches!(e, Event::Site { site } if site.checked_in == 1)));
}

#[test]
fn a17_a_photographed_code_used_75_seconds_later_is_refused() {
    let mut world = with_site();
    let code = world.code_on(50);
    world.wait(75 * S);
    let refused = world.scan(ALICE, &code);
    assert_eq!(message(refused), "二维码已失效，请扫描会场屏幕上的新二维码");
    assert_eq!(world.room.counts().present, 2);
    world.scan(ALICE, &world.code_on(50)).unwrap();
}

#[test]
fn a_code_is_good_for_sixty_seconds_to_the_microsecond_and_once_a_person() {
    let mut world = with_site();
    let code = world.code_on(50);
    world.wait(60 * S);
    world.scan(ALICE, &code).unwrap();
    world.scan(BOB, &code).unwrap();
    world.act(ALICE, Act::CheckOut).unwrap();
    assert!(message(world.scan(ALICE, &code)).starts_with("二维码已失效"));
    world.now += 1;
    assert!(message(world.scan(PROBATIONARY, &code)).starts_with("二维码已失效"));
    for junk in ["", "x.y.z", &code.replace('.', "-")] {
        assert!(message(world.scan(PROBATIONARY, junk)).starts_with("二维码已失效"));
    }
    assert!(message(world.scan(OBSERVER, &world.code_on(50))).contains("名册"));
}

#[test]
fn the_screen_shows_a_new_code_every_twenty_seconds() {
    let mut world = with_site();
    world.effects.clear();
    world.wait(100 * S);
    let codes = shown_on(&world.effects, 50);
    assert_eq!(codes.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
    // Nobody else is told the codes.
    for on in [CHAIR, RECORDER] {
        assert_eq!(shown_on(&world.effects, on), Vec::<String>::new());
    }
}

#[test]
fn a_site_that_drops_takes_its_people_along_until_it_is_back() {
    let mut world = with_site();
    world.scan(ALICE, &world.code_on(50)).unwrap();
    world.scan(BOB, &world.code_on(50)).unwrap();
    world.wait(10 * S);
    world.lose(50);
    assert_eq!(world.room.counts().present, 2);
    world.wait(30 * S);
    // A reloaded page is the same site on a new endpoint.
    world.open_site(SITE, 51);
    assert_eq!(world.room.counts().present, 4);
    world.wait(30 * S);
    let alice = &world.sheet().people[2];
    assert_eq!((alice.intervals.len(), alice.sites.len()), (1, 1));
    assert_eq!((alice.effective_s, alice.raw_s), (70, 40));
}

#[test]
fn the_later_check_in_closes_the_first() {
    let mut world = with_site();
    world.open_site(OTHER, 60);
    world.scan(ALICE, &world.code_on(50)).unwrap();
    world.scan(ALICE, &world.code_on(60)).unwrap();
    let list = world.room.attendance();
    let counted: Vec<u32> = list.sites.iter().map(|site| site.checked_in).collect();
    assert_eq!(counted, [0, 1]);
    world.lose(60);
    assert_eq!(world.room.counts().present, 2);
}

#[test]
fn a_tick_by_the_recorder_waits_for_the_chair_and_one_by_the_chair_does_not() {
    let mut world = with_site();
    let tick = |n: u128| Request::CheckIn {
        participant: person(n).to_string(),
        site: person(SITE).to_string(),
        reason: "无手机".into(),
    };
    world.ask(RECORDER, tick(ALICE)).unwrap();
    assert_eq!(world.room.counts().present, 2);
    assert_eq!(world.ask(RECORDER, tick(ALICE)), Err(ErrorCode::Conflict));
    let decide =
        |accepted| Request::CheckInDecide { participant: person(ALICE).to_string(), accepted };
    assert_eq!(world.ask(RECORDER, decide(true)), Err(ErrorCode::NotChair));
    world.wait(100 * S);
    world.ask(CHAIR, decide(true)).unwrap();
    assert_eq!(world.room.counts().present, 3);
    assert_eq!(world.ask(CHAIR, decide(false)), Err(ErrorCode::Conflict));
    world.ask(CHAIR, tick(BOB)).unwrap();
    assert_eq!(world.room.counts().present, 4);
    // The sheet counts Alice from the tick on.
    assert!(world.sheet().people[2].effective_s >= 100);
    let nameless = Request::CheckIn {
        participant: person(PROBATIONARY).to_string(),
        site: person(SITE).to_string(),
        reason: "  ".into(),
    };
    assert_eq!(world.ask(RECORDER, nameless), Err(ErrorCode::Validation));
}

#[test]
fn a_site_neither_speaks_nor_presides() {
    let mut world = with_site();
    assert_eq!(world.ask(50, Request::Chat { text: "好".into() }), Err(ErrorCode::Forbidden));
    assert_eq!(world.ask(50, Request::Hand { raised: true }), Err(ErrorCode::Forbidden));
    let hand_over = Request::HandOver { participant: person(SITE).to_string() };
    assert_eq!(world.ask(CHAIR, hand_over), Err(ErrorCode::Validation));
}

#[test]
fn a_rollcall_asks_those_who_are_here_and_flags_who_is_silent() {
    let mut world = with_site();
    world.join(ALICE);
    world.scan(BOB, &world.code_on(50)).unwrap();
    let open = |window_s| Request::RollcallOpen { window_s };
    assert_eq!(world.ask(RECORDER, open(59)), Err(ErrorCode::Validation));
    assert_eq!(world.ask(RECORDER, open(121)), Err(ErrorCode::Validation));
    assert_eq!(world.ask(ALICE, open(60)), Err(ErrorCode::NotChair));
    let effects = world.ask(RECORDER, open(60)).unwrap();
    let asks = rollcalls(&effects, ALICE).remove(0).unwrap();
    assert_eq!((asks.asked, asks.asks_me, asks.i_answered), (4, true, false));
    assert_eq!(world.ask(CHAIR, open(60)), Err(ErrorCode::Conflict));
    // Who comes later is not asked, and is shown that one runs.
    let late = world.join(PROBATIONARY);
    assert!(!rollcalls(&late, PROBATIONARY)[0].as_ref().unwrap().asks_me);
    let answer = Request::RollcallAnswer { rollcall: 1 };
    assert_eq!(world.ask(PROBATIONARY, answer.clone()), Err(ErrorCode::Conflict));
    world.ask(ALICE, answer.clone()).unwrap();
    world.ask(ALICE, answer.clone()).unwrap();
    let mark = Request::RollcallMark { participant: person(BOB).to_string() };
    assert_eq!(world.ask(ALICE, mark.clone()), Err(ErrorCode::NotChair));
    world.ask(RECORDER, mark).unwrap();
    let ended = world.wait(60 * S);
    assert_eq!(rollcalls(&ended, ALICE), [None]);
    assert_eq!(world.ask(RECORDER, answer), Err(ErrorCode::Conflict));
    let expired = world.journal.iter().find_map(|new| match &new.event {
        JournalEvent::RollcallExpired { unanswered, .. } => Some(unanswered.clone()),
        _ => None,
    });
    assert_eq!(expired.unwrap(), [person(CHAIR), person(RECORDER)]);
    let statuses: Vec<_> = world.sheet().people.iter().map(|row| row.status.word()).collect();
    assert_eq!(statuses[..4], ["出席"; 4]);
}

#[test]
fn random_rollcalls_come_in_their_time_wait_for_a_break_and_survive_a_restart() {
    let plan = Request::RollcallPlan { times: 3, within_min: 30, window_s: 60 };
    let mut world = with_site();
    world.ask(RECORDER, plan).unwrap();
    let instants = world.room.roll.plan.clone().unwrap().instants;
    assert_eq!(instants.len(), 3);
    // A break over the first one: it comes when the meeting goes on.
    world.ask(CHAIR, Request::Pause { paused: true }).unwrap();
    world.wait(instants[0] - world.now + 5 * S);
    assert_eq!(opened_at(&world), [0i64; 0]);
    world.ask(CHAIR, Request::Pause { paused: false }).unwrap();
    world.wait(1);
    assert_eq!(opened_at(&world).len(), 1);
    let (restored, _) = RoomState::restore(setup(), &world.envelopes(), false, at(world.now));
    assert_eq!(restored.roll.plan.unwrap().instants, instants[1..]);
    world.wait(31 * 60 * S);
    let opened = opened_at(&world);
    assert_eq!(opened.len(), 3);
    // Never two at once.
    assert!(opened.windows(2).all(|w| w[1] - w[0] >= 60 * S));
    assert!(opened[1] >= instants[1] && opened[2] >= instants[2]);
}

fn opened_at(world: &World) -> Vec<i64> {
    let opened = |new: &&NewEvent| matches!(new.event, JournalEvent::RollcallOpened { .. });
    world.journal.iter().filter(opened).map(|new| new.mono_us).collect()
}

#[test]
fn a_break_stops_the_official_time_and_the_recording_with_it() {
    use signaling::view::RecordingState::{On, Paused};
    let mut world = World::new();
    world.join(CHAIR);
    world.join(RECORDER);
    let pause = |paused| Request::Pause { paused };
    assert_eq!(world.ask(CHAIR, pause(true)), Err(ErrorCode::Conflict));
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    assert_eq!(world.ask(RECORDER, pause(true)), Err(ErrorCode::NotChair));
    world.wait(100 * S);
    let told = world.ask(CHAIR, pause(true)).unwrap();
    assert!(broadcasts(&told).iter().any(|e| matches!(e, Event::Paused { paused: true, .. })));
    assert_eq!(world.room.snapshot().recording.state, Paused);
    assert!(world.room.snapshot().paused_us.is_some());
    world.wait(50 * S);
    let (mut restored, _) = RoomState::restore(setup(), &world.envelopes(), false, at(world.now));
    assert!(restored.snapshot().paused_us.is_some());
    restored.handle(Input::Arrive(Box::new(arrival(CHAIR, 800))), at(world.now));
    let request = Request::Pause { paused: false };
    let go_on = Input::Request { endpoint: endpoint(800), id: 1, request, fresh: Uuid::nil() };
    restored.handle(go_on, at(world.now));
    assert_eq!(restored.snapshot().recording.state, On);
    world.ask(CHAIR, pause(false)).unwrap();
    assert_eq!(world.room.snapshot().recording.state, On);
    world.wait(100 * S);
    assert_eq!(world.sheet().official.seconds, 200);
    // What the recorder had stopped before stays stopped.
    world.ask(RECORDER, Request::RecordingPause { paused: true }).unwrap();
    world.ask(CHAIR, pause(true)).unwrap();
    world.ask(CHAIR, pause(false)).unwrap();
    assert_eq!(world.room.snapshot().recording.state, Paused);
}

#[test]
fn v24_leave_is_counted_and_shrinks_nothing() {
    let mut world = with_site();
    let grant = Act::GrantLeave {
        person: person(ALICE),
        kind: "因病".into(),
        reason: "住院".into(),
        late: true,
    };
    world.act(CHAIR, grant).unwrap();
    let counts = world.room.counts();
    assert_eq!((counts.due, counts.present, counts.leave, counts.absent), (6, 2, 1, 3));
    let quorum = counts.quorum.unwrap();
    assert_eq!((quorum.base, quorum.count, quorum.needed, quorum.met), (5, 2, 3, false));
    world.scan(BOB, &world.code_on(50)).unwrap();
    assert!(world.room.counts().quorum.unwrap().met);
    let deny = Act::DenyLeave { person: person(ALICE), reason: "本人撤回".into() };
    world.act(ALICE, deny).unwrap();
    assert_eq!((world.room.counts().leave, world.room.counts().absent), (0, 3));
}

#[test]
fn corrections_of_the_roster_count_at_once_and_open_or_close_the_door() {
    let mut world = with_site();
    let fix = |change| Act::Correct { target_seq: None, change, reason: "漏录".into() };
    let added = RosterEntry { person_id: person(30), ..entry(ALICE) };
    world.act(CHAIR, fix(Change::RosterAdd { entry: added.clone() })).unwrap();
    assert!(world.act(CHAIR, fix(Change::RosterAdd { entry: added })).is_err());
    world.act(CHAIR, fix(Change::Exempt { person: person(BOB) })).unwrap();
    assert_eq!(world.room.counts().due, 6);
    world.act(CHAIR, fix(Change::RosterRemove { person: person(BOB) })).unwrap();
    assert_eq!(world.room.counts().due, 6);
    assert!(world.act(CHAIR, fix(Change::Exempt { person: person(BOB) })).is_err());
    let stored = |standing, n| Effect::StoreStanding { person: person(n), standing };
    assert!(world.effects.contains(&stored(Standing::Member, 30)));
    assert!(world.effects.contains(&stored(Standing::Out, BOB)));
    let (restored, effects) = RoomState::restore(setup(), &world.envelopes(), false, at(world.now));
    assert_eq!(restored.counts().due, 6);
    assert!(effects.contains(&stored(Standing::Member, 30)));
}

#[test]
fn who_is_not_on_the_roster_waits_until_the_chair_answers() {
    let mut world = with_site();
    let knock = || Act::Knock { name: "流动党员".into(), org_name: "第二党支部".into() };
    let answer =
        |n, answer| Act::AnswerKnock { person: person(n), answer, reason: "漏录".into() };
    assert!(world.act(ALICE, knock()).is_err(), "she may come in as she is");
    for n in [30, 31, 32] {
        world.act(n, knock()).unwrap();
    }
    world.act(30, knock()).unwrap();
    assert_eq!(world.room.attendance().waiting.len(), 3);
    world.act(CHAIR, answer(30, KnockAnswer::Observer)).unwrap();
    let entry = Box::new(RosterEntry { person_id: person(31), ..entry(ALICE) });
    world.act(CHAIR, answer(31, KnockAnswer::Member(entry))).unwrap();
    world.act(CHAIR, answer(32, KnockAnswer::Refuse)).unwrap();
    assert!(world.act(CHAIR, answer(32, KnockAnswer::Observer)).is_err());
    assert_eq!(world.room.attendance().waiting, []);
    assert_eq!(world.room.counts().due, 7);
    assert!(message(world.act(32, knock())).contains("主持人没有同意"));
    let (restored, effects) = RoomState::restore(setup(), &world.envelopes(), false, at(world.now));
    assert_eq!(restored.attendance().waiting, []);
    let standing = Standing::Observer;
    assert!(effects.contains(&Effect::StoreStanding { person: person(30), standing }));
}

#[test]
fn after_a_restart_the_same_people_are_checked_in_and_used_codes_stay_used() {
    let mut world = with_site();
    let code = world.code_on(50);
    world.scan(ALICE, &code).unwrap();
    world.ask(RECORDER, Request::RollcallOpen { window_s: 120 }).unwrap();
    let (mut room, effects) =
        RoomState::restore(setup(), &world.envelopes(), false, at(world.now + S));
    let exits = effects.iter().filter(|effect| match effect {
        Effect::Journal(events) => {
            events.iter().any(|new| matches!(new.event, JournalEvent::SiteExit { .. }))
        }
        _ => false,
    });
    assert_eq!(exits.count(), 1);
    assert_eq!(room.counts().present, 0);
    room.handle(Input::Arrive(Box::new(site_arrival(SITE, 52))), at(world.now + 2 * S));
    assert_eq!(room.counts().present, 1);
    let list = room.attendance();
    assert_eq!((list.sites[0].checked_in, list.sites[0].online), (1, true));
    assert!(list.rollcall.unwrap().running);
    let again = room.handle(
        Input::Act { ticket: Ticket(1), by: person(ALICE), act: Act::Scan { code } },
        at(world.now + 3 * S),
    );
    let refused = again.iter().any(|e| matches!(e, Effect::Acted { result: Err(_), .. }));
    assert!(refused, "a code serves a person once, over a restart too");
}

#[test]
fn chair_and_recorder_hear_of_changes_once_a_second_and_others_never() {
    let mut world = with_site();
    world.join(ALICE);
    world.wait(2 * S);
    world.effects.clear();
    let code = world.code_now(50);
    for n in [BOB, PROBATIONARY] {
        world.scan(n, &code).unwrap();
    }
    world.wait(5 * S);
    let heard = |on| {
        let told = sent_to(&world.effects, on);
        told.iter().filter(|e| matches!(e, Event::AttendanceChanged)).count()
    };
    assert_eq!((heard(CHAIR), heard(RECORDER), heard(ALICE)), (2, 2, 0));
}

impl World {
    /// The code of this moment, also when it was told before.
    fn code_now(&self, _on: u128) -> String {
        let slot = u32::try_from(self.now / (20 * S)).unwrap();
        let site = Uuid::from_u128(SITE).into();
        setup().checkin.sign(setup().session, crate::auth::checkin::Code { site, slot })
    }
}
