//! One root for the whole fleet: clients install it once, each agent signs with an intermediate of its own, and whoever is
//! revoked gets no other. Judged by curl and openssl, which are not ours.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use weir_testkit::{
    agent::AgentOptions,
    binaries::binary,
    ca::Ca,
    curl::Curl,
    orchestrator::Orchestrator,
    origin::Origin,
    process::{Finished, run},
    scratch::Scratch,
    wait::{PATIENCE, eventually},
};

struct Fleet {
    orchestrator: Orchestrator,
    origin: Origin,
    roots: PathBuf,
    scratch: Scratch,
}

impl Fleet {
    async fn start(name: &str, lifetime: &str) -> anyhow::Result<Self> {
        let scratch = Scratch::new(name)?;
        let ca = Ca::new("testkit origins")?;
        let origin = Origin::start(&ca).await?;
        let roots = scratch.write("origins.pem", ca.pem())?;
        let more = ["--interception-certificate", lifetime];
        let orchestrator = Orchestrator::start_with(&scratch, "orchestrator", &more).await?;
        orchestrator.generate_keys().await?;
        Ok(Self { orchestrator, origin, roots, scratch })
    }

    async fn ca(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        self.orchestrator.command([&["ca"], arguments].concat()).await
    }

    /// A root in the server's folder.
    async fn make_root(&self) -> anyhow::Result<()> {
        let data = self.orchestrator.data().display().to_string();
        let said = self.ca(&["create", "--dir", &data]).await?.ok()?;
        ensure!(said.contains("can pass for any site"), "{said}");
        Ok(())
    }

    async fn exported(&self) -> anyhow::Result<PathBuf> {
        let file = self.scratch.join("root.pem");
        self.ca(&["export", &file.display().to_string()]).await?.ok()?;
        Ok(file)
    }

    async fn agent(&self, name: &str) -> anyhow::Result<AgentOptions> {
        Ok(AgentOptions::new(&self.scratch, name)
            .with("--orchestrator", self.orchestrator.grpc_url())
            .with("--join-token", self.orchestrator.join_token().await?)
            .with("--upstream-ca", &self.roots)
            .with("--intercept-ca", "fleet"))
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/text/x", self.origin.tls().port())
    }
}

