//! One fault: whom it strikes, and how.

use weir_sdk::{
    Action, Problems, Request, Resumption, field,
    matching::{Facts, Scope},
};

use crate::{
    chance::Chance,
    config::{FaultConfig, OptIn, Phase},
    delay::Delay,
    effect::Effect,
};

#[derive(Debug)]
pub(crate) struct Fault {
    scope: Scope,
    header: Option<OptIn>,
    chance: Chance,
    pub(crate) phase: Phase,
    delay: Option<Delay>,
    effect: Effect,
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
        if config.delay.is_none() && config.effect.is_none() {
            problems.push(at, "neither `delay` nor `do`: nothing would happen");
        }
        Self {
            scope: Scope::new(&format!("{at}/match"), &config.scope, problems),
            header: config.header,
            chance,
            phase: config.phase,
            delay: config.delay.map(|delay| Delay::new(&format!("{at}/delay"), delay, problems)),
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

    /// What it does to the request, or to the response, now or after its delay.
    pub(crate) fn begin(&self, request: &Request) -> Action {
        match self.delay.map(|delay| request.start_timer(delay.draw())) {
            Some(Ok(_)) => Action::Wait,
            // with no delay, or where the timer fails, it is done at once
            Some(Err(_)) | None => self.effect.action(request),
        }
    }

    /// The delay is over.
    pub(crate) fn finish(&self, request: &Request) -> Resumption {
        self.effect.action(request).into()
    }

    /// The upstream need not know that faults can be asked for.
    pub(crate) fn clean(&self, request: &mut Request) {
        if let Some(header) = &self.header {
            // Its name was checked; that there is none is no error.
            let _ = request.headers_mut().remove(&header.name);
        }
    }
}
