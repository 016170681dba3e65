//! Requests and their answers.

use super::testing::*;
use super::*;

#[test]
fn an_allocation_is_made_with_a_password_and_ends_when_it_is_given_back() {
    for kind in [IntegrityKind::Sha1, IntegrityKind::Sha256] {
        let mut rig = Rig::new();
        rig.kind = kind;
        let mut client = rig.client("192.0.2.9:5000", "a");
        rig.learn(&mut client);
        assert_eq!(rig.clients.len(), 0, "an unsigned request leaves nothing");
        let answer = rig.ask(&client, attr::ALLOCATE, udp);
        answer.ok();
        assert!(answer.signed);
        assert_eq!(answer.mapped, Some(client.address));
        assert_eq!(answer.lifetime_s, Some(600));
        let relayed = answer.relayed[0].unwrap();
        assert_eq!(relayed.ip(), addr(SHARD).ip());
        assert!(relayed.port() >= 49_152);
        assert_eq!(Message::parse(&answer.raw).unwrap().integrity_kind(), Some(kind));
        let again = rig.ask(&client, attr::ALLOCATE, udp);
        assert_eq!(again.code, Some(437));
        assert!(again.signed);
        let ended = rig.ask(&client, attr::REFRESH, |w| w.number(attr::LIFETIME, 0));
        assert_eq!(ended.ok().lifetime_s, Some(0));
        assert_eq!((rig.clients.len(), rig.counters().allocations), (0, 0));
        let refreshed = rig.ask(&client, attr::REFRESH, |w| w);
        assert_eq!(refreshed.code, Some(437));
        assert_eq!(rig.counters().allocations_ended, 1);
    }
}

#[test]
fn a_retransmitted_allocate_is_answered_alike() {
    let mut rig = Rig::new();
    let mut client = rig.client("192.0.2.9:5000", "a");
    rig.learn(&mut client);
    let request = rig.signed(&client, attr::ALLOCATE, udp);
    let first = rig.send(&client, &request);
    let second = rig.send(&client, &request);
    assert_eq!(first.ok().relayed, second.ok().relayed);
    assert_eq!(rig.counters().allocated, 1);
}

#[test]
fn who_does_not_know_the_password_gets_nothing() {
    let mut rig = Rig::new();
    let mut client = rig.client("192.0.2.9:5000", "a");
    rig.learn(&mut client);
    let mut wrong = client.clone();
    wrong.credentials.password.push('x');
    assert_eq!(rig.ask(&wrong, attr::ALLOCATE, udp).code, Some(401));
    // The password of one name does not serve another, nor a later end.
    let mut other = client.clone();
    other.credentials.username = format!("{}:b", UNIX_S + 3_600);
    assert_eq!(rig.ask(&other, attr::ALLOCATE, udp).code, Some(401));
    other.credentials.username = format!("{}:a", UNIX_S + 7_200);
    assert_eq!(rig.ask(&other, attr::ALLOCATE, udp).code, Some(401));
    for name in ["", "a", ":", "x:a", "-5:a", "99999999999999999999999:a"] {
        other.credentials.username = name.into();
        assert_eq!(rig.ask(&other, attr::ALLOCATE, udp).code, Some(401), "{name:?}");
    }
    let mut request = rig.signed(&client, attr::ALLOCATE, udp);
    let at = request.len() - 40;
    request[at] ^= 1;
    assert_eq!(rig.give(client.address, &request).0, Outcome::Dropped, "FINGERPRINT");
    assert_eq!((rig.clients.len(), rig.counters().allocated), (0, 0));
    assert_eq!(rig.counters().refused_401, 10);
    assert_eq!(rig.counters().drop_malformed, 1);
    rig.ask(&client, attr::ALLOCATE, udp).ok();
}

