//! The policy of one configuration, and what it makes of a response that is no preflight's.

use weir_sdk::{HeaderError, HeadersMut, Problems, field, matching::Scope};

use crate::{config::Config, origin::OriginPattern, withdraw};

/// Seconds that browsers keep a preflight's answer at most: Firefox, of all, the longest.
const LONGEST: u32 = 86_400;

/// A list, or anything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Any,
    These(Vec<String>),
}

#[derive(Debug)]
pub(crate) struct Policy {
    origins: Vec<OriginPattern>,
    /// What a page may read differs by the page, so caches have to know.
    varies: bool,
    pub(crate) methods: Names,
    pub(crate) headers: Names,
    expose: Option<String>,
    pub(crate) credentials: bool,
    pub(crate) max_age: Option<String>,
    pub(crate) private_network: bool,
    pub(crate) scope: Scope,
}

impl Policy {
    pub(crate) fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let origins = origins(&config, &mut problems);
        let methods = names("/methods", config.methods, field::check_method, &mut problems);
        let headers = names("/headers", config.headers, field::check_name, &mut problems);
        let expose = match names("/expose", config.expose, field::check_name, &mut problems) {
            Names::Any if config.credentials => {
                problems.push("/expose", "with `credentials`, `*` names a field called `*`: list the fields");
                None
            }
            Names::Any => Some("*".to_owned()),
            Names::These(names) => Some(names.join(", ")).filter(|names| !names.is_empty()),
        };
        if config.max_age.is_some_and(|seconds| seconds > LONGEST) {
            problems.push("/max_age", format!("no browser keeps an answer longer than {LONGEST} seconds"));
        }
        let scope = Scope::new("/match", &config.scope, &mut problems);
        if !config.scope.methods.is_empty() && !config.scope.methods.iter().any(|method| method == "OPTIONS") {
            problems.push(
                "/match/methods",
                "preflights come by OPTIONS: leave methods out here, `methods` says which are allowed",
            );
        }
        problems.or(Self {
            varies: config.credentials || origins != [OriginPattern::Any],
            origins,
            methods,
            headers,
            expose,
            credentials: config.credentials,
            max_age: config.max_age.map(|seconds| seconds.to_string()),
            private_network: config.private_network,
            scope,
        })
    }

    /// What Access-Control-Allow-Origin says to this origin; none where it is not let in. An origin is sent back only if it
    /// is on the list, and then as it came, which is as it stands there.
    pub(crate) fn allow_origin(&self, origin: &str) -> Option<String> {
        let found = self.origins.iter().find(|pattern| pattern.matches(origin))?;
        Some(if *found == OriginPattern::Any { "*".to_owned() } else { origin.to_owned() })
    }

    /// Sets the fields of a response, in place of what the upstream set.
    pub(crate) fn apply(&self, allow_origin: Option<&str>, headers: &mut HeadersMut<'_>) -> Result<(), HeaderError> {
        withdraw(headers);
        if self.varies && !varies_by_origin(&headers.get_all("vary")) {
            headers.append("vary", "Origin")?;
        }
        let Some(origin) = allow_origin else { return Ok(()) };
        if self.credentials {
            headers.set("access-control-allow-credentials", "true")?;
        }
        if let Some(names) = &self.expose {
            headers.set("access-control-expose-headers", names)?;
        }
        // Last: without it the others grant nothing.
        headers.set("access-control-allow-origin", origin)
    }
}

fn origins(config: &Config, problems: &mut Problems) -> Vec<OriginPattern> {
    let mut origins = Vec::with_capacity(config.origins.len());
    if config.origins.is_empty() {
        problems.push("/origins", "without origins nobody is let in: take the filter away instead");
    }
    for (index, text) in config.origins.iter().enumerate() {
        match OriginPattern::parse(text) {
            Ok(OriginPattern::Any) if config.origins.len() > 1 => {
                problems.push(format!("/origins/{index}"), "`*` lets everybody in: no other origin stands beside it");
            }
            Ok(OriginPattern::Any) if config.credentials => {
                problems.push(
                    format!("/origins/{index}"),
                    "any page at all could act with the logins of whoever looks at it: with `credentials`, list the origins",
                );
            }
            Ok(pattern) => origins.push(pattern),
            Err(fault) => problems.push(format!("/origins/{index}"), fault),
        }
    }
    origins
}

fn names(at: &str, texts: Vec<String>, check: fn(&str) -> Result<(), String>, problems: &mut Problems) -> Names {
    if texts == ["*"] {
        return Names::Any;
    }
    for (index, text) in texts.iter().enumerate() {
        if text == "*" {
            problems.push(format!("{at}/{index}"), "`*` stands alone");
        } else if let Err(fault) = check(text) {
            problems.push(format!("{at}/{index}"), fault);
        }
    }
    Names::These(texts)
}

fn varies_by_origin(lines: &[String]) -> bool {
    let mut names = lines.iter().flat_map(|line| line.split(',')).map(str::trim);
    names.any(|name| name == "*" || name.eq_ignore_ascii_case("origin"))
}
