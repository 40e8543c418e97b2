//! The way of one statement from the orchestrator's hands to an active filter. Each stage takes the one before by value
//! and has no other constructor, so the order cannot be got wrong:
//!
//! `Received -> verify -> Verified -> admit -> Admitted -> fetch -> Complete -> activate -> Done`
//!
//! A fault at any of them is a [`Refused`]: it names filter, phase and reason, and leaves what is active as it is.

use serde::Deserialize;
use tonic::transport::Channel;
use weir_artifact::{
    Artifact, Digest, Envelope, GroupName, Name, Publication, Ratchet, Refusal, Removal, Signed, Statement, TrustedKeys,
};
use weir_proto::v1::FilterOutcome;

use super::Components;
use crate::{
    filters::{self, Source},
    worker::Shared,
};

/// Which statement this is about, for the answer to the orchestrator.
#[derive(Debug, Clone, Default)]
pub(super) struct Label {
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) digest: String,
}

/// A statement that is not acted on.
#[derive(Debug, thiserror::Error)]
#[error("filter {name} version {version} refused in {phase}: {reason}", name = .label.name, version = .label.version)]
pub(super) struct Refused {
    pub(super) label: Label,
    pub(super) phase: &'static str,
    pub(super) reason: String,
    /// A trusted publisher wants the filter here and lets no exchange pass without it.
    pub(super) is_needed: bool,
}

impl From<Refused> for FilterOutcome {
    fn from(Refused { label: Label { name, version, digest }, phase, reason, .. }: Refused) -> Self {
        Self { name, version, digest, active: false, phase: phase.to_owned(), reason }
    }
}

/// Bytes that nobody has looked into.
pub(super) struct Received(pub(super) Envelope);

/// A statement of a trusted publisher.
pub(super) struct Verified {
    envelope: Envelope,
    signed: Signed,
}

/// ... that is for this agent, and no step back that nobody signed.
pub(super) struct Admitted(Verified);

/// ... with the very bytes that it is about.
pub(super) struct Complete {
    admitted: Verified,
    artifact: Artifact,
}

/// ... and that is what the agent does now. Only of this is a mark kept.
pub(super) struct Done(Verified);

impl Received {
    pub(super) fn verify(self, keys: &TrustedKeys) -> Result<Verified, Refused> {
        match keys.open(&self.0) {
            Ok(signed) => Ok(Verified { envelope: self.0, signed }),
            Err(error) => {
                let label = claimed(&self.0.statement);
                Err(Refused { label, phase: "signature", reason: error.to_string(), is_needed: false })
            }
        }
    }
}

impl Verified {
    pub(super) fn signed(&self) -> &Signed {
        &self.signed
    }

    pub(super) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// `now` in seconds since the Unix epoch.
    pub(super) fn admit(self, ratchet: &Ratchet, ours: &GroupName, now: u64) -> Result<Admitted, Refused> {
        match ratchet.admit(&self.signed, ours, now) {
            Ok(()) => Ok(Admitted(self)),
            Err(refusal) => {
                let refused = self.refused("sequence", refusal.to_string());
                Err(Refused { is_needed: wants(&refusal) && self.is_strict(), ..refused })
            }
        }
    }

    /// For a statement that this agent admitted once, and keeps to fall back to: newer ones have been admitted since.
    pub(super) fn admitted_before(self) -> Admitted {
        Admitted(self)
    }

    /// For a statement that vouches for a key: true when the key is new.
    pub(super) fn endorse(&self, keys: &mut TrustedKeys, ours: &GroupName, now: u64) -> Result<bool, Refused> {
        keys.endorse(&self.signed, ours, now).map_err(|refusal| self.refused("endorsement", refusal.to_string()))
    }

    pub(super) fn label(&self) -> Label {
        match self.signed.statement() {
            Statement::Publish(publication) => label(publication),
            Statement::Remove(Removal { name, .. }) => Label { name: name.to_string(), ..Label::default() },
            Statement::Endorse(_) => Label::default(),
            Statement::Configure(configuration) => Label { version: configuration.version, ..Label::default() },
        }
    }