async fn openssl(arguments: &[&str]) -> anyhow::Result<Finished> {
    run(Path::new("openssl"), arguments, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_and_openssl_trust_every_agent_by_one_root() -> anyhow::Result<()> {
    let fleet = Fleet::start("fleet-root", "30d").await?;
    ensure!(fleet.ca(&["show"]).await?.refusal()?.contains("orchestrator ca create"));
    fleet.make_root().await?;
    let root = fleet.exported().await?;
    ensure!(fleet.ca(&["show"]).await?.ok()?.contains("at the server"));
    let data = fleet.orchestrator.data().display().to_string();
    ensure!(fleet.ca(&["create", "--dir", &data]).await?.refusal()?.contains("there already"), "never over another");

    let (one, two) = (fleet.agent("one").await?.start().await?, fleet.agent("two").await?.start().await?);
    let mut intermediates = Vec::new();
    for agent in [&one, &two] {
        let reply = Curl::new(agent.proxy, &root).get(&[&fleet.url()]).await?;
        ensure!(reply.status == 200, "{}", reply.verbose);
        // what the agent gives clients to trust is the root that was exported
        let given = agent.admin("/ca.pem").await?;
        ensure!(given.trim() == std::fs::read_to_string(&root)?.trim());
        // also without the flags that it runs with
        let data = agent.data().display().to_string();
        let given = run(&binary("agent")?, ["ca", "--data-dir", &data], &[]).await?.ok()?;
        ensure!(given.trim() == std::fs::read_to_string(&root)?.trim(), "{given}");
        ensure!(!agent.data().join("ca.pem").exists(), "no authority of its own is made");

        let (proxy, target) = (agent.proxy.to_string(), format!("localhost:{}", fleet.origin.tls().port()));
        let shown =
            openssl(&["s_client", "-proxy", &proxy, "-connect", &target, "-servername", "localhost", "-showcerts"])
                .await?;
        let certificates: Vec<&str> = shown.stdout.split_inclusive("-----END CERTIFICATE-----").collect();
        let chain: Vec<&str> =
            certificates.iter().filter_map(|part| part.find("-----BEGIN").map(|at| &part[at..])).collect();
        ensure!(chain.len() >= 2, "{}", shown.stdout);
        let leaf = fleet.scratch.write("leaf.pem", chain[0])?.display().to_string();
        let intermediate = fleet.scratch.write("intermediate.pem", chain[1])?.display().to_string();
        let verified = openssl(&[
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-verify_hostname",
            "localhost",
            "-CAfile",
            &root.display().to_string(),
            "-untrusted",
            &intermediate,
            &leaf,
        ])
        .await?;
        ensure!(verified.success, "{} {}", verified.stdout, verified.stderr);
        let text = openssl(&["x509", "-in", &intermediate, "-noout", "-text"]).await?.ok()?;
        ensure!(text.contains("CA:TRUE, pathlen:0") && text.contains("TLS Web Server Authentication"), "{text}");
        intermediates.push(chain[1].to_owned());
        // the root's key is nowhere but at the orchestrator
        ensure!(!agent.data().join("ca.key").exists());
    }
    ensure!(intermediates[0] != intermediates[1], "each agent has one of its own");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intermediate_is_renewed_until_its_agent_is_revoked() -> anyhow::Result<()> {
    let mut fleet = Fleet::start("fleet-renewal", "12s").await?;
    fleet.make_root().await?;
    let root = fleet.exported().await?;
    let agent = fleet.agent("agent").await?.start().await?;
    let file = agent.data().join("fleet/intermediate.pem");
    let curl = Curl::new(agent.proxy, &root);
    let works = async || anyhow::Ok(curl.run(&[&fleet.url()]).await?.success);
    for _ in 0..2 {
        let last = std::fs::read_to_string(&file)?;
        eventually(PATIENCE, "another intermediate", || async {
            Ok((std::fs::read_to_string(&file)? != last).then_some(()))
        })
        .await?;
        ensure!(works().await?);
    }
    let agents = fleet.orchestrator.list("/agents").await?;
    let id = agents[0]["id"].as_str().context("id")?;
    fleet.orchestrator.command(["agents", "revoke", id]).await?.ok()?;
    // it goes on until the intermediate ends, and then says why
    ensure!(works().await?);
    let log = agent.process.says("the agent's intermediate ended at").await?;
    ensure!(log.contains("revoked"), "{log}");
    ensure!(!works().await?);

    // one that has an intermediate starts without an orchestrator; one that has none serves nobody
    fleet.orchestrator.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_may_stay_offline() -> anyhow::Result<()> {
    let fleet = Fleet::start("fleet-offline", "30d").await?;
    let vault = fleet.scratch.join("vault");
    std::fs::create_dir(&vault)?;
    let dir = vault.display().to_string();
    fleet.ca(&["create", "--dir", &dir]).await?.ok()?;
    std::fs::copy(vault.join("interception-ca.pem"), fleet.orchestrator.data().join("interception-ca.pem"))?;
    let root = fleet.exported().await?;
    ensure!(fleet.ca(&["show"]).await?.ok()?.contains("elsewhere"));

    let options = fleet.agent("agent").await?;
    let waiting = options.spawn()?;
    waiting.says("is kept elsewhere").await?;
    let data = fleet.scratch.join("agent").display().to_string();
    let agent = binary("agent")?;
    let own = ["--data-dir", &data];
    let request = run(&agent, [&["ca", "--request"], &own[..]].concat(), &[]).await?.ok()?;
    let request = fleet.scratch.write("request.pem", request)?.display().to_string();
    let chain = fleet.ca(&["sign", &request, "--dir", &dir, "--name", "edge-1"]).await?.ok()?;
    let chain = fleet.scratch.write("chain.pem", chain)?.display().to_string();
    run(&agent, [&["ca", "--install", &chain], &own[..]].concat(), &[]).await?.ok()?;
    let ready = waiting.says("agent ready:").await?;
    let line = ready.lines().find_map(|line| line.strip_prefix("agent ready:")).context("ready")?;
    let proxy = weir_testkit::process::address(line, "proxy")?;
    let reply = Curl::new(proxy, &root).get(&[&fleet.url()]).await?;
    ensure!(reply.status == 200, "{}", reply.verbose);
    Ok(())
}
