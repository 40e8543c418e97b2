//! The engine: how guests are compiled, where their memory comes from, and the clock that interrupts them.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::Path,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use wasmtime::{
    Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::{HostConfig, HostError, state::TABLE_ELEMENTS};

/// Time between two ticks. A guest is looked at once per tick, so limits of CPU time are exact to two of these.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// The most memory that a publication can ask for (`weir_artifact::Limits`), hence of each place in the pool.
const MEMORY_BYTES: usize = 256 << 20;

/// Instances of all filters and generations: a worker's share, which filters ask for ([`crate::room`]), and the first of each
/// filter on each worker and what loading needs, which they do not. A place in the pool costs address space (4 GiB, so
/// that bounds checks need no code), not memory.
const INSTANCES_PER_WORKER: u32 = 256;
const INSTANCES_BESIDE: u32 = 256;

/// Core instances in one component, on average over the pool: three for native languages, up to forty for interpreters.
const CORE_INSTANCES: u32 = 8;

/// Pages of a returned instance that are cleared in place instead of given back: saves page faults where each exchange
/// has a fresh instance.
const KEEP_RESIDENT: usize = 128 << 10;

/// Instances with an exchange each, in the pool of the concurrent engine: a worker's share, for so many workers at most that
/// the address space holds both pools.
const CONCURRENT_PER_WORKER: u32 = 512;
const CONCURRENT_WORKERS: usize = 16;
const CONCURRENT_BESIDE: u32 = 64;

/// The stack of one task of a guest.
const STACK: usize = 1 << 20;

pub(crate) fn start(config: &HostConfig) -> Result<Engine, HostError> {
    let cache = config.cache_dir.as_deref().map(open_cache).transpose()?;
    Engine::new(&settings(config.workers, cache)).map_err(|error| HostError::Engine(format!("{error:#}")))
}

/// As [`start`], for worlds with `async` in them. What it compiles is not the other's: the cache tells them apart.
pub(crate) fn start_concurrent(config: &HostConfig) -> Result<Engine, HostError> {
    let cache = config.cache_dir.as_deref().map(open_cache).transpose()?;
    let instances = CONCURRENT_BESIDE + concurrent_room(config.workers);
    let mut pool = pool(instances);
    pool.total_stacks(2 * instances).async_stack_keep_resident(64 << 10);
    let mut settings = common(pool, cache);
    settings
        .concurrency_support(true)
        .wasm_component_model_async(true)
        .async_stack_size(STACK)
        .max_wasm_stack(STACK / 2);
    Engine::new(&settings).map_err(|error| HostError::Engine(format!("{error:#}")))
}

/// Places in the pool of the concurrent engine.
pub(crate) fn concurrent_room(workers: usize) -> u32 {
    CONCURRENT_PER_WORKER * u32::try_from(workers.clamp(1, CONCURRENT_WORKERS)).unwrap_or(1)
}

/// Places in the pool that filters ask for.
pub(crate) fn room(workers: usize) -> u32 {
    INSTANCES_PER_WORKER * u32::try_from(workers.clamp(1, 64)).unwrap_or(64)
}

fn settings(workers: usize, cache: Option<Cache>) -> Config {
    let mut config = common(pool(INSTANCES_BESIDE + room(workers)), cache);
    // Costs every call into a guest dearly, and the `filter` world has nothing async.
    config.concurrency_support(false);
    config
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances * CORE_INSTANCES)
        .total_memories(instances)
        .total_tables(instances * 4)
        .max_tables_per_component(64)
        .max_tables_per_module(8)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(MEMORY_BYTES)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(16 << 10);
    pool
}

fn common(pool: PoolingAllocationConfig, cache: Option<Cache>) -> Config {
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .wasm_component_model(true)
        .wasm_memory64(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .cache(cache);
    config
}

/// What lies in the cache is run as native code, so nobody else may be able to write there.
fn open_cache(path: &Path) -> Result<Cache, HostError> {
    let refuse = |reason: String| HostError::Cache { path: path.to_owned(), reason };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| refuse(error.to_string()))?;
    let path = path.canonicalize().map_err(|error| refuse(error.to_string()))?;
    let meta = fs::symlink_metadata(&path).map_err(|error| refuse(error.to_string()))?;
    // SAFETY: geteuid has no preconditions and cannot fail.
    let us = unsafe { libc::geteuid() };
    if meta.uid() != us || meta.mode() & 0o077 != 0 {
        return Err(refuse(format!(
            "it belongs to user {} with mode {:o}: it must be ours with mode 700",
            meta.uid(),
            meta.mode() & 0o777
        )));
    }
    let mut config = CacheConfig::new();
    config.with_directory(path);
    Cache::new(config).map_err(|error| refuse(format!("{error:#}")))
}

/// Advances the engine's epoch until it is dropped. A thread of its own: were it a task of a runtime, a guest that
/// loops could keep it from ever running.
pub(crate) struct Ticker {
    _stop: Sender<()>,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> Result<Self, HostError> {
        let (stop, stopped) = channel::<()>();
        let engine = engine.weak();
        thread::Builder::new()
            .name("weir-ticker".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    let Some(engine) = engine.upgrade() else { return };
                    engine.increment_epoch();
                }
            })
            .map_err(HostError::Ticker)?;
        Ok(Self { _stop: stop })
    }
}
