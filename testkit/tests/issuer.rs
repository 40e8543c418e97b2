//! `jwt-auth` with the keys that an issuer publishes: a real server that is asked when there is need, and not by whoever wants it.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use weir_testkit::{
    binaries::filter,
    body,
    raw::{RawOrigin, Script},
    setup::Setup,
};

const GIVEN: &str = include_str!("../../filters/jwt-auth/src/tests/tokens.json");

#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_is_asked_once_and_only_for_tokens() -> anyhow::Result<()> {
    let given: Value = serde_json::from_str(GIVEN)?;
    let set = given["jwks"].to_string();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{set}", set.len());
    let issuer = RawOrigin::start(Script::Answer(answer.into_bytes())).await?;
    let setup = Setup::start_with("issuer", |options| options.with("--workers", "1")).await?;
    let config = r#"{"jwks_from": {"upstream": "id", "path": "/keys"}}"#;
    let upstream = format!("id=http://{}/v1", issuer.address());
    setup.orchestrator.push(&filter("jwt-auth")?, &["--config", config, "--upstream", &upstream]).await?;
    setup.agent.active("jwt-auth", 1).await?;

    let url = setup.plain("/text/x");
    let ask = |credential: String| {
        let (client, url) = (setup.client(), url.clone());
        async move {
            let mut http = client?.forward().await?;
            let mut request = http.request("GET", &url, body::empty())?;
            request.headers_mut().insert("authorization", credential.parse()?);
            anyhow::Ok(http.exchange(request).await?.status)
        }
    };
    for credential in ["", "Basic YTpi", "Bearer x.y.z"] {
        ensure!(ask(credential.to_owned()).await? == 401, "{credential}");
    }
    ensure!(issuer.heard().is_empty(), "asked for what is no token");
    let token = |name: &str| given["tokens"][name].as_str().map(|token| format!("Bearer {token}")).context("a token");
    for name in ["ES256", "RS256", "EdDSA", "ES256"] {
        ensure!(ask(token(name)?).await? == 200, "{name}");
    }
    // a secret that is published is none; and of whatever key it is, nobody asks again at once
    ensure!(ask(token("HS256")?).await? == 401);
    let heard = issuer.heard();
    ensure!(heard.len() == 1 && heard[0].starts_with("GET /v1/keys HTTP/1.1\r\n"), "{heard:?}");
    Ok(())
}
