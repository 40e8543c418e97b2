//! `cargo xtask up`: the whole of Weir on this machine, with state under target/up. Builds, starts a sample origin, an
//! orchestrator and an agent, pushes filters/block, shows it acting, says where everything is, stays until ctrl-c.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    child::{Child, interrupted},
    filters,
    steps::{cargo, output, step, target_dir},
    test::programs,
};

/// What the sample filter refuses.
const BLOCK: &str = r#"{"paths":["/ads*"],"status":403}"#;

struct Up {
    bin: PathBuf,
    dir: PathBuf,
    block: PathBuf,
}

/// `state` is the folder under the target folder where everything is kept.
pub(crate) fn run(state: &str, once: bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    programs(&[("curl", "curl")])?;
    step("build", &mut cargo(&["build", "--workspace", "--bins"]))?;
    eprintln!("==> filters");
    let block = filters::build()?.folder.join("block.wasm");
    let target = target_dir()?;
    let up = Up { bin: target.join("debug"), dir: target.join(state), block };
    std::fs::create_dir_all(&up.dir)?;

    eprintln!("==> start");
    let mut origin = up.start("sample-origin", "sample origin ready:", &[up.path("origin")?.as_str()])?;
    let plain = origin.address("plain")?;
    let tls = origin.address("tls")?.replace("127.0.0.1", "localhost");
    let mut orchestrator = up.orchestrator()?;
    let rest = format!("http://{}", orchestrator.address("REST")?);
    let token_file = up.path("orchestrator/token")?;
    let token = std::fs::read_to_string(&token_file).with_context(|| format!("reading {token_file}"))?;
    let client = |arguments: &[&str]| up.client(&rest, token.trim(), arguments);

    let keys = up.path("keys")?;
    if !Path::new(&keys).exists() {
        client(&["keys", "generate", "--key-dir", &keys])?;
    }
    // an agent given another token joins anew, as another
    let join_token = match up.has_joined(&client(&["agents", "--format", "json"])?) {
        true => None,
        false => Some(client(&["join-token", "--key-dir", &keys])?),
    };
    let grpc = format!("https://{}", orchestrator.address("gRPC")?);
    let mut agent = up.agent(&grpc, join_token.as_deref().map(str::trim))?;
    let (proxy, admin) = (agent.address("proxy")?, agent.address("admin")?);

    let block = up.block.to_str().context("a path in UTF-8")?;
    let pushed = client(&["push-filter", block, "--name", "block", "--key-dir", &keys, "--config", BLOCK])?;
    eprintln!("    {}", pushed.trim());
    let ca = up.path("agent/ca.pem")?;
    let curl = |url: &str| up.curl(&proxy, &ca, url);
    let blocked = format!("https://{tls}/ads/banner");
    let deadline = Instant::now() + Duration::from_secs(60);
    while curl(&blocked)? != "403" {
        ensure!(Instant::now() < deadline, "the filter did not act on {blocked} within a minute: see {}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let allowed = format!("https://{tls}/text/hello");
    let status = curl(&allowed)?;
    ensure!(status == "200", "{allowed} answered {status}: see {}", agent.log());

    println!(
        "\nWeir is up ({:.1} s). Through the agent {blocked} answers 403, {allowed} answers 200.\n\n\
         proxy         http://{proxy}          CA to trust: {ca}\n\
         admin         http://{admin}/filters  (/healthz /readyz /metrics)\n\
         REST          {rest}/api/v1/exchanges  token: {token_file}\n\
         origin        http://{plain}  https://{tls}\n\
         logs          {dir}/*.log\n\n\
         In another terminal, for the commands below\n  \
           export WEIR_ORCHESTRATOR={rest} WEIR_TOKEN=$(cat {token_file})\n\
         Send a request    curl -x http://{proxy} --cacert {ca} {allowed}\n\
         Change the filter\n  \
           {bin}/orchestrator push-filter {block} --name block --key-dir {keys} --config '{{\"paths\":[\"/text*\"]}}'\n\
         See the traffic   {bin}/orchestrator traffic --follow\n                  \
           curl -H \"Authorization: Bearer $WEIR_TOKEN\" {rest}/api/v1/exchanges",
        begun.elapsed().as_secs_f64(),
        dir = up.dir.display(),
        bin = up.bin.display(),
    );
    if !once {
        println!("\nctrl-c ends it.");
        let mut running = [&mut agent, &mut orchestrator, &mut origin];
        while !interrupted(Duration::from_millis(300))? {
            if let Some(ended) = running.iter_mut().find_map(|child| (!child.is_running()).then_some(child)) {
                bail!("{} ended: see {}", ended.name(), ended.log());
            }
        }
    }
    eprintln!("\nending");
    agent.stop();
    orchestrator.stop();
    origin.stop();
    Ok(())
}

impl Up {
    fn path(&self, name: &str) -> anyhow::Result<String> {
        Ok(self.dir.join(name).to_str().context("a path in UTF-8")?.to_owned())
    }

    fn start(&self, program: &str, ready: &str, arguments: &[&str]) -> anyhow::Result<Child> {
        let mut command = program_alone(&self.bin.join(program));
        command.args(arguments);
        Child::start(program, &mut command, ready, &self.dir.join(format!("{program}.log")))
    }

    fn orchestrator(&self) -> anyhow::Result<Child> {
        let data = self.path("orchestrator")?;
        let (rest, grpc) = (free(7080)?, free(7443)?);
        self.start(
            "orchestrator",
            "orchestrator ready:",
            &["serve", "--data-dir", &data, "--rest", &rest, "--grpc", &grpc],
        )
    }

    /// Is the agent of an earlier `up` one of these?
    fn has_joined(&self, agents: &str) -> bool {
        let joined = std::fs::read_to_string(self.dir.join("agent/orchestrator/joined.json")).unwrap_or_default();
        // its id is the only UUID in there
        let mut texts = joined.split('"').filter(|text| text.len() == 36 && text.matches('-').count() == 4);
        texts.next().is_some_and(|id| agents.contains(id))
    }

    fn agent(&self, orchestrator: &str, join_token: Option<&str>) -> anyhow::Result<Child> {
        let (data, roots) = (self.path("agent")?, self.path("origin/ca.pem")?);
        let (listen, admin) = (free(8080)?, free(8081)?);
        let mut arguments = vec![
            "run",
            "--data-dir",
            &data,
            "--listen",
            &listen,
            "--admin",
            &admin,
            "--orchestrator",
            orchestrator,
            "--upstream-ca",
            &roots,
            "--allow",
            "connections,replay,breakpoints",
        ];
        if let Some(token) = join_token {
            arguments.extend(["--join-token", token]);
        }
        self.start("agent", "agent ready:", &arguments)
    }

    fn client(&self, rest: &str, token: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = program_alone(&self.bin.join("orchestrator"));
        output(command.args(arguments).env("WEIR_ORCHESTRATOR", rest).env("WEIR_TOKEN", token))
    }

    fn curl(&self, proxy: &str, ca: &str, url: &str) -> anyhow::Result<String> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "10", "--output", "/dev/null"]);
        command.args(["--write-out", "%{http_code}", "--noproxy", "", "--proxy", proxy, "--cacert", ca, url]);
        output(&mut command)
    }
}

/// Without variables that were set for another Weir on this machine.
pub(crate) fn program_alone(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"WEIR_")) {
        command.env_remove(name);
    }
    command
}

/// 127.0.0.1 with the port that Weir has by default, any other when somebody has it.
fn free(port: u16) -> anyhow::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", port)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?;
    Ok(listener.local_addr()?.to_string())
}
