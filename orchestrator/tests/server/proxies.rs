//! Clients behind proxies: each is known by its own address where the proxy is trusted, and by none of its choice.

use reqwest::{Method, StatusCode};
use serde_json::json;
use weir_orchestrator::{FaceArgs, ProxyHeader, ServeArgs};

use crate::harness::{Home, Running};

async fn behind(trusted: Option<&str>, header: Option<ProxyHeader>) -> Running {
    let trusted_proxies = trusted.map(|networks| vec![networks.to_owned()]);
    let face = FaceArgs { trusted_proxies, proxy_header: header, sign_in_limit: Some(3), ..FaceArgs::default() };
    Running::start_in(Home::new().await, |args| ServeArgs { face, ..args }).await
}

/// A change, with what came by way of proxies; the address that the trail has of it.
async fn source(running: &Running, fields: &[(&str, &str)]) -> String {
    let request = running.person.request(Method::DELETE, &format!("/api/v1/tokens/{}", uuid::Uuid::nil()));
    let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let trail = running.person.get("/api/v1/audit?limit=1").await;
    trail["items"][0]["source"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_trail_has_the_address_that_a_trusted_proxy_saw() {
    let running = behind(Some("127.0.0.0/8"), None).await;
    for (fields, expect) in [
        (&[][..], "127.0.0.1"),
        (&[("x-forwarded-for", "192.0.2.7")], "192.0.2.7"),
        (&[("x-forwarded-for", "6.6.6.6, 192.0.2.7")], "192.0.2.7"),
        (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "2001:db8::7, 127.0.0.9")], "2001:db8::7"),
        (&[("x-forwarded-for", "6.6.6.6, ::ffff:192.0.2.7")], "192.0.2.7"),
        (&[("x-forwarded-for", "6.6.6.6, nobody")], "127.0.0.1"),
        // the field that this proxy does not set
        (&[("forwarded", "for=6.6.6.6")], "127.0.0.1"),
        (&[("x-real-ip", "6.6.6.6")], "127.0.0.1"),
    ] {
        assert_eq!(source(&running, fields).await, expect, "{fields:?}");
    }
    // One of IPv4, written as one of IPv6.
    let running = behind(Some("::ffff:127.0.0.0/104"), None).await;
    assert_eq!(source(&running, &[("x-forwarded-for", "192.0.2.7")]).await, "192.0.2.7");
    let running = behind(Some("127.0.0.1"), Some(ProxyHeader::Forwarded)).await;
    for (fields, expect) in [
        (&[("forwarded", "for=6.6.6.6, for=\"[2001:db8::7]:99\";proto=https")][..], "2001:db8::7"),
        (&[("forwarded", "for=6.6.6.6;x=\""), ("forwarded", "for=192.0.2.7")], "192.0.2.7"),
        (&[("forwarded", "for=6.6.6.6;x=\", for=192.0.2.7")], "127.0.0.1"),
        (&[("x-forwarded-for", "6.6.6.6")], "127.0.0.1"),
    ] {
        assert_eq!(source(&running, fields).await, expect, "{fields:?}");
    }
}

#[tokio::test]
async fn who_is_no_trusted_proxy_says_nothing_of_who_asks() {
    for trusted in [None, Some("10.0.0.0/8")] {
        let running = behind(trusted, None).await;
        let fields = [("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.7")];
        assert_eq!(source(&running, &fields).await, "127.0.0.1");
    }
}

/// Whoever guesses runs out of guesses, whatever they write before their own address; others do not.
#[tokio::test]
async fn guesses_count_for_each_client() {
    let running = behind(Some("127.0.0.1"), None).await;
    let person = &running.person;
    let guess = async |forwarded: String| {
        let request = person.http.get(format!("{}/api/v1/agents", person.base)).bearer_auth("weir-token-x");
        request.header("x-forwarded-for", forwarded).send().await.unwrap().status()
    };
    let mut told = Vec::new();
    for n in 0..6 {
        told.push(guess(format!("198.51.100.{n}, 192.0.2.7")).await.as_u16());
    }
    assert_eq!(told, [401, 401, 401, 429, 429, 429]);
    assert_eq!(guess("192.0.2.8".to_owned()).await, StatusCode::UNAUTHORIZED);
    // GraphQL's door counts by the same addresses.
    let asked = person.http.post(format!("{}/graphql", person.base)).bearer_auth("weir-token-x");
    let asked = asked.header("x-forwarded-for", "192.0.2.7").json(&json!({"query": "{ __typename }"}));
    assert_eq!(asked.send().await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
}
