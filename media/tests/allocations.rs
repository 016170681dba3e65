//! The steady packet path allocates nothing.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use media::api::Source;
use media::shard::{Datagram, Egress, TapSink};
use media::transport::{Packet, classify};
use support::World;

struct Counting;

thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });

// SAFETY: delegates to the system allocator; the count is thread-local and does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's obligations are passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Ignore;

impl TapSink for Ignore {
    fn tap(&mut self, _: media::api::Tap<'_>) {}
}

#[test]
fn the_steady_packet_path_allocates_nothing() {
    let mut world = World::new();
    let a = world.join(1, &[Source::Microphone, Source::Camera], 0, 0);
    for tag in 2..6 {
        world.join(tag, &[], 1, 1);
    }
    world.shard.set_capture(support::ROOM, true);
    world.talk(Duration::from_secs(2));
    let mut egress = Egress::default();
    let mut counted = 0;
    let mut batches = 0;
    for round in 0..700 {
        world.send_frame(a, 1, 5, 900);
        world.send_audio(a, 0, -20);
        // Media only: answering a check may allocate.
        let mut datagrams = world.intercept(a);
        datagrams.retain(|(_, bytes)| classify(bytes) == Packet::Rtp);
        let mut batch: Vec<Datagram<'_>> =
            datagrams.iter_mut().map(|(src, bytes)| Datagram::new((*src).into(), bytes)).collect();
        let now = world.now;
        let before = COUNT.with(Cell::get);
        world.shard.handle_batch(now, &mut batch, &mut egress, &mut Ignore);
        let allocated = COUNT.with(Cell::get) - before;
        // The first rounds, feedback included, grow the buffers that are kept from then on; the
        // packet cache grows to its bound.
        if round >= 400 {
            counted += allocated;
            batches += 1;
        }
        egress.clear();
        drop(batch);
        // A camera: what comes faster than the connection can take would wait.
        world.advance(Duration::from_millis(10));
    }
    assert!(world.shard.counters().packets_forwarded > 4 * 6 * 390);
    assert_eq!(counted, 0, "in {batches} batches");
}
