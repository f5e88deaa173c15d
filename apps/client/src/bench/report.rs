//! Results as a table for people or a line of JSON for scripts.

use serde_json::{Map, Value};

/// Named figures in the order they were added.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<(String, Value, String)>,
}

impl Report {
    pub(super) fn new(load: &str) -> Report {
        let mut report = Report::default();
        report.text("load", load);
        report
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.rows.push((name.into(), text.into(), text.into()));
    }

    pub(super) fn count(&mut self, name: &str, count: u64) {
        self.rows.push((name.into(), count.into(), grouped(count)));
    }

    /// With two decimals below 100, none above.
    pub(super) fn number(&mut self, name: &str, number: f64) {
        let shown = if number.abs() < 100.0 { format!("{number:.2}") } else { grouped(number.round() as u64) };
        self.rows.push((name.into(), ((number * 1000.0).round() / 1000.0).into(), shown));
    }

    /// A number, if it is known.
    pub(super) fn known(&mut self, name: &str, number: f64) {
        if !number.is_nan() {
            self.number(name, number);
        }
    }

    /// p50, p90, p99, p99.9 and the slowest, given in microseconds, shown in milliseconds.
    pub(super) fn latency(&mut self, name: &str, summary: [u64; 5]) {
        for (share, micros) in ["p50", "p90", "p99", "p99.9", "max"].iter().zip(summary) {
            self.number(&format!("{name} {share} ms"), micros as f64 / 1000.0);
        }
    }

    pub(super) fn print(&self, json: bool) {
        if json {
            let map: Map<_, _> = self.rows.iter().map(|(name, value, _)| (key(name), value.clone())).collect();
            return println!("{}", Value::Object(map));
        }
        let width = self.rows.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
        for (name, _, shown) in &self.rows {
            println!("{name:<width$}  {shown:>14}");
        }
    }
}

fn key(name: &str) -> String {
    name.replace([' ', '/', ',', '.', '>'], "_").replace("__", "_").to_lowercase()
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// The middle one; of an even number the lower of the two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}
