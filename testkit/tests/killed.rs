//! Orchestrator and agent are killed at random while traffic flows. What was acknowledged, or lay in the spool, is stored in the end,
//! once and whole; and database and body store are consistent.
//!
//! `WEIR_SEED` repeats a run.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail, ensure};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::task::JoinSet;
use weir_testkit::{
    client::Http,
    orchestrator::Orchestrator,
    postgres::Database,
    scratch::Scratch,
    setup::Setup,
    wait::{PATIENCE, eventually},
};

/// Clients that go on while one of the programs is killed, and how many requests each sends at most.
const RACING: usize = 4;
const EACH: usize = 6;
/// Longer than a machine ten times as slow takes for all of them.
const BUDGET: Duration = Duration::from_secs(400);

/// Xorshift (Marsaglia 2003): chance that can be repeated.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A path, and what the client got, if all of it came.
type Raced = (String, Option<Vec<u8>>);

/// The traffic, and what is known of it.
struct Traffic {
    setup: Setup,
    http: Http,
    chance: Chance,
    /// What the client got, by path.
    sent: BTreeMap<String, Vec<u8>>,
    /// The same of those that were under way when something was killed; none where no whole answer came.
    raced: BTreeMap<String, Option<Vec<u8>>>,
    /// Of the agent that runs, requests without a whole answer: it may have recorded them.
    unanswered: usize,
    /// Since the agent began, in order.
    of_this_agent: Vec<String>,
    /// Has to be stored.
    safe: HashSet<String>,
}

impl Traffic {
    async fn request(&mut self) -> anyhow::Result<()> {
        let number = self.sent.len();
        // In the message, in the database, in the body store.
        let length = [100, 2048, 9000, 40_000][usize::try_from(self.chance.below(4))?] + number;
        // Some are the same.
        let seed = if self.chance.below(4) == 0 { 7 } else { number };
        let path = format!("/bytes/{length}?seed={seed}&n={number}");
        let reply = self.http.get(&self.setup.plain(&path)).await?;
        ensure!(reply.status == 200, "{path}: {}", reply.status);
        self.sent.insert(path.clone(), reply.body.to_vec());
        self.of_this_agent.push(path);
        Ok(())
    }

