//! The files of `examples/` do what they say: the configurations start as they are, the smallest filter runs.

use std::path::{Path, PathBuf};

use weir_testkit::{
    agent::AgentOptions,
    binaries::{binary, filter},
    ca::Ca,
    origin::Origin,
    process::{Process, run},
    scratch::Scratch,
};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_starts_as_configured_and_runs_the_smallest_filter() -> anyhow::Result<()> {
    let scratch = Scratch::new("examples-agent")?;
    let config = example("agent.toml");
    run(&binary("agent")?, ["check".as_ref(), config.as_os_str()], &[]).await?.ok()?;
    let folder = scratch.join("filters");
    std::fs::create_dir(&folder)?;
    std::fs::copy(filter("hello-filter")?, folder.join("hello-filter.wasm"))?;
    let options = AgentOptions::new(&scratch, "agent").with("--config", &config).with("--filters", &folder);
    let agent = options.start().await?;
    let origin = Origin::start(&Ca::new("testkit origins")?).await?;
    let url = format!("http://{}/text/hello", origin.plain());
    let reply = agent.client(&[])?.forward().await?.get(&url).await?;
    assert_eq!(reply.header("x-hello"), "from a filter");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_starts_as_configured() -> anyhow::Result<()> {
    let scratch = Scratch::new("examples-orchestrator")?;
    let (config, data) = (example("orchestrator.toml"), scratch.join("data"));
    let flags = [("--config", config.as_os_str()), ("--data-dir", data.as_os_str())];
    let ports = [("--rest", "127.0.0.1:0".as_ref()), ("--grpc", "127.0.0.1:0".as_ref())];
    let flags = flags.into_iter().chain(ports).flat_map(|(flag, value)| [flag.as_ref(), value]);
    let arguments = std::iter::once("serve".as_ref()).chain(flags);
    let program = binary("orchestrator")?;
    let mut process = Process::start("orchestrator", &program, arguments, &[], &scratch.join("log"))?;
    process.line("orchestrator ready:", 0).await?;
    Ok(())
}
