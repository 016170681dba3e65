//! A websocket's life on a virtual clock.

use proptest::prelude::*;
use serde_json::{Value, json};
use signaling::limits::*;
use signaling::view::{Counts, RecordingState, RecordingView, SessionSnapshot, SessionState};
use signaling::{
    Backlog, Closed, Connection, ErrorCode, Event, Incoming, Notice, Reply, Request, State,
    Welcome, WireError,
};

const S: u64 = 1_000_000;

fn welcome() -> Welcome {
    Welcome {
        participant: "p".into(),
        endpoint: "e".into(),
        resume_token: "r".into(),
        resumed: false,
        seq: 0,
        session: SessionSnapshot {
            id: "s".into(),
            kind: "branch_assembly".into(),
            title: "第三季度支部党员大会".into(),
            org_name: "第一党支部".into(),
            state: SessionState::Opened,
            planned_start_us: 0,
            declared_open_us: None,
            declared_closed_us: None,
            paused_us: None,
            agenda: vec![],
            agenda_index: None,
            participants: vec![],
            counts: Counts::default(),
            records_away: false,
            recording: RecordingView { state: RecordingState::Off, safe_us: None, problem: None },
            chair: None,
            speaker: None,
            chat: vec![],
            ballots: signaling::ballot::BallotsView::default(),
        },
        server_time_us: 0,
        slots_audio: 0,
        slots_video: 0,
    }
}

fn request(id: u32, request: Value) -> String {
    json!({"type": "request", "id": id, "request": request}).to_string()
}

fn hello(version: u16) -> String {
    request(
        1,
        json!({"method": "hello", "version": version, "token": "t", "consent": true, "device": "desktop"}),
    )
}

fn chat(id: u32) -> String {
    request(id, json!({"method": "chat", "text": "同意"}))
}

fn drain(connection: &mut Connection) -> Vec<Value> {
    std::iter::from_fn(|| connection.poll_transmit())
        .map(|frame| serde_json::from_str(&frame).expect("we write JSON"))
        .collect()
}

fn open() -> Connection {
    let mut connection = Connection::new(0);
    connection.handle_text(&hello(1), 0);
    assert!(matches!(connection.poll_incoming(), Some(Incoming::Hello { id: 1, .. })));
    connection.welcome(welcome(), None).expect("nothing to resume");
    assert_eq!(drain(&mut connection)[0]["reply"]["kind"], "welcome");
    connection
}

fn agenda(index: u32) -> Notice {
    Notice::new(&Event::Agenda { index })
}

#[test]
fn nothing_but_hello_is_served_before_the_welcome() {
    let mut connection = Connection::new(0);
    connection.handle_text(&chat(4), 0);
    assert_eq!(connection.poll_incoming(), None);
    let frames = drain(&mut connection);
    assert_eq!(frames[0]["id"], 4);
    assert_eq!(frames[0]["error"]["code"], "not_authenticated");
    assert_eq!(connection.state(), State::Greeting);
}

#[test]
fn hello_of_another_version_is_told_and_closed() {
    let mut connection = Connection::new(0);
    connection.handle_text(&hello(2), 0);
    let frames = drain(&mut connection);
    assert_eq!(frames[0]["error"]["code"], "unsupported_version");
    assert_eq!(frames[1]["type"], "bye");
    assert_eq!(connection.state(), State::Closed(Closed::Bye));
}

#[test]
fn rejected_hello_gets_its_error_and_a_bye() {
    let mut connection = Connection::new(0);
    connection.handle_text(&hello(1), 0);
    connection.reject(WireError::new(ErrorCode::TokenExpired, "请重新进入"), 1);
    let frames = drain(&mut connection);
    assert_eq!(frames[0]["id"], 1);
    assert_eq!(frames[0]["error"]["code"], "token_expired");
    assert_eq!(frames[1]["error"]["code"], "token_expired");
    assert_eq!(connection.state(), State::Closed(Closed::Bye));
}

