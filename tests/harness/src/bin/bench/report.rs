//! The figures as a table for people and JSON for machines.

use std::fmt::Write;
use std::io;

use serde::Serialize;

use crate::floor::Floor;
use crate::journal::{self, Journal};
use crate::load::Forwarding;

#[derive(Debug, Serialize)]
pub struct Row {
    kind: &'static str,
    name: String,
    floor: Floor,
    forwarding: Forwarding,
    /// CPU per forwarded packet of the server over that of the floor.
    ratio: f64,
}

impl Row {
    pub fn new(kind: &'static str, name: String, floor: Floor, forwarding: Forwarding) -> Self {
        let ratio = forwarding.cpu_ns_per_packet / floor.cpu_ns_per_packet;
        Self { kind, name, floor, forwarding, ratio }
    }
}

/// Everything that one run measured.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub rows: Vec<Row>,
    pub journal: Option<Journal>,
}

impl Report {
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut kinds: Vec<&str> = self.rows.iter().map(|row| row.kind).collect();
        kinds.dedup();
        for kind in kinds {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.kind == kind).collect();
            out += &table(kind, &rows);
            out.push('\n');
        }
        if let Some(journal) = &self.journal {
            out += &journal::table(journal);
        }
        out
    }

    pub fn json(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

fn table(kind: &str, rows: &[&Row]) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &dyn Fn(&Row) -> String| {
        let _ = write!(out, "{name:<44}");
        for row in rows {
            let _ = write!(out, "{:>20}", value(row));
        }
        out.push('\n');
    };
    let micros = |nanos: f64| format!("{:.2}", nanos / 1e3);
    let kib = |bytes: f64| format!("{:.1}", bytes / 1024.0);
    line(kind, &|row| row.name.clone());
    line("paced floor, CPU a packet (µs)", &|row| micros(row.floor.cpu_ns_per_packet));
    line("server, CPU a forwarded packet (µs)", &|row| micros(row.forwarding.cpu_ns_per_packet));
    line("server / floor", &|row| format!("{:.2}", row.ratio));
    line("server, share of a core (%)", &|row| format!("{:.1}", row.forwarding.cpu_share * 100.0));
    line("packets received a second", &|row| {
        format!("{:.0}", row.forwarding.packets_received as f64 / row.forwarding.seconds)
    });
    line("subscribers with media", &|row| row.forwarding.with_media.to_string());
    line("loss (%)", &|row| format!("{:.3}", row.forwarding.loss_percent));
    line("added delay of a packet, p50 (µs)", &|row| {
        format!("{:.0}", row.forwarding.delay_us_p50)
    });
    line("added delay of a packet, p99 (µs)", &|row| {
        format!("{:.0}", row.forwarding.delay_us_p99)
    });
    line("frame out to all, p50 (µs)", &|row| format!("{:.0}", row.forwarding.frame_us_p50));
    line("frame out to all, p99 (µs)", &|row| format!("{:.0}", row.forwarding.frame_us_p99));
    line("memory a subscriber (KiB)", &|row| kib(row.forwarding.resident_per_subscriber));
    line("memory of the server (MiB)", &|row| kib(row.forwarding.resident as f64 / 1024.0));
    line("datagrams a message to the kernel", &|row| {
        format!("{:.2}", row.forwarding.datagrams_per_message)
    });
    line("join until media, p50 (ms)", &|row| format!("{:.0}", row.forwarding.join_ms_p50));
    line("join until media, p99 (ms)", &|row| format!("{:.0}", row.forwarding.join_ms_p99));
    line("join, CPU (µs)", &|row| format!("{:.0}", row.forwarding.join_cpu_us));
    line("join, CPU with the media meanwhile (µs)", &|row| {
        format!("{:.0}", row.forwarding.join_with_media_cpu_us)
    });
    out
}
