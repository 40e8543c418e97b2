//! A desired state enters; each of its statements goes its way through `stages`; what is active, what is kept on disk and
//! the answer to the orchestrator leave. What was active stays so wherever a statement is refused. A filter that a state
//! does not mention stays too: only its publisher can take it out.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use tonic::transport::Channel;
use weir_artifact::{Envelope, GroupName, KeyId, Statement, TrustedKey, TrustedKeys};
use weir_proto::v1::{Applied, DesiredState, FilterOutcome};

use super::{
    Components, Endorsed, Kept, LastGood, LastGoodError,
    stages::{Label, Received, Refused, label},
};
use crate::{disk, filters::Source, worker::Shared};

/// What decides about the filters of this agent. One at a time: `&mut` keeps two states from mixing.
pub struct Applier {
    shared: Arc<Shared>,
    group: GroupName,
    keys: TrustedKeys,
    kept: Kept,
    /// nothing was ever applied
    fresh: bool,
    /// of a filter that lets nothing pass without it, no version runs
    lacks_one: bool,
    components: Components,
    last_good: LastGood,
}

/// The agent's own store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ApplierError {
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Folder(PathBuf, io::Error),
    #[error(transparent)]
    LastGood(#[from] LastGoodError),
}

impl Applier {
    /// With what an earlier run kept in `data_dir`. `keys` are the publishers that the operator and the join token name.
    ///
    /// # Errors
    /// What was kept cannot be read: going on without its marks would let old versions back in.
    pub fn open(
        shared: Arc<Shared>,
        group: GroupName,
        keys: impl IntoIterator<Item = TrustedKey>,
        data_dir: &Path,
    ) -> Result<Self, ApplierError> {
        let folder = data_dir.join("filters");
        disk::private_folder(&folder).map_err(|error| ApplierError::Folder(folder.clone(), error))?;
        let components = folder.join("components");
        let components =
            Components::open(components.clone()).map_err(|error| ApplierError::Folder(components, error))?;
        let last_good = LastGood::new(&folder);
        let kept = last_good.read()?;
        let fresh = kept.is_none();
        let kept = kept.unwrap_or_default();
        let mut keys = TrustedKeys::new(keys);
        for Endorsed { at, envelope } in &kept.endorsements {
            // judged as of then: what expired since stays trusted
            let signed = keys.open(envelope).map_err(|error| error.to_string());
            let known = signed.and_then(|signed| keys.endorse(&signed, &group, *at).map_err(|error| error.to_string()));
            if let Err(reason) = known {
                // the key that vouched is trusted no more: neither is the one it vouched for
                tracing::warn!("an endorsement kept on disk counts no more: {reason}");
            }
        }
        if keys.is_empty() {
            tracing::warn!("no publisher is trusted, so every filter will be refused (--trust-key, or a join token)");
        }
        Ok(Self { shared, group, keys, kept, fresh, lacks_one: false, components, last_good })
    }

    /// The revision that the agent runs; 0 for none.
    pub fn revision(&self) -> u64 {
        self.kept.revision
    }

    /// Does every filter run, in some version, that lets no exchange pass without it?
    pub fn is_whole(&self) -> bool {
        !self.lacks_one
    }

    /// Runs what was last good, without an orchestrator. True when that is a state to serve traffic with: something was
    /// applied once, and every filter of it runs.
    pub async fn restore(&mut self) -> bool {
        let mut whole = !self.fresh;
        for (name, envelope) in self.kept.active.clone() {
            if let Err(refused) = self.statement(envelope, None).await {
                tracing::error!("the last good filter {name} does not run: {refused}");
                whole = false;
            }
        }
        whole
    }

    /// Acts on every statement of the state, in its order, then keeps the outcome on disk.
    pub async fn apply(&mut self, state: DesiredState, channel: &Channel) -> Applied {
        let began = Instant::now();
        let before = self.kept.clone();
        self.lacks_one = false;
        let mut filters: Vec<FilterOutcome> = Vec::new();
        for envelope in state.statements {
            let envelope = Envelope {
                statement: envelope.statement.into(),
                signature: envelope.signature.into(),
                key_id: KeyId::claimed(&envelope.key_id),
            };
            match self.statement(envelope, Some(channel)).await {
                Ok(None) => {}
                Ok(Some((Label { name, version, digest }, active))) => {
                    filters.push(FilterOutcome { name, version, digest, active, ..FilterOutcome::default() });
                }
                Err(refused) => {
                    tracing::warn!("revision {}: {refused}", state.revision);
                    let runs = refused.label.name.parse().is_ok_and(|name| self.shared.active.find(&name).is_some());
                    self.lacks_one |= refused.is_needed && !runs;
                    filters.push(refused.into());
                }
            }
        }
        self.kept.revision = state.revision;
        if self.fresh || self.kept != before {
            self.keep();
        }
        let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Applied { revision: state.revision, filters, took_us }
    }

    /// One statement to its end. `Some` with whether the filter is active; `None` for a statement about keys.
    async fn statement(
        &mut self,
        envelope: Envelope,
        channel: Option<&Channel>,
    ) -> Result<Option<(Label, bool)>, Refused> {
        let verified = Received(envelope).verify(&self.keys)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if let Statement::Endorse(endorsement) = verified.signed().statement() {
            if verified.endorse(&mut self.keys, &self.group, now)? {
                tracing::info!(
                    "key {} is trusted: key {} vouches for it",
                    endorsement.key_id,
                    verified.signed().key_id()
                );
                self.kept.endorsements.push(Endorsed { at: now, envelope: verified.envelope().clone() });
            }
            return Ok(None);
        }
        let admitted = verified.admit(&self.kept.ratchet, &self.group, now)?;
        match admitted.statement().signed().statement().clone() {
            Statement::Publish(publication) => {
                let said = label(&publication);
                let same = self.kept.active.get(&publication.name) == Some(admitted.statement().envelope());
                if same && self.shared.active.has(&publication.name, Source::Signed) {
                    return Ok(Some((said, true)));
                }
                let done = admitted.fetch(&self.components, channel).await?.activate(&self.shared).await?;
                let (envelope, signed) = done.into_parts();
                self.kept.ratchet.advance(&signed);
                self.kept.active.insert(publication.name, envelope);
                Ok(Some((said, true)))
            }
            Statement::Remove(removal) => {
                let said = admitted.statement().label();
                let (_, signed) = admitted.remove(&self.shared, &removal.name).into_parts();
                self.kept.ratchet.advance(&signed);
                self.kept.active.remove(&removal.name);
                Ok(Some((said, false)))
            }
            Statement::Endorse(_) => Ok(None),
        }
    }

    fn keep(&mut self) {
        match self.last_good.write(&self.kept) {
            Ok(()) => self.fresh = false,
            // what runs goes on; only a restart would fall back further than it should
            Err(error) => return tracing::error!("the last good state is not kept: {error}"),
        }
        let parsed = |envelope: &Envelope| self.keys.open(envelope).ok();
        let digests: BTreeSet<_> = self
            .kept
            .active
            .values()
            .filter_map(|envelope| match parsed(envelope)?.statement() {
                Statement::Publish(publication) => Some(publication.digest),
                Statement::Remove(_) | Statement::Endorse(_) => None,
            })
            .collect();
        self.components.keep_only(&digests);
    }
}
