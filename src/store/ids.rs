//! Making ids: the one place that draws them.

use uuid::Uuid;

/// A new UUIDv7 as any of the id types, e.g. `new_id::<PersonId>()`.
pub fn new_id<T: From<Uuid>>() -> T {
    T::from(Uuid::now_v7())
}