#[test]
fn a_signed_request_without_name_realm_or_nonce_is_bad() {
    let mut rig = Rig::new();
    let mut client = rig.client("192.0.2.9:5000", "a");
    rig.learn(&mut client);
    for missing in 0..3 {
        let transaction = rig.transaction();
        let mut request = Vec::new();
        let mut writer =
            udp(Writer::new(&mut request, Class::Request, attr::ALLOCATE, &transaction));
        let given = [
            (attr::USERNAME, client.credentials.username.as_bytes()),
            (attr::REALM, rig.server.realm().as_bytes()),
            (attr::NONCE, &client.nonce),
        ];
        for (index, (kind, value)) in given.into_iter().enumerate() {
            if index != missing {
                writer = writer.attribute(kind, value);
            }
        }
        writer.sign(&key(&client, rig.server.realm()), IntegrityKind::Sha1).finish();
        assert_eq!(rig.send(&client, &request).code, Some(400), "{missing}");
    }
    let answer = rig.ask(&client, attr::ALLOCATE, |w| {
        udp(w).attribute(attr::PASSWORD_ALGORITHM, &[0, 2, 0, 0])
    });
    assert_eq!(answer.code, Some(400));
}

#[test]
fn a_nonce_grows_old_and_the_answer_brings_a_new_one() {
    let mut rig = Rig::new();
    let mut client = rig.allocated("192.0.2.9:5000", "a");
    rig.advance(599);
    rig.ask(&client, attr::REFRESH, |w| w).ok();
    rig.advance(1);
    let stale = rig.ask(&client, attr::REFRESH, |w| w);
    assert_eq!(stale.code, Some(438));
    client.nonce = stale.nonce;
    rig.ask(&client, attr::REFRESH, |w| w).ok();
    // Another client's nonce is none.
    let mut thief = rig.client("192.0.2.66:5000", "b");
    thief.nonce = client.nonce.clone();
    assert_eq!(rig.ask(&thief, attr::ALLOCATE, udp).code, Some(438));
    assert_eq!(rig.counters().refused_438, 2);
}

#[test]
fn lifetimes_keep_to_the_rfc_and_to_the_credentials() {
    let mut rig = Rig::new();
    let client = rig.allocated("192.0.2.9:5000", "a");
    let refresh = |rig: &mut Rig, wanted: u32| {
        let answer = rig.ask(&client, attr::REFRESH, |w| w.number(attr::LIFETIME, wanted));
        answer.ok().lifetime_s.unwrap()
    };
    assert_eq!(refresh(&mut rig, 5), 600);
    assert_eq!(refresh(&mut rig, 777), 777);
    assert_eq!(refresh(&mut rig, u32::MAX), 3_600);
    rig.advance(500);
    assert_eq!(refresh(&mut rig, 3_600), 3_100, "not longer than the credentials");
    let mut client = client;
    rig.advance(3_099);
    rig.learn(&mut client);
    assert_eq!(rig.ask(&client, attr::REFRESH, |w| w).ok().lifetime_s, Some(1));
    assert_eq!(rig.clients.len(), 1);
    rig.advance(1);
    assert_eq!(rig.ask(&client, attr::REFRESH, |w| w).code, Some(401), "they have ended");
    rig.advance(5);
    assert_eq!((rig.clients.len(), rig.counters().allocations), (0, 0));
}

#[test]
fn an_allocation_belongs_to_the_name_that_made_it() {
    let mut rig = Rig::new();
    let mut client = rig.allocated("192.0.2.9:5000", "a");
    client.credentials = rig.server.issue("b", UNIX_S + 3_600);
    assert_eq!(rig.ask(&client, attr::REFRESH, |w| w).code, Some(441));
    assert_eq!(rig.permit(&client, SHARD).code, Some(441));
    assert_eq!(rig.bind(&client, SHARD).code, Some(441));
    assert_eq!(rig.counters().refused_441, 3);
}

