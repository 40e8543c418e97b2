//! What was measured, beside what it is to be.

use super::{AGENTS, Result};

/// What a figure is to be.
#[derive(Clone, Copy)]
enum Goal {
    /// Of every database.
    Under(f64),
    /// Of the first one alone: on two cores the other one has its own processes beside the orchestrator's.
    FirstUnder(f64),
    FirstAtLeast(f64),
    None,
}

impl Goal {
    fn text(self) -> String {
        match self {
            Self::Under(most) | Self::FirstUnder(most) => format!("< {most}"),
            Self::FirstAtLeast(least) => format!(">= {least}"),
            Self::None => String::new(),
        }
    }

    /// Of the database in this place.
    fn is_met(self, at: usize, value: f64) -> bool {
        match self {
            Self::Under(most) => value < most,
            Self::FirstUnder(most) => at > 0 || value < most,
            Self::FirstAtLeast(least) => at > 0 || value >= least,
            Self::None => true,
        }
    }
}

/// A line: its title, what it is to be, digits after the point, and the figure.
type Line = (&'static str, Goal, usize, fn(&Result) -> f64);

const MIB: f64 = (1 << 20) as f64;

const LINES: [Line; 15] = [
    ("taken in a second, acknowledged", Goal::FirstAtLeast(5000.0), 0, |it| it.per_second),
    ("CPU µs of the orchestrator each", Goal::None, 0, |it| it.cpu_us),
    ("a listing meanwhile, p95 ms", Goal::FirstUnder(50.0), 1, |it| it.reads.ms(95)),
    ("most memory, MiB", Goal::Under(200.0), 0, |it| it.peak as f64 / MIB),
    ("bytes on disk each", Goal::None, 0, |it| it.disk),
    ("first page, p95 ms", Goal::Under(50.0), 1, |it| it.first_page.ms(95)),
    ("`host:…`, p95 ms", Goal::Under(100.0), 1, |it| it.by_host.ms(95)),
    ("`status:5xx`, p95 ms", Goal::Under(100.0), 1, |it| it.by_status.ms(95)),
    ("`path:…` of one, p95 ms", Goal::Under(100.0), 1, |it| it.by_path.ms(95)),
    ("a word that few have, p95 ms", Goal::Under(100.0), 1, |it| it.by_word.ms(95)),
    ("`header.NAME:…` that none has, p95 ms", Goal::Under(100.0), 1, |it| it.by_header.ms(95)),
    ("regex over all bodies: first answer, s", Goal::None, 1, |it| it.regex.first.as_secs_f64()),
    ("whole, s", Goal::None, 1, |it| it.regex.whole.as_secs_f64()),
    ("in so many pages, each with its place", Goal::None, 0, |it| it.regex.pages as f64),
    ("idle after its reader hung up, s", Goal::None, 1, |it| it.regex.idle.as_secs_f64()),
];

/// Prints all of it. What was missed comes back.
pub(super) fn print(results: &[Result], count: u64) -> Vec<String> {
    println!("\nThe store: {count} exchanges with unique incompressible bodies of 2 KiB, from {AGENTS} agents\n");
    println!("| | {} | goal |", results.iter().map(|result| result.name).collect::<Vec<_>>().join(" | "));
    println!("|{}", "---|".repeat(results.len() + 2));
    let mut missed = Vec::new();
    for (what, goal, digits, figure) in LINES {
        let figures: Vec<f64> = results.iter().map(figure).collect();
        let cells: Vec<String> = figures.iter().map(|figure| format!("{figure:.digits$}")).collect();
        println!("| {what} | {} | {} |", cells.join(" | "), goal.text());
        for (at, result) in results.iter().enumerate().filter(|(at, _)| !goal.is_met(*at, figures[*at])) {
            missed.push(format!("{what}, {}: {}, not {}", result.name, cells[at], goal.text()));
        }
    }
    println!();
    missed
}

#[cfg(test)]
mod tests {
    use super::Goal;

    #[test]
    fn what_is_missed_is_missed() {
        assert!(Goal::Under(50.0).is_met(1, 49.9) && !Goal::Under(50.0).is_met(1, 50.0));
        assert!(!Goal::FirstUnder(50.0).is_met(0, 58.8) && Goal::FirstUnder(50.0).is_met(1, 58.8));
        assert!(Goal::FirstAtLeast(5000.0).is_met(0, 5000.0) && !Goal::FirstAtLeast(5000.0).is_met(0, 4999.0));
        assert!(!Goal::Under(50.0).is_met(0, f64::NAN), "what was not measured is not met");
    }
}
