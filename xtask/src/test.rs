//! `cargo xtask test`: sets up what the tests stand on, builds once, runs everything, counts.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::bail;

use crate::{
    api, bucket, filters, fuzz, languages, runner, setup,
    steps::{cargo, step, target_dir, works},
    up,
};

/// Programs that the end-to-end tests start, and the Debian packages they come from.
const PROGRAMS: [(&str, &str); 6] = [
    ("nginx", "nginx-light"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("ssh", "openssh-client"),
    ("sshd", "openssh-server"),
    ("initdb", "postgresql"),
];

/// Of each fuzz target: enough for what a change broke, not for what was always wrong.
const FUZZ_SECONDS: u32 = 30;

/// Of the questions that schemathesis asks.
const API: Duration = Duration::from_secs(120);

/// What the soak's agent is built with beside.
const COUNTED: &str = "weir-agent/count-memory";

pub(crate) fn run() -> anyhow::Result<()> {
    let begun = Instant::now();
    let missing = set_up()?;
    // what tests left behind that were ended from outside
    let _ = fs::remove_dir_all(target_dir()?.join("e2e"));
    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    let everything = ["--workspace", "--all-targets"];
    step("lints", cargo(&["clippy"]).args(everything).args(["--quiet", "--", "--deny", "warnings"]))?;
    step("build", cargo(&["build"]).args(everything))?;
    let mut ran = runner::Ran::default();
    // a language that cannot be built here is a language that was not tested
    let mut failed: Vec<String> = missing.iter().map(|reason| format!("filter {reason}")).collect();
    // without benches: they measure, whatever a runner asks of them
    let everything = ["--workspace", "--lib", "--bins", "--tests", "--examples"];
    if works("cargo", &["nextest", "--version"]) {
        ran.run("tests", cargo(&["nextest", "run"]).args(everything).arg("--no-fail-fast"))?;
    } else {
        ran.run("tests", cargo(&["test"]).args(everything).arg("--no-fail-fast"))?;
    }
    ran.run("documentation tests", &mut cargo(&["test", "--workspace", "--doc"]))?;
    eprintln!("==> new filters");
    failed.extend(languages::begun::check(&target_dir()?)?);
    // what a newcomer types first; the second time with the state that the first left
    for title in ["up, from nothing", "up, again"] {
        eprintln!("==> {title}");
        if let Err(error) = up::run("e2e/up", true) {
            eprintln!("{error:#}");
            failed.push(title.to_owned());
        }
    }
    eprintln!("==> API");
    if let Err(error) = api::check(API) {
        eprintln!("{error:#}");
        failed.push("API".to_owned());
    }
    if let Err(error) = fuzz::run(&fuzz::Options::all(FUZZ_SECONDS)) {
        eprintln!("{error:#}");
        failed.push("fuzz targets".to_owned());
    }
    if works("cargo", &["deny", "--version"]) {
        // advisories are not asked for here: their database is fetched from outside, and a test must not hang on that
        step("licences, sources, dependency edges", &mut cargo(&["deny", "check", "bans", "licenses", "sources"]))?;
    } else {
        eprintln!("==> cargo deny: skipped, it is not installed (`cargo install cargo-deny`, some minutes)");
    }
    failed.extend(ran.told());
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    println!("{} passed, {} failed in {minutes:.1} min", ran.passed, ran.failed);
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

/// Everything that a test needs beside cargo's own work, for who runs tests by hand; tells which filters could not be built.
pub(crate) fn set_up() -> anyhow::Result<Vec<String>> {
    programs(&PROGRAMS)?;
    setup::components()?;
    eprintln!("==> filters");
    let missing = filters::build()?.missing;
    languages::archives::judges(&target_dir()?)?;
    bucket::set_up(&target_dir()?)?;
    Ok(missing)
}

/// The hot swap test, longer and with a release build that counts its memory, as that of a long-lived agent is to be judged.
pub(crate) fn soak(swaps: u32) -> anyhow::Result<()> {
    filters::build()?;
    step("build", &mut cargo(&["build", "--workspace", "--bins", "--release", "--features", COUNTED]))?;
    let release = target_dir()?.join("release");
    // of the workspace as a whole, as everything is built: one package alone has other features, and would build anew
    let mut soak = cargo(&["test", "--workspace", "--test", "hot_swap", "--", "--nocapture"]);
    soak.env("WEIR_BIN_DIR", release).env("WEIR_SWAPS", swaps.to_string());
    step("soak", &mut soak)
}

/// The API against its description.
pub(crate) fn api(seconds: u64) -> anyhow::Result<()> {
    // all of it, as the tests have it: the programs alone have other features, and would build anew
    step("build", &mut cargo(&["build", "--workspace", "--all-targets"]))?;
    api::check(Duration::from_secs(seconds))
}

/// Begins, builds and tests a filter in each language.
pub(crate) fn new_filters() -> anyhow::Result<()> {
    step("build", &mut cargo(&["build", "--workspace", "--all-targets"]))?;
    let failed = languages::begun::check(&target_dir()?)?;
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

/// Installs the packages of the programs that are not there.
pub(crate) fn programs(wanted: &[(&str, &str)]) -> anyhow::Result<()> {
    let missing: Vec<&str> =
        wanted.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() { Ok(()) } else { setup::install(&missing) }
}

/// On the PATH, or where Debian keeps servers.
pub(crate) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let servers = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let versions = versions.map(|version| version.path().join("bin"));
    std::env::split_paths(&path).chain(servers).chain(versions).any(|dir| dir.join(program).exists())
}
