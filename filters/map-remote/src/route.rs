//! One rule: which requests it is about, and where they go.

use weir_sdk::{
    Problems,
    matching::{Facts, Scope, path_readings},
};

use crate::config::{Rule, Scheme};

#[derive(Debug)]
pub(crate) struct Route {
    scope: Scope,
    pub(crate) authority: Option<String>,
    pub(crate) scheme: Option<Scheme>,
    /// Whole segments: no `/` at the end.
    prefix: String,
    to: String,
}

impl Route {
    pub(crate) fn new(at: &str, rule: &Rule, problems: &mut Problems) -> Self {
        let scope = Scope::new(&format!("{at}/match"), &rule.scope, problems);
        if rule.authority.is_none() && rule.scheme.is_none() && rule.to.is_none() {
            problems.push(at, "neither `authority`, `scheme` nor `to`: nothing changes");
        }
        if rule.prefix.is_some() && rule.to.is_none() {
            problems.push(format!("{at}/prefix"), "what stands in its place is missing: `to`");
        }
        if let Some(authority) = &rule.authority {
            check_authority(authority, &format!("{at}/authority"), problems);
            if rule.scope == Default::default() && rule.prefix.is_none() {
                problems.push(format!("{at}/match"), "every request of every host would go there: name the hosts");
            }
        }
        let prefix = path(rule.prefix.as_deref(), &format!("{at}/prefix"), problems);
        let to = path(rule.to.as_deref(), &format!("{at}/to"), problems);
        if rule.authority.is_none() && rule.scheme.is_none() && rule.to.is_some() && prefix == to {
            problems.push(format!("{at}/to"), "the same as `prefix`: nothing changes");
        }
        let to = if rule.to.is_some() { to } else { prefix.clone() };
        Self { scope, authority: rule.authority.clone(), scheme: rule.scheme, prefix, to }
    }

    /// Path and query for the upstream; none where the rule does not fit. It has to fit every reading of the request, and so
    /// has the prefix: a path that leaves its folder by a detour (`/api/../admin`) is not sent to another folder.
    pub(crate) fn map(&self, path: &str, facts: &Facts<'_>) -> Option<String> {
        let rest = path.strip_prefix(self.prefix.as_str()).filter(|rest| is_boundary(rest.as_bytes()))?;
        if !self.scope.covers(facts) || !self.prefix.is_empty() && !self.holds(facts) {
            return None;
        }
        let slash = if self.to.is_empty() && !rest.starts_with('/') { "/" } else { "" };
        let mapped = format!("{}{slash}{rest}", self.to);
        // `/api/../api/x` is within `/api` by every reading, and what becomes of it need not be within `to`
        let stays = |reading: &Vec<u8>| reading.strip_prefix(self.to.as_bytes()).is_some_and(is_boundary);
        (self.to.is_empty() || path_readings(&mapped).iter().all(stays)).then_some(mapped)
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        facts.paths().iter().all(|path| path.strip_prefix(self.prefix.as_bytes()).is_some_and(is_boundary))
    }
}

/// `/api` is the beginning of `/api/x` and `/api?x`, not of `/apis`.
fn is_boundary(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b'/' | b'?'))
}

/// Without the `/` at the end, so that it ends with a segment; the root is empty.
fn path(text: Option<&str>, at: &str, problems: &mut Problems) -> String {
    let Some(text) = text else { return String::new() };
    let is_plain = |segment: &str| !matches!(segment, "." | "..");
    let is_char = |byte: u8| byte.is_ascii_graphic() && !b"?#%\\;\"<>".contains(&byte);
    if !text.starts_with('/') {
        problems.push(at, format!("`{text}` is no path: it begins with `/`"));
    } else if !text.bytes().all(is_char) || !text.split('/').all(is_plain) || text.contains("//") {
        problems.push(at, format!("`{}` has parts that servers read in different ways", text.escape_debug()));
    }
    text.trim_end_matches('/').to_owned()
}

fn check_authority(text: &str, at: &str, problems: &mut Problems) {
    let (host, port) = match text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match is_bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    if !is_host || !is_port {
        problems.push(at, format!("`{}` is no `host` or `host:port`", text.escape_debug()));
    }
}
