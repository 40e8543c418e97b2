//! What the orchestrator's store does: how many exchanges it takes in a second from two agents, acknowledged on disk, while
//! somebody reads; what it needs for that; and how it answers with all of them stored. On SQLite and on PostgreSQL, with
//! mitmproxy beside, which keeps its flows in memory.

mod mitm;
mod postgres;
mod server;
mod spool;
mod table;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;

use self::{postgres::Postgres, server::Server};
use super::Options;
use crate::{child::Child, steps::target_dir};

const AGENTS: u64 = 2;
/// Between two questions of a reader while exchanges come in.
const READS: Duration = Duration::from_millis(50);
/// Times that each question is put when all are stored.
const TIMES: usize = 20;
/// Until all have come in.
const PATIENCE: Duration = Duration::from_secs(900);

/// What came of one database.
struct Result {
    name: &'static str,
    per_second: f64,
    cpu_us: f64,
    reads: Times,
    peak: u64,
    disk: f64,
    first_page: Times,
    by_host: Times,
    by_status: Times,
    by_path: Times,
    by_word: Times,
    by_header: Times,
    regex: Regex,
}

struct Regex {
    first: Duration,
    whole: Duration,
    pages: usize,
    /// Until nothing is worked at after whoever asked has hung up.
    idle: Duration,
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let target = target_dir()?;
    let (dir, bin) = (target.join("bench/store"), target.join("release"));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)?;
    let mut results = vec![measure("SQLite", &bin, &dir, None, options.exchanges)?];
    let postgres = Postgres::start(&dir)?;
    results.push(measure("PostgreSQL", &bin, &dir, Some(&postgres), options.exchanges)?);
    drop(postgres);
    let missed = table::print(&results, options.exchanges);
    mitm::run(&target, &dir)?;
    fs::remove_dir_all(&dir)?;
    ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

fn measure(
    name: &'static str,
    bin: &Path,
    dir: &Path,
    postgres: Option<&Postgres>,
    count: u64,
) -> anyhow::Result<Result> {
    let dir = dir.join(name);
    let server = Server::start(bin, &dir, postgres.map(Postgres::url))?;
    server.keys()?;
    let each = count / AGENTS;
    for agent in 0..AGENTS {
        spool::write(&dir.join(format!("agent-{agent}/spool")), agent * each, each)?;
    }
    let idle = server.cpu();
    let mut agents = (0..AGENTS)
        .map(|agent| server.agent(&dir.join(format!("agent-{agent}"))))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (took, reads) = take_in(&server, &mut agents, each * AGENTS)?;
    let cpu_us = (server.cpu() - idle).as_secs_f64() * 1e6 / (each * AGENTS) as f64;
    drop(agents);
    let bytes = match postgres {
        Some(postgres) => postgres.bytes()?,
        None => server.disk()?,
    };
    let question = |query: &str| {
        let path = format!("/api/v1/exchanges?limit=100{query}");
        let times = (0..TIMES).map(|_| server.ask(&path).map(|(_, took)| took)).collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::Ok(Times(times))
    };
    Ok(Result {
        name,
        per_second: (each * AGENTS) as f64 / took.as_secs_f64(),
        cpu_us,
        reads,
        disk: bytes as f64 / (each * AGENTS) as f64,
        first_page: question("")?,
        by_host: question(&format!("&query=host:h{}.example.com", spool::HOSTS / 2))?,
        by_status: question("&query=status:5xx")?,
        by_path: question(&format!("&query=path:/items/{}", count / 3))?,
        by_word: question(&format!("&query=items/{}", count / 2))?,
        by_header: question("&query=header.x-none:value")?,
        regex: regex(&server)?,
        peak: server.peak()?,
    })
}

/// Until all are stored; the time from the first to the last, and how long readers waited meanwhile.
fn take_in(server: &Server, agents: &mut [Child], count: u64) -> anyhow::Result<(Duration, Times)> {
    let until = Instant::now() + PATIENCE;
    let (mut began, mut reads) = (None, Vec::new());
    loop {
        let stored = server.stored()?;
        if stored > 0 && began.is_none() {
            began = Some(Instant::now());
        }
        if stored >= count {
            break;
        }
        ensure!(Instant::now() < until, "{stored} of {count} exchanges are stored");
        for agent in &mut *agents {
            ensure!(agent.is_running(), "an agent ended: see {}", agent.log());
        }
        reads.push(server.ask("/api/v1/exchanges?limit=100&query=status:200")?.1);
        std::thread::sleep(READS);
    }
    Ok((began.map_or(Duration::ZERO, |began| began.elapsed()), Times(reads)))
}

/// A search that finds nothing, through all bodies: page by page, as a client goes on; and one that is given up.
fn regex(server: &Server) -> anyhow::Result<Regex> {
    const PATH: &str = "/api/v1/exchanges?query=body~%22weir%5B0-9%5D%7B9%7D%22";
    let began = Instant::now();
    let (mut pages, mut first, mut cursor) = (0, Duration::ZERO, String::new());
    loop {
        let (page, took) = server.ask(&format!("{PATH}{cursor}"))?;
        pages += 1;
        if pages == 1 {
            first = took;
        }
        match page["next"].as_str() {
            // With it comes how far the search went.
            Some(next) => {
                ensure!(page["searched_to"].is_string(), "no progress is told");
                cursor = format!("&cursor={next}");
            }
            None => break,
        }
    }
    let whole = began.elapsed();
    let stream = server.begin(PATH)?;
    std::thread::sleep(Duration::from_millis(300));
    drop(stream);
    let hung_up = Instant::now();
    loop {
        let before = server.cpu();
        std::thread::sleep(Duration::from_millis(50));
        if server.cpu() - before < Duration::from_millis(10) || hung_up.elapsed() > Duration::from_secs(10) {
            break;
        }
    }
    Ok(Regex { first, whole, pages, idle: hung_up.elapsed() })
}

struct Times(Vec<Duration>);

impl Times {
    fn ms(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort();
        let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(place).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }
}
