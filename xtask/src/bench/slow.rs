//! What an exchange that takes its time costs in memory, and what of it a filter adds: ten thousand at once, each answered with
//! a body that trickles.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use super::{
    Contender, cpu,
    report::median,
    site::{OTHER_CPU, Site, pinned},
    weir,
};
use crate::child::Child;

/// At once, where so many files may be open; as many as may, where root may not raise that.
const EXCHANGES: u32 = 10_000;
/// Files of agent, load or origin beside those of exchanges.
const FURTHER: u32 = 300;
/// A client and an upstream each.
const FILES: u64 = (2 * EXCHANGES + FURTHER) as u64;
/// Until all are under way.
const PATIENCE: Duration = Duration::from_secs(120);
/// Then, until they have what they need for long.
const SETTLING: Duration = Duration::from_secs(30);

/// Copies of the filter in each agent.
const COPIES: [u32; 3] = [0, 1, 5];
/// Of each agent, interleaved; what the allocator keeps differs from one to the next.
const ROUNDS: usize = 3;

/// The figure is the difference of two agents, so that what the exchange itself costs is not in it.
pub(super) fn run(site: &Site) -> anyhow::Result<()> {
    let exchanges = at_once()?;
    let mut rounds: [Vec<[f64; 2]>; COPIES.len()] = Default::default();
    for _ in 0..ROUNDS {
        for (copies, rounds) in COPIES.into_iter().zip(&mut rounds) {
            let contender = weir::copies(site, copies)?;
            let idle = cpu::resident(contender.pid());
            let busy = under_way(site, &contender, exchanges)?;
            rounds.push([idle as f64, busy.saturating_sub(idle) as f64]);
        }
    }
    println!("\n{exchanges} exchanges whose responses trickle, at once\n");
    println!("| copies of `headers` | idle MiB | MiB more | KB/exchange | spread |\n|---|---|---|---|---|");
    let mut each = Vec::new();
    for (copies, rounds) in COPIES.into_iter().zip(&rounds) {
        let of = |at: usize| rounds.iter().map(move |round| round[at]);
        let kb = |bytes: f64| bytes / 1000.0 / f64::from(exchanges);
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let (idle, more) = (median(of(0)), median(of(1)));
        let (low, high) = (of(1).fold(f64::INFINITY, f64::min), of(1).fold(0.0, f64::max));
        println!(
            "| {copies} | {:.1} | {:.1} | {:.2} | {:.1}-{:.1} |",
            mib(idle),
            mib(more),
            kb(more),
            kb(low),
            kb(high)
        );
        each.push(kb(more));
    }
    let one = each[1] - each[0];
    println!("\none filter: {one:.2} KB per exchange (goal <= 8)\n");
    ensure!(one <= 8.0, "a filter costs {one:.2} KB per slow exchange");
    Ok(())
}

/// Resident memory with all of them under way.
fn under_way(site: &Site, contender: &Contender, exchanges: u32) -> anyhow::Result<u64> {
    let mut load = pinned(OTHER_CPU, Path::new("wrk"));
    load.args(["--threads", "1", "--timeout", "600s", "--duration", "600s"]);
    load.args(["--connections", &exchanges.to_string(), "--script"]).arg(script(site)?);
    load.arg(format!("http://{}/", contender.address));
    let mut load = Child::spawn("wrk", &mut load, &site.dir.join("wrk.log"))?;
    let admin = contender.admin.as_deref().context("an admin address")?;
    let deadline = Instant::now() + PATIENCE;
    let active = loop {
        let active = weir::value(&weir::get(admin, "/metrics")?, "weir_agent_exchanges_active");
        if active >= f64::from(exchanges) || Instant::now() > deadline || !load.is_running() {
            break active;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    ensure!(active >= f64::from(exchanges), "{active} of {exchanges} exchanges are under way: see {}", load.log());
    let busy = settled(contender.pid());
    load.stop();
    Ok(busy)
}

/// Resident memory once it changes by less than a hundredth in a second: what lasts is copied out of buffers some time after it came.
fn settled(pid: u32) -> u64 {
    let deadline = Instant::now() + SETTLING;
    let mut before = cpu::resident(pid);
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = cpu::resident(pid);
        if now.abs_diff(before) < now / 100 || Instant::now() > deadline {
            return now;
        }
        before = now;
    }
}

fn script(site: &Site) -> anyhow::Result<std::path::PathBuf> {
    let script = site.dir.join("slow.lua");
    let origin = &site.plain;
    let lua = format!("wrk.headers['Host'] = '{origin}'\nwrk.path = 'http://{origin}/slow'\n");
    std::fs::write(&script, lua)?;
    Ok(script)
}

/// Lets this process and all that it starts open as many files as this takes. Best effort: what is missing shows.
pub(super) fn raise_files() {
    let most = files().map_or(FILES, |limit| limit.rlim_max);
    for wanted in [FILES, most] {
        let limit = libc::rlimit { rlim_cur: wanted, rlim_max: wanted };
        // SAFETY: `limit` is one struct that is read and lives through the call.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0 {
            return;
        }
    }
}

fn files() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is one struct that is written and lives through the call.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } {
        0 => Ok(limit),
        _ => Err(io::Error::last_os_error()),
    }
}

fn at_once() -> anyhow::Result<u32> {
    let files = u32::try_from(files()?.rlim_cur).unwrap_or(u32::MAX);
    Ok(EXCHANGES.min(files.saturating_sub(FURTHER) / 2))
}
