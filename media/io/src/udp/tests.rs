use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use media::shard::{Class, Egress, Run};
use proptest::prelude::*;

use super::transmit::Sent;
use super::{Locals, Receiver, Transmitter, bind};
use crate::error::StartError;
use crate::wake::Waker;

const BUFFER: usize = 1 << 20;

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Datagrams of one destination, those of equal size as one run, each filled with its number.
fn egress(destination: SocketAddr, sizes: &[usize]) -> (Egress, Vec<Vec<u8>>) {
    let mut egress = Egress::default();
    let mut datagrams = Vec::new();
    for (number, &size) in sizes.iter().enumerate() {
        let start = egress.bytes.len();
        egress.bytes.resize(start + size, number as u8);
        datagrams.push(vec![number as u8; size]);
        match egress.runs.last_mut() {
            Some(run) if usize::from(run.segment) == size => run.len += size,
            _ => egress.runs.push(Run {
                dst: destination.into(),
                start,
                len: size,
                segment: size as u16,
                class: Class::Video,
            }),
        }
    }
    (egress, datagrams)
}

/// Reads `count` datagrams as the shard does; panics when they do not come.
fn read(socket: &UdpSocket, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let (waker, mut receiver, mut read) = (Waker::new().unwrap(), Receiver::new(), Vec::new());
    while read.len() < count {
        assert!(waker.wait(socket.as_raw_fd(), Duration::from_secs(5)), "{} came", read.len());
        receiver
            .receive(socket, &mut Locals::default(), |batch| {
                read.extend(
                    batch.iter().map(|datagram| (datagram.src.addr, datagram.data.to_vec())),
                );
            })
            .unwrap();
    }
    read
}

fn send_and_read(from: &UdpSocket, gso: bool, sizes: &[usize], offload: bool) -> Sent {
    let to = bind(loopback(), BUFFER, offload).unwrap();
    let (egress, expected) = egress(to.address, sizes);
    let v6 = from.local_addr().unwrap().is_ipv6();
    let sent = Transmitter::new(v6, gso).send(from, &egress, &mut Locals::default());
    let read: Vec<Vec<u8>> =
        read(&to.socket, sizes.len()).into_iter().map(|(_, data)| data).collect();
    assert_eq!(read, expected);
    assert_eq!(sent.datagrams, sizes.len() as u64);
    assert_eq!(sent.dropped, 0);
    sent
}

#[test]
fn a_frame_arrives_datagram_by_datagram_however_it_was_batched() {
    let from = bind(loopback(), BUFFER, true).unwrap();
    let sizes = [1_208, 1_208, 1_208, 1_209, 1_209, 96];
    let mut messages = Vec::new();
    for (gso, offload) in [(from.gso, true), (from.gso, false), (false, true), (false, false)] {
        messages.push(send_and_read(&from.socket, gso, &sizes, offload).messages);
    }
    assert_eq!(messages[2..], [6, 6]);
    if from.gso {
        assert_eq!(messages[..2], [3, 3], "three sizes, three messages");
    }
}

#[test]
fn runs_longer_than_a_message_may_be_are_cut() {
    let from = bind(loopback(), BUFFER, true).unwrap();
    let sent = send_and_read(&from.socket, from.gso, &[1_200; 150], true);
    if from.gso {
        assert_eq!(sent.messages, 3, "54 datagrams of 1,200 bytes fit in one message");
    }
}