#[test]
fn who_never_says_hello_is_closed_at_the_deadline() {
    let mut connection = Connection::new(0);
    connection.handle_life(9 * S);
    connection.handle_timeout(HELLO_DEADLINE_US);
    assert_eq!(drain(&mut connection).last().unwrap()["error"]["code"], "not_authenticated");
    assert_eq!(connection.state(), State::Closed(Closed::Bye));
}

#[test]
fn ping_comes_every_five_seconds_and_silence_kills_after_ten() {
    let mut connection = open();
    assert_eq!(connection.next_timeout(), 5 * S);
    connection.handle_timeout(5 * S);
    assert_eq!(drain(&mut connection), [json!({"type": "ping", "seq": 0})]);
    connection.handle_text(r#"{"type":"pong","seq":0}"#, 5 * S + 1);
    connection.handle_timeout(10 * S);
    assert_eq!(drain(&mut connection).len(), 1);
    connection.handle_timeout(15 * S);
    assert_eq!(connection.state(), State::Open);
    connection.handle_timeout(15 * S + 1);
    assert_eq!(connection.state(), State::Closed(Closed::Silent));
    assert_eq!(connection.last_frame_us(), 5 * S + 1);
}

#[test]
fn junk_ends_the_line_with_a_reason() {
    for junk in ["", "[]", "{\"type\":\"request\"}", "\u{0}\u{1}", "{\"type\":\"pong\"}"] {
        let mut connection = open();
        connection.handle_text(junk, 1);
        assert_eq!(drain(&mut connection)[0]["error"]["code"], "bad_request");
        assert_eq!(connection.state(), State::Closed(Closed::Bye));
    }
}

#[test]
fn unknown_method_is_answered_and_the_line_goes_on() {
    let mut connection = open();
    connection.handle_text(&request(8, json!({"method": "vote_secretly"})), 1);
    let frames = drain(&mut connection);
    assert_eq!((&frames[0]["id"], &frames[0]["error"]["code"]), (&json!(8), &json!("bad_request")));
    assert_eq!(connection.state(), State::Open);
}

#[test]
fn chat_faster_than_its_bucket_is_refused_with_the_time_to_wait() {
    let mut connection = open();
    for id in 10..30 {
        connection.handle_text(&chat(id), 1);
    }
    let served = std::iter::from_fn(|| connection.poll_incoming()).count();
    assert_eq!(served, 8);
    let frames = drain(&mut connection);
    assert_eq!(frames.len(), 12);
    assert_eq!(frames[0]["error"]["code"], "rate_limited");
    assert_eq!(frames[0]["error"]["retry_after_ms"], 1_000);
    connection.handle_text(&chat(40), S + 1);
    assert!(connection.poll_incoming().is_some());
}

#[test]
fn a_flood_of_frames_ends_the_line() {
    let mut connection = open();
    for _ in 0..300 {
        connection.handle_text(r#"{"type":"pong","seq":0}"#, 1);
    }
    assert_eq!(drain(&mut connection)[0]["error"]["code"], "rate_limited");
    assert_eq!(connection.state(), State::Closed(Closed::Bye));
}

#[test]
fn reused_id_of_an_unanswered_request_ends_the_line() {
    let mut connection = open();
    connection.handle_text(&chat(5), 1);
    connection.handle_text(&chat(5), 2);
    assert_eq!(drain(&mut connection)[0]["type"], "bye");
}

#[test]
fn second_answer_to_a_request_is_not_sent() {
    let mut connection = open();
    connection.handle_text(&chat(5), 1);
    connection.reply(5, Reply::Done, 1);
    connection.reply(5, Reply::Done, 1);
    connection.refuse(5, WireError::new(ErrorCode::Internal, "x"), 1);
    connection.reply(6, Reply::Done, 1);
    let done = json!({"type": "reply", "id": 5, "reply": {"kind": "done"}});
    assert_eq!(drain(&mut connection), [done]);
}

#[test]
fn slow_client_keeps_the_newest_speaker_and_is_told_overloaded_at_the_bound() {
    let mut connection = open();
    for turn in 0..10_000 {
        connection.event(Notice::new(&Event::Speaker { participant: Some(turn.to_string()) }), 1);
    }
    assert_eq!(connection.depth().0, 1);
    for index in 0..OUTGOING_FRAMES as u32 {
        connection.event(agenda(index), 1);
    }
    assert_eq!(connection.state(), State::Closing);
    let frames = drain(&mut connection);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["error"]["code"], "overloaded");
    assert_eq!(connection.state(), State::Closed(Closed::Bye));
}

#[test]
fn bye_that_cannot_be_written_is_given_up() {
    let mut connection = open();
    connection.bye(WireError::new(ErrorCode::Restarting, "服务器正在重启"), S);
    connection.handle_timeout(S + CLOSE_DEADLINE_US);
    assert_eq!(connection.state(), State::Closed(Closed::Stuck));
}

#[test]
fn resumed_line_starts_with_the_welcome_and_then_what_was_missed() {
    let mut old = open();
    for index in 0..3 {
        old.event(agenda(index), 1);
    }
    assert_eq!(drain(&mut old).len(), 3);
    old.handle_text(&chat(9), 2);
    old.reply(9, Reply::Done, 2);
    old.event(agenda(3), 2);
    let backlog = old.into_backlog();

    let mut new = Connection::new(20 * S);
    new.handle_text(&hello(1), 20 * S);
    new.welcome(welcome(), Some((backlog, 1))).expect("kept");
    let frames = drain(&mut new);
    assert_eq!(frames[0]["reply"]["resumed"], true);
    assert_eq!(frames[0]["reply"]["seq"], 1);
    let seqs: Vec<_> = frames[1..].iter().map(|frame| frame["seq"].as_u64()).collect();
    assert_eq!(seqs, [Some(2), Some(3), Some(4)]);
}

/// One thing that happens to a connection.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Text(String),
    Request(u32, usize),
    Pong(u32),
    Answer(u32),
    Event(usize),
    Write(usize),
    Drop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u64..6_000_000).prop_map(Step::Wait),
        1 => "\\PC{0,40}".prop_map(Step::Text),
        6 => (0u32..40, 0usize..4).prop_map(|(id, kind)| Step::Request(id, kind)),
        3 => (0u32..50).prop_map(Step::Pong),
        6 => (0u32..40).prop_map(Step::Answer),
        6 => (0usize..4).prop_map(Step::Event),
        6 => (1usize..20).prop_map(Step::Write),
        1 => Just(Step::Drop),
    ]
}

