//! An agent's end of control, without traffic: it is told states, and asked what runs.

use std::{path::Path, sync::Arc};

use tempfile::TempDir;
use tonic::transport::Channel;
use weir_agent::{control::Applier, worker::Shared};
use weir_artifact::{Digest, Envelope, GroupName, Publication, PublisherKey, Statement};
use weir_proto::v1::{self, Applied, DesiredState, FilterOutcome};

use crate::support::{Orchestrator, component, name, publication, shared};

/// With what it was told, an orchestrator and the publisher it trusts.
pub(crate) struct Agent {
    pub(crate) dir: TempDir,
    pub(crate) shared: Arc<Shared>,
    pub(crate) applier: Applier,
    pub(crate) orchestrator: Orchestrator,
    channel: Channel,
    pub(crate) key: PublisherKey,
    pub(crate) revision: u64,
}

impl Agent {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (orchestrator, channel) = Orchestrator::start().await;
        let key = PublisherKey::generate();
        let (shared, applier) = open(dir.path(), &key);
        Self { dir, shared, applier, orchestrator, channel, key, revision: 0 }
    }

    /// A publication with its component on the orchestrator's shelf.
    pub(crate) fn publication(&self, filter: &str, version: u64) -> (Publication, Vec<u8>) {
        let component = component(&format!("{filter} {version}"));
        self.orchestrator.put(&component);
        (publication(filter, version, &component), component)
    }

    pub(crate) fn signed(&self, publication: Publication) -> Envelope {
        self.key.sign(&Statement::Publish(Box::new(publication)))
    }

    pub(crate) async fn apply(&mut self, statements: impl IntoIterator<Item = Envelope>) -> Applied {
        self.revision += 1;
        let statements = statements.into_iter().map(|envelope| v1::Envelope {
            statement: envelope.statement.into(),
            signature: envelope.signature.into(),
            key_id: envelope.key_id.to_string(),
        });
        let state = DesiredState { revision: self.revision, statements: statements.collect() };
        self.applier.apply(state, &self.channel).await
    }

    /// Runs version 5 of `block`, from which the tests try to get away.
    pub(crate) async fn with_version_5() -> (Self, Envelope) {
        let mut agent = Self::start().await;
        let (publication, _) = agent.publication("block", 5);
        let envelope = agent.signed(publication);
        assert_active(&agent.apply([envelope.clone()]).await, 5);
        (agent, envelope)
    }

    pub(crate) fn running(&self) -> Option<(u64, Digest)> {
        self.shared.active.find(&name("block")).map(|filter| (filter.version(), filter.digest()))
    }

    /// The statement is refused in this phase, and version 5 goes on.
    pub(crate) async fn refuses(&mut self, envelope: Envelope, phase: &str, reason: &str) -> FilterOutcome {
        let applied = self.apply([envelope]).await;
        let [outcome] = &applied.filters[..] else { panic!("{applied:?}") };
        assert_eq!((outcome.active, outcome.phase.as_str()), (false, phase), "{outcome:?}");
        assert!(outcome.reason.contains(reason), "{}", outcome.reason);
        assert_eq!(outcome.name, "block");
        assert_eq!(self.running().map(|(version, _)| version), Some(5));
        outcome.clone()
    }

    /// The agent ends and starts again, the orchestrator away.
    pub(crate) async fn restart(&mut self) -> bool {
        (self.shared, self.applier) = open(self.dir.path(), &self.key);
        self.applier.restore().await
    }
}

fn open(dir: &Path, key: &PublisherKey) -> (Arc<Shared>, Applier) {
    let shared = shared(dir);
    let applier = Applier::open(Arc::clone(&shared), GroupName::default(), [key.public()], dir).unwrap();
    (shared, applier)
}

pub(crate) fn assert_active(applied: &Applied, version: u64) {
    let [outcome] = &applied.filters[..] else { panic!("{applied:?}") };
    assert_eq!((outcome.active, outcome.version, outcome.reason.as_str()), (true, version, ""), "{outcome:?}");
}
