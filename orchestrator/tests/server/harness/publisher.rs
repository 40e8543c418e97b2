//! Somebody who signs filters.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::StatusCode;
use serde_json::{Value, json};
use weir_artifact::{Digest, Envelope, Limits, Publication, PublisherKey, Removal, Statement};

use super::{Person, now_ms};

/// A publisher of filters.
pub(crate) struct Publisher {
    pub(crate) key: PublisherKey,
    pub(crate) person: Person,
}

pub(crate) fn publication(component: &[u8], version: u64) -> Publication {
    Publication {
        name: "block".parse().unwrap(),
        version,
        group: "default".parse().unwrap(),
        sequence: now_ms() + version,
        rollback: false,
        expires: now_ms() / 1000 + 3600,
        digest: Digest::of(component),
        size: component.len() as u64,
        matching: String::new(),
        priority: 10,
        config: r#"{"hosts":["ads.example.com"]}"#.into(),
        on_failure: weir_artifact::FailurePolicy::Closed,
        on_failure_for: Vec::new(),
        isolation: weir_artifact::Isolation::Shared,
        limits: Limits::default(),
        grants: [weir_artifact::Capability::Log].into(),
        upstreams: Default::default(),
        reads: Default::default(),
        secrets: Default::default(),
    }
}

pub(crate) fn removal(sequence: u64) -> Statement {
    let (name, group) = ("block".parse().unwrap(), "default".parse().unwrap());
    Statement::Remove(Removal { name, group, sequence })
}

impl Publisher {
    pub(crate) fn new(person: &Person) -> Self {
        Self { key: PublisherKey::generate(), person: person.clone() }
    }

    pub(crate) fn body(&self, envelope: &Envelope, component: Option<&[u8]>) -> Value {
        json!({
            "statement": STANDARD.encode(&envelope.statement),
            "signature": STANDARD.encode(&envelope.signature),
            "key_id": self.key.public().id().as_str(),
            "public_key": self.key.public().to_text(),
            "component": component.map(|bytes| STANDARD.encode(bytes)),
        })
    }

    pub(crate) async fn push(&self, statement: &Statement, component: Option<&[u8]>) -> (StatusCode, Value) {
        self.person.post("/api/v1/filters", &self.body(&self.key.sign(statement), component)).await
    }

    pub(crate) async fn publish(&self, publication: Publication, component: Option<&[u8]>) -> (StatusCode, Value) {
        self.push(&Statement::Publish(Box::new(publication)), component).await
    }
}
