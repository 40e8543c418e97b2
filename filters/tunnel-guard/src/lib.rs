//! Decides where tunnels may lead and whether TLS ends at the agent. In: what a client asks to be connected to, and the
//! server name of its handshake. Out: a decision. It sees no request.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_sdk::{
    ClientHello, Connect, Decision, Filter, Problems, Subscription, Tunnel,
    matching::{HostPattern, normal_host},
};

/// The configuration as it is written. `schema.json` says the same to editors.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where tunnels may lead; anywhere unless given.
    pub allow: Vec<String>,
    /// Where they may not, be it in `allow`.
    pub deny: Vec<String>,
    /// Whose TLS does not end at the agent.
    pub pass_through: Vec<String>,
    /// Whose TLS ends there, be it on the agent's own list.
    pub intercept: Vec<String>,
    /// host:port to host:port.
    pub redirect: BTreeMap<String, String>,
}

/// The filter.
#[derive(Debug)]
pub struct TunnelGuard {
    allow: Vec<HostPattern>,
    deny: Vec<HostPattern>,
    pass_through: Vec<HostPattern>,
    intercept: Vec<HostPattern>,
    redirect: BTreeMap<(String, u16), String>,
}

impl Filter for TunnelGuard {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let mut list = |name: &str, texts: &[String]| patterns(name, texts, &mut problems);
        let allow = list("allow", &config.allow);
        let deny = list("deny", &config.deny);
        let pass_through = list("pass_through", &config.pass_through);
        let intercept = list("intercept", &config.intercept);
        let redirect = redirects(config.redirect, &mut problems);
        problems.or(Self { allow, deny, pass_through, intercept, redirect })
    }

    /// Requests it does not ask for.
    fn subscription(&self) -> Subscription {
        Subscription::new()
    }
}

impl Connect for TunnelGuard {
    fn connect(&self, to: &Tunnel) -> Decision {
        if let Some(reason) = self.refuses(&to.target) {
            return Decision::Deny(reason);
        }
        let moved = place(&to.target).and_then(|place| self.redirect.get(&place));
        if let Some(target) = moved {
            return Decision::Redirect(target.clone());
        }
        let host = normal_host(&to.target);
        if covers(&self.pass_through, &host) {
            Decision::PassThrough
        } else if covers(&self.intercept, &host) {
            Decision::Intercept
        } else {
            Decision::Next
        }
    }

    /// A client writes any name it likes: a name can keep it out, and never lets it through unseen.
    fn client_hello(&self, _to: &Tunnel, hello: &ClientHello) -> Decision {
        match hello.server_name.as_deref().and_then(|name| self.refuses(name)) {
            Some(reason) => Decision::Deny(reason),
            None => Decision::Next,
        }
    }
}

impl TunnelGuard {
    /// Why not.
    fn refuses(&self, authority: &str) -> Option<String> {
        let host = normal_host(authority);
        if covers(&self.deny, &host) {
            return Some(format!("{host} is on the list of what is denied"));
        }
        let is_unlisted = !self.allow.is_empty() && !covers(&self.allow, &host);
        is_unlisted.then(|| format!("{host} is not on the list of what is allowed"))
    }
}

fn covers(patterns: &[HostPattern], host: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(host))
}

fn patterns(name: &str, texts: &[String], problems: &mut Problems) -> Vec<HostPattern> {
    let mut patterns = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match HostPattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(message) => problems.push(format!("/{name}/{index}"), message),
        }
    }
    patterns
}

fn redirects(written: BTreeMap<String, String>, problems: &mut Problems) -> BTreeMap<(String, u16), String> {
    let mut redirects = BTreeMap::new();
    for (from, to) in written {
        let at = format!("/redirect/{}", from.replace('~', "~0").replace('/', "~1"));
        match (place(&from), place(&to)) {
            (Some(from), Some(_)) => drop(redirects.insert(from, to)),
            (None, _) => problems.push(at, format!("`{from}` is no `host:port`")),
            (_, None) => problems.push(at, format!("`{to}` is no `host:port`")),
        }
    }
    redirects
}

/// `host:port` in the form in which it is compared.
fn place(authority: &str) -> Option<(String, u16)> {
    let (host, port) = authority.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let is_host = !host.contains(['/', '@', ' ', '*']) && (host.starts_with('[') || !host.contains(':'));
    let host = normal_host(host).into_owned();
    (is_host && !host.is_empty()).then_some((host, port))
}

weir_sdk::export!(TunnelGuard, with Connect);

#[cfg(test)]
mod tests;
