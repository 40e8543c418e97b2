//! `agent filter test`: golden cases through a component in a real host, one line for each, and why one failed.

use std::{
    fmt::{Display, Write as _},
    path::PathBuf,
};

use clap::Args;
use serde_json::json;
use weir_artifact::Digest;
use weir_golden::Case;
use weir_trial::{Report, Trial, Unfit};

use super::{Fault, file, pattern, say};

/// Run golden cases through a component, in a real filter host
///
/// Each case (*.http: a request, what the upstream answers, what is expected of the filter) runs alone, through a fresh
/// instance, with the limits of production and without any network. The exit code is 1 when one fails.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The component
    file: PathBuf,
    /// Folder of cases, or one case
    cases: PathBuf,
    /// For cases that state no configuration: JSON, or NAME.toml as it stands beside a component, whose limits and grants
    /// count then too [default: {}]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only cases with this in their names; with `*`, which stands for anything, it has to be the whole name
    #[arg(long, value_name = "PATTERN")]
    filter_name: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// One case that ran.
struct Ran {
    name: String,
    title: String,
    report: Report,
    /// What differs from what was expected.
    difference: Option<String>,
}

impl Test {
    pub(super) fn run(self) -> Result<bool, Fault> {
        let cases = self.chosen()?;
        let component = file::read(&self.file)?;
        let digest = Digest::of(&component);
        let publication = file::publication(&self.file, self.config.as_deref())?;
        let trial = Trial::start(None)?;
        let subject = trial.subject(publication, component).map_err(|unfit| self.unfit(&unfit))?;
        let mut all = Vec::with_capacity(cases.len());
        for (name, case) in cases {
            let report = subject.run(&case).map_err(|fault| self.unrunnable(&name, &fault))?;
            let difference = case.check(&report.outcome).err().map(|mismatch| mismatch.to_string());
            all.push(Ran { name, title: case.title, report, difference });
        }
        let compile = subject.compile_time();
        say(&if self.json {
            let cases: Vec<_> = all.iter().map(Ran::json).collect();
            let document = json!({
                "file": self.file, "digest": digest, "compile_us": compile.as_micros() as u64, "cases": cases,
                "passed": all.iter().filter(|ran| ran.difference.is_none()).count(),
                "failed": all.iter().filter(|ran| ran.difference.is_some()).count(),
            });
            format!("{document:#}")
        } else {
            table(&all)
        })?;
        Ok(all.iter().all(|ran| ran.difference.is_none()))
    }

    fn chosen(&self) -> Result<Vec<(String, Case)>, Fault> {
        let mut cases = weir_golden::folder(&self.cases).map_err(|fault| Fault::Usage(fault.to_string()))?;
        if let Some(pattern) = &self.filter_name {
            let all: Vec<String> = cases.iter().map(|(name, _)| name.clone()).collect();
            cases.retain(|(name, _)| pattern::fits(pattern, name));
            if cases.is_empty() {
                return Err(Fault::Usage(format!("no case is named `{pattern}`: there is {}", all.join(", "))));
            }
        }
        Ok(cases)
    }

    fn unrunnable(&self, name: &str, fault: &dyn Display) -> Fault {
        let file = if self.cases.is_file() { self.cases.clone() } else { self.cases.join(format!("{name}.http")) };
        Fault::Usage(format!("{}: {fault}", file.display()))
    }

    fn unfit(&self, unfit: &Unfit) -> Fault {
        let reason = match unfit {
            Unfit::Artifact(error) => error.to_string(),
            Unfit::Load(refusal) => format!("no agent would load it: {}: {}", refusal.phase(), refusal.reason()),
        };
        Fault::Filter(format!("{}: {reason}", self.file.display()))
    }
}

impl Ran {
    fn json(&self) -> serde_json::Value {
        let Report { outcome, calls, memory, time, log } = &self.report;
        json!({
            "name": self.name, "title": self.title, "ok": self.difference.is_none(), "verdict": outcome.verdict.name(),
            "reason": outcome.reason, "difference": self.difference, "calls": calls, "time_us": time.as_nanos() as f64 / 1e3,
            "memory_bytes": memory,
            "log": log,
        })
    }
}

fn table(all: &[Ran]) -> String {
    let widest = all.iter().map(|ran| ran.name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for Ran { name, title, report, difference } in all {
        let verdict = if difference.is_none() { "ok" } else { "FAILED" };
        let micros = report.time.as_secs_f64() * 1e6;
        // writing to a string cannot fail
        let _ = match report.calls {
            0 => writeln!(text, "{verdict:<8}{name:<widest$}  {:>10}", "no calls"),
            calls => writeln!(
                text,
                "{verdict:<8}{name:<widest$}  {micros:>7.1} µs in {calls} calls, {} KiB",
                report.memory >> 10
            ),
        };
        if let Some(difference) = difference {
            let log = report.log.iter().map(|line| format!("log: {line}\n"));
            let title = if title.is_empty() { String::new() } else { format!("{title}\n") };
            let all = format!("{title}{difference}{}", log.collect::<String>());
            all.lines().for_each(|line| text.push_str(&format!("        {line}\n")));
        }
    }
    let failed = all.iter().filter(|ran| ran.difference.is_some()).count();
    let _ = write!(text, "{} cases: {} ok, {failed} failed", all.len(), all.len() - failed);
    text
}
