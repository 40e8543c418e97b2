//! Filters that are wrong: refused before they run or contained when they do, with an error that names filter, phase
//! and reason. Other exchanges on the same worker go on. (Signatures are in `signing`.)

use anyhow::ensure;
use serde_json::Value;
use weir_testkit::{agent::AgentOptions, binaries::filter, component, scratch::Scratch, setup::Setup, wait};

/// One worker: who shares a thread with a rogue must not notice.
async fn one_worker(name: &str) -> anyhow::Result<Setup> {
    Setup::start_with(name, |options| options.with("--workers", "1")).await
}

fn hopeless(good: &[u8]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    vec![
        ("not-wasm", b"#!/bin/sh\necho hello\n".to_vec(), ""),
        ("core-module", component::CORE_MODULE.to_vec(), "component"),
        ("cut-off", good[..good.len() / 2].to_vec(), ""),
        ("wrong-world", component::EMPTY.to_vec(), "weir:filter"),
        ("unknown-import", component::importing(good, "moon-phase"), "moon-phase"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn push_refuses_what_is_no_filter_and_says_why() -> anyhow::Result<()> {
    let setup = one_worker("bad-pushes").await?;
    let good = std::fs::read(filter("stamp")?)?;
    let mut bad = hopeless(&good);
    bad.push(("oversized", component::grown(&good, 65 << 20), "MiB"));
    for (name, bytes, reason) in bad {
        let file = setup.scratch.write(&format!("{name}.wasm"), bytes)?;
        let refusal = setup.orchestrator.try_push(&file, &["--name", name, "--config", "{}"]).await?.refusal()?;
        ensure!(refusal.contains(name), "{name}: the filter is not named: {refusal}");
        ensure!(refusal.contains(reason), "{name}: no `{reason}` in: {refusal}");
    }
    let listed = setup.orchestrator.list("/filters").await?;
    ensure!(listed.is_empty(), "something was stored: {listed:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_takes_no_bad_filter_and_names_it() -> anyhow::Result<()> {
    let scratch = Scratch::new("bad-folder")?;
    let folder = scratch.join("filters");
    std::fs::create_dir(&folder)?;
    let good = std::fs::read(filter("stamp")?)?;
    std::fs::write(folder.join("stamp.wasm"), &good)?;
    std::fs::write(folder.join("stamp.toml"), "config = { stamp = 1 }\n")?;
    let agent = AgentOptions::new(&scratch, "agent").with("--filters", &folder).start().await?;
    agent.active("stamp", 1).await?;
    for (name, bytes, reason) in hopeless(&good) {
        std::fs::write(folder.join(format!("{name}.wasm")), &bytes)?;
        let log = agent.process.says(&format!("{name}.wasm")).await?;
        let line = log.lines().find(|line| line.contains(&format!("{name}.wasm"))).unwrap_or_default();
        ensure!(line.contains(reason), "{name}: no `{reason}` in: {line}");
        // an agent does not start with part of its filters
        let alone = scratch.join(format!("only-{name}"));
        std::fs::create_dir(&alone)?;
        std::fs::write(alone.join(format!("{name}.wasm")), &bytes)?;
        let options = AgentOptions::new(&scratch, &format!("agent-{name}")).with("--filters", &alone);
        let mut process = options.spawn()?;
        ensure!(!process.ended(wait::PATIENCE).await?.success(), "{name}: the agent started");
        ensure!(process.log().contains(name) && process.log().contains(reason), "{name}: {}", process.log());
    }
    agent.active("stamp", 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_configuration_is_refused_with_its_place_and_the_old_version_runs_on() -> anyhow::Result<()> {
    let setup = one_worker("bad-config").await?;
    let stamp = filter("stamp")?;
    setup.orchestrator.push(&stamp, &["--name", "stamp", "--config", r#"{"stamp":1}"#]).await?;
    setup.agent.active("stamp", 1).await?;
    let wrong = ["--name", "stamp", "--config", r#"{"stamp":"two"}"#];
    let told = setup.orchestrator.try_push(&stamp, &wrong).await?.refusal()?;
    ensure!(told.contains("validate-config"), "whoever pushes is told what agents say: {told}");
    let reason = setup.refused("stamp", "validate-config").await?;
    ensure!(reason.contains("/stamp"), "no pointer to the field: {reason}");
    let reply = setup.client()?.forward().await?.get(&setup.plain("/text/a")).await?;
    assert_eq!(reply.header("x-stamp"), "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_at_start_are_refused_by_agents_with_phase_and_reason() -> anyhow::Result<()> {
    let setup = one_worker("bad-start").await?;
    let rogue = filter("rogue")?;
    for fault in ["panic", "trap", "loop", "memory", "log"] {
        let name = format!("start-{fault}");
        let config = format!(r#"{{"at":"configure","fault":"{fault}"}}"#);
        setup.orchestrator.try_push(&rogue, &["--name", &name, "--config", &config]).await?.refusal()?;
        let reason = setup.refused(&name, "validate-config").await?;
        ensure!(!reason.is_empty(), "{fault}: no reason");
        let reply = setup.client()?.forward().await?.get(&setup.plain("/text/a")).await?;
        assert_eq!(reply.status, 200, "{fault}: others are not disturbed");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_in_hooks_end_their_exchange_by_policy_and_no_other() -> anyhow::Result<()> {
    let setup = one_worker("bad-hooks").await?;
    let rogue = filter("rogue")?;
    let places = ["request-head", "request-body", "response-head", "response-body", "done"];
    for (at, fault) in places.iter().flat_map(|at| ["trap", "loop", "memory", "log"].map(|fault| (at, fault))) {
        for policy in ["closed", "open"] {
            let name = format!("{at}-{fault}-{policy}");
            let config = format!(r#"{{"at":"{at}","fault":"{fault}"}}"#);
            let matching = format!("path:/echo/{name}");
            let arguments = ["--name", &name, "--config", &config, "--match", &matching, "--on-failure", policy];
            setup.orchestrator.push(&rogue, &arguments).await?;
            setup.agent.active(&name, 1).await?;
        }
    }
    let mut other = setup.client()?.forward().await?;
    for (at, fault) in places.iter().flat_map(|at| ["trap", "loop", "memory", "log"].map(|fault| (at, fault))) {
        for policy in ["closed", "open"] {
            let name = format!("{at}-{fault}-{policy}");
            let mut http = setup.client()?.forward().await?;
            let reply = http.post(&setup.plain(&format!("/echo/{name}")), weir_testkit::body::full("spoken")).await;
            match (policy, *at) {
                ("closed", "request-head" | "request-body" | "response-head") => {
                    let problem = reply?.problem(500, "filter")?;
                    names(&problem, &name, at)?;
                }
                // the head is on its way: all that is left is to not end the body well
                ("closed", "response-body") => {
                    ensure!(reply.as_ref().map_or(true, |reply| reply.status == 500), "{name}: {reply:?}")
                }
                _ => {
                    let reply = reply?;
                    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "spoken"), "{name}");
                }
            }
            let reply = other.get(&setup.plain("/text/other")).await?;
            assert_eq!(reply.status, 200, "after {name} others go on");
        }
    }
    let failures = setup.agent.metric("weir_agent_filter_failures_total", "").await?;
    ensure!(failures >= 20.0, "failures are counted: {failures}");
    Ok(())
}

fn names(problem: &Value, filter: &str, at: &str) -> anyhow::Result<()> {
    let text = problem.to_string();
    let phase = at.rsplit('-').next().unwrap_or_default();
    ensure!(text.contains(filter) && text.contains(phase), "filter and phase are not named: {text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_log_is_limited_and_what_is_left_out_is_counted() -> anyhow::Result<()> {
    let setup = one_worker("endless-log").await?;
    let config = r#"{"at":"request-head","fault":"log"}"#;
    setup.orchestrator.push(&filter("rogue")?, &["--name", "chatty", "--config", config]).await?;
    setup.agent.active("chatty", 1).await?;
    for _ in 0..3 {
        let mut http = setup.client()?.forward().await?;
        http.get(&setup.plain("/text/a")).await?.problem(500, "filter")?;
    }
    let log = setup.agent.process.says("and another thing").await?;
    let written = log.matches("and another thing").count() as f64;
    let left_out = setup.agent.metric("weir_agent_filter_log_suppressed_total", "chatty").await?;
    // 100 lines a second, of all that fit into the CPU time of three hooks
    ensure!(left_out > 0.0 && written < left_out, "{written} lines were written, {left_out} left out");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn last_good_keeps_the_version_before_when_the_new_one_fails() -> anyhow::Result<()> {
    let setup = one_worker("last-good").await?;
    let arguments = ["--name", "held", "--on-failure", "last-good", "--config"];
    let push = async |file: &str, config: &str| {
        setup.orchestrator.push(&filter(file)?, &[&arguments[..], &[config]].concat()).await
    };
    push("stamp", r#"{"stamp":1}"#).await?;
    setup.agent.active("held", 1).await?;
    push("rogue", r#"{"at":"request-head","fault":"trap"}"#).await?;
    setup.agent.active("held", 2).await?;
    let url = setup.plain("/text/a");
    wait::eventually(wait::PATIENCE, "new exchanges to meet the version before", || async {
        let reply = setup.client()?.forward().await?.get(&url).await?;
        Ok((reply.status == 200 && reply.header("x-stamp") == "1").then_some(()))
    })
    .await
}
