//! What an exchange through a middleware of `wasi:http` or a filter with streams costs in the host, beside `bench_host`: an
//! instance of its own, polled as a worker polls it.

use std::{
    hint::black_box,
    path::Path,
    task::{Context, Waker},
};

use weir_artifact::Capability;
use weir_host::{Answer, Task};

use super::{
    Arc, BATCHES, Bench, Bytes, Chain, Direction, DoneReason, Exchange, FILTERS, Host, Instances, Progress, Rc, Run,
    Uuid, cpu_time, guest, median_of,
};

const PER_BATCH: u32 = 2_000;

pub(super) fn lines(bench: &Bench<'_>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    for (name, file, asked) in [
        ("a middleware that hands on what it gets", "for-tests/middleware", "pass"),
        ("one that stamps both heads, bodies unread", "hello-middleware", ""),
        ("one that has both bodies (2 x 64 B) in its memory", "for-tests/middleware", "upper"),
        ("a filter with streams that hands on what it gets", "for-tests/streaming", "hand-on"),
        ("one that has both bodies (2 x 64 B) in its memory", "for-tests/streaming", "upper"),
    ] {
        let path = Path::new(FILTERS).join(file).with_extension("wasm");
        match std::fs::read(&path) {
            Ok(component) => println!("{name:<52} {:>8.1}", measure(bench, component, asked)),
            Err(error) => println!("{name:<52} not measured: {}: {error}", path.display()),
        }
    }
}

fn measure(bench: &Bench<'_>, component: Vec<u8>, asked: &str) -> f64 {
    let host: &Host = bench.host;
    let adjust = |publication: &mut weir_artifact::Publication| publication.grants = Capability::ALL.into();
    let filter = host.load(&guest::artifact(component, "middleware", adjust)).unwrap();
    let (instances, chain) = (Instances::new(host), Arc::new(Chain::new(vec![filter])));
    let batch = || {
        let begin = cpu_time();
        for _ in 0..PER_BATCH {
            exchange(bench, &instances, &chain, asked);
        }
        (cpu_time() - begin).as_secs_f64() * 1e6 / f64::from(PER_BATCH)
    };
    batch();
    median_of((0..BATCHES).map(|_| batch()).collect())
}

/// Two heads, and two chunks each way.
fn exchange(bench: &Bench<'_>, instances: &Rc<Instances>, chain: &Arc<Chain>, asked: &str) {
    let mut request = bench.request.clone();
    for field in ["x-middleware", "x-streaming"] {
        request.headers.insert(field, asked.parse().unwrap());
    }
    let exchange = Exchange::new(Uuid::nil(), Arc::clone(&bench.connection), request);
    let mut run = Run::begin(instances, chain, exchange, |_| true);
    let progress = run.request_head(false);
    let mut tasks = run.take_tasks();
    head(&mut run, &mut tasks, Direction::Request, progress);
    body(&mut run, &mut tasks, Direction::Request);
    run.exchange_mut().response = Some(bench.response.clone());
    let progress = run.response_head(false);
    head(&mut run, &mut tasks, Direction::Response, progress);
    body(&mut run, &mut tasks, Direction::Response);
    run.finish(DoneReason::Complete);
    drop(run);
    poll(&mut tasks);
    assert!(tasks.is_empty(), "the guest ends with its exchange");
}

fn head(run: &mut Run, tasks: &mut Vec<Task>, direction: Direction, mut progress: Progress) {
    loop {
        match progress {
            Progress::Open => return,
            Progress::Answer(answer) => wrong(&answer),
            Progress::Held | Progress::Waiting => poll(tasks),
        }
        match run.resume(direction) {
            Some(next) => progress = next,
            None => progress = Progress::Waiting,
        }
    }
}

fn body(run: &mut Run, tasks: &mut Vec<Task>, direction: Direction) {
    let mut fed = 0;
    loop {
        while let Some(chunk) = run.output(direction) {
            black_box(chunk);
        }
        if run.is_drained(direction) {
            return;
        }
        if let Some(answer) = run.answer() {
            wrong(&answer);
        }
        if run.is_waiting(direction) {
            poll(tasks);
            let _ = run.resume(direction);
            continue;
        }
        let progress = match fed {
            0 | 1 => run.chunk(direction, Bytes::from_static(&[b'x'; 64])),
            _ => run.end(direction, None),
        };
        fed += 1;
        assert!(!matches!(progress, Progress::Answer(_)));
    }
}

fn poll(tasks: &mut Vec<Task>) {
    let mut cx = Context::from_waker(Waker::noop());
    tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
}

fn wrong(answer: &Answer) -> ! {
    panic!("{answer:?}")
}
