//! Names to addresses. Enters: a target; leaves: the addresses that may be dialled, in the order of RFC 6724. Every answer
//! passes the target policy here, so a name that resolves to the agent or to a metadata service is refused whatever it
//! resolved to a moment ago. Must not know HTTP.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, Shared};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::UpstreamFailure;
use crate::policy::TargetPolicy;
use crate::target::{Target, TargetHost};

/// The system's resolver (`/etc/hosts` and whatever else the machine is set up with) tells no lifetimes. This one is for
/// the check at CONNECT and the dial after it, and for bursts; connections in the pool never ask.
const LIFETIME: Duration = Duration::from_secs(5);
const BOUND: usize = 1024;
/// Names asked for at once. Each holds a thread, for as long as the system's resolver takes, which knows no end.
const AT_ONCE: usize = 64;
/// And names that wait for their turn.
const WAITING: usize = 1024;

type Addresses = Rc<[SocketAddr]>;
/// Of one name; whoever asks for it meanwhile waits for the same.
type LookUp = Shared<LocalBoxFuture<'static, Result<Addresses, UpstreamFailure>>>;

/// `!Send`.
pub struct Resolver {
    policy: Arc<TargetPolicy>,
    timeout: Duration,
    state: Rc<State>,
}

struct State {
    answers: RefCell<HashMap<Arc<str>, Answer>>,
    under_way: RefCell<HashMap<Arc<str>, LookUp>>,
    turns: Arc<Semaphore>,
    ask: Ask,
}

struct Answer {
    at: Instant,
    addresses: Addresses,
}

/// The system's resolver. It blocks.
type Ask = fn(&str) -> std::io::Result<Vec<SocketAddr>>;

fn system(name: &str) -> std::io::Result<Vec<SocketAddr>> {
    (name, 0).to_socket_addrs().map(Iterator::collect)
}

impl Resolver {
    pub fn new(policy: Arc<TargetPolicy>, timeout: Duration) -> Self {
        Resolver::asking(system, policy, timeout)
    }

    fn asking(ask: Ask, policy: Arc<TargetPolicy>, timeout: Duration) -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let state = State { answers: RefCell::default(), under_way: RefCell::default(), turns, ask };
        Resolver { policy, timeout, state: Rc::new(state) }
    }

    /// Never empty. Fails with `Denied` when nothing but denied addresses is left.
    pub async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, UpstreamFailure> {
        let answer: Addresses = match (&target.host, target.host.address()) {
            (_, Some(address)) => Rc::new([SocketAddr::new(address, 0)]),
            (TargetHost::Domain(name), None) => self.look_up(name).await?,
            _ => Rc::new([]),
        };
        let mut denied = None;
        let mut allowed = Vec::with_capacity(answer.len());
        for address in answer.iter().map(|address| SocketAddr::new(address.ip(), target.port)) {
            match self.policy.check(address) {
                Ok(()) => allowed.push(address),
                Err(reason) => denied = Some(reason),
            }
        }
        match denied {
            _ if !allowed.is_empty() => Ok(allowed),
            Some(reason) => Err(UpstreamFailure::Denied(reason)),
            None => Err(UpstreamFailure::Dns(format!("{} has no address", target.host))),
        }
    }

    async fn look_up(&self, name: &Arc<str>) -> Result<Addresses, UpstreamFailure> {
        if let Some(answer) = self.state.answers.borrow().get(name).filter(|answer| answer.at.elapsed() < LIFETIME) {
            return Ok(Rc::clone(&answer.addresses));
        }
        let look_up = self.under_way(name)?;
        timeout(self.timeout, look_up).await.unwrap_or_else(|_| match self.state.turns.available_permits() {
            0 => Err(busy()),
            _ => Err(UpstreamFailure::Timeout("to be found by the resolver")),
        })
    }

    /// It goes on when nobody waits any more: a name that hangs is asked for once.
    fn under_way(&self, name: &Arc<str>) -> Result<LookUp, UpstreamFailure> {
        let mut under_way = self.state.under_way.borrow_mut();
        if let Some(look_up) = under_way.get(name) {
            return Ok(look_up.clone());
        }
        if under_way.len() >= AT_ONCE + WAITING {
            return Err(busy());
        }
        let look_up = Rc::clone(&self.state).look_up(Arc::clone(name)).boxed_local().shared();
        under_way.insert(Arc::clone(name), look_up.clone());
        tokio::task::spawn_local(look_up.clone());
        Ok(look_up)
    }
}

