//! `cargo xtask api`: schemathesis asks a real orchestrator everything that its description says, and more; whatever it answers has to be in the
//! description. Fixed seed, bounded time.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{
    child::Child,
    languages,
    steps::{output, target_dir},
    up::program_alone,
};

/// What is looked at in each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance";
const SEED: &str = "1";
/// What an exchange in the store comes from.
const ARCHIVE: &str = r#"{"log":{"version":"1.2","creator":{"name":"xtask","version":"1"},"entries":[{
    "startedDateTime":"2026-01-01T00:00:00Z","time":1,"cache":{},"timings":{"send":0,"wait":1,"receive":0},
    "request":{"method":"POST","url":"https://a.example/x","httpVersion":"HTTP/1.1","cookies":[],"queryString":[],
      "headers":[{"name":"Host","value":"a.example"}],"headersSize":-1,"bodySize":2,
      "postData":{"mimeType":"text/plain","text":"hi"}},
    "response":{"status":200,"statusText":"OK","httpVersion":"HTTP/1.1","cookies":[],"redirectURL":"","headersSize":-1,
      "bodySize":5,"headers":[{"name":"Content-Type","value":"text/plain"}],
      "content":{"size":5,"mimeType":"text/plain","text":"hello"}}}]}}"#;

/// Asks for so long. The binaries are built.
pub(crate) fn check(limit: Duration) -> anyhow::Result<()> {
    let target = target_dir()?;
    let schemathesis = languages::schemathesis(&target)?;
    let dir = target.join("e2e/api");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)?;
    let binary = target.join("debug/orchestrator");
    let data = dir.join("data");
    let mut serve = program_alone(&binary);
    serve.args(["serve", "--rest", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--rate-limit", "0", "--log", "warn"]);
    serve.arg("--data-dir").arg(&data);
    let mut orchestrator =
        Child::start("orchestrator", &mut serve, "orchestrator ready:", &dir.join("orchestrator.log"))?;
    let rest = format!("http://{}", orchestrator.address("REST")?);
    let token = fs::read_to_string(data.join("token"))?;
    let known = seed(&binary, &dir, &rest, token.trim())?;
    let config = dir.join("schemathesis.toml");
    fs::write(&config, configuration(&known))?;
    let mut run = Command::new(schemathesis);
    run.arg("--config-file").arg(&config).args(["run", &format!("{rest}/openapi.json")]);
    run.args(["--header", &format!("Authorization: Bearer {}", token.trim()), "--checks", CHECKS, "--seed", SEED]);
    run.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "50", "--continue-on-failure", "--no-color"]);
    run.args(["--max-time", &limit.as_secs().to_string(), "--request-timeout", "20", "--warnings", "off"]);
    // What has no end is asked by tests of its own.
    run.args(["--exclude-path-regex", "/(stream|events)$"]);
    let status = run.current_dir(&dir).status().context("running schemathesis")?;
    let alive = orchestrator.is_running();
    orchestrator.stop();
    if !alive {
        bail!("the orchestrator ended under it: see {}", orchestrator.log());
    }
    if !status.success() {
        bail!("the API is not what its description says, or not well: above, and {}", orchestrator.log());
    }
    Ok(())
}

/// An exchange, so that something is found; its id.
fn seed(binary: &Path, dir: &Path, rest: &str, token: &str) -> anyhow::Result<String> {
    let archive = dir.join("seed.har");
    fs::write(&archive, ARCHIVE)?;
    let client = |arguments: &[&str]| {
        let mut command = program_alone(binary);
        output(command.args(arguments).env("WEIR_ORCHESTRATOR", rest).env("WEIR_TOKEN", token))
    };
    client(&["import", archive.to_str().context("a path in UTF-8")?])?;
    let listed: Value = serde_json::from_str(&client(&["traffic", "--format", "json"])?)?;
    Ok(listed[0]["id"].as_str().context("no exchange was imported")?.to_owned())
}

/// Ids that are there, where one would be guessed in vain. What deletes is not told them.
fn configuration(id: &str) -> String {
    format!(
        "[[operations]]\ninclude-path-regex = \"^/api/v1/exchanges/\\\\{{id\\\\}}\"\ninclude-method = \"GET\"\n\
         parameters = {{ \"path.id\" = \"{id}\", \"path.other\" = \"{id}\" }}\n"
    )
}
