//! What is seen and heard, and by whom it may be sent; chat and hands.

use signaling::{Answer, ErrorCode, Event, Offer, Publication, Request, Source, VideoCodec};

use super::*;
use crate::room::effect::{MediaCommand, MediaNotice};

fn offer(sources: &[Source]) -> Request {
    let publications = sources
        .iter()
        .enumerate()
        .map(|(mid, source)| Publication { mid: mid.to_string(), source: *source })
        .collect();
    Request::Offer(Offer { sdp: "v=0".into(), publications })
}

/// Offers and lets the shard answer.
fn publish(world: &mut World, n: u128, sources: &[Source]) -> Vec<Effect> {
    let asked = world.ask(n, offer(sources)).unwrap();
    let Some(Effect::Offer { endpoint, id, publications, .. }) =
        asked.into_iter().find(|e| matches!(e, Effect::Offer { .. }))
    else {
        panic!("offer goes to the shard");
    };
    let result = Ok(Answer { sdp: "v=0".into(), assignments: vec![] });
    world.handle(Input::Answered { endpoint, id, publications, result })
}

fn shown(world: &World, n: u128) -> (bool, bool, bool) {
    let snapshot = world.room.snapshot();
    let view = snapshot.participants.iter().find(|p| p.id == person(n).to_string()).unwrap();
    (view.mic, view.cam, view.screen)
}

fn media(effects: &[Effect]) -> Vec<MediaCommand> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Media(command) => Some(command.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn observers_cannot_publish() {
    let mut world = World::new();
    world.join(OBSERVER);
    for request in [
        offer(&[Source::Microphone]),
        offer(&[Source::Screen]),
        Request::MediaState { source: Source::Camera, on: true },
        Request::Chat { text: "我来说两句".into() },
        Request::Hand { raised: true },
    ] {
        assert_eq!(world.ask(OBSERVER, request).unwrap_err(), ErrorCode::Forbidden);
    }
    let effects = world.ask(OBSERVER, offer(&[])).unwrap();
    assert!(effects.iter().any(|e| matches!(e, Effect::Offer { may_publish: false, .. })));
}

#[test]
fn published_source_is_on_unless_it_was_switched_off_before() {
    let mut world = World::new();
    world.join(ALICE);
    world.ask(ALICE, Request::MediaState { source: Source::Microphone, on: false }).unwrap();
    let effects = publish(&mut world, ALICE, &[Source::Microphone, Source::Camera]);
    assert_eq!(shown(&world, ALICE), (false, true, false));
    let off = MediaCommand::SetEnabled {
        endpoint: endpoint(ALICE),
        source: Source::Microphone,
        on: false,
    };
    assert_eq!(media(&effects), [off]);
    publish(&mut world, ALICE, &[Source::Microphone]);
    assert_eq!(shown(&world, ALICE), (false, false, false));
}

#[test]
fn who_declined_the_notice_is_not_captured() {
    let mut world = World::new();
    world.arrive(Arrival { consent: false, ..arrival(ALICE, ALICE) });
    let effects = world.ask(ALICE, offer(&[Source::Camera])).unwrap();
    assert!(effects.iter().any(|e| matches!(e, Effect::Offer { may_capture: false, .. })));
    let consent = JournalEvent::Consent { person: person(ALICE), accepted: false };
    assert!(world.journal.iter().any(|new| new.event == consent));
}

#[test]
fn second_device_publishes_and_the_first_is_told_so() {
    let mut world = World::new();
    world.join(ALICE);
    publish(&mut world, ALICE, &[Source::Microphone, Source::Camera]);
    let effects = world.arrive(arrival(ALICE, 700));
    assert!(sent_to(&effects, ALICE).contains(&&Event::Replaced));
    let off = |source| MediaCommand::SetEnabled { endpoint: endpoint(ALICE), source, on: false };
    assert_eq!(media(&effects), [off(Source::Microphone), off(Source::Camera)]);
    assert_eq!(world.room.counts().present, 1, "one person on two devices counts once");
    assert_eq!(
        world.ask(ALICE, Request::MediaState { source: Source::Microphone, on: true }).unwrap_err(),
        ErrorCode::Conflict
    );
    let watching = world.ask(ALICE, offer(&[Source::Camera])).unwrap();
    assert!(watching.iter().any(|e| matches!(e, Effect::Offer { may_publish: false, .. })));
    publish(&mut world, 700, &[Source::Camera]);
    assert_eq!(shown(&world, ALICE), (false, true, false));
}

#[test]
fn first_device_learns_that_the_second_did_not_come_back() {
    let mut world = World::new();
    world.join(ALICE);
    world.arrive(arrival(ALICE, 700));
    world.arrive(arrival(ALICE, 701));
    // An older device that was replaced goes: nothing changes for the others.
    let effects = world.ask(ALICE, Request::Leave).unwrap();
    assert_eq!(sent_to(&effects, 700), [] as [&Event; 0]);
    // The newest is lost: it may still come back, and its media flows on.
    assert_eq!(sent_to(&world.lose(701), 700), [] as [&Event; 0]);
    let effects = world.wait(61 * S);
    assert!(sent_to(&effects, 700).contains(&&Event::MayPublish));
}

#[test]
fn first_device_may_publish_again_when_the_second_is_gone() {
    let mut world = World::new();
    world.join(ALICE);
    publish(&mut world, ALICE, &[Source::Microphone]);
    world.arrive(arrival(ALICE, 700));
    let effects = world.ask(700, Request::Leave).unwrap();
    assert_eq!(sent_to(&effects, ALICE), [&Event::MayPublish]);
    world.ask(ALICE, Request::MediaState { source: Source::Microphone, on: true }).unwrap();
    assert_eq!(shown(&world, ALICE), (true, false, false));
    assert_eq!(world.room.counts().present, 1);
}

#[test]
fn chair_mutes_by_force_and_the_person_is_told_by_whom() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    publish(&mut world, ALICE, &[Source::Microphone]);
    let request =
        Request::Mute { participant: person(ALICE).to_string(), source: Source::Microphone };
    let effects = world.ask(CHAIR, request).unwrap();
    assert_eq!(
        sent_to(&effects, ALICE),
        [&Event::Muted { source: Source::Microphone, by: person(CHAIR).to_string() }]
    );
    let off = MediaCommand::SetEnabled {
        endpoint: endpoint(ALICE),
        source: Source::Microphone,
        on: false,
    };
    assert_eq!(media(&effects), [off]);
    assert_eq!(shown(&world, ALICE), (false, false, false));
    world.ask(ALICE, Request::MediaState { source: Source::Microphone, on: true }).unwrap();
    assert_eq!(shown(&world, ALICE), (true, false, false));
}

