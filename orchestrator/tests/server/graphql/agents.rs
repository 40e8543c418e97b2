//! Agents and their machines.

use serde_json::json;

use super::look;
use crate::{harness::Running, metrics::report};

#[tokio::test]
async fn agents_and_their_machines() {
    let running = Running::start().await;
    let person = &running.person;
    let (one, two) = (running.agent().await, running.agent().await);
    let _there = one.sync().await.unwrap();
    report(&one, (0..100).map(|s| look(5 * s, 1000 * s)).collect()).await;
    report(&two, vec![look(0, 7)]).await;
    let all = "agents { id name hostname status lastHeartbeat group workers filters { name } currentMetrics { timestamp cpuUsagePercent \
               memoryUsedBytes memoryTotalBytes networkRxBytesPerSec networkTxBytesPerSec diskReadBytesPerSec diskWriteBytesPerSec \
               processCpuPercent processMemoryBytes processUptimeSeconds } metricsHistory { timestamp } }";
    let data = person.data(&format!("{{ {all} allAgentsMetrics {{ agentId timestamp }} }}")).await;
    let agents = data["agents"].as_array().unwrap();
    assert_eq!((agents.len(), &agents[0]["id"], &agents[1]["id"]), (2, &json!(one.id), &json!(two.id)));
    assert_eq!((&agents[0]["status"], &agents[1]["status"]), (&json!("CONNECTED"), &json!("DISCONNECTED")));
    assert_eq!(
        (&agents[0]["name"], &agents[0]["hostname"], &agents[0]["workers"]),
        (&json!("edge-1"), &json!("edge-1"), &json!(2))
    );
    let expect = json!({"timestamp": "2023-11-14T22:21:35.000000Z", "cpuUsagePercent": 12.5, "memoryUsedBytes": "8589934592",
        "memoryTotalBytes": "1099511627776", "networkRxBytesPerSec": "200", "networkTxBytesPerSec": "400",
        "diskReadBytesPerSec": "600", "diskWriteBytesPerSec": "800", "processCpuPercent": 0.0, "processMemoryBytes": "0",
        "processUptimeSeconds": 0});
    assert_eq!(agents[0]["currentMetrics"], expect);
    let history = agents[0]["metricsHistory"].as_array().unwrap();
    assert_eq!(
        (history.len(), &history[0], &history[59]["timestamp"]),
        (60, &json!({"timestamp": expect["timestamp"]}), &json!("2023-11-14T22:16:40.000000Z"))
    );
    assert_eq!(agents[1]["currentMetrics"]["networkRxBytesPerSec"], "0", "there is no look before");
    assert_eq!(
        data["allAgentsMetrics"],
        json!([
        {"agentId": one.id, "timestamp": expect["timestamp"]}, {"agentId": two.id, "timestamp": "2023-11-14T22:13:20.000000Z"}])
    );

    let own = format!(
        "{{ agent(id: \"{0}\") {{ metricsHistory(limit: 3) {{ networkRxBytesPerSec }} }} \
        systemMetrics(agentId: \"{0}\") {{ agentId }} agents(first: 1, after: \"{0}\") {{ id }} }}",
        one.id
    );
    let data = person.data(&own).await;
    assert_eq!(
        data["agent"]["metricsHistory"],
        json!([{"networkRxBytesPerSec": "200"}, {"networkRxBytesPerSec": "200"}, {"networkRxBytesPerSec": "200"}])
    );
    assert_eq!(data["systemMetrics"]["agentId"], json!(one.id));
    assert_eq!(data["agents"], json!([{"id": two.id}]));
    let nobody = uuid::Uuid::nil();
    assert_eq!(person.data(&format!("{{ agent(id: \"{nobody}\") {{ id }} }}")).await["agent"], json!(null));
    assert_eq!(person.code(&format!("{{ systemMetrics(agentId: \"{nobody}\") {{ agentId }} }}")).await, "NOT_FOUND");
    assert_eq!(person.code("{ agent(id: \"x\") { id } }").await, "BAD_REQUEST");
    for wrong in
        ["agents(first: 0) { id }", "agents(first: -1) { id }", "agents { metricsHistory(limit: 0) { timestamp } }"]
    {
        assert!(
            person.question(&format!("{{ {wrong} }}")).await["errors"][0]["extensions"]["code"] == "BAD_REQUEST",
            "{wrong}"
        );
    }
}