#[test]
fn what_is_asked_of_an_allocation_is_given_or_refused_by_its_code() {
    let mut rig = Rig::new();
    let mut client = rig.client("192.0.2.9:5000", "a");
    rig.learn(&mut client);
    let mut code = |attributes: &dyn Fn(Writer<'_>) -> Writer<'_>| {
        rig.ask(&client, attr::ALLOCATE, attributes).code
    };
    assert_eq!(code(&|w| w), Some(400), "no REQUESTED-TRANSPORT");
    assert_eq!(code(&|w| w.attribute(attr::REQUESTED_TRANSPORT, &[6, 0, 0, 0])), Some(442));
    assert_eq!(code(&|w| w.attribute(attr::REQUESTED_TRANSPORT, &[17])), Some(400));
    assert_eq!(code(&|w| family(udp(w), attr::REQUESTED_ADDRESS_FAMILY, 3)), Some(440));
    assert_eq!(code(&|w| family(udp(w), attr::ADDITIONAL_ADDRESS_FAMILY, 1)), Some(400));
    fn both(w: Writer<'_>) -> Writer<'_> {
        let w = family(udp(w), attr::REQUESTED_ADDRESS_FAMILY, 1);
        family(w, attr::ADDITIONAL_ADDRESS_FAMILY, 2)
    }
    assert_eq!(code(&both), Some(400));
    assert_eq!(code(&|w| udp(w).attribute(attr::EVEN_PORT, &[0x80])), Some(508), "two ports");
    assert_eq!(code(&|w| udp(w).attribute(attr::RESERVATION_TOKEN, &[1; 8])), Some(508));
    fn token_and_even(w: Writer<'_>) -> Writer<'_> {
        udp(w).attribute(attr::RESERVATION_TOKEN, &[1; 8]).attribute(attr::EVEN_PORT, &[0])
    }
    assert_eq!(code(&token_and_even), Some(400));
    assert_eq!(code(&|w| udp(w).attribute(0x7abc, &[1; 3])), Some(420));
    assert_eq!(rig.counters().allocated, 0);
    // Comprehension-optional ones are passed over; DONT-FRAGMENT and EVEN-PORT are understood.
    for _ in 0..3 {
        let answer = rig.ask(&client, attr::ALLOCATE, |w| {
            let w = udp(w).attribute(0xfabc, &[1; 3]).attribute(attr::DONT_FRAGMENT, &[]);
            w.attribute(attr::EVEN_PORT, &[0])
        });
        assert_eq!(answer.ok().relayed[0].unwrap().port() % 2, 0);
        rig.ask(&client, attr::REFRESH, |w| w.number(attr::LIFETIME, 0)).ok();
    }
}

#[test]
fn unknown_attributes_are_named() {
    let mut rig = Rig::new();
    let mut client = rig.client("192.0.2.9:5000", "a");
    rig.learn(&mut client);
    let answer = rig
        .ask(&client, attr::ALLOCATE, |w| udp(w).attribute(0x7abc, &[]).attribute(0x0031, &[0; 4]));
    assert_eq!(answer.code, Some(420));
    let named = [0, 0x0a, 0, 4, 0x7a, 0xbc, 0, 0x31];
    assert!(answer.raw.windows(8).any(|window| window == named));
}

#[test]
fn both_families_are_given_where_there_are_shards_in_both() {
    let mut rig = Rig::new();
    let mut client = rig.client("192.0.2.9:5000", "a");
    rig.learn(&mut client);
    let answer = rig.ask(&client, attr::ALLOCATE, |w| {
        family(udp(w), attr::REQUESTED_ADDRESS_FAMILY, attr::IPV6)
    });
    assert_eq!(answer.ok().relayed[0].unwrap().ip(), addr(SHARD_6).ip());
    assert_eq!(rig.permit(&client, SHARD).code, Some(443), "a peer of the other family");
    rig.permit(&client, SHARD_6).ok();

    let mut client = rig.client("192.0.2.10:5000", "a");
    rig.learn(&mut client);
    let answer = rig.ask(&client, attr::ALLOCATE, dual);
    let [Some(first), Some(second)] = answer.ok().relayed else { panic!("{answer:?}") };
    assert!(first.is_ipv4() && second.is_ipv6() && first.port() == second.port());
    rig.permit(&client, SHARD).ok();
    rig.permit(&client, SHARD_6).ok();
    fn drop_v6(w: Writer<'_>) -> Writer<'_> {
        family(w.number(attr::LIFETIME, 0), attr::REQUESTED_ADDRESS_FAMILY, attr::IPV6)
    }
    rig.ask(&client, attr::REFRESH, drop_v6).ok();
    assert_eq!(rig.permit(&client, SHARD_6).code, Some(443));
    rig.permit(&client, SHARD).ok();
    assert_eq!(rig.ask(&client, attr::REFRESH, drop_v6).code, Some(443));

    let now = crate::testing::origin();
    let only_v4 = vec![(addr(SHARD), 0)];
    let mut rig = Rig::configured(now, only_v4, None, Limits::default());
    let mut client = rig.client("192.0.2.9:5000", "a");
    rig.learn(&mut client);
    let answer = rig.ask(&client, attr::ALLOCATE, |w| {
        family(udp(w), attr::REQUESTED_ADDRESS_FAMILY, attr::IPV6)
    });
    assert_eq!(answer.code, Some(440));
    let answer = rig.ask(&client, attr::ALLOCATE, dual);
    assert_eq!(answer.ok().relayed[1], None);
    let missing = [0x80, 0x01, 0, 4, attr::IPV6, 0, 4, 40];
    assert!(answer.raw.windows(8).any(|window| window == missing), "ADDRESS-ERROR-CODE");
}

#[test]
fn quotas_hold_by_user_address_and_in_all() {
    let limits = Limits {
        allocations: 4,
        allocations_per_user: 2,
        allocations_per_address: 3,
        ..Limits::default()
    };
    let mut rig = Rig::with(limits);
    let mut ask = |address: &str, id: &str| {
        let mut client = rig.client(address, id);
        rig.learn(&mut client);
        rig.ask(&client, attr::ALLOCATE, udp).code
    };
    assert_eq!(ask("192.0.2.1:1", "a"), None);
    assert_eq!(ask("192.0.2.2:1", "a"), None);
    assert_eq!(ask("192.0.2.3:1", "a"), Some(486), "two of a user");
    assert_eq!(ask("192.0.2.1:2", "b"), None);
    assert_eq!(ask("192.0.2.1:3", "c"), None);
    assert_eq!(ask("192.0.2.1:4", "d"), Some(486), "three of an address");
    assert_eq!(ask("192.0.2.4:1", "e"), Some(508), "four in all");
    rig.advance(601);
    assert_eq!(rig.counters().allocations, 0, "their time is over");
    let client = rig.allocated("192.0.2.4:1", "e");
    rig.ask(&client, attr::REFRESH, |w| w).ok();
}

#[test]
fn a_binding_request_without_a_name_is_plain_stun() {
    let mut rig = Rig::new();
    let client = rig.client("[2001:db8::77]:5000", "a");
    let mut request = Vec::new();
    Writer::new(&mut request, Class::Request, attr::BINDING, &[3; 12]).finish();
    assert!(is_turn(&request));
    let answer = rig.send(&client, &request);
    assert_eq!(answer.ok().mapped, Some(client.address));
    assert!(answer.raw.len() <= 44, "{} bytes: no amplifier", answer.raw.len());
    let mut request = Vec::new();
    Writer::new(&mut request, Class::Request, attr::BINDING, &[3; 12])
        .attribute(0x7abc, &[])
        .fingerprint()
        .finish();
    assert_eq!(rig.send(&client, &request).code, Some(420));
    assert_eq!(rig.counters().bindings, 1);
}

#[test]
fn an_address_that_has_proven_nothing_gets_few_answers() {
    let mut rig = Rig::new();
    let victim = rig.client("192.0.2.9:5000", "a");
    let mut request = Vec::new();
    Writer::new(&mut request, Class::Request, attr::ALLOCATE, &[3; 12]).finish();
    let answered =
        (0..10_000).filter(|_| rig.give(victim.address, &request).0 != Outcome::Dropped).count();
    assert_eq!(answered, 50);
    assert_eq!(rig.counters().drop_damped, 9_950);
    assert_eq!(rig.clients.len(), 0);
    rig.advance(2);
    rig.allocated("192.0.2.9:5000", "a");
}
