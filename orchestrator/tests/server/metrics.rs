//! System metrics of agents, stored and served.

use serde_json::json;
use tokio_stream::wrappers::ReceiverStream;
use weir_proto::v1::{
    DiskMetrics, MetricsBatch, NetworkMetrics, ProcessMetrics, SystemMetrics, metrics_client::MetricsClient,
};

use crate::harness::{Agent, Running};

fn sample(at_us: u64) -> SystemMetrics {
    SystemMetrics {
        at_us,
        cpu_percent: 12.5,
        memory_total_bytes: 100,
        memory_used_bytes: 50,
        networks: vec![NetworkMetrics { name: "eth0".into(), received_bytes: 1, sent_bytes: 2 }],
        disks: vec![DiskMetrics { mount: "/".into(), total_bytes: 10, available_bytes: 5 }],
        process: Some(ProcessMetrics { cpu_percent: f64::NAN, memory_bytes: 7, uptime_s: 8, open_files: 9 }),
        ..SystemMetrics::default()
    }
}

pub(crate) async fn report(agent: &Agent, samples: Vec<SystemMetrics>) -> u64 {
    let batches = tokio_stream::iter([MetricsBatch { samples }]);
    let mut acks = MetricsClient::new(agent.channel.clone()).report(batches).await.unwrap().into_inner();
    acks.message().await.unwrap().unwrap().stored
}

#[tokio::test]
async fn metrics_are_listed_newest_first() {
    let running = Running::start().await;
    let (one, two) = (running.agent().await, running.agent().await);
    assert_eq!(report(&one, (1..=3).map(|s| sample(1_700_000_000_000_000 + s * 1_000_000)).collect()).await, 3);
    assert_eq!(report(&one, vec![sample(1_700_000_001_000_000)]).await, 1, "delivered twice");
    report(&two, vec![sample(1_700_000_002_000_000)]).await;

    let page = running.person.get("/api/v1/metrics?limit=3").await;
    let at = |page: &serde_json::Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["at"].as_str().unwrap()[17..19].to_owned()).collect()
    };
    assert_eq!(at(&page), ["23", "22", "22"]);
    let rest = running.person.get(&format!("/api/v1/metrics?cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((at(&rest), &rest["next"]), (vec!["21".to_owned()], &json!(null)));

    let own = running.person.get(&format!("/api/v1/agents/{}/metrics", two.id)).await;
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    let item = &own["items"][0];
    assert_eq!(item["agent"], json!(two.id));
    assert_eq!(item["networks"], json!([{"name": "eth0", "received_bytes": 1, "sent_bytes": 2}]));
    assert_eq!(item["process"]["cpu_percent"], 0.0, "JSON knows no NaN");
    let same = running.person.get(&format!("/api/v1/metrics?agent={}", two.id)).await;
    assert_eq!(same, own);
}

#[tokio::test]
async fn a_sample_beyond_its_bounds_ends_the_stream() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let (send, batches) = tokio::sync::mpsc::channel(1);
    send.send(MetricsBatch { samples: vec![sample(u64::MAX)] }).await.unwrap();
    let client = MetricsClient::new(agent.channel.clone()).report(ReceiverStream::new(batches)).await;
    let refused = client.unwrap().into_inner().message().await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert_eq!(running.person.get("/api/v1/metrics").await["items"], json!([]));
}
