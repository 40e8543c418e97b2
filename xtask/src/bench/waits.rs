//! What calls of a filter do to exchanges that make none: the latency of these alone, and beside fifty at a time that each wait
//! 100 ms for a call.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use super::{
    Contender, Options,
    load::{Load, Pace},
    measure,
    report::Table,
    site::{OTHER_CPU, Site, pinned},
    weir,
};
use crate::child::Child;

/// Exchanges that wait, at a time.
const WAITING: u32 = 50;
/// How long a call takes.
const CALL: Duration = Duration::from_millis(100);
/// A load that leaves the worker room.
const PACE: Pace = Pace::Open { connections: 16, rate: 1000 };
/// Exchanges below this path make a call.
const PATH: &str = "/u/wait";

pub(super) fn run(site: &Site, options: &Options) -> anyhow::Result<()> {
    let oracle = oracle()?;
    let mut contender = weir::asking(site, PATH, oracle)?;
    let beside = format!("beside {WAITING} that wait {} ms for a call each", CALL.as_millis());
    let mut table = Table::new("1,000 exchanges a second without a call", ["alone", beside.as_str()]);
    let seconds = options.seconds.max(5);
    measure(site, &mut contender, Load::Plain, PACE, 2)?;
    for _ in 0..options.rounds {
        table.add(0, measure(site, &mut contender, Load::Plain, PACE, seconds)?);
        let before = calls(&contender)?;
        let mut others = waiting(site, &contender)?;
        table.add(1, measure(site, &mut contender, Load::Plain, PACE, seconds)?);
        ensure!(others.is_running(), "the others ended: see {}", others.log());
        others.stop();
        let made = calls(&contender)? - before;
        // Each takes as long as its call: faster ones have not waited.
        let most = f64::from(WAITING) * f64::from(seconds + 3) / CALL.as_secs_f64();
        let least = f64::from(WAITING * seconds);
        ensure!((least..most).contains(&made), "{made} exchanges made a call, not {least} to {most}");
    }
    table.print();
    Ok(())
}

/// Exchanges that met the filter.
fn calls(contender: &Contender) -> anyhow::Result<f64> {
    let metrics = weir::get(contender.admin.as_deref().unwrap_or_default(), "/metrics")?;
    let line = metrics.lines().find(|line| line.starts_with("weir_agent_filter_exchanges_total{"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).context("no filter in /metrics")
}

fn waiting(site: &Site, contender: &Contender) -> anyhow::Result<Child> {
    let script = site.dir.join("waits.lua");
    let origin = &site.plain;
    fs::write(&script, format!("wrk.headers['Host'] = '{origin}'\nwrk.path = 'http://{origin}{PATH}'\n"))?;
    let mut command = pinned(OTHER_CPU, Path::new("wrk"));
    command.args(["--threads", "1", "--timeout", "10s", "--duration", "600s"]);
    command.args(["--connections", &WAITING.to_string(), "--script"]).arg(&script);
    command.arg(format!("http://{}/", contender.address));
    Child::spawn("wrk", &mut command, &site.dir.join("waits.log"))
}

/// Answers each request after [`CALL`], for as long as this process runs.
fn oracle() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || answer(connection));
        }
    });
    Ok(address)
}

/// A head ends with an empty line, and no line ends in the bodies of these calls.
fn answer(connection: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let mut out = connection;
    while let Some(line) = lines.next().transpose()? {
        if line.is_empty() {
            thread::sleep(CALL);
            out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")?;
        }
    }
    Ok(())
}