    /// Notes what cannot be lost from here on: what is acknowledged or lies in the spool, and not in memory alone.
    async fn look(&mut self) -> anyhow::Result<()> {
        let metric = async |name: &str| self.setup.agent.metric(name, "").await;
        // In this order, and twice: what was recorded by then has left the memory, to wherever it went.
        let recorded = metric("weir_agent_recorder_recorded_total").await? as usize;
        for _ in 0..2 {
            if metric("weir_agent_recorder_queued_bytes").await? != 0.0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let known = recorded.saturating_sub(self.unanswered);
        self.safe.extend(self.of_this_agent.iter().take(known).cloned());
        Ok(())
    }

    /// Requests of several clients, under way from here on.
    async fn race(&mut self) -> anyhow::Result<JoinSet<Vec<Raced>>> {
        let mut racing = JoinSet::new();
        for client in 0..RACING {
            let mut http = self.setup.client()?.forward().await?;
            let (from, count) = (self.raced.len(), self.sent.len());
            let paths = (0..EACH).map(|n| format!("/bytes/{}?seed={from}&n={count}-{client}-{n}", 3000 + n));
            let requests: Vec<_> = paths.map(|path| (self.setup.plain(&path), path)).collect();
            racing.spawn(async move {
                let mut told = Vec::new();
                for (url, path) in requests {
                    let reply = http.get(&url).await.ok().filter(|reply| reply.status == 200);
                    let body = reply.map(|reply| reply.body.to_vec());
                    let is_over = body.is_none();
                    told.push((path, body));
                    if is_over {
                        break;
                    }
                }
                told
            });
        }
        Ok(racing)
    }

    async fn kill_one(&mut self, down: &mut bool) -> anyhow::Result<()> {
        self.look().await?;
        let racing = self.race().await?;
        tokio::time::sleep(Duration::from_millis(self.chance.below(12))).await;
        let agents = self.setup.agent.process.pid();
        self.kill_now(down).await?;
        let is_another = self.setup.agent.process.pid() != agents;
        for (path, body) in racing.join_all().await.into_iter().flatten() {
            if !is_another {
                self.unanswered += usize::from(body.is_none());
                self.of_this_agent.extend(body.is_some().then(|| path.clone()));
            }
            self.raced.insert(path, body);
        }
        Ok(())
    }

    async fn kill_now(&mut self, down: &mut bool) -> anyhow::Result<()> {
        match self.chance.below(5) {
            0 | 1 => {
                self.setup.agent.process.kill().await?;
                self.setup.agent = self.setup.options.start().await?;
                self.http = self.setup.client()?.forward().await?;
                self.of_this_agent.clear();
                self.unanswered = 0;
            }
            _ if *down => {
                self.setup.orchestrator.restart().await?;
                *down = false;
                return Ok(());
            }
            _ => {
                self.setup.orchestrator.kill().await?;
                *down = true;
            }
        }
        Ok(())
    }
}

async fn killed(scratch: &str, database: Option<Database>, kills: u32) -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    let seed = match std::env::var("WEIR_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() & u128::from(u64::MAX))? | 1,
    };
    println!("WEIR_SEED={seed}");
    let scratch = Scratch::new(scratch)?;
    let store = scratch.join("bodies");
    let url = database.as_ref().map(Database::url);
    let place = format!("file://{}", store.display());
    // every body is asked for in the end, as fast as a client can
    let more = ["--body-store", &place, "--body-store-from-bytes", "16384", "--rate-limit", "0"];
    let setup = Setup::start_serving(scratch, url, &more, |options| options.with("--workers", "1")).await?;
    let http = setup.client()?.forward().await?;
    setup.connected().await?;
    let mut traffic = Traffic {
        setup,
        http,
        chance: Chance(seed),
        sent: BTreeMap::new(),
        raced: BTreeMap::new(),
        unanswered: 0,
        of_this_agent: Vec::new(),
        safe: HashSet::new(),
    };
    let (mut done, mut down) = (0, false);
    while done < kills {
        if began.elapsed() > BUDGET {
            bail!("{done} of {kills} kills took {BUDGET:?} (seed {seed})");
        }
        for _ in 0..=traffic.chance.below(25) {
            traffic.request().await?;
        }
        // At any moment of a round of the recorder.
        tokio::time::sleep(Duration::from_millis(traffic.chance.below(60))).await;
        let was_down = down;
        traffic.kill_one(&mut down).await?;
        done += u32::from(!was_down || down);
    }
    if down {
        traffic.setup.orchestrator.restart().await?;
    }
    traffic.setup.connected().await?;
    traffic.request().await?;
    all_is_there(traffic, &store, database).await.with_context(|| format!("seed {seed}"))
}

async fn all_is_there(mut traffic: Traffic, store: &Path, database: Option<Database>) -> anyhow::Result<()> {
    eventually(PATIENCE, "the agent to have delivered all", || async {
        let spooled = traffic.setup.agent.metric("weir_agent_spool_bytes", "").await?;
        let queued = traffic.setup.agent.metric("weir_agent_recorder_queued_bytes", "").await?;
        Ok((spooled == 0.0 && queued == 0.0).then_some(()))
    })
    .await?;
    traffic.look().await?;
    let orchestrator = &traffic.setup.orchestrator;
    let mut stored: HashMap<String, (usize, String)> = HashMap::new();
    for exchange in orchestrator.list("/exchanges?limit=500&fields=id,path").await? {
        let text = |name: &str| exchange[name].as_str().map(str::to_owned).context("a text");
        let entry = stored.entry(text("path")?).or_insert((0, text("id")?));
        entry.0 += 1;
    }
    let twice: Vec<_> = stored.iter().filter(|(_, (count, _))| *count != 1).collect();
    ensure!(twice.is_empty(), "stored more than once: {twice:?}");
    let lost: Vec<_> = traffic.safe.iter().filter(|path| !stored.contains_key(*path)).collect();
    ensure!(lost.is_empty(), "{} of {} that were safe are lost: {lost:?}", lost.len(), traffic.safe.len());
    ensure!(traffic.safe.len() > traffic.sent.len() / 3, "{} of {}", traffic.safe.len(), traffic.sent.len());
    for (path, (_, id)) in &stored {
        let got = match traffic.raced.get(path) {
            // What its client did not get whole the record need not have whole.
            Some(None) => continue,
            Some(got) => got.as_ref(),
            None => traffic.sent.get(path),
        };
        let body = orchestrator.bytes(&format!("/exchanges/{id}/response/body")).await?;
        ensure!(got == Some(&body), "the body of {path} is another");
    }
    let (sent, broken) = (traffic.sent.len(), traffic.raced.values().filter(|body| body.is_none()).count());
    println!(
        "{sent} sent, {} more while something was killed and {broken} of these broken off, {} known to be safe, {} stored",
        traffic.raced.len(),
        traffic.safe.len(),
        stored.len()
    );
    is_consistent(&mut traffic.setup.orchestrator, store, database).await
}

