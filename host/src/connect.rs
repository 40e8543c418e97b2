//! The hooks about tunnels: the chain is asked whether one may be, where it leads and who ends its TLS. A tunnel goes in,
//! what the filters made of it comes out. There is no exchange here, so no number of one is live.

use std::{net::SocketAddr, rc::Rc};

use http::uri::Authority;
use wasmtime::Store;
use weir_artifact::{FailurePolicy, Name};

use crate::{
    Chain, Entry, Failure, FailureKind, Filter, Instances, LoadFault,
    bindings::{
        connect::exports::weir::filter::connect::{
            ClientHello as GuestHello, Decision, Guest as ConnectGuest, Tunnel as GuestTunnel,
        },
        weir::filter::http::Entry as GuestEntry,
    },
    filter::Pick,
    line,
    state::{Frozen, Hook, State},
};

/// What a client asks to be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// How it reached the agent.
    pub entry: Entry,
    /// Where it came from.
    pub client_address: SocketAddr,
    /// Who it proved to be.
    pub user: Option<String>,
    /// `host:port`.
    pub target: String,
}

/// What the client's TLS handshake tells in clear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// RFC 6066 section 3.
    pub server_name: Option<String>,
    /// Names of protocols, in the client's order (RFC 7301).
    pub alpn: Vec<String>,
}

/// A filter sends the tunnel elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `host:port`.
    pub target: String,
    /// Who says so.
    pub filter: Name,
}

/// What the chain made of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// It may be.
    Open {
        /// Of the last filter that redirects.
        redirect: Option<Redirect>,
        /// TLS ends at the agent (true) or passes (false); none: no filter says.
        intercept: Option<bool>,
    },
    /// A filter refuses it.
    Denied {
        /// Who.
        filter: Name,
        /// Why: one line, which the client may see.
        reason: String,
    },
    /// A filter failed, and its policy lets nothing go on without it.
    Failed(Failure),
}

/// Asks the chain about a new tunnel. `policy` says of a filter whether it is asked about the tunnel as it is by then, and what
/// becomes of that when it fails.
pub fn on_connect(
    instances: &Rc<Instances>,
    chain: &Chain,
    tunnel: Tunnel,
    policy: impl Fn(&Filter, &Tunnel) -> Option<FailurePolicy>,
) -> Passage {
    let enter = |guest: &ConnectGuest, store: &mut Store<State>, to: &Tunnel| guest.call_on_connect(store, &to.into());
    ask(instances, chain, tunnel, Hook::Connect, policy, enter)
}

/// Asks the chain about the TLS that begins in a tunnel.
pub fn on_client_hello(
    instances: &Rc<Instances>,
    chain: &Chain,
    tunnel: Tunnel,
    hello: &ClientHello,
    policy: impl Fn(&Filter, &Tunnel) -> Option<FailurePolicy>,
) -> Passage {
    let hello = GuestHello { server_name: hello.server_name.clone(), alpn: hello.alpn.clone() };
    let enter = |guest: &ConnectGuest, store: &mut Store<State>, to: &Tunnel| {
        guest.call_on_client_hello(store, &to.into(), &hello)
    };
    ask(instances, chain, tunnel, Hook::ClientHello, policy, enter)
}

fn ask(
    instances: &Rc<Instances>,
    chain: &Chain,
    mut tunnel: Tunnel,
    hook: Hook,
    policy: impl Fn(&Filter, &Tunnel) -> Option<FailurePolicy>,
    enter: impl Fn(&ConnectGuest, &mut Store<State>, &Tunnel) -> wasmtime::Result<Decision>,
) -> Passage {
    let (mut redirect, mut intercept) = (None, None);
    for filter in chain.filters() {
        let Some(policy) = policy(filter, &tunnel) else { continue };
        let Some(pick) = pick(filter, policy) else { continue };
        let (filter, is_refused) = match &pick {
            Pick::This => (filter, false),
            Pick::Fallback(substitute) => (substitute, false),
            Pick::Nobody => (filter, true),
        };
        let decided = if is_refused {
            let reason = "it failed too often in a row".to_owned();
            Err(filter.failure("breaker", FailureKind::BreakerOpen, reason))
        } else {
            let decided = call(instances, filter, hook, |guest, store| enter(guest, store, &tunnel));
            decided.and_then(|decision| check(filter, hook, decision))
        };
        match settle(filter, policy, decided) {
            Ok(None | Some(Decision::Next)) => {}
            Ok(Some(Decision::Intercept)) => intercept = Some(true),
            Ok(Some(Decision::PassThrough)) => intercept = Some(false),
            Ok(Some(Decision::Redirect(target))) => {
                tunnel.target.clone_from(&target);
                redirect = Some(Redirect { target, filter: filter.name().clone() });
            }
            Ok(Some(Decision::Deny(reason))) => {
                return Passage::Denied { filter: filter.name().clone(), reason: line::reason(&reason) };
            }
            Err(failure) => return Passage::Failed(failure),
        }
    }
    Passage::Open { redirect, intercept }
}

