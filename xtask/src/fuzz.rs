//! `cargo xtask fuzz`: builds fuzz/ with coverage and runs each target for a while. In: the targets' names; out: an error
//! with what libFuzzer said of those that crashed.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    filters::root,
    steps::{cargo, step, target_dir},
};

/// Instrumentation as cargo-fuzz asks for it, and no more than libFuzzer needs.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address";
/// Named, so that build scripts and macros are left without it.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Longer than all that any target tells apart.
const MAX_LEN: &str = "-max_len=20000";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Of each target
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub(crate) seconds: u32,
    /// Draws what a run with the same number drew; at random without one
    #[arg(long)]
    pub(crate) seed: Option<u32>,
    /// Targets, instead of all
    targets: Vec<String>,
}

impl Options {
    /// All targets, with inputs that the next run will draw too: what fails then was broken by a change, and can be sent again.
    pub(crate) fn all(seconds: u32) -> Self {
        Self { seconds, seed: Some(1), targets: Vec::new() }
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let known = known()?;
    let wanted: BTreeSet<String> = match options.targets.as_slice() {
        [] => known.clone(),
        some => some.iter().cloned().collect(),
    };
    if let Some(other) = wanted.difference(&known).next() {
        bail!("no fuzz target {other}: there are {}", known.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    }
    let dir = target_dir()?.join("fuzz");
    build(&dir)?;
    eprintln!("==> {} fuzz targets, {} s each", wanted.len(), options.seconds);
    let queue = Mutex::new(wanted.into_iter());
    let crashed = Mutex::new(Vec::new());
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cpus {
            scope.spawn(|| {
                let next = || queue.lock().ok()?.next();
                while let Some(name) = next() {
                    if let Err(error) = one(&dir, &name, options)
                        && let Ok(mut crashed) = crashed.lock()
                    {
                        crashed.push(format!("{error:#}"));
                    }
                }
            });
        }
    });
    let crashed = crashed.into_inner().unwrap_or_default();
    ensure!(crashed.is_empty(), "{}", crashed.join("\n"));
    Ok(())
}

/// Names of fuzz/fuzz_targets/*.rs.
fn known() -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in fs::read_dir(root().join("fuzz/fuzz_targets"))? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.insert(path.file_stem().context("a file's name")?.to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// The flags are the compiler's unstable ones; the bootstrap variable lets the one that is here take them.
fn build(dir: &Path) -> anyhow::Result<()> {
    let mut build = cargo(&["build", "--quiet", "--release", "--target", TARGET]);
    build.current_dir(root().join("fuzz")).env("CARGO_TARGET_DIR", dir);
    build.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS);
    step("fuzz targets", &mut build)
}

fn one(dir: &Path, name: &str, options: &Options) -> anyhow::Result<()> {
    let [corpus, crashes] = ["corpus", "crashes"].map(|part| dir.join(part).join(name));
    for folder in [&corpus, &crashes] {
        fs::create_dir_all(folder)?;
    }
    let log: PathBuf = dir.join(format!("{name}.log"));
    let output = File::create(&log)?;
    let mut fuzz = Command::new(dir.join(TARGET).join("release").join(name));
    fuzz.arg(&corpus).args([MAX_LEN, "-timeout=10", "-print_final_stats=1"]);
    if let Some(seed) = options.seed {
        fuzz.arg(format!("-seed={seed}"));
    }
    fuzz.arg(format!("-max_total_time={}", options.seconds)).arg(format!("-artifact_prefix={}/", crashes.display()));
    let words = root().join(format!("fuzz/dictionaries/{name}.dict"));
    if words.exists() {
        fuzz.arg(format!("-dict={}", words.display()));
    }
    let status = fuzz.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).status()?;
    let said = fs::read_to_string(&log)?;
    if !status.success() {
        let last: Vec<&str> = said.lines().rev().take(40).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!("{name} crashed ({status}); its input lies in {}\n{}", crashes.display(), last.join("\n"));
    }
    let executed = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    eprintln!("    {name}: {} inputs", executed.unwrap_or("?").trim());
    Ok(())
}