#[test]
fn what_the_kernel_refuses_as_one_message_is_sent_one_by_one() {
    let from = bind(loopback(), BUFFER, true).unwrap();
    // Without checksums the kernel does not split: the error that a bad device gives, too.
    let on = 1i32;
    let result = unsafe {
        libc::setsockopt(
            from.socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NO_CHECK,
            (&raw const on).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
    let sent = send_and_read(&from.socket, true, &[900, 900, 900, 500, 500], true);
    assert_eq!((sent.refused, sent.messages), (2, 5));

    let to = bind(loopback(), BUFFER, true).unwrap();
    let mut transmitter = Transmitter::new(false, true);
    let (egress, _) = egress(to.address, &[300, 300]);
    for _ in 0..64 {
        transmitter.send(&from.socket, &egress, &mut Locals::default());
    }
    assert!(!transmitter.gso(), "after 64 refusals in a row it is not tried again");
    assert_eq!(transmitter.send(&from.socket, &egress, &mut Locals::default()).refused, 0);
}

#[test]
fn a_bad_destination_costs_only_its_own_datagrams() {
    let from = bind(loopback(), BUFFER, true).unwrap();
    let to = bind(loopback(), BUFFER, true).unwrap();
    let (mut egress, expected) = egress(to.address, &[100, 200, 300]);
    // A socket of IPv4 cannot reach IPv6.
    egress.runs[1].dst.addr = "[2001:db8::1]:9".parse().unwrap();
    let sent = Transmitter::new(false, true).send(&from.socket, &egress, &mut Locals::default());
    assert_eq!((sent.datagrams, sent.dropped), (2, 1));
    let came: Vec<_> = read(&to.socket, 2).into_iter().map(|(_, data)| data).collect();
    assert_eq!(came, [expected[0].clone(), expected[2].clone()]);
}

#[test]
fn one_socket_serves_both_families_and_shows_ipv4_as_ipv4() {
    let Ok(dual) = bind("[::]:0".parse().unwrap(), BUFFER, true) else {
        eprintln!("skipped: this machine has no IPv6");
        return;
    };
    let client = UdpSocket::bind(loopback()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.send_to(b"hello", ("127.0.0.1", dual.address.port())).unwrap();
    let (source, data) = read(&dual.socket, 1).remove(0);
    assert_eq!((source, data.as_slice()), (client.local_addr().unwrap(), &b"hello"[..]));

    let (egress, _) = egress(source, &[40, 40]);
    assert_eq!(
        Transmitter::new(true, dual.gso)
            .send(&dual.socket, &egress, &mut Locals::default())
            .datagrams,
        2
    );
    let mut buffer = [0; 64];
    assert_eq!(client.recv(&mut buffer).unwrap(), 40);
    assert_eq!(client.recv(&mut buffer).unwrap(), 40);
}

#[test]
fn a_port_in_use_is_said_so() {
    let first = bind(loopback(), BUFFER, true).unwrap();
    match bind(first.address, BUFFER, true) {
        Err(StartError::PortInUse(address)) => assert_eq!(address, first.address),
        _ => panic!("the port was given twice"),
    }
}

#[test]
fn the_longest_and_the_empty_datagram_come_through() {
    let from = bind(loopback(), BUFFER, true).unwrap();
    let to = bind(loopback(), BUFFER, true).unwrap();
    from.socket.send_to(&[], to.address).unwrap();
    send_and_read(&from.socket, true, &[65_507, 1], true);
}

/// Spins: nothing that waits is exact enough here.
fn after(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn what_is_read_at_once_still_came_one_after_the_other() {
    let from = bind(loopback(), BUFFER, true).unwrap();
    let to = bind(loopback(), BUFFER, true).unwrap();
    let mut receiver = Receiver::new();
    let mut waits = |count: usize| {
        let mut waits = Vec::new();
        while waits.len() < count {
            let locals = &mut Locals::default();
            receiver
                .receive(&to.socket, locals, |batch| waits.extend(batch.iter().map(|d| d.waited)))
                .unwrap();
        }
        waits
    };
    // The kernel begins to stamp a moment after it was asked to.
    let asked = Instant::now();
    loop {
        assert!(asked.elapsed() < Duration::from_secs(5), "no stamps");
        from.socket.send_to(b"first", to.address).unwrap();
        after(Duration::from_millis(1));
        if waits(1)[0] >= Duration::from_millis(1) {
            break;
        }
    }
    let pause = Duration::from_millis(20);
    for pair in [[900, 900], [900, 500]] {
        for size in pair {
            from.socket.send_to(&vec![7; size], to.address).unwrap();
            after(pause);
        }
        let waits = waits(2);
        // The two clocks may be steered apart a little.
        assert!(waits[0] - waits[1] > pause * 9 / 10 && waits[1] > pause * 9 / 10, "{waits:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_sizes_arrive_whole_and_in_order(
        sizes in prop::collection::vec(prop_oneof![1usize..1_500, Just(1_208)], 1..80),
    ) {
        let from = bind(loopback(), BUFFER, true).unwrap();
        send_and_read(&from.socket, from.gso, &sizes, true);
    }
}

/// What a client with a connected socket at `ours` gets of an answer in several datagrams.
fn asks(bound: &super::options::Bound, locals: &mut Locals, ours: [u8; 4]) {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(SocketAddr::from((ours, bound.address.port()))).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.send(b"hello").unwrap();
    let (waker, mut receiver) = (Waker::new().unwrap(), Receiver::new());
    assert!(waker.wait(bound.socket.as_raw_fd(), Duration::from_secs(5)));
    let mut source = None;
    let received =
        receiver.receive(&bound.socket, locals, |batch| source = Some(batch[0].src.addr));
    assert_eq!(received.unwrap().datagrams, 1);
    let (egress, datagrams) = egress(source.unwrap(), &[900, 900, 100]);
    let mut transmitter = Transmitter::new(bound.address.is_ipv6(), bound.gso);
    let sent = transmitter.send(&bound.socket, &egress, locals);
    assert_eq!((sent.datagrams, sent.dropped, sent.refused), (3, 0, 0));
    let mut data = [0; 2_000];
    for expected in datagrams {
        let len = client.recv(&mut data).expect("it comes from where it was asked");
        assert_eq!(data[..len], expected);
    }
}

#[test]
fn a_host_with_several_addresses_answers_from_the_one_that_was_asked() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let bound = bind(address.parse().unwrap(), BUFFER, true).unwrap();
        let mut locals = Locals::default();
        for ours in [[127, 0, 0, 2], [127, 0, 0, 3], [127, 0, 0, 1], [127, 0, 0, 2]] {
            asks(&bound, &mut locals, ours);
        }
    }
}
