//! Whatever bytes come: no panic, no state before a password, and never more of it than the limits.

use proptest::prelude::*;
use proptest::sample::Index;

use super::testing::*;
use super::*;

/// A change to a datagram.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Cut(Index),
    Add(Vec<u8>),
    Insert(Index, Vec<u8>),
    /// Sets the length of the header right again.
    FixLength,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 1u8..).prop_map(|(at, bits)| Change::Flip(at, bits)),
        any::<Index>().prop_map(Change::Cut),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Change::Add),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 4..12))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        Just(Change::FixLength),
    ]
}

fn apply(datagram: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Flip(at, bits) if !datagram.is_empty() => {
            let at = at.index(datagram.len());
            datagram[at] ^= bits;
        }
        Change::Cut(at) if !datagram.is_empty() => datagram.truncate(at.index(datagram.len())),
        Change::Add(bytes) => datagram.extend_from_slice(bytes),
        Change::Insert(at, bytes) => {
            let at = at.index(datagram.len() + 1);
            datagram.splice(at..at, bytes.iter().copied());
        }
        Change::FixLength if datagram.len() >= 20 => {
            let whole = datagram.len() / 4 * 4;
            datagram.truncate(whole);
            let length = ((whole - 20) as u16).to_be_bytes();
            datagram[2..4].copy_from_slice(&length);
        }
        _ => {}
    }
}

/// What a client may do; the machine decides what follows.
#[derive(Debug, Clone)]
enum Step {
    Learn(usize),
    Allocate(usize, Option<u32>, u8),
    Refresh(usize, Option<u32>),
    Permit(usize, usize),
    Bind(usize, u16, usize),
    Indicate(usize, usize),
    Channel(usize, u16),
    Back(u32, usize),
    Broken(usize, Vec<Change>),
    Wait(u64),
}

