//! Every golden case of every filter, in wasm: what runs in production gives what the filter's own tests saw. Filters in other
//! languages than Rust have no tests but these.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use weir_artifact::{Capability, Publication};
use weir_testkit::binaries;
use weir_trial::Trial;

/// Languages whose filters have no manifest of cargo's: the file that a filter of each is written in.
const SOURCES: [&str; 4] = ["filter.c", "filter.go", "filter.js", "filter.py"];

/// Names of filters that are written in this file, with their cases: in `filters/`, `examples/`, and the tour of an SDK, a filter
/// that uses all of it, the same one in each language, with the same cases.
fn filters(source: &str) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for parent in ["filters", "examples", "sdk"] {
        for entry in fs::read_dir(root.join(parent))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if parent == "sdk" && entry.path().join("tour").join(source).exists() {
                found.push((format!("tour-{name}"), root.join("sdk/tour")));
            }
            if entry.path().join(source).exists() && entry.path().join("cases").is_dir() {
                found.push((name, entry.path().join("cases")));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Runs the cases of all filters in one language; the answer is how many there were.
fn check(source: &str) -> anyhow::Result<usize> {
    let trial = Trial::start(None)?;
    let (mut count, mut failures) = (0, String::new());
    for (filter, cases) in filters(source)? {
        let component = fs::read(binaries::filter(&filter)?)?;
        let publication = Publication { grants: Capability::ALL.into(), ..Publication::unsigned(filter.parse()?) };
        let subject = trial.subject(publication, component)?;
        for (name, case) in weir_golden::folder(&cases)? {
            count += 1;
            let report = subject.run(&case).with_context(|| format!("{filter}/{name}"))?;
            if let Err(mismatch) = case.check(&report.outcome) {
                failures.push_str(&format!("\n{filter}/{name}: {}\n{mismatch}", case.title));
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    Ok(count)
}

#[test]
fn every_case_holds_in_rust() -> anyhow::Result<()> {
    let count = check("Cargo.toml")?;
    assert!(count > 20, "only {count} cases were found");
    Ok(())
}

#[test]
fn every_case_holds_in_c() -> anyhow::Result<()> {
    holds("filter.c")
}

#[test]
fn every_case_holds_in_go() -> anyhow::Result<()> {
    holds("filter.go")
}

#[test]
fn every_case_holds_in_javascript() -> anyhow::Result<()> {
    holds("filter.js")
}

#[test]
fn every_case_holds_in_python() -> anyhow::Result<()> {
    holds("filter.py")
}

/// The example and the tour.
fn holds(source: &str) -> anyhow::Result<()> {
    let count = check(source)?;
    assert!(count > 20, "only {count} cases were found");
    Ok(())
}

#[test]
fn every_filter_is_of_a_language_that_is_tested() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for parent in ["filters", "examples"] {
        for entry in fs::read_dir(root.join(parent))? {
            let folder = entry?.path();
            let is_known = ["Cargo.toml"].iter().chain(&SOURCES).any(|source| folder.join(source).exists());
            assert!(!folder.join("cases").is_dir() || is_known, "{}: who runs its cases?", folder.display());
        }
    }
    Ok(())
}

/// What a filter makes of server-sent events can be said in a case; the double of the Rust SDK leaves them out.
#[test]
fn a_case_can_have_events() -> anyhow::Result<()> {
    let case = weir_golden::Case::parse(
        r##"# Of three events one is replaced and one dropped.

### config
{"rules": [{"literal": "1", "then": "replace", "replacement": "-"}, {"literal": "2", "then": "drop"}]}

### request
GET http://a.example/

### upstream
200
content-type: text/event-stream

| data: 1\n
| \ndata: 2\n
| \ndata: 3\n
| \n

### expect
pass

### received
200
content-type: text/event-stream

| data: -\n
| \ndata: 3\n
| \n
"##,
    )?;
    let name = "message-guard";
    let publication = Publication { grants: Capability::ALL.into(), ..Publication::unsigned(name.parse()?) };
    let trial = Trial::start(None)?;
    let subject = trial.subject(publication, fs::read(binaries::filter(name)?)?)?;
    case.check(&subject.run(&case)?.outcome)?;
    Ok(())
}
