use proptest::prelude::*;

use super::*;

fn hello(profiles: &[u8]) -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend([9; 32]);
    body.extend([0, 0]); // session id, cookie
    body.extend([0, 2, 0xc0, 0x2b]);
    body.extend([1, 0]);
    let mut value = vec![0, profiles.len() as u8];
    value.extend(profiles);
    value.push(0);
    let mut extensions = vec![0, 23, 0, 0, 0, 14, 0, value.len() as u8];
    extensions.extend(value);
    body.extend([0, extensions.len() as u8]);
    body.extend(extensions);
    body
}

fn record(message: &[u8], offset: usize, len: usize) -> Vec<u8> {
    let mut fragment = vec![1];
    fragment.extend(&(message.len() as u32).to_be_bytes()[1..]);
    fragment.extend([0, 0]);
    fragment.extend(&(offset as u32).to_be_bytes()[1..]);
    fragment.extend(&(len as u32).to_be_bytes()[1..]);
    fragment.extend(&message[offset..offset + len]);
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
    record.extend((fragment.len() as u16).to_be_bytes());
    record.extend(fragment);
    record
}

#[test]
fn profiles_are_found() {
    let of = |profiles: &[u8]| {
        let message = hello(profiles);
        let datagram = record(&message, 0, message.len());
        assert!(is_well_formed(&datagram));
        HelloCollector::default().push(&datagram)
    };
    assert_eq!(of(&[0, 1, 0, 7]), Some(OfferedProfiles { gcm: true, cm: true }));
    assert_eq!(of(&[0, 7, 0, 8]), Some(OfferedProfiles { gcm: true, cm: false }));
    assert_eq!(of(&[0, 1, 0, 2]), Some(OfferedProfiles { gcm: false, cm: true }));
    assert_eq!(of(&[]), Some(OfferedProfiles::default()));
}

#[test]
fn a_hello_in_two_datagrams_is_put_together() {
    let message = hello(&[0, 7]);
    let (first, second) = (record(&message, 0, 30), record(&message, 30, message.len() - 30));
    let mut collector = HelloCollector::default();
    assert_eq!(collector.push(&second), None, "out of order: waits for the retransmission");
    assert_eq!(collector.push(&first), None);
    assert_eq!(collector.push(&second), Some(OfferedProfiles { gcm: true, cm: false }));
}

#[test]
fn what_the_library_could_not_bear_stays_out() {
    let message = hello(&[0, 7]);
    let good = record(&message, 0, message.len());
    assert!(is_well_formed(&[good.clone(), good.clone()].concat()));

    let mut endless_fragment = record(&message, 0, 0);
    assert!(!is_well_formed(&endless_fragment), "a fragment of nothing");
    endless_fragment[14..17].copy_from_slice(&[0, 0, 0]);
    endless_fragment[22..25].copy_from_slice(&[0, 0, 1]);
    assert!(!is_well_formed(&endless_fragment), "a fragment past its message");

    let mut far = good.clone();
    far[17..19].copy_from_slice(&[0x10, 0]);
    assert!(!is_well_formed(&far), "a message number no handshake reaches");

    let mut data_in_the_clear = good.clone();
    data_in_the_clear[0] = 23;
    assert!(!is_well_formed(&data_in_the_clear));

    assert!(!is_well_formed(&good[..good.len() - 1]));
    assert!(!is_well_formed(&[]));
}

proptest! {
    #[test]
    fn damaged_hellos_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let message = hello(&[0, 1, 0, 7]);
        let mut datagram = record(&message, 0, message.len());
        for (at, byte) in flips {
            let len = datagram.len();
            datagram[at.index(len)] = byte;
        }
        datagram.truncate(cut.index(datagram.len() + 1));
        if is_well_formed(&datagram) {
            HelloCollector::default().push(&datagram);
        }
        let _ = offered_profiles(&datagram);
    }
}