#[test]
fn media_that_is_gone_is_not_shown_as_on() {
    let mut world = World::new();
    world.join(ALICE);
    publish(&mut world, ALICE, &[Source::Microphone, Source::Screen]);
    let ended = MediaNotice::TrackEnded { endpoint: endpoint(ALICE), source: Source::Screen };
    world.handle(Input::Media(ended));
    assert_eq!(shown(&world, ALICE), (true, false, false));
    let gone = MediaNotice::Gone { endpoint: endpoint(ALICE), silent_us: 0 };
    let effects = world.handle(Input::Media(gone));
    assert_eq!(sent_to(&effects, ALICE), [&Event::MediaConnected { connected: false }]);
    assert_eq!(shown(&world, ALICE), (false, false, false));
}

#[test]
fn who_publishes_is_told_the_codec_and_nobody_else() {
    let mut world = World::new();
    world.join(ALICE);
    world.join(BOB);
    publish(&mut world, ALICE, &[Source::Screen]);
    let (source, codec) = (Source::Screen, VideoCodec::Vp8);
    let notice = |n| MediaNotice::PublishCodec { endpoint: endpoint(n), source, codec };
    let effects = world.handle(Input::Media(notice(ALICE)));
    assert_eq!(sent_to(&effects, ALICE), [&Event::PublishCodec { source, codec }]);
    assert_eq!(effects.len(), 1);
    assert_eq!(world.handle(Input::Media(notice(999))), [], "who has gone is told nothing");
}

#[test]
fn speaker_is_a_person_whatever_device_speaks() {
    let mut world = World::new();
    world.join(ALICE);
    let speaks = MediaNotice::Speaker { endpoint: Some(endpoint(ALICE)) };
    let effects = world.handle(Input::Media(speaks.clone()));
    let participant = Some(person(ALICE).to_string());
    assert_eq!(broadcasts(&effects), [&Event::Speaker { participant }]);
    assert_eq!(world.handle(Input::Media(speaks)), []);
}

#[test]
fn offers_with_doubled_sources_are_refused() {
    let mut world = World::new();
    world.join(ALICE);
    let doubled = offer(&[Source::Camera, Source::Camera]);
    assert_eq!(world.ask(ALICE, doubled).unwrap_err(), ErrorCode::BadRequest);
}

#[test]
fn chat_text_is_stored_and_only_its_digest_is_journalled() {
    let mut world = World::new();
    world.join(ALICE);
    let effects = world.ask(ALICE, Request::Chat { text: "  同意  ".into() }).unwrap();
    assert!(matches!(&effects[0], Effect::StoreChat(message) if message.text == "同意"));
    let digest = crate::journal::sha256("同意".as_bytes());
    assert!(matches!(&world.journal.last().unwrap().event,
        JournalEvent::Chat { digest: kept, .. } if *kept == digest));
    for bad in ["", "   ", "\u{7}", &"长".repeat(2_001)] {
        let request = Request::Chat { text: bad.into() };
        assert_eq!(world.ask(ALICE, request).unwrap_err(), ErrorCode::Validation);
    }
}

#[test]
fn newcomer_gets_the_last_two_hundred_messages() {
    let mut world = World::new();
    world.join(ALICE);
    for n in 0..205 {
        world.ask(ALICE, Request::Chat { text: n.to_string() }).unwrap();
    }
    let effects = world.join(BOB);
    let chat = &admitted(&effects).unwrap().2.session.chat;
    assert_eq!((chat.len(), chat[0].text.as_str(), chat[199].text.as_str()), (200, "5", "204"));
}

#[test]
fn chair_lowers_a_hand() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    world.ask(ALICE, Request::Hand { raised: true }).unwrap();
    let request = Request::LowerHand { participant: person(ALICE).to_string() };
    world.ask(CHAIR, request).unwrap();
    assert!(!world.room.snapshot().participants.iter().any(|p| p.hand));
}
