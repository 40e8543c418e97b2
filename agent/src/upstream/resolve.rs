//! Names to addresses. Enters: a target; leaves: the addresses that may be dialled, in the order of RFC 6724. Every answer
//! passes the target policy here, so a name that resolves to the agent or to a metadata service is refused whatever it
//! resolved to a moment ago. Must not know HTTP.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::UpstreamFailure;
use crate::policy::TargetPolicy;
use crate::target::{Target, TargetHost};

/// The system's resolver (`/etc/hosts` and whatever else the machine is set up with) tells no lifetimes. This one is for
/// the check at CONNECT and the dial after it, and for bursts; connections in the pool never ask.
const LIFETIME: Duration = Duration::from_secs(5);
const BOUND: usize = 1024;

/// `!Send`.
pub struct Resolver {
    policy: Arc<TargetPolicy>,
    timeout: Duration,
    answers: RefCell<HashMap<Arc<str>, Answer>>,
}

struct Answer {
    at: Instant,
    addresses: Rc<[SocketAddr]>,
}

impl Resolver {
    pub fn new(policy: Arc<TargetPolicy>, timeout: Duration) -> Self {
        Resolver { policy, timeout, answers: RefCell::default() }
    }

    /// Never empty. Fails with `Denied` when nothing but denied addresses is left.
    pub async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, UpstreamFailure> {
        let answer: Rc<[SocketAddr]> = match (&target.host, target.host.address()) {
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

    async fn look_up(&self, name: &Arc<str>) -> Result<Rc<[SocketAddr]>, UpstreamFailure> {
        if let Some(answer) = self.answers.borrow().get(name).filter(|answer| answer.at.elapsed() < LIFETIME) {
            return Ok(Rc::clone(&answer.addresses));
        }
        let found = tokio::time::timeout(self.timeout, tokio::net::lookup_host((&**name, 0)))
            .await
            .map_err(|_| UpstreamFailure::Timeout("to be found by the resolver"))?
            .map_err(|error| UpstreamFailure::Dns(format!("{name}: {error}")))?;
        let addresses: Rc<[SocketAddr]> = found.collect();
        let mut answers = self.answers.borrow_mut();
        if answers.len() >= BOUND {
            answers.retain(|_, answer| answer.at.elapsed() < LIFETIME);
        }
        if answers.len() < BOUND {
            answers.insert(Arc::clone(name), Answer { at: Instant::now(), addresses: Rc::clone(&addresses) });
        }
        Ok(addresses)
    }
}
