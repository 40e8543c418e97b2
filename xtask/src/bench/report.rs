//! Numbers of many rounds -> a table of medians, each beside the others.

/// One contender in one round.
pub(super) struct Row {
    pub(super) cpu_us: f64,
    pub(super) per_second: f64,
    pub(super) failed: u64,
    /// p50, p95, p99 in milliseconds
    pub(super) percentiles: [f64; 3],
    pub(super) dropped: f64,
    pub(super) spooled: f64,
    pub(super) memory_mib: f64,
}

/// See the module.
pub(super) struct Table {
    title: String,
    contenders: Vec<(String, Vec<Row>)>,
}

impl Table {
    pub(super) fn new<'a>(title: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let contenders = names.into_iter().map(|name| (name.to_owned(), Vec::new())).collect();
        Self { title: title.to_owned(), contenders }
    }

    pub(super) fn add(&mut self, at: usize, row: Row) {
        self.contenders[at].1.push(row);
    }

    pub(super) fn median_cpu(&self, at: usize) -> f64 {
        median(self.contenders[at].1.iter().map(|row| row.cpu_us))
    }

    /// The first contender is what the others are compared with.
    pub(super) fn print(&self) {
        println!("\n{}\n", self.title);
        println!(
            "| {:36} | CPU µs/request | spread | ratio | requests/s | p50 ms | p95 ms | p99 ms | failed | dropped | spooled B | MiB |",
            ""
        );
        println!("|{}", "---|".repeat(12));
        let first = self.median_cpu(0);
        for (at, (name, rows)) in self.contenders.iter().enumerate() {
            let of = |value: fn(&Row) -> f64| median(rows.iter().map(value));
            let cpu = self.median_cpu(at);
            let low = rows.iter().map(|row| row.cpu_us).fold(f64::INFINITY, f64::min);
            let high = rows.iter().map(|row| row.cpu_us).fold(0.0, f64::max);
            println!(
                "| {name:36} | {cpu:14.1} | {low:.0}-{high:.0} | {:5.2} | {:10.0} | {:6.2} | {:6.2} | {:6.2} | {:6} | {:7.0} | {:9.0} | {:4.0} |",
                cpu / first,
                of(|row| row.per_second),
                of(|row| row.percentiles[0]),
                of(|row| row.percentiles[1]),
                of(|row| row.percentiles[2]),
                rows.iter().map(|row| row.failed).sum::<u64>(),
                rows.iter().map(|row| row.dropped).sum::<f64>(),
                rows.iter().map(|row| row.spooled).fold(0.0, f64::max),
                of(|row| row.memory_mib),
            );
        }
        println!();
    }
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[length / 2],
        length => f64::midpoint(values[length / 2 - 1], values[length / 2]),
    }
}

/// Least squares.
pub(super) fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (up, down) = points
        .iter()
        .fold((0.0, 0.0), |(up, down), point| (up + (point.0 - x) * (point.1 - y), down + (point.0 - x).powi(2)));
    up / down
}

#[cfg(test)]
mod tests {
    use super::{median, slope};

    #[test]
    fn medians_and_slopes() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        let points = [(0.0, 20.0), (1.0, 22.0), (5.0, 30.0), (20.0, 60.0)];
        assert!((slope(&points) - 2.0).abs() < 1e-9);
    }
}