/// Uses without exchanges, bodies without uses, sums that are wrong by.
const BROKEN: &str = "SELECT \
    (SELECT count(*) FROM body_uses u WHERE NOT EXISTS (SELECT 1 FROM exchanges e WHERE e.number = u.exchange)), \
    (SELECT count(*) FROM bodies b WHERE NOT EXISTS (SELECT 1 FROM body_uses u WHERE u.body = b.number)), \
    (SELECT bytes FROM held WHERE what = 'bodies') - (SELECT CAST(coalesce(sum(stored), 0) AS BIGINT) FROM bodies), \
    (SELECT count FROM held WHERE what = 'exchanges') - (SELECT count(*) FROM exchanges)";
const KEYS: &str = "SELECT object FROM bodies WHERE object IS NOT NULL";

async fn is_consistent(
    orchestrator: &mut Orchestrator,
    store: &Path,
    database: Option<Database>,
) -> anyhow::Result<()> {
    orchestrator.stop().await?;
    let (broken, keys): ((i64, i64, i64, i64), Vec<String>) = match database {
        Some(database) => {
            let mut connection = sqlx::PgConnection::connect_with(&database.options()).await?;
            let broken = sqlx::query_as(BROKEN).fetch_one(&mut connection).await?;
            (broken, sqlx::query_scalar(KEYS).fetch_all(&mut connection).await?)
        }
        None => {
            let file = orchestrator.data().join("weir.db");
            let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
            for check in ["PRAGMA integrity_check", "PRAGMA foreign_key_check"] {
                let said: Vec<String> = match check {
                    "PRAGMA integrity_check" => {
                        sqlx::query_scalar(AssertSqlSafe(check)).fetch_all(&mut connection).await?
                    }
                    _ => {
                        let rows = sqlx::query(AssertSqlSafe(check)).fetch_all(&mut connection).await?;
                        vec![if rows.is_empty() { "ok".to_owned() } else { format!("{} rows", rows.len()) }]
                    }
                };
                ensure!(said == ["ok"], "{check}: {said:?}");
            }
            let broken = sqlx::query_as(BROKEN).fetch_one(&mut connection).await?;
            (broken, sqlx::query_scalar(KEYS).fetch_all(&mut connection).await?)
        }
    };
    ensure!(broken == (0, 0, 0, 0), "{broken:?}");
    ensure!(!keys.is_empty(), "some bodies are in the body store");
    let missing: Vec<PathBuf> = keys.iter().map(|key| store.join(key)).filter(|file| !file.exists()).collect();
    ensure!(missing.is_empty(), "{missing:?} are named and not there");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_fifty_times_at_random_nothing_acknowledged_is_lost() -> anyhow::Result<()> {
    killed("killed-at-random", None, 50).await
}

#[tokio::test(flavor = "multi_thread")]
async fn and_on_postgresql() -> anyhow::Result<()> {
    killed("killed-on-postgres", Some(Database::create().await?), 15).await
}
