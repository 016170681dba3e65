//! The figures as a table for people and JSON for machines.

use std::fmt::Write;
use std::io;

use serde::Serialize;

use crate::floor::Floor;
use crate::journal::{self, Journal};
use crate::load::Forwarding;

#[derive(Debug, Serialize)]
pub struct Row {
    floor: Floor,
    forwarding: Forwarding,
    /// CPU per forwarded packet of the server over that of the floor.
    ratio: f64,
}

impl Row {
    pub fn new(floor: Floor, forwarding: Forwarding) -> Self {
        let ratio = forwarding.cpu_ns_per_packet / floor.cpu_ns_per_packet;
        Self { floor, forwarding, ratio }
    }
}

/// Everything that one run measured.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub lecture: Vec<Row>,
    pub journal: Option<Journal>,
}

impl Report {
    pub fn table(&self) -> String {
        let mut out = String::new();
        if !self.lecture.is_empty() {
            out += &lecture(&self.lecture);
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

fn lecture(rows: &[Row]) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &dyn Fn(&Row) -> String| {
        let _ = write!(out, "{name:<44}");
        for row in rows {
            let _ = write!(out, "{:>12}", value(row));
        }
        out.push('\n');
    };
    line("subscribers", &|row| row.forwarding.subscribers.to_string());
    line("paced floor, CPU a packet (µs)", &|row| {
        format!("{:.2}", row.floor.cpu_ns_per_packet / 1e3)
    });
    line("server, CPU a forwarded packet (µs)", &|row| {
        format!("{:.2}", row.forwarding.cpu_ns_per_packet / 1e3)
    });
    line("server / floor", &|row| format!("{:.2}", row.ratio));
    line("server, share of a core (%)", &|row| format!("{:.1}", row.forwarding.cpu_share * 100.0));
    line("memory a subscriber (KiB)", &|row| {
        format!("{:.1}", row.forwarding.resident_per_subscriber / 1024.0)
    });
    line("memory of the server (MiB)", &|row| {
        format!("{:.1}", row.forwarding.resident as f64 / 1024.0 / 1024.0)
    });
    line("added delay of a packet, p50 (µs)", &|row| {
        format!("{:.0}", row.forwarding.delay_us_p50)
    });
    line("added delay of a packet, p99 (µs)", &|row| {
        format!("{:.0}", row.forwarding.delay_us_p99)
    });
    line("frame out to all, p50 (µs)", &|row| format!("{:.0}", row.forwarding.frame_us_p50));
    line("frame out to all, p99 (µs)", &|row| format!("{:.0}", row.forwarding.frame_us_p99));
    line("loss (%)", &|row| format!("{:.3}", row.forwarding.loss_percent));
    line("datagrams a message to the kernel", &|row| {
        format!("{:.2}", row.forwarding.datagrams_per_message)
    });
    line("join, CPU (µs, with the media meanwhile)", &|row| {
        format!("{:.0}", row.forwarding.join_cpu_us)
    });
    out
}
