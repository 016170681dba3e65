//! Data both ways, and all the places it must not go.

use super::testing::*;
use super::*;
use crate::transport::{Remote, Via};

#[test]
fn data_enters_the_shard_under_the_relayed_address_and_comes_back() {
    let mut rig = Rig::new();
    let client = rig.allocated("192.0.2.9:5000", "a");
    rig.permit(&client, SHARD).ok();
    let datagram = send_indication(addr(SHARD), b"hello");
    let (outcome, _) = rig.give(client.address, &datagram);
    let Outcome::Relay { shard: 0, remote, data } = outcome else { panic!("{outcome:?}") };
    assert_eq!(&datagram[data], b"hello");
    assert!(matches!(remote.via, Via::Turn(_)));
    assert_eq!(remote.addr.ip(), addr(SHARD).ip());
    assert!(rig.clients.owns(remote));

    let (to, raw) = rig.back(remote, b"answer").unwrap();
    assert_eq!(to, client.address);
    let message = Message::parse(&raw).unwrap();
    assert_eq!((message.class, message.method), (Class::Indication, attr::DATA_METHOD));
    assert_eq!(message.peers().collect::<Vec<_>>(), [addr(SHARD)], "from where it was sent to");
    assert_eq!(&raw[message.data.unwrap()], b"answer");

    rig.bind(&client, SHARD).ok();
    let (outcome, _) = rig.give(client.address, &on_channel(CHANNEL, b"hello"));
    assert_eq!(outcome, Outcome::Relay { shard: 0, remote, data: 4..9 });
    assert_eq!(rig.back(remote, b"answer").unwrap().1, on_channel(CHANNEL, b"answer"));
    let counters = rig.counters();
    assert_eq!((counters.datagrams_in, counters.bytes_in), (2, 10));
    assert_eq!((counters.datagrams_out, counters.bytes_out), (2, 12));
}

