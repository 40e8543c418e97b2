//! What the host alone costs, in µs of one core: `cargo xtask bench host`, or
//! `cargo run --release -p weir-host --example bench_host`.
//!
//! Each line is the median of nine batches. "Less the empty run" is the filter's own share: what an exchange without
//! any filter costs (making the exchange, mostly) is taken off.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark stops where it cannot go on")]

#[path = "bench_costs.rs"]
mod costs;
#[path = "../tests/filters/guest/mod.rs"]
mod guest;
#[path = "bench_languages.rs"]
mod languages;
#[path = "bench_middleware.rs"]
mod middleware;

use std::{hint::black_box, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use guest::{Guest, TRANSFORM, Wants};
use http::{Request, Response, Version, request, response};
use uuid::Uuid;
use weir_host::{
    Chain, Connection, Direction, DoneReason, Entry, Exchange, Filter, Host, HostConfig, Instances, Level, LogSink,
    Progress, Run,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCHES: usize = 9;
const PER_BATCH: u32 = 20_000;
const FILTERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/filters");

struct NoLog;

impl LogSink for NoLog {
    fn write(&self, _: &Filter, _: Option<Uuid>, _: Level, _: &str) {}
}

fn main() {
    let host = Host::new(HostConfig { cache_dir: None, kv_dir: None, workers: 1, log: Arc::new(NoLog), secrets: None })
        .unwrap();
    let bench = Bench::new(&host);
    // for a profiler
    if std::env::args().nth(1).is_some_and(|only| only == "hook") {
        println!("{:<52} {:>8.3}", "a head hook: read 2 of 20, write 1", bench.hook(&head_2_1()));
        return;
    }
    let empty = bench.measure(&[], false);
    println!("{:<52} {:>8} {:>8}", "µs per exchange", "whole", "share");
    let line = |name: &str, guests: &[Guest], bodies: bool| {
        let base = if bodies { bench.measure(&[], true) } else { empty };
        let whole = bench.measure(guests, bodies);
        println!("{name:<52} {whole:>8.3} {:>8.3}", whole - base);
        whole - base
    };
    println!("{:<52} {empty:>8.3}", "no filter");
    let unsubscribed = Guest::default();
    line("20 filters that ask for nothing", &vec![unsubscribed.clone(); 20], false);
    let done = line("one empty hook and on-done", &[head("")], false);
    let copies =
        [1, 5, 20].map(|count| line(&format!("{count} x read 2, write 1, on-done"), &vec![head_2_1(); count], false));
    let whole = line("two heads, two 64 B chunks, end, on-done", &[whole_exchange()], true);
    println!();
    println!("{:<52} {:>8.3}   (goal 0.1)", "a hook that was not asked for", bench.unsubscribed());
    println!("{:<52} {:>8.3}", "an empty hook", done / 2.0);
    let hook = bench.hook(&head_2_1());
    println!("{:<52} {hook:>8.3}   (goal 1.5)", "a head hook: read 2 of 20, write 1");
    println!("{:<52} {:>8.3}   (goal 3)", "a filter's share, slope over 1 and 20", (copies[2] - copies[0]) / 19.0);
    println!("{:<52} {whole:>8.3}   (goal 4)", "a whole exchange through a filter");
    println!();
    costs::lines(&bench);
    println!();
    middleware::lines(&bench);
    println!();
    languages::lines(&bench);
}

fn head(body: &str) -> Guest {
    let request_head = format!("{body} global.get $next");
    Guest { request_head, ..Guest::new(Wants { request_head: true, ..Wants::default() }) }
}

fn head_2_1() -> Guest {
    let mut guest = Guest::new(Wants { request_head: true, ..Wants::default() });
    let (one, two) = (guest.text("user-agent"), guest.text("x-field-17"));
    let set = guest.set(0, "x-seen", "yes, by the filter");
    let read = |name: &str| format!("(drop (call $has (local.get $of) (i32.const 0) {name}))");
    guest.request_head = format!("{} {} {set} global.get $next", read(&one), read(&two));
    guest
}

fn whole_exchange() -> Guest {
    let wants = Wants { request_head: true, response_head: true, request_body: TRANSFORM, ..Wants::default() };
    Guest { wants, ..head_2_1() }
}

struct Bench<'a> {
    host: &'a Host,
    connection: Arc<Connection>,
    request: request::Parts,
    response: response::Parts,
}

impl<'a> Bench<'a> {
    fn new(host: &'a Host) -> Self {
        let connection = Arc::new(Connection {
            entry: Entry::Forward,
            client_address: "192.0.2.7:51034".parse().unwrap(),
            user: None,
            tunnel_target: None,
            server_name: None,
            intercepted: false,
        });
        let mut request = Request::builder().uri("http://example.com/path?query").version(Version::HTTP_11);
        let mut response = Response::builder().status(200).version(Version::HTTP_11);
        for (name, value) in [("user-agent", "bench/1.0"), ("accept", "*/*"), ("accept-encoding", "gzip, br")] {
            request = request.header(name, value);
        }
        for number in 3..20 {
            request = request.header(format!("x-field-{number}"), "some value of a usual length");
            response = response.header(format!("x-field-{number}"), "some value of a usual length");
        }
        let (request, ()) = request.body(()).unwrap().into_parts();
        let (response, ()) = response.body(()).unwrap().into_parts();
        Self { host, connection, request, response }
    }

    fn worker(&self, guests: &[Guest]) -> (Rc<Instances>, Arc<Chain>) {
        let load = |(index, guest): (usize, &Guest)| self.host.load(&guest.artifact(&format!("f{index}"))).unwrap();
        (Instances::new(self.host), Arc::new(Chain::new(guests.iter().enumerate().map(load).collect())))
    }

    /// µs of an exchange, from its making to its end.
    fn measure(&self, guests: &[Guest], bodies: bool) -> f64 {
        let (instances, chain) = self.worker(guests);
        median(|| {
            let begin = cpu_time();
            for _ in 0..PER_BATCH {
                let exchange = Exchange::new(Uuid::nil(), Arc::clone(&self.connection), self.request.clone());
                let mut run = Run::begin(&instances, &chain, exchange, |_| true);
                open(run.request_head(!bodies));
                if bodies {
                    for _ in 0..2 {
                        open(run.chunk(Direction::Request, Bytes::from_static(&[b'x'; 64])));
                        black_box(run.output(Direction::Request));
                    }
                    open(run.end(Direction::Request, None));
                    run.exchange_mut().response = Some(self.response.clone());
                    open(run.response_head(true));
                }
                run.finish(DoneReason::Complete);
                black_box(&run);
            }
            cpu_time() - begin
        })
    }

    /// µs of one head hook alone: the instance is live and the exchange is there.
    fn hook(&self, guest: &Guest) -> f64 {
        const AT_ONCE: u32 = 50;
        let (instances, chain) = self.worker(std::slice::from_ref(guest));
        let begin = || {
            let exchange = Exchange::new(Uuid::nil(), Arc::clone(&self.connection), self.request.clone());
            Run::begin(&instances, &chain, exchange, |_| true)
        };
        median(|| {
            let mut hooks = Duration::ZERO;
            for _ in 0..PER_BATCH / AT_ONCE {
                let mut runs: Vec<Run> = (0..AT_ONCE).map(|_| begin()).collect();
                let from = cpu_time();
                for run in &mut runs {
                    open(run.request_head(true));
                }
                hooks += cpu_time() - from;
            }
            hooks
        })
    }

    /// µs for a hook of a filter that did not ask for it.
    fn unsubscribed(&self) -> f64 {
        let (many, none) = (self.measure(&vec![Guest::default(); 20], false), self.measure(&[], false));
        (many - none) / 20.0
    }
}

/// CPU time of this thread: other work on the machine does not count.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write one timespec to.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn open(progress: Progress) {
    assert!(matches!(progress, Progress::Open));
}

fn median(mut batch: impl FnMut() -> Duration) -> f64 {
    batch();
    median_of((0..BATCHES).map(|_| batch().as_secs_f64() * 1e6 / f64::from(PER_BATCH)).collect())
}

fn median_of(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
