//! One fault: whom it strikes, and how.

use weir_sdk::{
    Problems, Request, field,
    matching::{Facts, Scope},
};

use crate::{
    chance::Chance,
    config::{FaultConfig, OptIn, Phase},
    effect::Effect,
};

#[derive(Debug)]
pub(crate) struct Fault {
    scope: Scope,
    header: Option<OptIn>,
    chance: Chance,
    pub(crate) phase: Phase,
    pub(crate) effect: Effect,
}

impl Fault {
    pub(crate) fn new(at: &str, config: FaultConfig, problems: &mut Problems) -> Self {
        let chance = Chance::of_percent(config.percent).unwrap_or_else(|| {
            problems.push(format!("{at}/percent"), "0 to 100");
            Chance::NEVER
        });
        if let Some(Err(fault)) = config.header.as_ref().map(|header| field::check_name(&header.name)) {
            problems.push(format!("{at}/header/name"), fault);
        }
        Self {
            scope: Scope::new(&format!("{at}/match"), &config.scope, problems),
            header: config.header,
            chance,
            phase: config.phase,
            effect: Effect::new(&format!("{at}/do"), config.effect, problems),
        }
    }

    pub(crate) fn strikes(&self, facts: &Facts<'_>, request: &Request) -> bool {
        let is_asked_for = self.header.as_ref().is_none_or(|header| {
            let values = request.headers().get_all(&header.name);
            values.iter().any(|value| header.value.as_ref().is_none_or(|own| own == value))
        });
        is_asked_for && self.scope.touches(facts) && self.chance.strikes()
    }

    /// The upstream need not know that faults can be asked for.
    pub(crate) fn clean(&self, request: &mut Request) {
        if let Some(header) = &self.header {
            // Its name was checked; that there is none is no error.
            let _ = request.headers_mut().remove(&header.name);
        }
    }
}
