//! Ways in: one meets the other over TCP and UDP, and over IPv6.

use std::net::Ipv6Addr;

use harness::bot::{BotConfig, Over};
use harness::member::{Member, Seat};
use signaling::message::Source;

use crate::bots_support::{Meeting, SOON};

const BOTH: [Source; 2] = [Source::Microphone, Source::Camera];
/// More than a burst, more than one round of anything.
const SOME: usize = 60;

fn enter(meeting: &Meeting, key: &str, bot: u32, over: Over) -> Member {
    meeting.enter_as(key, BotConfig { seed: bot.into(), over, ..BotConfig::default() })
}

fn gets(member: &Member, other: u32) -> bool {
    member.until(SOON, move |seat: &Seat| BOTH.iter().all(|of| seat.heard(other, *of) > SOME))
}

#[test]
fn who_has_only_tcp_hears_and_sees_who_has_udp_and_the_other_way_round() {
    let meeting = Meeting::open();
    let tcp = enter(&meeting, "member1", 1, Over::Tcp);
    let udp = enter(&meeting, "member2", 2, Over::Udp);
    assert!(gets(&tcp, 2), "TCP gets UDP");
    assert!(gets(&udp, 1), "UDP gets TCP");
    // A second one over the same port, and more slots on the first connection for it.
    let another = enter(&meeting, "member3", 3, Over::Tcp);
    assert!(gets(&tcp, 3) && gets(&another, 1), "two over TCP");
    // A stream loses nothing of what was taken: every number of the sound, from the first heard.
    let gaps = tcp.with(|seat| {
        let numbers = &seat.bot.stats().from[&(3, Source::Microphone)].numbers;
        let (first, last) = (numbers.iter().min().unwrap(), numbers.iter().max().unwrap());
        (last - first + 1) as usize - numbers.len()
    });
    assert_eq!(gaps, 0);
    for member in [another, tcp, udp] {
        member.leave().unwrap();
    }
    meeting.end();
}

#[test]
fn two_meet_over_ipv6() {
    let meeting = Meeting::open_with(|config| config.listen = Some(Ipv6Addr::LOCALHOST.into()));
    assert!(meeting.place.address.is_ipv6());
    let one = enter(&meeting, "member1", 1, Over::Udp6);
    let other = enter(&meeting, "member2", 2, Over::Udp6);
    assert!(gets(&one, 2) && gets(&other, 1));
    let tcp = enter(&meeting, "member3", 3, Over::Tcp);
    assert!(gets(&tcp, 1) && gets(&one, 3), "TCP of IPv6");
    for member in [one, other, tcp] {
        member.leave().unwrap();
    }
    meeting.end();
}
