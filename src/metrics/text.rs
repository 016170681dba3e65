//! The text exposition format of Prometheus, version 0.0.4.

use std::fmt::Write as _;

use super::names::{Family, Kind};

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Default)]
pub struct Text {
    out: String,
}

/// Samples of one family, which must follow each other.
pub struct Samples<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Text {
    pub fn family(&mut self, family: &Family) -> Samples<'_> {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let (name, help) = (family.name, family.help);
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Samples { out: &mut self.out, name }
    }

    pub fn finish(self) -> String {
        self.out
    }
}

impl Samples<'_> {
    /// Label values are our own words: nothing in them needs escaping.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: u64) {
        self.out.push_str(self.name);
        for (at, (label, word)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.out, "{before}{label}=\"{word}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.out, "{end} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::names::{DROPPED, ROOMS};

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut text = Text::default();
        text.family(&ROOMS).sample(&[], 3);
        let mut dropped = text.family(&DROPPED);
        dropped.sample(&[("stage", "io"), ("reason", "truncated")], 1);
        let written = text.finish();
        assert!(written.starts_with("# HELP yuntang_rooms "));
        assert!(written.contains("\n# TYPE yuntang_rooms gauge\nyuntang_rooms 3\n"));
        assert!(written.ends_with("_dropped_total{stage=\"io\",reason=\"truncated\"} 1\n"));
    }
}
