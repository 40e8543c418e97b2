//! Bodies come out as they went in, whatever their framing.

use proptest::prelude::*;
use weir_testkit::body::{self, Pattern};
use weir_testkit::client::{Alpn, Http};

use crate::agent::Setup;

/// One kind of connection to the agent, and the URL of the origin over it.
async fn connect(setup: &Setup, http2: Option<bool>) -> anyhow::Result<(Http, String)> {
    let client = setup.agent.client()?;
    Ok(match http2 {
        None => (client.forward().await?, format!("http://{}", setup.origin.plain())),
        Some(false) => {
            (client.intercepted(&setup.tls_http1(), Alpn::Http1).await?, format!("https://{}", setup.tls_http1()))
        }
        Some(true) => (client.intercepted(&setup.tls(), Alpn::Http2).await?, format!("https://{}", setup.tls())),
    })
}

/// Up and down again by `/echo`, and checked on the way back.
async fn echo(http: &mut Http, base: &str, method: &str, pattern: Pattern, seed: u64) -> anyhow::Result<u64> {
    let request = http.request(method, &format!("{base}/echo"), pattern.boxed())?;
    let response = http.send(request).await?;
    anyhow::ensure!(response.status() == 200, "{response:?}");
    Ok(body::check(response.into_body(), seed).await?.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_pass_both_ways_at_once() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    for http2 in [None, Some(false), Some(true)] {
        let (mut http, base) = connect(&setup, http2).await?;
        for sized in [true, false] {
            let size = 3 << 20 | 7;
            let pattern = if sized { Pattern::new(1, size) } else { Pattern::new(1, size).chunked() };
            assert_eq!(echo(&mut http, &base, "POST", pattern, 1).await?, size, "{http2:?} {sized}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_may_have_a_body() -> anyhow::Result<()> {
    let setup = Setup::start(|_| {}).await?;
    for http2 in [None, Some(true)] {
        let (mut http, base) = connect(&setup, http2).await?;
        assert_eq!(echo(&mut http, &base, "GET", Pattern::new(2, 1000), 2).await?, 1000);
        if http2.is_some() {
            assert_eq!(echo(&mut http, &base, "GET", Pattern::new(2, 1000).chunked(), 2).await?, 1000);
        }
    }
    Ok(())
}

/// What goes up by `/echo`, and what comes down by `/bytes`.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) http2: Option<bool>,
    pub(crate) size: u64,
    pub(crate) by: usize,
    pub(crate) sized: bool,
    pub(crate) down: u64,
    pub(crate) down_chunked: bool,
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let size = prop_oneof![Just(0), 1..100u64, 16_000..17_000u64, 0..300_000u64];
    let fields = (prop_oneof![Just(None), Just(Some(false)), Just(Some(true))], size.clone(), 1..70_000usize);
    (fields, any::<bool>(), size, any::<bool>()).prop_map(|((http2, size, by), sized, down, down_chunked)| {
        // a body of a million tiny frames tests patience only
        Case { http2, size, by: by.max(size as usize / 200), sized, down, down_chunked }
    })
}

/// How many right bytes came back, and came down.
pub(crate) async fn pass(setup: &Setup, case: &Case) -> anyhow::Result<(u64, u64)> {
    let (mut http, base) = connect(setup, case.http2).await?;
    let mut pattern = Pattern::new(9, case.size).by(case.by);
    if !case.sized {
        pattern = pattern.chunked();
    }
    let up = echo(&mut http, &base, "POST", pattern, 9).await?;
    let chunked = if case.down_chunked { "&chunked" } else { "" };
    let url = format!("{base}/bytes/{}?seed=3&by={}{chunked}", case.down, case.by);
    let request = http.request("GET", &url, body::empty())?;
    let down = body::check(http.send(request).await?.into_body(), 3).await?.0;
    Ok((up, down))
}

#[test]
fn small_bodies_pass_whatever_their_framing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let setup = runtime.block_on(Setup::start(|_| {})).unwrap();
    let config = ProptestConfig { cases: 120, ..ProptestConfig::default() };
    proptest!(config, |(case in case())| {
        let passed = runtime.block_on(pass(&setup, &case));
        prop_assert_eq!(passed.map_err(|error| TestCaseError::fail(format!("{error:#}")))?, (case.size, case.down));
    });
}
