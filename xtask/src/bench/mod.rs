//! `cargo xtask bench`: what a request costs the proxy, Weir and its peers side by side, by the same load command.
//!
//! The proxy alone is pinned to CPU 0; load and origin (and, where it records, the orchestrator) to CPU 1. The figure is
//! CPU time of the proxy's processes per request (`/proc/PID/task/*/schedstat`): it survives a saturated client, which
//! requests per second do not. Rounds are interleaved, forwards and backwards, and the median is shown.

mod cpu;
mod fleet;
mod load;
mod peers;
mod record;
mod report;
mod site;
mod slow;
mod store;
mod waits;
mod weir;

use anyhow::ensure;

use self::{
    load::{Load, Pace},
    report::{Row, Table},
    site::Site,
};
use crate::{
    filters,
    steps::{cargo, step},
};

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to measure; everything when nothing is named
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Rounds; the median of them is shown
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load per round
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Exchanges that the store takes in
    #[arg(long, default_value_t = 1_000_000)]
    exchanges: u64,
    /// Measures what `target/release` holds as it is
    #[arg(long)]
    no_build: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A head hook in the host alone
    Host,
    /// Forward requests without TLS, and peers
    Plain,
    /// HTTPS, intercepted, and peers
    Intercepted,
    /// The peers of both alone; only when named
    Peers,
    /// Open-loop rates with recording
    Rates,
    /// What is recorded, and rules beside it: redaction, a breakpoint, events
    Record,
    /// A filter's own share: the slope over 0, 1, 5 and 20 copies
    Filters,
    /// Memory of ten thousand exchanges that take their time
    Slow,
    /// Latency of exchanges beside others that wait for calls
    Waits,
    /// The orchestrator's store, on both databases, and mitmproxy's memory
    Store,
}

/// Connections of every load.
const CONNECTIONS: u32 = 64;

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let wants = |part| options.parts.contains(&part) || (options.parts.is_empty() && part != Part::Peers);
    let cpus = std::thread::available_parallelism()?.get();
    ensure!(cpus >= 2, "proxy and load need a CPU each, this machine has {cpus}");
    if !options.no_build {
        step("release build", &mut cargo(&["build", "--workspace", "--bins", "--release"]))?;
    }
    if wants(Part::Store) {
        store::run(options)?;
    }
    if options.parts == [Part::Store] {
        return Ok(());
    }
    filters::build()?;
    if wants(Part::Host) {
        step("host alone", &mut cargo(&["run", "--release", "--package", "weir-host", "--example", "bench_host"]))?;
    }
    slow::raise_files();
    let site = Site::prepare([Part::Intercepted, Part::Rates, Part::Peers, Part::Waits].into_iter().any(wants))?;
    if wants(Part::Plain) {
        let mut contenders = weir::plain(&site)?;
        contenders.extend(peers::plain(&site)?);
        compare("Forward proxy, plain HTTP, 100-byte bodies", &site, contenders, Load::Plain, options)?;
    }
    if wants(Part::Intercepted) {
        let mut contenders = weir::intercepted(&site)?;
        contenders.extend(peers::intercepted(&site)?);
        compare("Forward proxy, intercepted HTTPS, 100-byte bodies", &site, contenders, Load::Intercepted, options)?;
    }
    if wants(Part::Peers) {
        compare("Peers, plain HTTP, 100-byte bodies", &site, peers::plain(&site)?, Load::Plain, options)?;
        compare("Peers, intercepted HTTPS", &site, peers::intercepted(&site)?, Load::Intercepted, options)?;
    }
    if wants(Part::Rates) {
        rates(&site, options)?;
    }
    if wants(Part::Record) {
        record::run(&site, options)?;
    }
    if wants(Part::Filters) {
        slope(&site, options)?;
    }
    if wants(Part::Slow) {
        slow::run(&site)?;
    }
    if wants(Part::Waits) {
        waits::run(&site, options)?;
    }
    Ok(())
}

/// Something that carries requests, running.
pub(super) struct Contender {
    name: String,
    /// What it runs as; those on CPU 0 come first. Dropped: ended.
    processes: Vec<crate::child::Child>,
    address: String,
    /// host:port to which requests without a proxy go
    reverse: bool,
    ca: Option<std::path::PathBuf>,
    /// admin address, for counters
    admin: Option<String>,
}

impl Contender {
    fn pid(&self) -> u32 {
        self.processes[0].pid()
    }
}

fn compare(title: &str, site: &Site, mut all: Vec<Contender>, load: Load, options: &Options) -> anyhow::Result<()> {
    let mut table = Table::new(title, all.iter().map(|contender| contender.name.as_str()));
    for contender in &all {
        load.run(site, contender, Pace::Closed { connections: CONNECTIONS }, 2)?;
    }
    for round in 0..options.rounds {
        let mut order: Vec<usize> = (0..all.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            table.add(
                at,
                measure(site, &mut all[at], load, Pace::Closed { connections: CONNECTIONS }, options.seconds)?,
            );
        }
    }
    table.print();
    Ok(())
}

fn measure(site: &Site, contender: &mut Contender, load: Load, pace: Pace, seconds: u32) -> anyhow::Result<Row> {
    let dropped = weir::counters(contender)?;
    let before = cpu::nanoseconds(contender.pid());
    let result = load.run(site, contender, pace, seconds)?;
    let used = cpu::nanoseconds(contender.pid()).saturating_sub(before);
    let after = weir::counters(contender)?;
    ensure!(contender.processes.iter_mut().all(crate::child::Child::is_running), "{} ended", contender.name);
    Ok(Row {
        cpu_us: used as f64 / 1000.0 / result.requests.max(1) as f64,
        per_second: result.requests as f64 / f64::from(seconds),
        failed: result.failed,
        percentiles: result.percentiles,
        dropped: after.dropped - dropped.dropped,
        spooled: after.spooled,
        memory_mib: cpu::resident(contender.pid()) as f64 / f64::from(1 << 20),
    })
}

fn rates(site: &Site, options: &Options) -> anyhow::Result<()> {
    for (load, title) in [(Load::Plain, "plain"), (Load::Intercepted, "intercepted")] {
        for rate in [1000, 4000] {
            let mut contender = weir::recording(site)?;
            let pace = Pace::Open { connections: CONNECTIONS, rate };
            load.run(site, &contender, pace, 2)?;
            let title = format!("Open loop, {rate}/s, {title}, headers and recording on");
            let mut table = Table::new(&title, [contender.name.as_str()]);
            table.add(0, measure(site, &mut contender, load, pace, options.seconds.max(10))?);
            table.print();
        }
    }
    Ok(())
}

fn slope(site: &Site, options: &Options) -> anyhow::Result<()> {
    let copies = [0, 1, 5, 20];
    let mut all = copies.iter().map(|count| weir::copies(site, *count)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut table = Table::new("A filter's own share", all.iter().map(|contender| contender.name.as_str()));
    let pace = Pace::Closed { connections: CONNECTIONS };
    for round in 0..options.rounds {
        for at in 0..all.len() {
            let at = if round % 2 == 1 { all.len() - 1 - at } else { at };
            table.add(at, measure(site, &mut all[at], Load::Plain, pace, options.seconds)?);
        }
    }
    table.print();
    let points: Vec<(f64, f64)> =
        copies.iter().enumerate().map(|(at, x)| (f64::from(*x), table.median_cpu(at))).collect();
    let slope = report::slope(&points);
    println!("slope: {slope:.2} µs per filter and exchange (goal <= 3)\n");
    ensure!(slope <= 3.0, "a filter costs {slope:.2} µs per exchange");
    Ok(())
}