    fn refused(&self, phase: &'static str, reason: String) -> Refused {
        Refused { label: self.label(), phase, reason, is_needed: false }
    }

    /// Of a statement that was admitted already.
    fn failed(&self, phase: &'static str, reason: String) -> Refused {
        Refused { is_needed: self.is_strict(), ..self.refused(phase, reason) }
    }

    /// Does it publish a filter without which no exchange may pass?
    pub(super) fn is_strict(&self) -> bool {
        match self.signed.statement() {
            Statement::Publish(publication) => publication.is_strict(),
            Statement::Remove(_) | Statement::Endorse(_) | Statement::Configure(_) => false,
        }
    }
}

/// Does a trusted publisher still want here what is refused so? Not what another group is meant to run. Nor what comes
/// too late: the statement that came before it is the one that counts, and what that one wants running is kept on disk.
fn wants(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Expired(_) | Refusal::Future { .. } | Refusal::VersionBack { .. } => true,
        Refusal::Group { .. } | Refusal::Replayed { .. } | Refusal::Conflict(_) | Refusal::Endorser(_) => false,
    }
}

impl Admitted {
    pub(super) fn statement(&self) -> &Verified {
        &self.0
    }

    pub(super) fn into_statement(self) -> Verified {
        self.0
    }

    pub(super) async fn fetch(self, components: &Components, channel: Option<&Channel>) -> Result<Complete, Refused> {
        let Statement::Publish(publication) = self.0.signed.statement() else {
            return Err(self.0.refused("fetch", "the statement publishes nothing".to_owned()));
        };
        let bytes = components.take(publication.digest, publication.size, channel).await;
        let bytes = bytes.map_err(|error| self.0.failed("fetch", error.to_string()))?;
        // size and digest are checked here once more: this is the only door to an artifact
        let artifact =
            Artifact::new(&self.0.signed, bytes).map_err(|error| self.0.failed("digest", error.to_string()))?;
        Ok(Complete { admitted: self.0, artifact })
    }

    /// Takes the named filter out.
    pub(super) fn remove(self, shared: &Shared, name: &Name) -> Done {
        if filters::remove(shared, name, Source::Signed) {
            tracing::info!("filter {name} is removed: its publisher said so");
        }
        Done(self.0)
    }
}

impl Complete {
    /// Compiles off this thread, warms every worker, swaps.
    pub(super) async fn activate(self, shared: &Shared) -> Result<Done, Refused> {
        match filters::swap(shared, self.artifact, Source::Signed).await {
            Ok(filter) => {
                tracing::info!("filter {} version {} is active, {}", filter.name(), filter.version(), filter.digest());
                Ok(Done(self.admitted))
            }
            Err(error) => Err(self.admitted.failed(error.phase(), error.reason())),
        }
    }
}

impl Done {
    pub(super) fn into_parts(self) -> (Envelope, Signed) {
        (self.0.envelope, self.0.signed)
    }
}

pub(super) fn label(publication: &Publication) -> Label {
    let Publication { name, version, digest, .. } = publication;
    Label { name: name.to_string(), version: *version, digest: digest.to_string() }
}

/// What a refused statement says it is about. The verdict on it is final already: this only lets the one who sent it
/// see which it was.
fn claimed(statement: &[u8]) -> Label {
    #[derive(Deserialize)]
    struct Claim {
        #[serde(default)]
        name: Option<Name>,
        #[serde(default)]
        version: u64,
        digest: Option<Digest>,
    }
    let bounded = statement.get(..statement.len().min(1 << 20)).unwrap_or_default();
    serde_json::from_slice(bounded).map_or_else(
        |_| Label::default(),
        |Claim { name, version, digest }| Label {
            name: name.map(|name| name.to_string()).unwrap_or_default(),
            version,
            digest: digest.map(|digest| digest.to_string()).unwrap_or_default(),
        },
    )
}
