//! What filters say of tunnels. Enters: what a client asks to be connected to, later the beginning of its TLS; leaves: a
//! [`Passage`]. Must not know what is done about it.

use weir_host::{ClientHello, Connection, Entry, Passage, Tunnel, on_client_hello, on_connect};

use crate::connection::Cx;
use crate::target::Target;

/// A new tunnel, before anything is dialled.
pub fn ask(cx: &Cx, asked: &Target) -> Passage {
    let snapshot = cx.worker.shared.active.load();
    let asked = asked.to_string();
    let tunnel = tunnel(&cx.facts, asked.clone());
    on_connect(&cx.worker.instances, &snapshot.chain, tunnel, |filter, now| {
        snapshot.policy_of_tunnel(filter, now, &[&now.target, &asked])
    })
}

/// The TLS that begins in the tunnel.
pub fn ask_about_tls(cx: &Cx, target: &Target, hello: &ClientHello) -> Passage {
    let snapshot = cx.worker.shared.active.load();
    let leads_to = target.to_string();
    let tunnel = tunnel(&cx.facts, leads_to.clone());
    let mut named = vec![leads_to.as_str()];
    named.extend(cx.facts.tunnel_target.as_deref());
    named.extend(hello.server_name.as_deref());
    on_client_hello(&cx.worker.instances, &snapshot.chain, tunnel, hello, |filter, now| {
        snapshot.policy_of_tunnel(filter, now, &named)
    })
}

/// Does any filter have something to say of tunnels?
pub fn is_anybody_asked(cx: &Cx) -> bool {
    let snapshot = cx.worker.shared.active.load();
    snapshot.chain.filters().iter().any(|filter| filter.decides_tunnels())
}

fn tunnel(facts: &Connection, target: String) -> Tunnel {
    Tunnel { entry: Entry::Connect, client_address: facts.client_address, user: facts.user.clone(), target }
}
