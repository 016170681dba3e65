//! Two implementations of WebRTC that share no code meet in one room: str0m and the `webrtc` crate.

use harness::bot::BotConfig;
use harness::webrtc_bot::WebrtcBot;
use signaling::message::Source;

use crate::bots_support::{Meeting, SOON};

const ONE: u32 = 1;
const OTHER: u32 = 2;
/// Enough to say that it flows: more than a burst.
const SOME: usize = 30;

async fn enter(meeting: &Meeting, key: &str, id: u32, publishes: bool) -> WebrtcBot {
    let account = meeting.demo.account(key).unwrap();
    WebrtcBot::enter(id, &meeting.place, account, meeting.session(), publishes).await.unwrap()
}

#[test]
fn str0m_and_webrtc_hear_and_see_each_other_until_one_leaves() {
    let meeting = Meeting::open();
    let one = meeting.enter("member1", ONE);
    let rounds = async {
        let mut other = enter(&meeting, "member2", OTHER, true).await;
        let both = |bot: &WebrtcBot| {
            bot.heard(ONE, Source::Microphone) > SOME && bot.heard(ONE, Source::Camera) > SOME
        };
        assert!(other.until(SOON, both).await.unwrap(), "webrtc gets str0m's sound and picture");
        let person = meeting.person("member1");
        for source in [Source::Microphone, Source::Camera] {
            assert!(other.is_assigned(&person, source), "{source:?}");
        }
        other
    };
    let other = meeting.runtime.block_on(rounds);
    let both = one.until(SOON, |seat| {
        seat.heard(OTHER, Source::Microphone) > SOME && seat.heard(OTHER, Source::Camera) > SOME
    });
    assert!(both, "str0m gets webrtc's sound and picture");
    let person = meeting.person("member2");
    let name = person.clone();
    assert!(one.until(SOON, move |seat| {
        seat.is_assigned(&name, Source::Microphone) && seat.is_assigned(&name, Source::Camera)
    }));

    meeting.runtime.block_on(async {
        other.line.ask(signaling::Request::Leave).await.unwrap();
        other.close().await.unwrap();
    });
    assert!(one.until(SOON, |seat| seat.assignments.is_empty()), "the slots are free again");
    let before = one.with(|seat| seat.slots());
    let third = meeting.enter("member3", 3);
    assert!(one.until(SOON, |seat| seat.heard(3, Source::Camera) > SOME));
    assert_eq!(one.with(|seat| seat.slots()), before, "and are used again");
    third.leave().unwrap();
    one.leave().unwrap();
    meeting.end();
}

#[test]
fn an_observer_hears_and_sees_and_publishes_nothing() {
    let meeting = Meeting::open();
    let member = meeting.enter("member1", ONE);
    assert!(member.until(SOON, |seat| seat.bot.is_connected()));
    meeting.runtime.block_on(async {
        let mut observer = enter(&meeting, "observer", OTHER, false).await;
        let both = |bot: &WebrtcBot| {
            bot.heard(ONE, Source::Microphone) > SOME && bot.heard(ONE, Source::Camera) > SOME
        };
        assert!(observer.until(SOON, both).await.unwrap());
        let account = meeting.demo.account("observer").unwrap();
        let refused = WebrtcBot::enter(3, &meeting.place, account, meeting.session(), true).await;
        let refused = refused.err().expect("an observer who publishes is refused");
        assert!(refused.to_string().starts_with("forbidden"), "{refused}");
        observer.close().await.unwrap();
    });
    // Nor with an offer that says nothing of what it sends.
    let silent = BotConfig { microphone: false, camera: false, ..BotConfig::default() };
    let observer = meeting.enter_as("observer", silent);
    assert!(observer.until(SOON, |seat| seat.heard(ONE, Source::Camera) > SOME));
    assert!(member.with(|seat| seat.assignments.is_empty()), "nothing comes from observers");
    observer.leave().unwrap();
    member.leave().unwrap();
    meeting.end();
}
