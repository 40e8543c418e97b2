//! What became of the statements of one state, for the answer to the orchestrator. In their order, since the last one
//! about a filter counts there; and within what it takes, since more would end the stream, again and again.

use std::{collections::BTreeMap, time::Duration};

use weir_proto::{
    MAX_OUTCOMES,
    v1::{Applied, ConfigurationOutcome, FilterOutcome},
};

use super::stages::{Label, Refused};

/// Of all reasons together, bytes: an answer that the orchestrator takes has at most 1 MiB.
const REASONS: usize = 512 << 10;
/// Of one reason, bytes.
const REASON: usize = 4 << 10;

pub(super) struct Outcomes {
    revision: u64,
    /// by place in the state
    by_place: BTreeMap<usize, FilterOutcome>,
    configuration: Option<ConfigurationOutcome>,
}

impl Outcomes {
    pub(super) fn new(revision: u64) -> Self {
        Self { revision, by_place: BTreeMap::new(), configuration: None }
    }

    /// Acted on, with whether the filter is active now; `None` where nothing is to be told.
    pub(super) fn done(&mut self, place: usize, done: Option<(Label, bool)>) {
        if let Some((Label { name, version, digest }, active)) = done {
            self.by_place.insert(place, FilterOutcome { name, version, digest, active, ..FilterOutcome::default() });
        }
    }

    pub(super) fn refused(&mut self, place: usize, refused: Refused) {
        tracing::warn!("revision {}: {refused}", self.revision);
        self.by_place.insert(place, refused.into());
    }

    pub(super) fn configuration(&mut self, outcome: ConfigurationOutcome) {
        if !outcome.active {
            let ConfigurationOutcome { version, phase, reason, .. } = &outcome;
            tracing::warn!("revision {}: configuration {version} refused in {phase}: {reason}", self.revision);
        }
        self.configuration = Some(outcome);
    }

    pub(super) fn answer(self, took: Duration) -> Applied {
        let mut filters: Vec<FilterOutcome> = self.by_place.into_values().collect();
        if filters.len() > MAX_OUTCOMES {
            tracing::warn!("the orchestrator hears of {MAX_OUTCOMES} outcomes, the newest, of {}", filters.len());
            filters.drain(..filters.len() - MAX_OUTCOMES);
        }
        let most = REASON.min(REASONS / filters.len().max(1));
        for outcome in &mut filters {
            outcome.reason.truncate(outcome.reason.floor_char_boundary(most));
        }
        let mut configuration = self.configuration;
        if let Some(outcome) = &mut configuration {
            outcome.reason.truncate(outcome.reason.floor_char_boundary(REASON));
        }
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        Applied { revision: self.revision, filters, took_us, configuration }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn an_answer_is_one_that_the_orchestrator_takes() {
        let mut outcomes = Outcomes::new(7);
        for place in 0..1500 {
            let label = Label { name: format!("f{place}"), version: 1, digest: "d".repeat(71) };
            let reason = "é".repeat(5000);
            outcomes.refused(place, Refused { label, phase: "signature", reason, is_needed: false });
        }
        let answer = outcomes.answer(Duration::from_millis(1));
        assert_eq!((answer.filters.len(), answer.filters.last().unwrap().name.as_str()), (1000, "f1499"));
        assert!(answer.encoded_len() < 1 << 20, "{}", answer.encoded_len());
        assert!(answer.filters[0].reason.len() > 500);
    }
}
