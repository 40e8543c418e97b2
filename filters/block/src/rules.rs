//! What is blocked: lists that block by themselves, and combinations of lists.

use weir_sdk::{Problems, Request};

use crate::{config::Config, host, host::HostPattern, path, pattern};

/// Every rule, each with its place in the configuration.
#[derive(Debug)]
pub(crate) struct Rules {
    alone: Lists,
    combined: Vec<Lists>,
    needs: Needs,
}

#[derive(Debug)]
struct Lists {
    hosts: Vec<HostPattern>,
    paths: Vec<Vec<u8>>,
    methods: Vec<String>,
}

/// What has to be asked of the agent at all.
#[derive(Debug)]
struct Needs {
    hosts: bool,
    paths: bool,
    methods: bool,
}

/// The facts of one request, in every form that an upstream may take them for; empty where no rule asks for them.
struct Facts {
    hosts: Vec<String>,
    paths: Vec<Vec<u8>>,
    method: Option<String>,
}

impl Rules {
    pub(crate) fn new(config: &Config, problems: &mut Problems) -> Self {
        let alone = Lists::new("", &config.hosts, &config.paths, &config.methods, problems);
        let mut combined = Vec::with_capacity(config.rules.len());
        for (index, rule) in config.rules.iter().enumerate() {
            let at = format!("/rules/{index}");
            if rule.hosts.is_empty() && rule.paths.is_empty() && rule.methods.is_empty() {
                problems.push(&at, "a rule without hosts, paths and methods would block everything");
            }
            combined.push(Lists::new(&at, &rule.hosts, &rule.paths, &rule.methods, problems));
        }
        let any = |has: fn(&Lists) -> bool| has(&alone) || combined.iter().any(has);
        let needs = Needs {
            hosts: any(|lists| !lists.hosts.is_empty()),
            paths: any(|lists| !lists.paths.is_empty()),
            methods: any(|lists| !lists.methods.is_empty()),
        };
        Self { alone, combined, needs }
    }

    /// The rule that blocks the request, as a pointer into the configuration.
    pub(crate) fn find(&self, request: &Request) -> Option<String> {
        let facts = Facts::gather(request, &self.needs);
        let found = |list: &str, index: usize| Some(format!("/{list}/{index}"));
        if let Some(index) = self.alone.host(&facts) {
            return found("hosts", index);
        }
        if let Some(index) = self.alone.path(&facts) {
            return found("paths", index);
        }
        if let Some(index) = self.alone.method(&facts) {
            return found("methods", index);
        }
        let index = self.combined.iter().position(|lists| lists.all(&facts))?;
        found("rules", index)
    }
}

impl Lists {
    fn new(at: &str, hosts: &[String], paths: &[String], methods: &[String], problems: &mut Problems) -> Self {
        Self {
            hosts: parse(hosts, &format!("{at}/hosts"), problems, HostPattern::parse),
            paths: parse(paths, &format!("{at}/paths"), problems, parse_path),
            methods: parse(methods, &format!("{at}/methods"), problems, parse_method),
        }
    }

    fn host(&self, facts: &Facts) -> Option<usize> {
        self.hosts.iter().position(|pattern| facts.hosts.iter().any(|host| pattern.matches(host)))
    }

    fn path(&self, facts: &Facts) -> Option<usize> {
        self.paths.iter().position(|pattern| facts.paths.iter().any(|path| pattern::matches(pattern, path)))
    }

    /// Methods are case-sensitive (RFC 9110 section 9.1), but not every upstream knows.
    fn method(&self, facts: &Facts) -> Option<usize> {
        let method = facts.method.as_deref()?;
        self.methods.iter().position(|blocked| blocked.eq_ignore_ascii_case(method))
    }

    fn all(&self, facts: &Facts) -> bool {
        (self.hosts.is_empty() || self.host(facts).is_some())
            && (self.paths.is_empty() || self.path(facts).is_some())
            && (self.methods.is_empty() || self.method(facts).is_some())
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

fn parse_path(text: &str) -> Result<Vec<u8>, String> {
    if !text.starts_with(['/', '*']) {
        return Err(format!("`{text}` is no path: it begins with `/` or `*`"));
    }
    if text.contains(['?', '#']) {
        return Err(format!("`{text}` has a query: paths are compared without"));
    }
    Ok(path::decode(text.as_bytes()))
}

fn parse_method(text: &str) -> Result<String, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(token) {
        return Err(format!("`{text}` is no method"));
    }
    Ok(text.to_owned())
}

impl Facts {
    fn gather(request: &Request, needs: &Needs) -> Self {
        let hosts = if needs.hosts { hosts(request) } else { Vec::new() };
        let paths = if needs.paths { path::readings(&request.path()) } else { Vec::new() };
        let method = needs.methods.then(|| request.method());
        Self { hosts, paths, method }
    }
}

/// Where the exchange goes, and where the client said that it would go: they may differ. `Host` need not be asked: the
/// agent sends the authority there, whatever the client wrote.
fn hosts(request: &Request) -> Vec<String> {
    let connection = request.connection();
    let mut hosts: Vec<String> = Vec::with_capacity(3);
    let mut add = |authority: &str| {
        let host = host::normal(authority);
        if !hosts.iter().any(|known| *known == host) {
            hosts.push(host.into_owned());
        }
    };
    add(&request.authority());
    connection.tunnel_target.as_deref().map(&mut add);
    connection.server_name.as_deref().map(&mut add);
    hosts
}
