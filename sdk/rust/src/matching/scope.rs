//! Lists of hosts, paths and methods, and what of a request is held against them.

use std::cell::OnceCell;

use serde::Deserialize;

use super::{HostPattern, PathPattern, normal_host, path_readings};
use crate::{Problems, Request, field};

/// A [`Scope`] as it stands in a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ScopeConfig {
    /// `example.com`, `*.example.com`, an address, `*`.
    pub hosts: Vec<String>,
    /// Whole paths, `*` for any text: `/admin*`.
    pub paths: Vec<String>,
    /// `GET`
    pub methods: Vec<String>,
}

/// Hosts, paths and methods: a request is in it that meets each list which has anything in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    hosts: Vec<HostPattern>,
    paths: Vec<PathPattern>,
    methods: Vec<String>,
}

impl Scope {
    /// Reads the lists, which stand at `at` in the configuration (an RFC 6901 pointer).
    pub fn new(at: &str, config: &ScopeConfig, problems: &mut Problems) -> Self {
        Self {
            hosts: parse(&config.hosts, &format!("{at}/hosts"), problems, HostPattern::parse),
            paths: parse(&config.paths, &format!("{at}/paths"), problems, PathPattern::parse),
            methods: parse(&config.methods, &format!("{at}/methods"), problems, |text| {
                field::check_method(text).map(|()| text.to_owned())
            }),
        }
    }

    /// It has no lists, so every request is in it.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.paths.is_empty() && self.methods.is_empty()
    }

    /// Some reading of the request is in it: to be asked for what is to be refused.
    pub fn touches(&self, facts: &Facts<'_>) -> bool {
        (self.hosts.is_empty() || self.host(facts).is_some())
            && (self.paths.is_empty() || self.path(facts).is_some())
            && (self.methods.is_empty() || self.method(facts).is_some())
    }

    /// Every reading of the request is in it: to be asked for what is to be let through.
    pub fn covers(&self, facts: &Facts<'_>) -> bool {
        let host = |host: &String| self.hosts.iter().any(|pattern| pattern.matches(host));
        let path = |path: &Vec<u8>| self.paths.iter().any(|pattern| pattern.matches(path));
        (self.methods.is_empty() || self.methods.iter().any(|method| method == facts.method()))
            && (self.paths.is_empty() || facts.paths().iter().all(path))
            && (self.hosts.is_empty() || facts.hosts().iter().all(host))
    }

    /// The first of its hosts that some reading of the request's names.
    pub fn host(&self, facts: &Facts<'_>) -> Option<usize> {
        // Nothing is asked of the agent that no list asks for.
        let hosts = if self.hosts.is_empty() { &[][..] } else { facts.hosts() };
        self.hosts.iter().position(|pattern| hosts.iter().any(|host| pattern.matches(host)))
    }

    /// The first of its paths that some reading of the request's meets.
    pub fn path(&self, facts: &Facts<'_>) -> Option<usize> {
        let paths = if self.paths.is_empty() { &[][..] } else { facts.paths() };
        self.paths.iter().position(|pattern| paths.iter().any(|path| pattern.matches(path)))
    }

    /// The first of its methods that is the request's. Methods are case-sensitive (RFC 9110 section 9.1), but not every
    /// upstream knows.
    pub fn method(&self, facts: &Facts<'_>) -> Option<usize> {
        let method = if self.methods.is_empty() { "" } else { facts.method() };
        self.methods.iter().position(|own| own.eq_ignore_ascii_case(method))
    }
}

fn parse<T>(texts: &[String], at: &str, problems: &mut Problems, one: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    let mut parsed = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match one(text) {
            Ok(value) => parsed.push(value),
            Err(fault) => problems.push(format!("{at}/{index}"), fault),
        }
    }
    parsed
}

/// What of a request is held against scopes, in every form that an upstream may take it for. Asked of the agent when it is
/// first needed, and once.
#[derive(Debug)]
pub struct Facts<'a> {
    request: &'a Request,
    hosts: OnceCell<Vec<String>>,
    paths: OnceCell<Vec<Vec<u8>>>,
    method: OnceCell<String>,
}

impl<'a> Facts<'a> {
    /// The facts of this request; nothing is asked yet.
    pub fn of(request: &'a Request) -> Self {
        Self { request, hosts: OnceCell::new(), paths: OnceCell::new(), method: OnceCell::new() }
    }

    /// Where the exchange goes, and where the client said that it would go (CONNECT target, TLS server name): they may
    /// differ. `Host` need not be asked: the agent sends the authority there, whatever the client wrote.
    pub fn hosts(&self) -> &[String] {
        self.hosts.get_or_init(|| {
            let connection = self.request.connection();
            let mut hosts: Vec<String> = Vec::with_capacity(3);
            let mut add = |authority: &str| {
                let host = normal_host(authority);
                if !hosts.iter().any(|known| *known == host) {
                    hosts.push(host.into_owned());
                }
            };
            add(&self.request.authority());
            connection.tunnel_target.as_deref().map(&mut add);
            connection.server_name.as_deref().map(&mut add);
            hosts
        })
    }

    /// Each reading of the path, without query.
    pub fn paths(&self) -> &[Vec<u8>] {
        self.paths.get_or_init(|| path_readings(&self.request.path()))
    }

    /// The method, as sent.
    pub fn method(&self) -> &str {
        self.method.get_or_init(|| self.request.method())
    }
}