impl Filter {
    /// Is it asked about tunnels, itself or by what serves in its place?
    pub fn decides_tunnels(&self) -> bool {
        self.hooks().connect || self.is_broken() && self.fallback().is_some_and(|fallback| fallback.hooks().connect)
    }
}

/// Who of this filter's generations is asked; none: it has no such hook.
fn pick(filter: &Filter, policy: FailurePolicy) -> Option<Pick> {
    if filter.hooks().connect {
        return match filter.pick_for_tunnel(policy) {
            Pick::Fallback(substitute) if !substitute.hooks().connect => None,
            pick => Some(pick),
        };
    }
    // It has none, but is not the one that serves.
    let serves = filter.fallback().filter(|fallback| filter.is_broken() && fallback.hooks().connect);
    serves.map(Pick::Fallback)
}

/// One call, in an instance as an exchange has it.
fn call(
    instances: &Rc<Instances>,
    filter: &std::sync::Arc<Filter>,
    hook: Hook,
    enter: impl FnOnce(&ConnectGuest, &mut Store<State>) -> wasmtime::Result<Decision>,
) -> Result<Decision, Failure> {
    let seat = instances.seat(filter).map_err(|fault| {
        let is_full = matches!(fault, LoadFault::NoRoom { .. });
        let kind = if is_full { FailureKind::NoRoom } else { FailureKind::Instantiate };
        filter.failure(fault.phase(), kind, fault.to_string())
    })?;
    let mut instance = seat.instance.borrow_mut();
    let (mut nothing_lent, mut no_calls) = (None, None);
    let called =
        instance.call(seat.number, hook, Frozen::default(), &mut nothing_lent, &mut no_calls, |guest, store| {
            // without the interface nobody comes here
            guest.connect().map(|hooks| enter(hooks.weir_filter_connect(), store)).transpose()
        });
    drop(instance);
    called.map(|(decision, _)| decision.unwrap_or(Decision::Next))
}

/// What the contract says of answers.
fn check(filter: &Filter, hook: Hook, decision: Decision) -> Result<Decision, Failure> {
    let fault = match &decision {
        Decision::Redirect(_) if hook == Hook::ClientHello => "it redirects when the tunnel is open".to_owned(),
        Decision::Redirect(target) if !is_target(target) => {
            format!("it redirects to {target:?}, which is no host:port")
        }
        Decision::Deny(reason) if reason.len() > filter.publication().limits.answer_bytes as usize => {
            let reason = format!("its answer has {} bytes", reason.len());
            return Err(filter.failure(hook.as_str(), FailureKind::AnswerTooLarge, reason));
        }
        _ => return Ok(decision),
    };
    Err(filter.failure(hook.as_str(), FailureKind::Contract, fault))
}

fn is_target(text: &str) -> bool {
    let authority = text.parse::<Authority>().ok().filter(|_| !text.contains('@'));
    authority.is_some_and(|authority| !authority.host().is_empty() && authority.port_u16().is_some_and(|port| port > 0))
}

/// Counts, and applies the failure policy. None: it goes on without this filter.
fn settle(
    filter: &Filter,
    policy: FailurePolicy,
    decided: Result<Decision, Failure>,
) -> Result<Option<Decision>, Failure> {
    let failure = match decided {
        Ok(decision) => {
            filter.connect_breaker().succeeded();
            return Ok(Some(decision));
        }
        Err(failure) => failure,
    };
    filter.stats().failed(failure.kind);
    if !matches!(failure.kind, FailureKind::NoRoom | FailureKind::InstanceLost | FailureKind::BreakerOpen) {
        filter.connect_breaker().failed();
    }
    if policy == FailurePolicy::Open { Ok(None) } else { Err(failure) }
}

impl From<&Tunnel> for GuestTunnel {
    fn from(tunnel: &Tunnel) -> Self {
        Self {
            entry: match tunnel.entry {
                Entry::Forward => GuestEntry::Forward,
                Entry::Connect => GuestEntry::Connect,
                Entry::Socks5 => GuestEntry::Socks5,
                Entry::Transparent => GuestEntry::Transparent,
                Entry::Reverse => GuestEntry::Reverse,
            },
            client_address: tunnel.client_address.to_string(),
            user: tunnel.user.clone(),
            target: tunnel.target.clone(),
        }
    }
}
