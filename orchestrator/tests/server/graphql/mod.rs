//! GraphQL as a client meets it.

mod agents;
mod events;
mod exchanges;
mod hostile;
mod http;
mod secrets;
pub(crate) mod socket;
mod sockets;
mod subscriptions;

use reqwest::StatusCode;
use serde_json::{Value, json};
use weir_proto::v1::{DiskMetrics, NetworkMetrics, SystemMetrics};

use crate::harness::Person;

impl Person {
    pub(crate) async fn question(&self, query: &str) -> Value {
        let (status, answer) = self.post("/graphql", &json!({ "query": query })).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    /// The data of an answer without errors.
    pub(crate) async fn data(&self, query: &str) -> Value {
        let answer = self.question(query).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
        answer["data"].clone()
    }

    /// The code of the one error of an answer.
    pub(crate) async fn code(&self, query: &str) -> String {
        let answer = self.question(query).await;
        let [error] = &answer["errors"].as_array().unwrap_or_else(|| panic!("{answer}"))[..] else {
            panic!("{answer}")
        };
        error["extensions"]["code"].as_str().unwrap_or_else(|| error["message"].as_str().unwrap()).to_owned()
    }

    pub(crate) async fn of_role(&self, role: &str) -> Self {
        let (status, made) = self.post("/api/v1/tokens", &json!({"name": role, "role": role})).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        Self { token: made["token"].as_str().unwrap().to_owned(), ..self.clone() }
    }
}

pub(crate) fn look(at_s: u64, received: u64) -> SystemMetrics {
    SystemMetrics {
        at_us: 1_700_000_000_000_000 + at_s * 1_000_000,
        cpu_percent: 12.5,
        memory_total_bytes: 1 << 40,
        memory_used_bytes: 1 << 33,
        networks: vec![NetworkMetrics { name: "eth0".into(), received_bytes: received, sent_bytes: 2 * received }],
        disks: vec![DiskMetrics { mount: "/".into(), total_bytes: 10, available_bytes: 5 }],
        disk_read_bytes: 3 * received,
        disk_written_bytes: 4 * received,
        ..SystemMetrics::default()
    }
}
