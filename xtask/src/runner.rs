//! Runs tests, passes on what they print, counts, and at the end tells once more what failed: what stood above it by
//! then is a screenful and more of other output.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Command, Stdio},
};

use anyhow::Context as _;

/// Lines of failed tests that are told again.
const TOLD: usize = 400;

/// Tests that ran.
#[derive(Default)]
pub(crate) struct Ran {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Steps with a failed test.
    steps: Vec<String>,
    /// What they printed from the failed test on.
    output: Vec<String>,
}

impl Ran {
    /// Runs tests, and goes on when some fail.
    ///
    /// # Errors
    ///
    /// When cargo cannot be started or read.
    pub(crate) fn run(&mut self, title: &str, command: &mut Command) -> anyhow::Result<()> {
        eprintln!("==> {title}");
        // nextest counts on standard error, cargo's own runner on standard output
        let nextest = command.get_args().any(|argument| argument == "nextest");
        let command = if nextest { command.stderr(Stdio::piped()) } else { command.stdout(Stdio::piped()) };
        let mut child = command.spawn().context("running cargo")?;
        let printed: Box<dyn Read> = match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), _) => Box::new(stdout),
            (None, Some(stderr)) => Box::new(stderr),
            (None, None) => Box::new(std::io::empty()),
        };
        let mut told = Vec::new();
        for line in BufReader::new(printed).split(b'\n') {
            // tests print what peers send
            let line = String::from_utf8_lossy(&line?).into_owned();
            eprintln!("{line}");
            self.count(nextest, line.trim_start());
            if !told.is_empty() || begins_failures(nextest, line.trim_start()) {
                told.push(line);
            }
        }
        if !child.wait()?.success() {
            self.steps.push(title.to_owned());
            self.output.append(&mut told);
        }
        Ok(())
    }

    fn count(&mut self, nextest: bool, line: &str) {
        // nextest shows the output of tests that failed, and with it the line that cargo's own runner ends with
        let ends_with = if nextest { "Summary [" } else { "test result:" };
        if line.starts_with(ends_with) {
            self.passed += before(line, " passed");
            self.failed += before(line, " failed") + before(line, " timed out");
        }
    }

    /// Prints what failed tests printed, the last of it when it is much, and names their steps.
    pub(crate) fn told(&self) -> Vec<String> {
        for line in self.output.iter().skip(self.output.len().saturating_sub(TOLD)) {
            eprintln!("{line}");
        }
        self.steps.clone()
    }
}

/// Whether what a runner prints from this line on is of tests that failed: nextest ends with them, cargo's own runner
/// puts them at the end of each program's tests.
fn begins_failures(nextest: bool, line: &str) -> bool {
    if nextest { line.starts_with("Summary [") } else { line == "failures:" }
}

/// The number before a word: 12 in `…: 12 passed; …`.
fn before(text: &str, word: &str) -> u64 {
    let Some((front, _)) = text.split_once(word) else { return 0 };
    front.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Ran, before};

    #[test]
    fn both_runners_are_counted() {
        let cargo = "test result: FAILED. 12 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!((before(cargo, " passed"), before(cargo, " failed")), (12, 1));
        let nextest = "Summary [   3.214s] 41 tests run: 40 passed (1 slow), 1 failed, 0 skipped";
        assert_eq!((before(nextest, " passed"), before(nextest, " failed")), (40, 1));
        assert_eq!(before(nextest, " timed out"), 0);
    }

    /// Runs a shell that prints as a runner does.
    fn printed(script: &str, arguments: &[&str]) -> Ran {
        let mut ran = Ran::default();
        ran.run("tests", Command::new("sh").args(["-c", script, "sh"]).args(arguments)).expect("a shell");
        ran
    }

    #[test]
    fn what_failed_is_told_again_and_what_passed_is_not() {
        let failed =
            r"printf 'PASS [ 1s] a\nSummary [ 1s] 2 tests run: 1 passed, 1 failed\nFAIL [ 1s] b \377\n' >&2; exit 100";
        let ran = printed(failed, &["nextest"]);
        assert_eq!((ran.passed, ran.failed, ran.told()), (1, 1, vec!["tests".to_owned()]));
        assert_eq!(ran.output, ["Summary [ 1s] 2 tests run: 1 passed, 1 failed", "FAIL [ 1s] b \u{fffd}"]);

        let passed = printed("echo 'Summary [ 1s] 2 tests run: 2 passed' >&2", &["nextest"]);
        assert_eq!((passed.passed, passed.output.len(), passed.told()), (2, 0, vec![]));

        let cargo = printed("printf 'failures:\n  b\ntest result: FAILED. 1 passed; 1 failed\n'; exit 101", &[]);
        assert_eq!((cargo.failed, cargo.output.len()), (1, 3));
    }
}