impl State {
    async fn look_up(self: Rc<Self>, name: Arc<str>) -> Result<Addresses, UpstreamFailure> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let (ask, asked) = (self.ask, Arc::clone(&name));
        let found = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            ask(&asked)
        });
        let found = found.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        self.under_way.borrow_mut().remove(&name);
        let addresses: Addresses = match found {
            Ok(found) => found.into(),
            Err(error) => return Err(UpstreamFailure::Dns(format!("{name}: {error}"))),
        };
        let mut answers = self.answers.borrow_mut();
        if answers.len() >= BOUND {
            answers.retain(|_, answer| answer.at.elapsed() < LIFETIME);
        }
        if answers.len() < BOUND {
            answers.insert(name, Answer { at: Instant::now(), addresses: Rc::clone(&addresses) });
        }
        Ok(addresses)
    }
}

fn busy() -> UpstreamFailure {
    UpstreamFailure::Own("the system's resolver does not answer, and too many names wait for it".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    use futures_util::future::join_all;

    use super::*;
    use crate::target::Scheme;

    fn resolver(ask: Ask, timeout: Duration) -> Resolver {
        let policy = TargetPolicy::new(Vec::new(), Vec::new(), Vec::new());
        Resolver::asking(ask, Arc::new(policy), timeout)
    }

    fn target(name: &str) -> Target {
        Target::new(Scheme::Http, TargetHost::parse(name).unwrap(), 80)
    }

    /// Runs on a thread of its own, whose runtime waits for no thread that hangs.
    fn run(test: impl Future<Output = ()>) {
        let options = tokio::runtime::LocalOptions::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(options).unwrap();
        runtime.block_on(test);
        runtime.shutdown_background();
    }

    #[test]
    fn a_name_is_asked_for_once_however_many_wait() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        fn ask(_: &str) -> std::io::Result<Vec<SocketAddr>> {
            ASKED.fetch_add(1, Ordering::Relaxed);
            Ok(vec![SocketAddr::from(([192, 0, 2, 1], 0))])
        }
        run(async {
            let resolver = resolver(ask, Duration::from_secs(30));
            let target = target("a.example");
            for answer in join_all((0..20).map(|_| resolver.resolve(&target))).await {
                assert_eq!(answer, Ok(vec![SocketAddr::from(([192, 0, 2, 1], 80))]));
            }
            assert_eq!(ASKED.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn a_resolver_that_hangs_holds_so_many_threads_and_is_the_agents_fault() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static HANGS: (Mutex<bool>, Condvar) = (Mutex::new(true), Condvar::new());
        fn ask(_: &str) -> std::io::Result<Vec<SocketAddr>> {
            ASKED.fetch_add(1, Ordering::Relaxed);
            drop(HANGS.1.wait_while(HANGS.0.lock().unwrap(), |hangs| *hangs).unwrap());
            Ok(vec![SocketAddr::from(([192, 0, 2, 1], 0))])
        }
        run(async {
            // long enough for a slow machine to begin so many threads
            let resolver = resolver(ask, Duration::from_secs(3));
            let one = resolver.resolve(&target("n0.example")).await;
            assert!(matches!(one, Err(UpstreamFailure::Timeout(_))), "{one:?}");
            let targets: Vec<_> = (0..AT_ONCE + 10).map(|n| target(&format!("n{n}.example"))).collect();
            for answer in join_all(targets.iter().map(|target| resolver.resolve(target))).await {
                assert!(matches!(answer, Err(UpstreamFailure::Own(_))), "{answer:?}");
            }
            assert_eq!(ASKED.load(Ordering::Relaxed), AT_ONCE);
            *HANGS.0.lock().unwrap() = false;
            HANGS.1.notify_all();
            assert!(resolver.resolve(&targets[AT_ONCE + 9]).await.is_ok());
        });
    }
}
