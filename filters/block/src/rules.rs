//! What is blocked: lists that block by themselves, and combinations of lists.

use weir_sdk::{
    Problems, Request,
    matching::{Facts, Scope, ScopeConfig},
};

use crate::config::Config;

/// Every rule, each with its place in the configuration.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Each list of it blocks on its own.
    alone: Scope,
    combined: Vec<Scope>,
}

impl Rules {
    pub(crate) fn new(config: &Config, problems: &mut Problems) -> Self {
        let lists =
            ScopeConfig { hosts: config.hosts.clone(), paths: config.paths.clone(), methods: config.methods.clone() };
        let alone = Scope::new("", &lists, problems);
        let mut combined = Vec::with_capacity(config.rules.len());
        for (index, rule) in config.rules.iter().enumerate() {
            let at = format!("/rules/{index}");
            if *rule == ScopeConfig::default() {
                problems.push(&at, "a rule without hosts, paths and methods would block everything");
            }
            combined.push(Scope::new(&at, rule, problems));
        }
        Self { alone, combined }
    }

    /// The rule that blocks the request, as a pointer into the configuration.
    pub(crate) fn find(&self, request: &Request) -> Option<String> {
        let facts = Facts::of(request);
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
        let index = self.combined.iter().position(|scope| scope.touches(&facts))?;
        found("rules", index)
    }
}
