//! What single things cost, for `docs/filters/performance.md`: a field read, a field written, a chunk of a body.

use std::{hint::black_box, time::Duration};

use super::{
    BATCHES, Bench, Bytes, Direction, DoneReason, Exchange, Guest, Run, TRANSFORM, Wants, cpu_time, guest, head,
    median_of, open,
};
use std::sync::Arc;
use uuid::Uuid;

const CHUNK: usize = 64 << 10;
/// Of these nearly all is what any chunk costs.
const SMALL: usize = 64;
const CHUNKS: u32 = 64;
const EXCHANGES: u32 = 20;

pub(super) fn lines(bench: &Bench<'_>) {
    let slope = |few: &Guest, many: &Guest, more: f64| (bench.hook(many) - bench.hook(few)) / more;
    let reads = |count: usize| {
        let mut guest = head("");
        let name = guest.text("x-field-17");
        let read = format!("(drop (call $has (local.get $of) (i32.const 0) {name}))");
        guest.request_head = format!("{} global.get $next", read.repeat(count));
        guest
    };
    let writes = |count: usize| {
        let mut guest = head("");
        let set: String =
            (0..count).map(|n| guest.set(0, &format!("x-new-{n}"), "some value of a usual length")).collect();
        guest.request_head = format!("{set} global.get $next");
        guest
    };
    println!("{:<52} {:>8.3}", "one more field asked for", slope(&reads(2), &reads(22), 20.0));
    println!("{:<52} {:>8.3}", "one more field set", slope(&writes(1), &writes(11), 10.0));
    let (passes, replaces) = ("global.get $next", "(call $replace (local.get $ptr) (local.get $len))");
    let copy = median_of((0..BATCHES).map(|_| copies()).collect());
    println!("{:<52} {copy:>8.2}", "64 KiB copied into new memory, outside of any guest");
    for (name, mode, body) in [
        ("a filter observes", guest::OBSERVE, passes),
        ("pass through a filter unchanged", TRANSFORM, passes),
        ("a filter gives back in place", TRANSFORM, replaces),
    ] {
        let wants = Wants { request_body: mode, ..Wants::default() };
        let guest = || Guest { body: body.to_owned(), ..Guest::new(wants) };
        let [fixed, took] = [SMALL, CHUNK].map(|size| chunks(bench, Some(guest()), size) - chunks(bench, None, size));
        println!("{:<52} {fixed:>8.2}", format!("{SMALL} bytes that {name}"));
        let copies = (took - fixed) / copy;
        println!(
            "{:<52} {took:>8.2}   ({copies:.1} copies and what {SMALL} bytes cost)",
            format!("64 KiB that {name}")
        );
    }
}

/// µs.
fn copies() -> f64 {
    let from = vec![b'x'; CHUNK];
    let begin = cpu_time();
    for _ in 0..EXCHANGES * CHUNKS {
        black_box(Bytes::copy_from_slice(black_box(&from)));
    }
    per_chunk(cpu_time() - begin)
}

/// µs for each.
fn chunks(bench: &Bench<'_>, guest: Option<Guest>, size: usize) -> f64 {
    let guests: Vec<Guest> = guest.into_iter().collect();
    let (instances, chain) = bench.worker(&guests);
    let chunk = Bytes::from(vec![b'x'; size]);
    let batch = || {
        let mut took = Duration::ZERO;
        for _ in 0..EXCHANGES {
            let exchange = Exchange::new(Uuid::nil(), Arc::clone(&bench.connection), bench.request.clone());
            let mut run = Run::begin(&instances, &chain, exchange, |_| true);
            open(run.request_head(false));
            let begin = cpu_time();
            for _ in 0..CHUNKS {
                open(run.chunk(Direction::Request, chunk.clone()));
                while let Some(out) = run.output(Direction::Request) {
                    black_box(out);
                }
            }
            took += cpu_time() - begin;
            open(run.end(Direction::Request, None));
            run.finish(DoneReason::Complete);
        }
        per_chunk(took)
    };
    batch();
    median_of((0..BATCHES).map(|_| batch()).collect())
}

fn per_chunk(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6 / f64::from(EXCHANGES * CHUNKS)
}
