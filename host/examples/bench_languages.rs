//! The same small filter in every language, beside `bench_host`: what an exchange through it costs, and what its memory comes
//! to over a million of them, in instances that are recycled as the limits say.

use std::{path::Path, time::Duration};

use weir_artifact::{Capability, Publication};

use super::{
    Arc, Bench, Chain, DoneReason, Exchange, FILTERS, Filter, Instances, Rc, Run, Uuid, cpu_time, guest, median_of,
    open,
};

const BATCHES: usize = 10;
const PER_BATCH: u32 = 100_000;

pub(super) fn lines(bench: &Bench<'_>) {
    println!("{} exchanges each, marked by hello-LANGUAGE on both heads:", BATCHES as u32 * PER_BATCH);
    println!("{:<12} {:>8} {:>12} {:>10} {:>24}", "", "µs", "guest MiB", "instances", "process MiB, 10 % / end");
    for language in ["rust", "c", "go", "js", "python"] {
        let path = Path::new(FILTERS).join(format!("hello-{language}.wasm"));
        match std::fs::read(&path) {
            Ok(component) => line(bench, language, component),
            Err(error) => println!("{language:<12} not measured: {}: {error}", path.display()),
        }
    }
    println!();
}

fn line(bench: &Bench<'_>, language: &str, component: Vec<u8>) {
    let adjust = |publication: &mut Publication| publication.grants = Capability::ALL.into();
    let filter = bench.host.load(&guest::artifact(component, language, adjust)).unwrap();
    let (instances, chain) = (Instances::new(bench.host), Arc::new(Chain::new(vec![Arc::clone(&filter)])));
    let (mut times, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        times.push(batch(bench, &instances, &chain).as_secs_f64() * 1e6 / f64::from(PER_BATCH));
        resident.push(mib(own_memory()));
    }
    let stats = Filter::stats(&filter);
    assert_eq!(stats.failures().map(|(_, count)| count).sum::<u64>(), 0, "{language} failed");
    println!(
        "{language:<12} {:>8.2} {:>12.2} {:>10} {:>12.1} / {:.1}",
        median_of(times),
        mib(stats.memory_peak()),
        stats.instances_made(),
        resident[0],
        resident[BATCHES - 1],
    );
}

fn batch(bench: &Bench<'_>, instances: &Rc<Instances>, chain: &Arc<Chain>) -> Duration {
    let begin = cpu_time();
    for _ in 0..PER_BATCH {
        let exchange = Exchange::new(Uuid::nil(), Arc::clone(&bench.connection), bench.request.clone());
        let mut run = Run::begin(instances, chain, exchange, |_| true);
        open(run.request_head(true));
        run.exchange_mut().response = Some(bench.response.clone());
        open(run.response_head(true));
        run.finish(DoneReason::Complete);
        // none is harmed when its instance is the next to go
        let response = run.exchange().response.as_ref();
        assert!(response.is_some_and(|response| response.headers.contains_key("x-hello")));
    }
    cpu_time() - begin
}

fn own_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
