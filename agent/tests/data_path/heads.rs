//! Every head of an HTTP/1 connection is looked at, not only the first.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use weir_testkit::body;
use weir_testkit::raw::{Raw, RawOrigin, Script};
use weir_testkit::wait::{PATIENCE, within};

use crate::agent::Setup;

/// A request of any target, in the words of the connection it goes through.
fn get(base: &str, host: &str, path: &str) -> String {
    format!("GET {base}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// Heads that are refused, and the status.
fn bad_heads(base: &str, host: &str) -> Vec<(String, u16)> {
    let sound = get(base, host, "/text/bad");
    vec![
        ("GARBAGE\r\n\r\n".to_owned(), 400),
        (sound.replace("\r\nHost", "\r\nno colon here\r\nHost"), 400),
        (sound.replace("HTTP/1.1", "HTTP/9.9"), 505),
        (sound.replace("\r\nHost", "\r\nContent-Length: x\r\nHost"), 400),
        (sound.replace("\r\nHost", "\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nHost"), 400),
        (sound.replace("\r\nHost", "\r\nTransfer-Encoding: chunked, identity\r\nHost"), 400),
        (sound.replace("\r\nHost", "\r\nTransfer-Encoding: gzip, chunked\r\nHost"), 501),
        (sound.replace("\r\n", "\n"), 400),
        (sound.replace("/text/bad", "/\u{7f}<>"), 400),
        (get(base, host, &format!("/{}", "p".repeat(80 << 10))), 414),
        (sound.replace("\r\nHost", &format!("\r\nX: {}\r\nHost", "x".repeat(80 << 10))), 431),
        (sound.replace("\r\nHost", &format!("\r\n{}Host", "x: y\r\n".repeat(300))), 431),
    ]
}

/// The second head of a connection; `after` says whether it waits for the first answer.
async fn check(setup: &Setup, inside: bool, after: bool) -> anyhow::Result<()> {
    let host = setup.origin.plain().to_string();
    let base = if inside { String::new() } else { format!("http://{host}") };
    for (bad, status) in bad_heads(&base, &host) {
        let mut raw = match inside {
            true => Raw::over(setup.agent.client()?.tunnel(&host).await?),
            false => Raw::dial(setup.agent.proxy).await?,
        };
        let (first, shown) = (get(&base, &host, "/text/first"), &bad[..bad.len().min(80)]);
        match after {
            true => raw.say(first).await?,
            // what is refused is the last: nothing behind it counts
            false => raw.say(format!("{first}{bad}{}", get(&base, &host, "/text/never"))).await?,
        }
        assert_eq!(raw.response().await?.status, 200, "{shown}");
        if after {
            raw.say(&bad).await?;
        }
        let refused = raw.response().await.map_err(|error| error.context(shown.to_owned()))?;
        refused.problem(status, "client").map_err(|error| error.context(shown.to_owned()))?;
        assert!(refused.head.to_ascii_lowercase().contains("connection: close"), "{}", refused.head);
        assert_eq!(raw.hear_all().await?, b"", "{shown}");
    }
    for path in ["/text/bad", "/text/never"] {
        assert!(setup.origin.heard_for(path).is_none(), "{path}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_head_is_refused_with_a_document() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    check(&setup, false, true).await?;
    check(&setup, true, true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_came_early_is_refused_in_its_turn() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    check(&setup, false, false).await?;
    check(&setup, true, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_head_request_gets_no_content() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let at = setup.origin.plain();
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(format!("HEAD http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: x\r\n\r\n")).await?;
    let heard = String::from_utf8(raw.hear_all().await?)?;
    assert!(heard.starts_with("HTTP/1.1 400 ") && heard.ends_with("\r\n\r\n"), "{heard}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_later_head_is_told_and_a_silent_client_is_not() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.client.head_timeout = Duration::from_secs(1)).await?;
    let host = setup.origin.plain().to_string();
    let first = get(&format!("http://{host}"), &host, "/text/first");
    for more in ["GET ", "\r\n", ""] {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        raw.say(format!("{first}{more}")).await?;
        assert_eq!(raw.response().await?.status, 200);
        match more {
            "" => {}
            _ => drop(raw.response().await?.problem(408, "client")?),
        }
        assert_eq!(raw.hear_all().await?, b"", "{more:?}");
    }
    Ok(())
}

/// The limit is for the client's head, not for the answer to the one before.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_takes_nothing_from_the_next_head() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.client.head_timeout = Duration::from_secs(1)).await?;
    let mut http = setup.agent.client()?.forward().await?;
    let url = format!("http://{}/bytes/3000?seed=1&chunked&by=104&pace=60", setup.origin.plain());
    for _ in 0..2 {
        let request = http.request("GET", &url, body::empty())?;
        let response = within(PATIENCE, "the answer", http.send(request)).await??;
        assert_eq!(body::check(response.into_body(), 1).await?.0, 3000);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_their_order() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let host = setup.origin.plain().to_string();
    let base = format!("http://{host}");
    let mut all = String::new();
    for n in 0..40 {
        let body = "x".repeat(n * 7);
        // The origin hears bodies to their end: one that answers before closes its connection, and what follows on it is lost.
        all += &match n % 4 {
            0 => {
                format!(
                    "POST {base}/length/{n} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
            1 => format!(
                "POST {base}/length/{n} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n{:x};a=b\r\n{body}\r\n0\r\n\r\n",
                body.len()
            ),
            _ => get(&base, &host, &format!("/text/{n}")),
        };
    }
    let mut transcripts = Vec::new();
    for by in [1, 7, 1000, all.len()] {
        let mut raw = Raw::dial(setup.agent.proxy).await?;
        for piece in all.as_bytes().chunks(by) {
            raw.say(piece).await?;
        }
        let mut heard = Vec::new();
        for n in 0..40 {
            let response = raw.response().await.map_err(|error| error.context(format!("{n} by {by}")))?;
            let body = String::from_utf8_lossy(&response.body).into_owned();
            assert_eq!(response.status, 200, "{n} by {by}: {body}");
            heard.push(body);
        }
        transcripts.push(heard);
    }
    for pair in transcripts.windows(2) {
        assert_eq!(pair[0], pair[1]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_chunk_breaks_the_body_and_hides_no_request() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let host = setup.origin.plain().to_string();
    let smuggled = get(&format!("http://{host}"), &host, "/text/smuggled");
    // the origin answers when it has the whole body, which it never has
    let head = format!("POST http://{host}/length HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunks in ["x\r\n\r\n", "1\na\r\n0\r\n\r\n", "1\r\nab0\r\n\r\n", "0\r\nA: b\n\r\n", "0\r\n\n"] {
        for by in [1, usize::MAX] {
            let said = format!("{head}{chunks}{smuggled}");
            let mut raw = Raw::dial(setup.agent.proxy).await?;
            for piece in said.as_bytes().chunks(by) {
                if raw.say(piece).await.is_err() {
                    break;
                }
            }
            let heard = String::from_utf8(raw.hear_all().await?)?;
            assert!(
                heard.starts_with("HTTP/1.1 400 ") && heard.contains("\"blame\":\"client\""),
                "{chunks:?}: {heard}"
            );
            assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{chunks:?} by {by}: {heard}");
        }
    }
    assert!(setup.origin.heard_for("/text/smuggled").is_none());
    Ok(())
}

/// The client's answer is out, its connection is free, yet the answer still lies in the way: nothing may hang.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipelined_request_behind_a_large_answer_is_served() -> anyhow::Result<()> {
    let setup = Setup::start(|config| config.client.head_timeout = Duration::from_secs(1)).await?;
    let host = setup.origin.plain().to_string();
    let base = format!("http://{host}");
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    let (large, small) = (get(&base, &host, "/bytes/8000000?seed=1"), get(&base, &host, "/text/small"));
    raw.say(format!("{large}{small}")).await?;
    // longer than a head may take: what is sent has to lie in the agent's and the kernel's buffers meanwhile
    raw.hear(12).await?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut heard = 12;
    while heard < 8_000_000 {
        heard += raw.hear(100_000).await?.len();
    }
    let rest = tokio::time::timeout(PATIENCE, async {
        let mut rest = Vec::new();
        while !String::from_utf8_lossy(&rest).contains("HTTP/1.1 200") {
            rest.extend(raw.hear(1).await?);
        }
        anyhow::Ok(rest)
    });
    rest.await??;
    Ok(())
}

/// An agent that stops takes no request apart that has begun to come.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_has_begun_is_served_by_an_agent_that_stops() -> anyhow::Result<()> {
    let mut setup = Setup::start(|_| {}).await?;
    let host = setup.origin.plain().to_string();
    let request = get(&format!("http://{host}"), &host, "/text/begun");
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(&request).await?;
    assert_eq!(raw.response().await?.status, 200);
    let (begin, end) = request.split_at(20);
    raw.say(begin).await?;
    // the agent has read the beginning once it reads what comes behind it on another connection
    let mut other = setup.agent.client()?.forward().await?;
    other.get(&format!("http://{host}/text/other")).await?;
    setup.agent.shared.shutdown.begin();
    let join = tokio::task::spawn_blocking(move || setup.agent.join());
    raw.say(end).await?;
    assert_eq!(raw.response().await?.status, 200);
    within(PATIENCE, "the agent to end", join).await??;
    Ok(())
}

/// Nothing of the protocol that a client hopes for is taken for a request, before the answer says which it is.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_behind_a_connect_are_the_tunnels() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let to = listener.local_addr()?;
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n\0binary\n\n")).await?;
    let (mut far, _) = within(PATIENCE, "the agent to dial", listener.accept()).await??;
    let mut heard = [0; 9];
    within(PATIENCE, "the bytes", far.read_exact(&mut heard)).await??;
    assert_eq!(&heard, b"\0binary\n\n");
    far.write_all(b"ok").await?;
    drop(far);
    assert!(raw.hear_all().await?.ends_with(b"ok"));

    let refuses = RawOrigin::start(Script::Silence).await?;
    let at = refuses.address();
    let mut raw = Raw::dial(setup.agent.proxy).await?;
    raw.say(format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\nContent-Length: 3\r\n\r\nabc")).await?;
    raw.response().await?.problem(400, "client")?;
    Ok(())
}