fn event(kind: usize, index: u32) -> Notice {
    Notice::new(&match kind {
        0 => Event::Counts { counts: Counts { present: index, ..Counts::default() } },
        1 => Event::Speaker { participant: None },
        2 => Event::Recording { recording: welcome().session.recording },
        _ => Event::Agenda { index },
    })
}

/// The client of the model: checks what any client relies on.
#[derive(Default)]
struct Client {
    last_seq: u64,
    answered: std::collections::HashMap<u64, usize>,
    last_agenda: Option<u64>,
}

impl Client {
    fn read(&mut self, frame: &Value) -> Result<(), TestCaseError> {
        match frame["type"].as_str() {
            Some("event") => {
                let seq = frame["seq"].as_u64().unwrap();
                prop_assert_eq!(seq, self.last_seq + 1, "numbers grow by one");
                self.last_seq = seq;
                if let Some(index) = frame["event"]["index"].as_u64() {
                    prop_assert!(self.last_agenda.is_none_or(|last| index == last + 1));
                    self.last_agenda = Some(index);
                }
            }
            Some("reply" | "error") => {
                *self.answered.entry(frame["id"].as_u64().unwrap()).or_default() += 1;
            }
            Some("ping" | "bye") => {}
            other => prop_assert!(false, "unexpected frame {:?}", other),
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_200))]

    /// Whatever happens in whatever order: numbers grow by one across resumes, agenda events are
    /// neither lost nor doubled nor swapped, no request is answered more often than it was made,
    /// and bounds hold.
    #[test]
    fn any_history_keeps_the_promises(steps in prop::collection::vec(step(), 1..60)) {
        let mut now = 0u64;
        let mut connection = open();
        let mut client = Client::default();
        let mut asked: std::collections::HashMap<u64, usize> = Default::default();
        let mut index = 0u32;
        for step in steps {
            match step {
                Step::Wait(us) => {
                    now += us;
                    if connection.next_timeout() <= now {
                        connection.handle_timeout(now);
                    }
                }
                Step::Text(text) => connection.handle_text(&text, now),
                Step::Request(id, kind) => {
                    *asked.entry(u64::from(id)).or_default() += 1;
                    let body = [
                        json!({"method": "chat", "text": "x"}),
                        json!({"method": "leave"}),
                        json!({"method": "nonsense"}),
                        json!({"method": "hello", "version": 1, "token": "t", "consent": true, "device": "d"}),
                    ];
                    connection.handle_text(&request(id, body[kind].clone()), now);
                    while let Some(incoming) = connection.poll_incoming() {
                        let Incoming::Request { request, .. } = incoming else {
                            return Err(TestCaseError::fail("a second hello came through"));
                        };
                        let known = matches!(request, Request::Chat { .. } | Request::Leave);
                        prop_assert!(known);
                    }
                }
                Step::Pong(seq) => {
                    let seq = seq.min(client.last_seq as u32);
                    let pong = format!(r#"{{"type":"pong","seq":{seq}}}"#);
                    connection.handle_text(&pong, now);
                }
                Step::Answer(id) => connection.reply(id, Reply::Done, now),
                Step::Event(kind) => {
                    connection.event(event(kind, index), now);
                    index += u32::from(kind == 3);
                }
                Step::Write(frames) => {
                    for _ in 0..frames {
                        let Some(frame) = connection.poll_transmit() else { break };
                        client.read(&serde_json::from_str(&frame).unwrap())?;
                    }
                }
                Step::Drop => {
                    if connection.state() == State::Open {
                        let backlog = connection.into_backlog();
                        connection = resume(backlog, client.last_seq as u32, now)?;
                        asked.clear();
                        client.answered.clear();
                    }
                }
            }
            let (frames, bytes) = connection.depth();
            prop_assert!(frames <= OUTGOING_FRAMES + 64 && bytes <= OUTGOING_BYTES);
            for (id, answers) in &client.answered {
                prop_assert!(*answers <= asked.get(id).copied().unwrap_or_default());
            }
            if connection.state() != State::Open {
                break;
            }
        }
    }

    /// Frames written but lost on the way come again.
    #[test]
    fn what_was_lost_on_the_way_is_replayed(total in 1u32..60, seen in 0u32..60, acked in 0u32..60) {
        let seen = seen.min(total);
        let acked = acked.min(seen);
        let mut old = open();
        for index in 0..total {
            old.event(agenda(index), 0);
        }
        drain(&mut old);
        old.handle_text(&format!(r#"{{"type":"pong","seq":{acked}}}"#), 1);
        let mut new = resume(old.into_backlog(), seen, S)?;
        new.event(agenda(total), S);
        let indices: Vec<u64> =
            drain(&mut new).iter().filter_map(|frame| frame["event"]["index"].as_u64()).collect();
        prop_assert_eq!(indices, (u64::from(seen)..=u64::from(total)).collect::<Vec<_>>());
    }
}

fn resume(backlog: Backlog, last_seq: u32, now: u64) -> Result<Connection, TestCaseError> {
    prop_assert!(backlog.can_resume(last_seq));
    let mut connection = Connection::new(now);
    connection.handle_text(&hello(1), now);
    connection.poll_incoming();
    connection.welcome(welcome(), Some((backlog, last_seq))).unwrap();
    let first: Value = serde_json::from_str(&connection.poll_transmit().unwrap()).unwrap();
    prop_assert_eq!(&first["reply"]["kind"], "welcome");
    Ok(connection)
}
