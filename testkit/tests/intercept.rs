//! `orchestrator intercept`: a person, or a program, decides about exchanges that pause at a real agent.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
};
use weir_testkit::{
    binaries::binary,
    body,
    client::Reply,
    setup::Setup,
    wait::{PATIENCE, eventually, within},
};

/// The command, and both ends of its talk.
struct Intercept {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Intercept {
    fn start(setup: &Setup, arguments: &[&str], editor: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(binary("orchestrator")?);
        command.arg("intercept").args(arguments);
        command.env_remove("VISUAL").env("EDITOR", editor).env("WEIR_TOKEN", setup.orchestrator.token()?);
        command.env("WEIR_ORCHESTRATOR", format!("http://{}", setup.orchestrator.rest)).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take().context("its output")?);
        Ok(Self { child, input, output: BufReader::new(output).lines() })
    }

    async fn hears(&mut self) -> anyhow::Result<String> {
        within(PATIENCE, "a line", self.output.next_line()).await??.context("it goes on")
    }

    async fn says(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("it listens")?;
        Ok(input.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// Waits for its end, at which nothing is left of it.
    async fn ended(mut self, setup: &Setup) -> anyhow::Result<()> {
        drop(self.input.take());
        let status = within(PATIENCE, "its end", self.child.wait()).await??;
        ensure!(status.success(), "{status}");
        ensure!(setup.orchestrator.list("/breakpoints").await?.is_empty(), "its breakpoint ends with it");
        Ok(())
    }
}

fn post(setup: &Setup, body: &'static str) -> JoinHandle<anyhow::Result<Reply>> {
    let (client, url) = (setup.client(), setup.plain("/echo"));
    tokio::spawn(async move { client?.forward().await?.post(&url, body::full(body)).await })
}

/// The command's breakpoint is at the agent: what comes from here on pauses.
async fn is_set(setup: &Setup) -> anyhow::Result<()> {
    eventually(PATIENCE, "a breakpoint at the agent", || async {
        let breakpoints = setup.orchestrator.list("/breakpoints").await?;
        Ok(breakpoints.iter().any(|one| one["at_agents"][0]["state"] == "set").then_some(()))
    })
    .await
}

async fn start(name: &str) -> anyhow::Result<Setup> {
    Setup::start_with(name, |options| options.with("--allow", "breakpoints")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_decides_line_by_line() -> anyhow::Result<()> {
    let setup = start("intercept-json").await?;
    let mut program = Intercept::start(&setup, &["path:/echo", "--format", "json"], "false")?;
    is_set(&setup).await?;
    let sent = post(&setup, "mine");
    let paused: Value = serde_json::from_str(&program.hears().await?)?;
    let paused = &paused["paused"];
    ensure!(paused["body"]["text"] == "mine" && paused["request"]["method"] == "POST", "{paused}");
    for (line, status) in [("no JSON", None), (r#"{"decision":"modify","status":1}"#, Some(404))] {
        program.says(line).await?;
        let answer: Value = serde_json::from_str(&program.hears().await?)?;
        ensure!(
            answer["error"].is_object() && (status.is_none() || answer["error"]["status"] == json!(status)),
            "{answer}"
        );
    }
    let (id, agent) = (&paused["id"], &paused["agent"]);
    let modify = json!({ "id": id, "agent": agent, "decision": "modify", "body": { "text": "the program's" } });
    program.says(&modify.to_string()).await?;
    let answer: Value = serde_json::from_str(&program.hears().await?)?;
    ensure!(answer["id"] == *id && answer["decided"]["changed"] == json!(["body"]), "{answer}");
    ensure!(sent.await??.text() == "the program's");
    let ended: Value = serde_json::from_str(&program.hears().await?)?;
    ensure!(ended["ended"]["id"] == *id, "{ended}");
    program.says(&json!({ "id": id, "decision": "continue" }).to_string()).await?;
    let late: Value = serde_json::from_str(&program.hears().await?)?;
    ensure!(late["error"]["status"] == 409, "{late}");
    program.ended(&setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_decides_with_letters_and_an_editor() -> anyhow::Result<()> {
    let setup = start("intercept-person").await?;
    let mut person = Intercept::start(&setup, &["path:/echo", "--on-timeout", "fail"], "sed -i s/mine/edited/")?;
    is_set(&setup).await?;
    let sent = post(&setup, "mine");
    let line = person.hears().await?;
    ensure!(line.starts_with(&format!("[1] POST {} (request, 4 B, ", setup.plain("/echo"))), "{line}");
    person.says("s").await?;
    let first = person.hears().await?;
    ensure!(first == format!("POST {} HTTP/1.1", setup.plain("/echo")), "{first}");
    while person.hears().await? != "mine" {}
    person.says("e 1").await?;
    ensure!(person.hears().await? == "[1] modify body");
    ensure!(sent.await??.text() == "edited");

    let (second, third) = (post(&setup, "second"), post(&setup, "third"));
    let lines = [person.hears().await?, person.hears().await?];
    ensure!(lines[0].starts_with("[2] ") && lines[1].starts_with("[3] "), "{lines:?}");
    person.says("k 3").await?;
    ensure!(person.hears().await? == "[3] kill");
    person.says("c").await?;
    ensure!(person.hears().await? == "[2] continue");
    let replies = [second.await?, third.await?];
    ensure!(replies.iter().filter(|reply| reply.is_ok()).count() == 1, "{replies:?}");

    let last = post(&setup, "last");
    ensure!(person.hears().await?.starts_with("[4] "));
    person.says("q").await?;
    person.ended(&setup).await?;
    ensure!(last.await??.status == 504, "its policy");
    Ok(())
}

/// Requests that REST has answered.
async fn requests(setup: &Setup) -> anyhow::Result<f64> {
    let text = reqwest::get(format!("http://{}/metrics", setup.orchestrator.rest)).await?.text().await?;
    let counts = text.lines().filter(|line| line.starts_with("weir_orchestrator_requests_total"));
    Ok(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_and_does_not_ask_again_and_again() -> anyhow::Result<()> {
    let setup = start("intercept-told").await?;
    let mut program = Intercept::start(&setup, &["path:/echo", "--timeout", "4s", "--format", "json"], "false")?;
    is_set(&setup).await?;
    let before = requests(&setup).await?;
    let sent = post(&setup, "mine");
    let paused: Value = serde_json::from_str(&program.hears().await?)?;
    ensure!(!sent.is_finished(), "it pauses");
    let ended: Value = serde_json::from_str(&program.hears().await?)?;
    ensure!(ended["ended"]["id"] == paused["paused"]["id"], "{ended}");
    ensure!(sent.await??.text() == "mine");
    let asked = requests(&setup).await? - before;
    ensure!(asked < 8.0, "{asked} requests in four seconds");
    program.ended(&setup).await
}
