//! The commands of docs/live.md and docs/graphql.md, run as they stand there. A line that begins with `$` is a command, up to one that does not
//! end with `\`; what follows are lines of its output, in their order, where `…` stands for anything.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::process::Command;

use crate::{
    graphql::look,
    harness::{Agent, Running, exchange},
    metrics::report,
};

/// A command and what it says.
struct Example {
    command: String,
    output: Vec<String>,
}

fn examples(document: &str) -> Vec<Example> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(document);
    let text = std::fs::read_to_string(path).unwrap();
    let mut examples: Vec<Example> = Vec::new();
    for block in text.split("```console\n").skip(1) {
        let mut goes_on = false;
        for line in block.split("\n```").next().unwrap().lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                examples.push(Example { command: command.to_owned(), output: Vec::new() });
            } else if goes_on {
                let command = &mut examples.last_mut().unwrap().command;
                command.push('\n');
                command.push_str(line);
            } else if !line.is_empty() {
                examples.last_mut().unwrap().output.push(line.to_owned());
                continue;
            }
            goes_on = line.ends_with('\\');
        }
    }
    examples
}

/// Whether a line is the one that a document shows.
fn fits(shown: &str, mut line: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    line = rest;
    let mut open = false;
    for part in parts {
        let Some(place) = line.find(part) else { return false };
        line = &line[place + part.len()..];
        open = part.is_empty();
    }
    open || line.is_empty()
}

async fn run(running: &Running, command: &str) -> String {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("WEIR_ORCHESTRATOR", &running.person.base).env("WEIR_TOKEN", &running.person.token);
    let output = shell.stdout(Stdio::piped()).stderr(Stdio::inherit()).output().await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn check(example: &Example, output: &str) {
    let mut lines = output.lines();
    for shown in &example.output {
        assert!(lines.any(|line| fits(shown, line)), "no line {shown} in what says\n{}\n{output}", example.command);
    }
}

#[tokio::test]
async fn what_docs_live_shows_is_so() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let examples = examples("live.md");
    assert_eq!(examples.len(), 2);
    for example in &examples {
        check_live(&running, &agent, example).await;
    }
}

/// Whatever is followed happens again and again while it runs.
async fn check_live(running: &Running, agent: &Agent, example: &Example) {
    let happen = async {
        loop {
            agent.record(vec![exchange("api.example.com", "/pay", 503)]).await;
            drop(agent.sync().await.unwrap());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        output = run(running, &example.command) => check(example, &output),
        () = happen => {}
    }
}

#[tokio::test]
async fn what_docs_graphql_shows_is_so() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let _there = agent.sync().await.unwrap();
    report(&agent, vec![look(0, 1), look(1, 2)]).await;
    agent.record(vec![exchange("api.example.com", "/pay", 503)]).await;
    let examples = examples("graphql.md");
    let [questions @ .., subscription] = &examples[..] else { panic!("{}", examples.len()) };
    assert_eq!(questions.len(), 3);
    for example in questions {
        check(example, &run(&running, &example.command).await);
    }
    check_live(&running, &agent, subscription).await;
}
