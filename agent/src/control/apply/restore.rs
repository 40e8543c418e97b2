//! What an earlier run kept on disk, and how it runs again without an orchestrator.

use std::{path::Path, sync::Arc};

use weir_artifact::{Envelope, GroupName, Name, TrustedKey, TrustedKeys};

use super::{
    super::{Components, Endorsed, LastGood, configure, stages::Received},
    Applier, ApplierError, now_s,
};
use crate::{disk, worker::Shared};

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
        let mut fresh = kept.is_none();
        let mut kept = kept.unwrap_or_default();
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
        let elsewhere =
            |envelope: &Envelope| keys.open(envelope).is_ok_and(|signed| *signed.statement().group() != group);
        let before = kept.active.len();
        kept.active.retain(|_, envelope| !elsewhere(envelope));
        kept.before.retain(|_, envelope| !elsewhere(envelope));
        kept.configuration.take_if(|envelope| elsewhere(envelope));
        if kept.active.len() != before {
            tracing::warn!("what another group ran is left behind: the agent waits for what {group} is to run");
            fresh = true;
        }
        if keys.is_empty() {
            tracing::warn!("no publisher is trusted, so every filter will be refused (--trust-key, or a join token)");
        }
        Ok(Self {
            shared,
            group,
            keys,
            kept,
            fresh,
            is_kept: !fresh,
            lacks_one: false,
            in_force: 0,
            components,
            last_good,
        })
    }

    /// Runs what was last good, without an orchestrator. True when that is a state to serve traffic with: something was
    /// applied once, and every filter of it runs that lets nothing pass without it.
    pub async fn restore(&mut self) -> bool {
        let mut whole = !self.fresh;
        if let Some(kept) = &self.kept.configuration {
            match configure::restore(&self.shared, &self.keys, kept) {
                Ok(version) => self.in_force = version,
                Err(reason) => {
                    tracing::error!(
                        "the last good configuration is not in force, but what is set here alone: {reason}"
                    );
                }
            }
        }
        for (name, envelope) in self.kept.active.clone() {
            self.restore_fallback(&name).await;
            let verified = match Received(envelope).verify(&self.keys) {
                Ok(verified) => verified,
                Err(refused) => {
                    tracing::error!("the last good filter {name} does not run: {refused}");
                    whole = false;
                    continue;
                }
            };
            let is_strict = verified.is_strict();
            let done = match verified.admit(&self.kept.ratchet, &self.group, now_s()) {
                Ok(admitted) => self.act(admitted, None).await,
                Err(refused) => Err(refused),
            };
            if let Err(refused) = done {
                tracing::error!("the last good filter {name} does not run: {refused}");
                whole &= !is_strict;
            }
        }
        whole
    }

    /// Runs the version before the last, for the last to fall back to when it is broken.
    async fn restore_fallback(&mut self, name: &Name) {
        let Some(envelope) = self.kept.before.get(name) else { return };
        let fallback = match Received(envelope.clone()).verify(&self.keys) {
            Ok(verified) => match verified.admitted_before().fetch(&self.components, None).await {
                Ok(complete) => complete.activate(&self.shared).await.map(drop),
                Err(refused) => Err(refused),
            },
            Err(refused) => Err(refused),
        };
        if let Err(refused) = fallback {
            tracing::warn!("filter {name} has no version to fall back to: {refused}");
        }
    }
}
