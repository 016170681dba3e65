//! TypeScript of every wire type, in one module, for the web client.
//!
//! The declarations come from ts-rs; here they are collected from the two roots, sorted by name
//! (so that the output is deterministic) and joined by the constants both ends must agree on.

use std::collections::BTreeMap;

use ts_rs::{Config, TS, TypeVisitor};

use crate::error::ErrorCode;
use crate::limits;
use crate::message::{ClientMessage, PROTOCOL_VERSION, ServerMessage};
use crate::view::TrackView;

/// The whole `protocol.ts`.
pub fn protocol() -> String {
    let mut found = Collector { config: Config::new(), types: BTreeMap::new() };
    found.visit::<ClientMessage>();
    found.visit::<ServerMessage>();
    found.visit::<TrackView>();

    let mut out = String::from(
        "// Made from the Rust crate `signaling` by `cargo dev gen`; do not edit.\n\
         // docs/PROTOCOL.md says in prose what these types mean.\n\n",
    );
    for (name, value) in [
        ("PROTOCOL_VERSION", u64::from(PROTOCOL_VERSION)),
        ("MAX_FRAME_BYTES", limits::MAX_FRAME_BYTES as u64),
        ("MAX_DEPTH", limits::MAX_DEPTH as u64),
        ("PING_INTERVAL_MS", limits::PING_INTERVAL_US / 1_000),
        ("DEAD_AFTER_MS", limits::DEAD_AFTER_US / 1_000),
        ("RESUME_WINDOW_MS", limits::RESUME_WINDOW_US / 1_000),
        ("MAX_CHAT_CHARS", limits::MAX_CHAT_CHARS as u64),
    ] {
        out.push_str(&format!("export const {name} = {value};\n"));
    }
    let transient: Vec<String> = ErrorCode::ALL
        .iter()
        .filter(|code| code.is_transient())
        .map(|code| format!("\"{}\"", code.as_str()))
        .collect();
    out.push_str("\n/** Come back after a while (`retry_after_ms`, else a growing pause). */\n");
    out.push_str(&format!(
        "export const TRANSIENT_CODES: readonly ErrorCode[] = [{}];\n",
        transient.join(", ")
    ));
    for (docs, declaration) in found.types.values() {
        out.push('\n');
        out.push_str(docs);
        out.push_str("export ");
        out.push_str(declaration);
        out.push('\n');
    }
    out
}

struct Collector {
    config: Config,
    types: BTreeMap<String, (String, String)>,
}

impl TypeVisitor for Collector {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Types without an output path are TypeScript's own (string, arrays, Box).
        if T::output_path().is_none() {
            return T::visit_dependencies(self);
        }
        let name = T::ident(&self.config);
        if self.types.contains_key(&name) {
            return;
        }
        let entry = (T::docs().unwrap_or_default(), T::decl(&self.config));
        self.types.insert(name, entry);
        T::visit_dependencies(self);
    }
}
