//! Seeds and past crashes through the targets, as ordinary tests; and some noise, so that a target
//! that stopped working shows.

use std::path::{Path, PathBuf};

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = std::fs::read_dir(&dir) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[test]
fn seeds_and_past_crashes_pass() {
    let mut replayed = 0;
    for name in fuzz::TARGETS {
        let target = fuzz::target(name).unwrap();
        for file in inputs("seeds", name).into_iter().chain(inputs("crashes", name)) {
            let bytes = std::fs::read(&file).unwrap();
            if std::panic::catch_unwind(|| target(&bytes)).is_err() {
                panic!("{} fails again", file.display());
            }
            replayed += 1;
        }
    }
    assert!(replayed >= 6, "a seed for every target at least, not {replayed}");
}

#[test]
fn noise_passes_through_every_parser() {
    let mut state = 1u64;
    for round in 0..3_000usize {
        let bytes: Vec<u8> = (0..round % 300)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 40) as u8
            })
            .collect();
        for parser in [fuzz::stun, fuzz::rtp, fuzz::rtcp, fuzz::sdp] {
            parser(&bytes);
        }
    }
}

#[test]
fn any_sequence_of_operations_leaves_the_bystanders_undisturbed() {
    let mut state = 7u64;
    for _ in 0..6 {
        let bytes: Vec<u8> = (0..1_500)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(3);
                (state >> 37) as u8
            })
            .collect();
        fuzz::shard(&bytes);
    }
}