#[test]
fn channel_data_is_padded_on_a_stream_only() {
    let rig = Rig::new();
    let client = rig.client("192.0.2.9:5000", "a");
    let mut stream = Association::new(client.address, Transport::Stream);
    let mut rig = rig;
    let mut ask = |method, attributes: &dyn Fn(Writer<'_>) -> Writer<'_>, client: &Client| {
        let request = rig.signed(client, method, attributes);
        let mut out = Vec::new();
        stream.handle(&rig.server, rig.now, &request, &mut out);
        let message = Message::parse(&out).unwrap();
        (message.error_code, message.nonce.map(<[u8]>::to_vec))
    };
    let mut client = client;
    client.nonce = ask(attr::ALLOCATE, &udp, &client).1.unwrap();
    assert_eq!(ask(attr::ALLOCATE, &udp, &client).0, None);
    assert_eq!(
        ask(attr::CHANNEL_BIND, &|w| channel(w, CHANNEL, addr(OTHER_SHARD)), &client).0,
        None
    );
    let mut out = Vec::new();
    let message = on_channel(CHANNEL, b"hello");
    let outcome = stream.handle(&rig.server, rig.now, &message, &mut out);
    let Outcome::Relay { shard: 1, remote, .. } = outcome else {
        panic!("a stream reaches any shard: {outcome:?}")
    };
    assert!(stream.to_client(&rig.server, rig.now, remote, b"hello", &mut out));
    assert_eq!(out, [&message[..], &[0; 3]].concat());
    assert_eq!(next_frame(&out), Frame::Complete { len: 9, total: 12 });
}

#[test]
fn nothing_is_relayed_to_any_address_but_a_shards() {
    let mut rig = Rig::new();
    let mut client = rig.client("192.0.2.9:5000", "a");
    rig.learn(&mut client);
    rig.ask(&client, attr::ALLOCATE, dual).ok();
    rig.permit(&client, SHARD).ok();
    rig.permit(&client, SHARD_6).ok();
    let hosts = [
        "127.0.0.1:8443",
        "0.0.0.0:8443",
        "10.0.0.1:8443",
        "169.254.169.254:80",
        "224.0.0.1:8443",
        "255.255.255.255:8443",
        "203.0.113.6:8443",
        "[::]:8443",
        "[::1]:8443",
        "[fe80::5]:8443",
        "[ff02::1]:8443",
        "[::ffff:203.0.113.5]:8443",
        "[::203.0.113.5]:8443",
        "[64:ff9b::203.0.113.5]:8443",
    ];
    for peer in hosts {
        assert_eq!(rig.permit(&client, peer).code, Some(403), "{peer}");
    }
    // Another port of our own host: a permission names no port, the rest does.
    let ports = ["203.0.113.5:22", "203.0.113.5:0", "203.0.113.5:8442", "[2001:db8::5]:8444"];
    for peer in hosts.iter().chain(&ports) {
        assert_eq!(rig.bind(&client, peer).code, Some(403), "{peer}");
        assert_eq!(rig.indicate(&client, peer, b"x").0, Outcome::Dropped, "{peer}");
    }
    let sent = hosts.len() + ports.len();
    assert_eq!(rig.counters().drop_forbidden, sent as u64);
    // One bad address spoils the whole request.
    let answer = rig.ask(&client, attr::CREATE_PERMISSION, |w| {
        w.address(attr::XOR_PEER_ADDRESS, addr(SHARD))
            .address(attr::XOR_PEER_ADDRESS, addr("127.0.0.1:1"))
    });
    assert_eq!(answer.code, Some(403));
    assert_eq!(rig.counters().datagrams_in, 0);
}

#[test]
fn over_udp_a_shard_is_reached_by_its_own_port() {
    let mut rig = Rig::new();
    let client = rig.allocated("192.0.2.9:5000", "a");
    rig.bind(&client, OTHER_SHARD).ok();
    let (outcome, _) = rig.give(client.address, &on_channel(CHANNEL, b"x"));
    assert_eq!(outcome, Outcome::Dropped);
    assert_eq!(rig.counters().drop_forbidden, 1);
}

#[test]
fn addresses_that_name_no_host_are_never_peers() {
    let now = crate::testing::origin();
    let shards = ["0.0.0.0:8443", "[::]:8443", "224.0.0.1:8443", "[::ffff:10.0.0.1]:8443"];
    let shards = shards.map(|shard| (addr(shard), 0)).to_vec();
    let mut rig = Rig::configured(now, shards, None, Limits::default());
    let mut client = rig.client("192.0.2.9:5000", "a");
    rig.learn(&mut client);
    assert_eq!(rig.ask(&client, attr::ALLOCATE, udp).code, Some(440));
}

#[test]
fn permissions_and_channels_end_unless_refreshed() {
    let mut rig = Rig::new();
    let client = rig.allocated("192.0.2.9:5000", "a");
    rig.permit(&client, SHARD).ok();
    let remote = rig.remote(&client, SHARD);
    rig.advance(299);
    rig.remote(&client, SHARD);
    assert!(rig.back(remote, b"x").is_some());
    rig.advance(1);
    assert_eq!(rig.indicate(&client, SHARD, b"x").0, Outcome::Dropped);
    assert!(rig.back(remote, b"x").is_none());
    assert_eq!(rig.counters().drop_no_permission, 2);
    rig.ask(&client, attr::REFRESH, |w| w.number(attr::LIFETIME, 3_600)).ok();
    let mut client = client;
    rig.bind(&client, SHARD).ok();
    rig.advance(300);
    rig.learn(&mut client);
    rig.permit(&client, SHARD).ok();
    let data = on_channel(CHANNEL, b"x");
    rig.advance(299);
    assert!(matches!(rig.give(client.address, &data).0, Outcome::Relay { .. }));
    rig.advance(1);
    assert_eq!(rig.give(client.address, &data).0, Outcome::Dropped);
    assert_eq!(rig.counters().drop_no_channel, 1);
}

#[test]
fn a_channel_and_a_peer_are_bound_to_each_other() {
    let mut rig = Rig::new();
    let client = rig.allocated("192.0.2.9:5000", "a");
    rig.bind(&client, SHARD).ok();
    rig.bind(&client, SHARD).ok();
    let mut bind = |number: u16, peer: &str| {
        rig.ask(&client, attr::CHANNEL_BIND, |w| channel(w, number, addr(peer))).code
    };
    assert_eq!(bind(CHANNEL, OTHER_SHARD), Some(400));
    assert_eq!(bind(CHANNEL + 1, SHARD), Some(400));
    assert_eq!(bind(CHANNEL + 1, OTHER_SHARD), None);
    assert_eq!(bind(0x3fff, SHARD), Some(400));
    assert_eq!(bind(0x8000, SHARD), Some(400));
    assert_eq!(rig.ask(&client, attr::CHANNEL_BIND, |w| w).code, Some(400));
    assert_eq!(rig.ask(&client, attr::CREATE_PERMISSION, |w| w).code, Some(400));
}

#[test]
fn permissions_and_channels_are_bounded() {
    let mut rig = Rig::with(Limits { permissions: 1, channels: 1, ..Limits::default() });
    let mut client = rig.client("192.0.2.9:5000", "a");
    rig.learn(&mut client);
    rig.ask(&client, attr::ALLOCATE, dual).ok();
    rig.permit(&client, SHARD).ok();
    assert_eq!(rig.permit(&client, SHARD_6).code, Some(508));
    rig.bind(&client, SHARD).ok();
    let more = rig.ask(&client, attr::CHANNEL_BIND, |w| channel(w, CHANNEL + 1, addr(OTHER_SHARD)));
    assert_eq!(more.code, Some(508));
    let many = rig.ask(&client, attr::CREATE_PERMISSION, |mut w| {
        for _ in 0..40 {
            w = w.address(attr::XOR_PEER_ADDRESS, addr(SHARD));
        }
        w
    });
    assert_eq!(many.code, Some(400), "more addresses than are read");
}

#[test]
fn a_rate_bounds_each_allocation_and_all_together() {
    let limits = Limits { bytes_per_s: 100_000, total_bytes_per_s: 150_000, ..Limits::default() };
    let mut rig = Rig::with(limits);
    let clients = ["192.0.2.9:5000", "192.0.2.10:5000"].map(|a| rig.allocated(a, "a"));
    for client in &clients {
        rig.bind(client, SHARD).ok();
    }
    let data = on_channel(CHANNEL, &[0; 1_000]);
    let mut passed = [0u32; 2];
    for _ in 0..1_000 {
        rig.now += std::time::Duration::from_millis(1);
        for (client, passed) in clients.iter().zip(&mut passed) {
            *passed += u32::from(rig.give(client.address, &data).0 != Outcome::Dropped);
        }
    }
    let total = passed[0] + passed[1];
    // A second at the rate, and half a second's burst.
    assert!((215..=226).contains(&total), "{passed:?}");
    assert!(passed.iter().all(|passed| *passed <= 151), "{passed:?}");
    assert_eq!(rig.counters().drop_rate, u64::from(2_000 - total));
}

#[test]
fn data_of_strangers_is_dropped() {
    let mut rig = Rig::new();
    let stranger = rig.client("192.0.2.66:5000", "b");
    assert_eq!(rig.give(stranger.address, &on_channel(CHANNEL, b"x")).0, Outcome::Dropped);
    assert_eq!(rig.indicate(&stranger, SHARD, b"x").0, Outcome::Dropped);
    assert_eq!(rig.counters().drop_no_allocation, 2);
    assert!(rig.back(Remote::turn(addr(SHARD), 77 << 8), b"x").is_none());
    let client = rig.allocated("192.0.2.9:5000", "a");
    assert_eq!(rig.indicate(&client, SHARD, b"x").0, Outcome::Dropped, "no permission yet");
    rig.permit(&client, SHARD).ok();
    let remote = rig.remote(&client, SHARD);
    rig.ask(&client, attr::REFRESH, |w| w.number(attr::LIFETIME, 0)).ok();
    assert!(rig.back(remote, b"x").is_none(), "it has ended");
    assert_eq!(rig.counters().drop_ended, 2);
    assert_eq!(rig.clients.len(), 0);
}

#[test]
fn the_test_peer_echoes_and_nothing_leaves_for_it() {
    let now = crate::testing::origin();
    let echo = "192.0.2.200:3480";
    let mut rig = Rig::configured(now, vec![(addr(SHARD), 0)], Some(addr(echo)), Limits::default());
    let client = rig.allocated("192.0.2.9:5000", "a");
    assert_eq!(rig.indicate(&client, echo, b"x").0, Outcome::Dropped, "no permission yet");
    rig.permit(&client, echo).ok();
    let (outcome, raw) = rig.indicate(&client, echo, b"hello");
    assert_eq!(outcome, Outcome::Answer { proven: true });
    let message = Message::parse(&raw).unwrap();
    assert_eq!(message.peers().next(), Some(addr(echo)));
    assert_eq!(&raw[message.data.unwrap()], b"hello");
    rig.bind(&client, echo).ok();
    let data = on_channel(CHANNEL, b"hello");
    assert_eq!(rig.give(client.address, &data).1, data);
    assert_eq!(rig.counters().echoed, 2);
}

#[test]
fn what_is_for_turn_is_told_from_what_is_for_a_peer() {
    let message = |class, method, name: bool| {
        let mut raw = Vec::new();
        let writer = Writer::new(&mut raw, class, method, &[1; 12]);
        let writer = writer.attribute(attr::SOFTWARE, b"abc");
        match name {
            true => writer.attribute(attr::USERNAME, b"a:b").finish(),
            false => writer.finish(),
        }
        raw
    };
    assert!(is_turn(&message(Class::Request, attr::BINDING, false)));
    assert!(!is_turn(&message(Class::Request, attr::BINDING, true)), "a check");
    for class in [Class::Indication, Class::Success, Class::Error] {
        assert!(!is_turn(&message(class, attr::BINDING, false)));
    }
    for method in [attr::ALLOCATE, attr::REFRESH, attr::CREATE_PERMISSION, attr::CHANNEL_BIND] {
        assert!(is_turn(&message(Class::Request, method, true)));
    }
    assert!(is_turn(&message(Class::Indication, attr::SEND, false)));
    assert!(is_turn(&on_channel(CHANNEL, b"x")));
    for first in (4..=0x3f).chain(0x80..=0xff) {
        assert!(!is_turn(&[first; 40]), "{first}");
    }
    assert!(!is_turn(&[]) && !is_turn(&[0]) && !is_turn(&[0; 40]));
}
