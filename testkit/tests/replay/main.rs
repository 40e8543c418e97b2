//! Requests that an orchestrator has agents send: recorded ones as they were or edited, and made-up ones. They go the way
//! of every other through the agent, and nowhere that its operator does not let them go.

mod again;
mod asked;
mod made;
mod refused;

use anyhow::{Context as _, ensure};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use weir_testkit::setup::Setup;

async fn start(name: &str) -> anyhow::Result<Setup> {
    Setup::start_with(name, |options| options.with("--workers", "2").with("--allow", "connections,replay")).await
}

async fn replay(setup: &Setup, id: &str, edits: Value) -> anyhow::Result<(StatusCode, Value)> {
    setup.orchestrator.request(Method::POST, &format!("/exchanges/{id}/replay"), Some(&edits)).await
}

/// The one exchange that came of it.
async fn sent(setup: &Setup, id: &str, edits: Value) -> anyhow::Result<Value> {
    let (status, answer) = replay(setup, id, edits).await?;
    ensure!(status == 201, "{status} {answer}");
    let new = answer["items"][0]["id"].as_str().context("an id")?;
    let exchange = setup.orchestrator.get(&format!("/exchanges/{new}")).await?;
    ensure!(exchange["replay_of"] == id && exchange["replay_by"] == "admin", "{exchange}");
    ensure!(exchange["status"] == answer["items"][0]["status"], "{answer} {exchange}");
    Ok(exchange)
}

fn id(exchange: &Value) -> anyhow::Result<&str> {
    exchange["id"].as_str().context("an id")
}

async fn response_body(setup: &Setup, exchange: &Value) -> anyhow::Result<String> {
    let bytes = setup.orchestrator.bytes(&format!("/exchanges/{}/response/body", id(exchange)?)).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// In the order of their names.
fn trailers_of(message: &Value) -> Vec<(&str, &str)> {
    let all = message["trailers"].as_array().into_iter().flatten();
    let mut all: Vec<_> = all.filter_map(|field| Some((field[0].as_str()?, field[1].as_str()?))).collect();
    all.sort_unstable();
    all
}
