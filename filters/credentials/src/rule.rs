//! One rule: which requests, and what becomes of them.

use weir_sdk::{
    HeaderError, Problems, Request, field, latin1,
    matching::{Facts, Scope},
};

use crate::config::RuleConfig;

/// Where the secret stands in a value.
const HERE: &str = "{secret}";

#[derive(Debug)]
pub(crate) struct Rule {
    scope: Scope,
    pub(crate) secret: String,
    header: String,
    before: String,
    after: String,
}

impl Rule {
    pub(crate) fn new(at: &str, config: RuleConfig, problems: &mut Problems) -> Self {
        let scope = Scope::new(&format!("{at}/match"), &config.scope, problems);
        if config.scope.hosts.is_empty() {
            problems.push(format!("{at}/match"), "`hosts` is missing: a secret is for somebody");
        }
        if config.secret.is_empty() {
            problems.push(format!("{at}/secret"), "no secret has an empty name");
        }
        if let Err(fault) = field::check_name(&config.header) {
            problems.push(format!("{at}/header"), fault);
        }
        if let Err(fault) = field::check_value(&config.value) {
            problems.push(format!("{at}/value"), fault);
        }
        let (before, after) = config.value.split_once(HERE).unwrap_or_else(|| {
            problems.push(format!("{at}/value"), format!("`{HERE}` has to stand in it"));
            (&config.value, "")
        });
        if after.contains(HERE) {
            problems.push(format!("{at}/value"), format!("`{HERE}` stands in it more than once"));
        }
        let (before, after) = (latin1::from_utf8(before), latin1::from_utf8(after));
        Self { scope, secret: config.secret, header: config.header, before, after }
    }

    /// No spelling gets a secret that was not meant to.
    pub(crate) fn fits(&self, facts: &Facts<'_>) -> bool {
        self.scope.covers(facts)
    }

    /// False: there is no such secret.
    pub(crate) fn apply(&self, request: &mut Request) -> Result<bool, HeaderError> {
        let Some(placeholder) = request.secret(&self.secret) else { return Ok(false) };
        let value = format!("{}{placeholder}{}", self.before, self.after);
        request.headers_mut().set(&self.header, &value).map(|()| true)
    }
}
