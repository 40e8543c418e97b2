//! A pushed configuration against what the operator of this agent set. Its text enters; what is to be in force leaves, with
//! the keys that stay as they were set here. What the operator set wins, unless he says that a pushed value may.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de::Error as _};
use weir_desired::{Document, live_keys};

use super::{Config, file, settings::Settings, tuning::Tuning, validate::validate};

/// Keys as an operator names them: `capture.body_bytes`, `capture.*`, or `*` for all that can be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPattern(String);

/// What the operator of this agent set, and what of it others may change.
#[derive(Debug, Clone)]
pub struct Local {
    set: Settings,
    /// none: all
    accept: Option<Vec<KeyPattern>>,
    replace: Vec<KeyPattern>,
}

/// What comes of a configuration.
#[derive(Debug)]
pub struct Merged {
    pub tuning: Tuning,
    /// keys that it sets and that stay as they were set here
    pub pinned: Vec<String>,
}

impl KeyPattern {
    fn covers(&self, key: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => key.starts_with(prefix),
            None => self.0 == key,
        }
    }
}

impl FromStr for KeyPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = Self(text.to_owned());
        let is_one =
            !text.is_empty() && (text == "*" || text.strip_suffix('*').is_none_or(|prefix| prefix.ends_with('.')));
        if is_one && live_keys().iter().any(|key| pattern.covers(key.name)) {
            return Ok(pattern);
        }
        Err(format!("`{text}` is no key that can be pushed: such as capture.body_bytes, capture.* or *"))
    }
}

impl<'de> Deserialize<'de> for KeyPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Local {
    pub(super) fn of(settings: &Settings) -> Self {
        // the room that bodies and messages have to fit into is the operator's alone
        let set = settings.only(|key| is_live(key) || key.starts_with("capture."));
        let push = settings.push.clone();
        Self { set, accept: push.accept, replace: push.replace.unwrap_or_default() }
    }

    /// What is in force with this text in an agent that runs with `config`.
    ///
    /// # Errors
    /// Everything that is wrong with the text, or with what it makes of the agent's own settings, by line and key.
    pub fn with(&self, config: &Config, text: &str) -> Result<Merged, String> {
        let document = Document::parse(text).map_err(|faults| faults.to_string())?;
        let pushed = file::read(text, is_live).map_err(|faults| {
            // what the table of keys lets pass, and this agent's own reader does not
            let faults = faults.iter().map(|fault| format!("line {}: {}: {}", fault.line, fault.key, fault.problem));
            faults.collect::<Vec<_>>().join("; ")
        })?;
        let set_here = self.set.keys();
        let mut pinned: Vec<String> = document.values().map(|(key, _)| key.to_owned()).collect();
        pinned.retain(|key| !self.may_change(key, set_here.contains(key)));
        let is_off = |settings: &Settings| settings.intercept.enabled == Some(false);
        let mut taken = pushed.only(|key| is_live(key) && !pinned.iter().any(|own| own == key));
        let mut own = self.set.clone();
        // Where one of the two says that nothing is intercepted, what the other lets pass through means nothing.
        if is_off(&own) && taken.intercept.enabled.is_none() && taken.intercept.pass_through.take().is_some() {
            pinned.push("intercept.pass_through".to_owned());
        }
        if is_off(&taken) {
            own.intercept.pass_through = None;
        }
        let merged = validate(taken.over(own)).map_err(|faults| {
            let faults = faults.iter().map(|fault| match file::line_of(text, fault.key) {
                Some(line) => format!("line {line}: {}: {}", fault.key, fault.problem),
                None => format!("{}, as it is set at the agent: {}", fault.key, fault.problem),
            });
            faults.collect::<Vec<_>>().join("; ")
        })?;
        let mut tuning = Tuning::of(config);
        tuning.adopt(&merged);
        Ok(Merged { tuning, pinned })
    }

    /// Is this set by whoever runs the agent?
    pub fn sets(&self, key: &str) -> bool {
        self.set.keys().iter().any(|own| own == key)
    }

    fn may_change(&self, key: &str, is_set_here: bool) -> bool {
        let covered = |patterns: &[KeyPattern]| patterns.iter().any(|pattern| pattern.covers(key));
        self.accept.as_deref().is_none_or(covered) && (!is_set_here || covered(&self.replace))
    }
}

fn is_live(key: &str) -> bool {
    live_keys().iter().any(|live| live.name == key)
}

#[cfg(test)]
#[path = "pushed_tests.rs"]
mod tests;