const CLIENTS: [(&str, &str); 4] = [
    ("192.0.2.1:1000", "a"),
    ("192.0.2.1:1001", "a"),
    ("192.0.2.2:1000", "b"),
    ("[2001:db8:1::1]:1000", "a"),
];
const PEERS: [&str; 6] =
    [SHARD, SHARD_6, OTHER_SHARD, "127.0.0.1:8443", "203.0.113.5:22", "[::ffff:203.0.113.5]:8443"];

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS.len();
    let peer = 0..PEERS.len();
    let number = 0x3ffeu16..0x4004;
    let life = prop::option::of(prop_oneof![Just(0), Just(1), 500u32..5_000, any::<u32>()]);
    prop_oneof![
        2 => client.clone().prop_map(Step::Learn),
        4 => (client.clone(), life.clone(), 0u8..4).prop_map(|(c, l, f)| Step::Allocate(c, l, f)),
        2 => (client.clone(), life).prop_map(|(c, l)| Step::Refresh(c, l)),
        4 => (client.clone(), peer.clone()).prop_map(|(c, p)| Step::Permit(c, p)),
        4 => (client.clone(), number.clone(), peer.clone()).prop_map(|(c, n, p)| Step::Bind(c, n, p)),
        4 => (client.clone(), peer).prop_map(|(c, p)| Step::Indicate(c, p)),
        4 => (client.clone(), number).prop_map(|(c, n)| Step::Channel(c, n)),
        2 => (any::<u32>(), 0usize..2_000).prop_map(|(way, len)| Step::Back(way % 0x800, len)),
        4 => (client, prop::collection::vec(change(), 1..4)).prop_map(|(c, x)| Step::Broken(c, x)),
        1 => prop_oneof![0u64..10, 290u64..700].prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_are_harmless(datagrams in prop::collection::vec(
        (prop_oneof![Just(0x40u8), 0u8..4, any::<u8>()], prop::collection::vec(any::<u8>(), 0..200)),
        1..40,
    )) {
        let mut rig = Rig::new();
        for (first, mut datagram) in datagrams {
            datagram.insert(0, first);
            if datagram.len() >= 8 && datagram[9 % datagram.len()] & 1 == 0 {
                // Past the first look.
                datagram[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
            }
            let _ = is_turn(&datagram);
            let _ = next_frame(&datagram);
            let outcome = rig.give(addr("192.0.2.1:1000"), &datagram).0;
            let relayed = matches!(outcome, Outcome::Relay { .. });
            prop_assert!(!relayed);
        }
        prop_assert_eq!(rig.clients.len(), 0);
        prop_assert_eq!(rig.counters().allocated, 0);
    }

    #[test]
    fn a_changed_request_makes_no_allocation(
        changes in prop::collection::vec(change(), 1..5),
        fingerprint in any::<bool>(),
    ) {
        let mut rig = Rig::new();
        let mut client = rig.client("192.0.2.1:1000", "a");
        rig.learn(&mut client);
        let mut request = rig.signed(&client, attr::ALLOCATE, udp);
        if !fingerprint {
            request.truncate(request.len() - 8);
            apply(&mut request, &Change::FixLength);
        }
        let whole = request.clone();
        changes.iter().for_each(|change| apply(&mut request, change));
        // What follows MESSAGE-INTEGRITY is not signed, and the header's length is made anew.
        let signed = whole.len() - if fingerprint { 8 } else { 0 };
        let same = request.len() >= signed
            && request[..2] == whole[..2] && request[4..signed] == whole[4..signed];
        prop_assume!(!same);
        rig.give(client.address, &request);
        prop_assert_eq!(rig.counters().allocated, 0);
        prop_assert_eq!(rig.clients.len(), 0);
    }

    #[test]
    fn any_sequence_of_steps_keeps_the_bounds(steps in prop::collection::vec(step(), 1..120)) {
        let limits = Limits {
            allocations: 3,
            allocations_per_user: 2,
            permissions: 2,
            channels: 2,
            ..Limits::default()
        };
        let mut rig = Rig::with(limits);
        let mut clients: Vec<Client> =
            CLIENTS.iter().map(|(address, id)| rig.client(address, id)).collect();
        for step in steps {
            let mut outcome = None;
            match step {
                Step::Learn(c) => {
                    let mut request = Vec::new();
                    Writer::new(&mut request, Class::Request, attr::REFRESH, &[1; 12]).finish();
                    let raw = rig.give(clients[c].address, &request).1;
                    // Answers to who has proven nothing are rationed.
                    if let Some(nonce) = Message::parse(&raw).and_then(|message| message.nonce) {
                        clients[c].nonce = nonce.to_vec();
                    }
                }
                Step::Allocate(c, life, which) => {
                    let request = rig.signed(&clients[c], attr::ALLOCATE, |mut w| {
                        w = udp(w);
                        if let Some(life) = life {
                            w = w.number(attr::LIFETIME, life);
                        }
                        match which {
                            0 => w,
                            3 => family(w, attr::ADDITIONAL_ADDRESS_FAMILY, attr::IPV6),
                            which => family(w, attr::REQUESTED_ADDRESS_FAMILY, which),
                        }
                    });
                    rig.give(clients[c].address, &request);
                }
                Step::Refresh(c, life) => {
                    let request = rig.signed(&clients[c], attr::REFRESH, |w| match life {
                        Some(life) => w.number(attr::LIFETIME, life),
                        None => w,
                    });
                    rig.give(clients[c].address, &request);
                }
                Step::Permit(c, p) => {
                    let request = rig.signed(&clients[c], attr::CREATE_PERMISSION, |w| {
                        w.address(attr::XOR_PEER_ADDRESS, addr(PEERS[p]))
                    });
                    rig.give(clients[c].address, &request);
                }
                Step::Bind(c, number, p) => {
                    let request = rig.signed(&clients[c], attr::CHANNEL_BIND, |w| {
                        channel(w, number, addr(PEERS[p]))
                    });
                    rig.give(clients[c].address, &request);
                }
                Step::Indicate(c, p) => {
                    let to = clients[c].clone();
                    outcome = Some(rig.indicate(&to, PEERS[p], b"x").0);
                    prop_assert!(p < 2 || outcome == Some(Outcome::Dropped));
                }
                Step::Channel(c, number) => {
                    outcome = Some(rig.give(clients[c].address, &on_channel(number, b"x")).0);
                }
                Step::Back(way, len) => {
                    rig.back(crate::transport::Remote::turn(addr(SHARD), way), &vec![1; len + 1]);
                }
                Step::Broken(c, changes) => {
                    let mut request = rig.signed(&clients[c], attr::ALLOCATE, udp);
                    changes.iter().for_each(|change| apply(&mut request, change));
                    rig.give(clients[c].address, &request);
                }
                Step::Wait(seconds) => rig.advance(seconds),
            }
            if let Some(Outcome::Relay { shard, remote, .. }) = outcome {
                prop_assert_eq!(shard, 0);
                prop_assert!([addr(SHARD).ip(), addr(SHARD_6).ip()].contains(&remote.addr.ip()));
                prop_assert!(rig.clients.owns(remote));
            }
            prop_assert!(rig.clients.len() <= 3);
            prop_assert_eq!(rig.counters().allocations, rig.clients.len() as u64);
            for (permissions, channels) in rig.clients.sizes() {
                prop_assert!(permissions <= 2 && channels <= 2);
            }
        }
        rig.advance(4_000);
        prop_assert_eq!(rig.clients.len(), 0);
        prop_assert_eq!(rig.counters().allocations, 0);
        let counters = rig.counters();
        prop_assert_eq!(counters.allocated, counters.allocations_ended);
    }
}
