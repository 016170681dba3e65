//! Nothing but a place for `packet_path.rs` (`cargo dev bench --counts`).
