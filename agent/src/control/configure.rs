//! The configuration of a state: of its signed statements the newest that counts is put in force as a whole, or not at all,
//! and what was in force stays. What comes of it for the orchestrator leaves. One statement is what is kept, as it was
//! signed: after a restart it is looked at like any other.

use std::cmp::Reverse;

use serde::Deserialize;
use weir_artifact::{Configuration, Envelope, GroupName, Ratchet, Statement, TrustedKeys};
use weir_proto::v1::ConfigurationOutcome;

use super::stages::{Received, Refused, Verified};
use crate::{config::Merged, worker::Shared};

/// Most keys that are told as left alone: there are not nearly as many.
const TOLD: usize = 256;

/// What the orchestrator is told of the newest statement.
pub(super) struct Settled {
    pub(super) outcome: ConfigurationOutcome,
    /// What is in force now, where it is another than before.
    pub(super) new: Option<Verified>,
}

/// Is it one of a configuration? Only to sort what is refused anyway: nothing is taken from it.
pub(super) fn claims_to_configure(envelope: &Envelope) -> bool {
    #[derive(Deserialize)]
    struct Claim {
        kind: String,
    }
    let bounded = envelope.statement.get(..envelope.statement.len().min(1 << 20)).unwrap_or_default();
    serde_json::from_slice(bounded).is_ok_and(|Claim { kind }| kind == "configure")
}

/// Acts on the newest statement that can be admitted. `kept` is the one in force.
pub(super) fn settle(
    shared: &Shared,
    (ratchet, ours, now): (&Ratchet, &GroupName, u64),
    mut statements: Vec<Verified>,
    kept: Option<(&Envelope, u64)>,
) -> Option<Settled> {
    statements.sort_by_key(|verified| Reverse(verified.signed().statement().sequence()));
    let in_force = kept.map_or(0, |(_, version)| version);
    let mut refused: Option<ConfigurationOutcome> = None;
    for verified in statements {
        let Statement::Configure(configuration) = verified.signed().statement().clone() else { continue };
        let newest = ConfigurationOutcome {
            version: configuration.version,
            digest: verified.signed().digest().to_string(),
            in_force,
            ..ConfigurationOutcome::default()
        };
        let verified = match verified.admit(ratchet, ours, now) {
            Ok(admitted) => admitted.into_statement(),
            Err(refusal) => {
                // of several that are refused the newest is what somebody waits to hear of
                let fault = ConfigurationOutcome { phase: refusal.phase.to_owned(), reason: refusal.reason, ..newest };
                refused.get_or_insert(fault);
                continue;
            }
        };
        return Some(match merged(shared, &configuration) {
            Ok(Merged { tuning, pinned }) => {
                let is_new = kept.is_none_or(|(envelope, _)| envelope != verified.envelope());
                shared.tuning.set(tuning);
                if is_new {
                    tell(&configuration, &pinned);
                }
                let pinned = pinned.into_iter().take(TOLD).collect();
                let outcome = ConfigurationOutcome { active: true, in_force: configuration.version, pinned, ..newest };
                Settled { outcome, new: is_new.then_some(verified) }
            }
            Err(reason) => {
                let fault = ConfigurationOutcome { phase: "content".to_owned(), reason, ..newest };
                Settled { outcome: fault, new: None }
            }
        });
    }
    refused.map(|outcome| Settled { outcome, new: None })
}

/// Puts the kept one in force again, before any client is served; which version that is.
pub(super) fn restore(shared: &Shared, keys: &TrustedKeys, kept: &Envelope) -> Result<u64, String> {
    let verified = Received(kept.clone()).verify(keys).map_err(|refused| refused.reason)?;
    let Statement::Configure(configuration) = verified.signed().statement() else {
        return Err("it is no configuration".to_owned());
    };
    let Merged { tuning, pinned } = merged(shared, configuration)?;
    shared.tuning.set(tuning);
    tell(configuration, &pinned);
    Ok(configuration.version)
}

/// What came under a signature that does not count.
pub(super) fn unsigned(refused: &Refused, in_force: u64) -> ConfigurationOutcome {
    ConfigurationOutcome {
        version: refused.label.version,
        in_force,
        phase: refused.phase.to_owned(),
        reason: refused.reason.clone(),
        ..ConfigurationOutcome::default()
    }
}

fn merged(shared: &Shared, configuration: &Configuration) -> Result<Merged, String> {
    shared.config.local.with(&shared.config, &configuration.text)
}

fn tell(configuration: &Configuration, pinned: &[String]) {
    tracing::info!("configuration {} is in force", configuration.version);
    if !pinned.is_empty() {
        tracing::info!("as set here, and not by the configuration: {}", pinned.join(", "));
    }
}
