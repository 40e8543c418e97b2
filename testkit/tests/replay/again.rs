//! What was recorded, sent again as it was or edited: head, body and trailers.

use anyhow::{Context as _, ensure};
use serde_json::json;
use weir_testkit::{binaries::filter, body::Pattern, client::Alpn};

use super::{id, response_body, sent, start, trailers_of};

#[tokio::test(flavor = "multi_thread")]
async fn what_came_through_a_tunnel_is_sent_again_through_the_filters() -> anyhow::Result<()> {
    let setup = start("replay-tunnel").await?;
    let ca = setup.agent.ca_file();
    for (path, protocol) in [("/echo?h1", "--http1.1"), ("/echo?h2", "--http2")] {
        let url = setup.tls(path);
        let reply = setup.agent.curl(&ca).get(&[protocol, "--data", "what was said", "-H", "X-A: 1", &url]).await?;
        assert_eq!((reply.status, reply.body.as_str()), (200, "what was said"));
        let recorded = setup.recorded(path).await?;

        let same = sent(&setup, id(&recorded)?, json!({})).await?;
        assert_eq!(same["request"], recorded["request"], "nothing of it is another");
        assert_eq!(same["connection"]["tunnel_target"], recorded["connection"]["tunnel_target"]);
        assert_eq!(same["connection"]["intercepted"], true);
        assert_eq!(response_body(&setup, &same).await?, "what was said");
        let diff = setup.orchestrator.get(&format!("/exchanges/{}/diff/{}", id(&recorded)?, id(&same)?)).await?;
        assert_eq!(diff["request"]["same"], true, "{diff}");

        let edits = json!({"method": "PUT", "url": "/echo?edited", "set_headers": [["X-A", "2"], ["Host", "other.localhost"]],
            "remove_headers": ["user-agent"], "body": "said otherwise"});
        let edited = sent(&setup, id(&recorded)?, edits).await?;
        assert_eq!(response_body(&setup, &edited).await?, "said otherwise");
        let heard = setup.origin.heard().pop().context("the origin heard nothing")?;
        assert_eq!((heard.method.as_str(), heard.uri.query()), ("PUT", Some("edited")));
        assert_eq!(heard.headers["x-a"], "2");
        assert!(!heard.headers.contains_key("user-agent"));
        let host = heard.uri.authority().map(ToString::to_string);
        let host = host.unwrap_or_else(|| String::from_utf8_lossy(heard.headers["host"].as_bytes()).into_owned());
        assert_eq!(host, "other.localhost");
    }
    // A filter of now, which was not there when it was recorded, meets it too.
    let recorded = setup.recorded("/echo?h1").await?;
    setup.orchestrator.push(&filter("stamp")?, &["--name", "stamp", "--config", r#"{"stamp":7}"#]).await?;
    setup.agent.active("stamp", 1).await?;
    let stamped = sent(&setup, id(&recorded)?, json!({})).await?;
    assert_eq!(stamped["filters"], json!(["stamp"]));
    assert!(setup.origin.heard().pop().is_some_and(|heard| heard.headers.contains_key("x-stamp")));

    let found = setup.orchestrator.list("/exchanges?query=is:replay").await?;
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(setup.orchestrator.list("/exchanges?query=-is:replay").await?.len(), 2);
    let trail = setup.orchestrator.get("/audit").await?.to_string();
    assert!(trail.contains("method PUT, url https://localhost:"), "{trail}");
    assert!(trail.contains("removed user-agent, set x-a, set host, body of 14 bytes"), "{trail}");
    assert!(!trail.contains("said otherwise"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_are_sent_again() -> anyhow::Result<()> {
    let setup = start("replay-trailers").await?;
    let client = setup.client()?;
    let authority = setup.tls_authority();
    for (mut http, url, path) in [
        (client.forward().await?, setup.plain("/echo?plain"), "/echo?plain"),
        (client.intercepted(&authority, Alpn::Http1).await?, setup.tls("/echo?h1"), "/echo?h1"),
        (client.intercepted(&authority, Alpn::Http2).await?, setup.tls("/echo?h2"), "/echo?h2"),
    ] {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", "9".parse()?);
        let mut request = http.request("POST", &url, Pattern::new(1, 9).trailed(trailers).boxed())?;
        request.headers_mut().insert("te", "trailers".parse()?);
        if !path.ends_with("h2") {
            request.headers_mut().insert("trailer", "x-sum".parse()?);
        }
        http.exchange(request).await?;
        let recorded = setup.recorded(path).await?;
        ensure!(recorded["request"]["trailers"] == json!([["x-sum", "9"]]), "{recorded}");
        let again = sent(&setup, id(&recorded)?, json!({})).await?;
        // the origin sends back what it got
        for message in ["request", "response"] {
            ensure!(again[message]["trailers"] == json!([["x-sum", "9"]]), "{path}: {again}");
        }
        let edits = json!({"set_trailers": [["X-Sum", "8"], ["x-new", "1"]]});
        let edited = sent(&setup, id(&recorded)?, edits).await?;
        for message in ["request", "response"] {
            ensure!(trailers_of(&edited[message]) == [("x-new", "1"), ("x-sum", "8")], "{path}: {edited}");
        }
        let edits = json!({"body": "another", "set_trailers": [["x-new", "2"]]});
        let edited = sent(&setup, id(&recorded)?, edits).await?;
        ensure!(trailers_of(&edited["response"]) == [("x-new", "2")], "{path}: {edited}");
        ensure!(response_body(&setup, &edited).await? == "another", "{path}: {edited}");
        let edited = sent(&setup, id(&recorded)?, json!({"remove_trailers": ["x-sum"]})).await?;
        ensure!(edited["request"]["trailers"] == json!([]) && edited["status"] == 200, "{path}: {edited}");
        let other = sent(&setup, id(&recorded)?, json!({"body": "another"})).await?;
        ensure!(other["request"]["trailers"] == json!([]) && other["status"] == 200, "{path}: {other}");
    }
    Ok(())
}
