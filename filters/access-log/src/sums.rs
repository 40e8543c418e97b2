//! What the exchanges of an interval came to together.

use std::{fmt, time::Duration};

use weir_sdk::Summary;

#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) exchanges: u64,
    /// by the status' first digit; at 0 those without a response
    classes: [u64; 6],
    request_bytes: f64,
    response_bytes: f64,
    duration: Duration,
    slowest: Duration,
}

impl Sums {
    pub(crate) fn add(&mut self, status: Option<u16>, summary: &Summary) {
        self.exchanges += 1;
        let class = status.map_or(0, |status| usize::from(status / 100).min(5));
        self.classes[class] += 1;
        self.request_bytes += summary.request_bytes;
        self.response_bytes += summary.response_bytes;
        self.duration += summary.duration;
        self.slowest = self.slowest.max(summary.duration);
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exchanges={}", self.exchanges)?;
        for (class, count) in self.classes.iter().enumerate().filter(|(_, count)| **count > 0) {
            match class {
                0 => write!(f, " none={count}")?,
                _ => write!(f, " {class}xx={count}")?,
            }
        }
        let mean = self.duration.as_secs_f64() * 1000.0 / self.exchanges.max(1) as f64;
        let slowest = self.slowest.as_secs_f64() * 1000.0;
        write!(f, " in={} out={}", self.request_bytes, self.response_bytes)?;
        write!(f, " mean_ms={mean:.1} max_ms={slowest:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_by_class_of_status() {
        let mut sums = Sums::default();
        for (status, milliseconds) in [(Some(200), 10), (Some(204), 20), (Some(503), 60), (None, 30)] {
            let duration = Duration::from_millis(milliseconds);
            let summary =
                Summary { request_bytes: 1.0, response_bytes: 2.0, duration, first_byte: None, upstream_address: None };
            sums.add(status, &summary);
        }
        assert_eq!(sums.to_string(), "exchanges=4 none=1 2xx=2 5xx=1 in=4 out=8 mean_ms=30.0 max_ms=60.0");
    }
}
