//! What TURN did and refused.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident),+ $(,)?) => {
        /// Totals since the start; each refusal and each drop has its reason.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct TurnCounters {
            $($(#[$doc])* pub $field: u64,)+
        }

        impl TurnCounters {
            /// Every counter with its name, in order.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($field), self.$field),)+].into_iter()
            }
        }

        /// The same, counted from several threads.
        #[derive(Debug, Default)]
        pub struct SharedCounters {
            $(pub $field: AtomicU64,)+
        }

        impl SharedCounters {
            pub fn read(&self) -> TurnCounters {
                TurnCounters { $($field: self.$field.load(Relaxed),)+ }
            }
        }
    };
}

counters! {
    /// Gauge: allocations that there are.
    allocations,
    allocated,
    /// Ended by a Refresh with lifetime 0, by time, or with their connection.
    allocations_ended,
    refreshed,
    /// Plain STUN: Binding requests answered.
    bindings,
    /// Datagrams and their bytes from clients to shards, and back.
    datagrams_in,
    bytes_in,
    datagrams_out,
    bytes_out,
    /// Returned by the test's echo.
    echoed,
    /// Requests refused, by STUN error code.
    refused_400,
    refused_401,
    refused_403,
    refused_420,
    refused_437,
    refused_438,
    refused_440,
    refused_441,
    refused_442,
    refused_443,
    refused_486,
    refused_508,
    /// Not readable, or with a wrong FINGERPRINT.
    drop_malformed,
    /// An answer, an indication that only servers send, or a method that we do not have.
    drop_method,
    /// Data of a client that has no allocation.
    drop_no_allocation,
    /// Data for an address that is not a shard's.
    drop_forbidden,
    /// Data without a permission, either way.
    drop_no_permission,
    /// On a channel that is not bound.
    drop_no_channel,
    /// Over the rate of the allocation, or of all.
    drop_rate,
    /// Too many answers to an address that has proven nothing.
    drop_damped,
    /// From a shard for an allocation that has ended.
    drop_ended,
    /// Streams: taken on, and closed because of silence, of bytes that are not TURN, and of
    /// passwords tried.
    streams,
    streams_idle,
    streams_invalid,
    streams_guessing,
    /// Streams over the bound.
    streams_refused,
    /// Datagrams that a slow stream, or a busy shard, could not take.
    drop_queue_video,
    drop_queue_other,
    drop_queue_in,
}
