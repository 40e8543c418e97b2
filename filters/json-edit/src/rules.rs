//! Which patches a body gets, and what comes of them.

use weir_sdk::{
    Headers, Problems,
    matching::{Facts, MediaTypes, Scope},
};

use crate::{
    config::{Config, Direction},
    node::Node,
    patch::{Patch, Unpatched},
};

#[derive(Debug)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    types: MediaTypes,
}

#[derive(Debug)]
struct Rule {
    scope: Scope,
    body: Direction,
    patch: Patch,
}

/// What becomes of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Same,
    Changed(Vec<u8>),
    Failed(&'static str),
}

impl Rules {
    pub(crate) fn new(config: &Config, problems: &mut Problems) -> Self {
        if config.rules.is_empty() {
            problems.push("/rules", "without rules nothing is edited");
        }
        let mut rules = Vec::with_capacity(config.rules.len());
        for (index, rule) in config.rules.iter().enumerate() {
            let at = format!("/rules/{index}");
            rules.push(Rule {
                scope: Scope::new(&format!("{at}/match"), &rule.scope, problems),
                body: rule.body,
                patch: Patch::new(&format!("{at}/patch"), &rule.patch, problems),
            });
        }
        Self { rules, types: MediaTypes::new("/content_types", &config.content_types, problems) }
    }

    /// Some rule edits such bodies.
    pub(crate) fn edit(&self, direction: Direction) -> bool {
        self.rules.iter().any(|rule| rule.body == direction)
    }

    pub(crate) fn choose(&self, direction: Direction, facts: &Facts<'_>) -> Vec<usize> {
        let fits = |rule: &Rule| rule.body == direction && rule.scope.touches(facts);
        self.rules.iter().enumerate().filter(|(_, rule)| fits(rule)).map(|(index, _)| index).collect()
    }

    /// One type, and one of those that are JSON. A body without a type is left alone.
    pub(crate) fn is_json(&self, headers: Headers<'_>) -> bool {
        let lines = headers.get_all("content-type");
        matches!(&lines[..], [one] if one.contains('/') && self.types.contains(Some(one)))
    }

    pub(crate) fn apply(&self, chosen: &[usize], body: &[u8]) -> Outcome {
        // No rule, or no body: there is nothing to edit.
        if chosen.is_empty() || body.is_empty() {
            return Outcome::Same;
        }
        let Ok(mut root) = serde_json::from_slice::<Node>(body) else { return Outcome::Failed("it is no JSON text") };
        let mut is_changed = false;
        for rule in chosen.iter().filter_map(|index| self.rules.get(*index)) {
            let mut patched = root.clone();
            match rule.patch.apply(&mut patched) {
                Ok(()) => (root, is_changed) = (patched, true),
                Err(Unpatched::NotMeant) => {}
                Err(Unpatched::Unfit) => return Outcome::Failed("a patch does not fit"),
            }
        }
        match serde_json::to_vec(&root) {
            Ok(bytes) if is_changed => Outcome::Changed(bytes),
            Ok(_) => Outcome::Same,
            Err(_) => Outcome::Failed("it cannot be written"),
        }
    }
}
