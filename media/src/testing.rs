//! For tests: where virtual time begins.

use std::time::Instant;

/// The one reading of the clock: `Instant` has no other constructor.
#[allow(clippy::disallowed_methods)]
pub fn origin() -> Instant {
    Instant::now()
}
