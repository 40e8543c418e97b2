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
async fn a_history_is_told_in_steps_of_the_tier_that_fits() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let minute = 1_700_000_040_000_000;
    let with = |seconds: u64, cpu_percent: f64, received_bytes: u64| {
        let networks = vec![NetworkMetrics { name: "eth0".into(), received_bytes, sent_bytes: 0 }];
        SystemMetrics { cpu_percent, networks, ..sample(minute + seconds * 1_000_000) }
    };
    report(&agent, vec![with(0, 10.0, 100), with(30, 30.0, 400), with(60, 50.0, 1000)]).await;
    let asked = format!("/api/v1/metrics/history?agent={}&from=2023-11-14T22:14:00Z&to=2023-11-14T22:24:00Z", agent.id);
    let history = running.person.get(&format!("{asked}&step=1m")).await;
    assert_eq!((&history["tier"], &history["step_s"]), (&json!("minutes"), &json!(60)));
    let items = history["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["at"]), (2, &json!("2023-11-14T22:14:00.000000Z")));
    assert_eq!(items[0]["cpu_percent"], json!({"min": 10.0, "avg": 20.0, "max": 30.0}));
    assert_eq!(items[0]["networks"], json!([{"name": "eth0", "received_bytes": 300, "sent_bytes": 0}]));
    assert_eq!((&items[1]["samples"], &items[1]["networks"][0]["received_bytes"]), (&json!(1), &json!(600)));
    let samples = running.person.get(&format!("{asked}&step=30s")).await;
    assert_eq!((&samples["tier"], samples["items"].as_array().unwrap().len()), (&json!("samples"), 3));
    // Of a time so long ago there are hours alone.
    assert_eq!(running.person.get(&asked).await["step_s"], 3600);
    let from = "from=2023-11-14T22:14:00Z";
    for wrong in [
        format!("{from}&step=0s"),
        format!("{from}&step=soon"),
        format!("{from}&to=2023-11-14T22:14:00Z"),
        "from=yesterday".to_owned(),
        "from=2000-01-01T00:00:00Z&step=1s".to_owned(),
    ] {
        let asked = format!("/api/v1/metrics/history?agent={}&{wrong}", agent.id);
        assert_eq!(running.person.ask(&asked).await.0, 400, "{wrong}");
    }
    let nobody = format!("/api/v1/metrics/history?agent={}", uuid::Uuid::nil());
    assert_eq!(running.person.ask(&nobody).await.0, 404);
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

/// An agent may say of its machine whatever it likes.
#[tokio::test]
async fn whoever_reads_what_says_much_reads_some_at_a_time() {
    const SAMPLES: u64 = 260;
    let running = Running::start().await;
    let agent = running.agent().await;
    let begin = 1_700_000_000_000_000;
    let long = |at: u64, names: usize| {
        let name = |n: usize| format!("{n:03}{}", "x".repeat(252));
        let network = |n| NetworkMetrics { name: name(n), received_bytes: at, sent_bytes: at };
        let disk = |n| DiskMetrics { mount: name(n), total_bytes: 10, available_bytes: 5 };
        let (networks, disks) = ((0..names).map(network).collect(), (0..names).map(disk).collect());
        SystemMetrics { networks, disks, ..sample(begin + at * 1_000_000) }
    };
    report(&agent, vec![long(0, 1000)]).await;
    for some in (1..SAMPLES).collect::<Vec<_>>().chunks(12) {
        report(&agent, some.iter().map(|at| long(*at, 120)).collect()).await;
    }
    let (mut cursor, mut found, mut pages) = (String::new(), 0, 0);
    loop {
        let page = running.person.get(&format!("/api/v1/metrics?limit=500{cursor}")).await;
        assert!(page.to_string().len() < 8 << 20);
        let items = page["items"].as_array().unwrap();
        let networks = items[0]["networks"].as_array().unwrap().len();
        assert!((100..=120).contains(&networks), "{networks}");
        (found, pages) = (found + items.len(), pages + 1);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(found == usize::try_from(SAMPLES).unwrap() && pages > 1, "{found} in {pages}");
    let asked = format!("/api/v1/metrics/history?agent={}&from=2023-11-14T22:13:00Z&to=2023-11-14T22:20:00Z", agent.id);
    let (status, problem) = running.person.ask(&format!("{asked}&step=1s")).await;
    assert!(status == 400 && problem["detail"].as_str().unwrap().contains("longer step"), "{problem}");
    let history = running.person.get(&format!("{asked}&step=15s")).await;
    assert_eq!(history["items"].as_array().unwrap().len(), 18, "{history}");
}
