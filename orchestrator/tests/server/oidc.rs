//! People with tokens of an issuer: a real issuer on a port of its own, whose keys change and which goes away.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use axum::{Json, Router, extract::State, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use rcgen::KeyPair;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use weir_orchestrator::{FaceArgs, OidcArgs, ServeArgs};

use crate::harness::{Home, Person, Running, eventually, now_ms};

/// An issuer, its key and what it publishes.
struct Issuer {
    address: SocketAddr,
    key: KeyPair,
    published: Arc<Published>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Published {
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
}

fn jwk(key: &KeyPair, id: &str) -> Value {
    let point = key.public_key_raw();
    let part = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": id, "x": part(&point[1..33]), "y": part(&point[33..65])})
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, key) = (listener.local_addr().unwrap(), KeyPair::generate().unwrap());
        let published = Arc::new(Published::default());
        published.keys.lock().push(jwk(&key, "1"));
        let serving = Self::serve(listener, address, Arc::clone(&published));
        Self { address, key, published, serving }
    }

    fn serve(listener: TcpListener, address: SocketAddr, published: Arc<Published>) -> JoinHandle<()> {
        let document = json!({"issuer": format!("http://{address}"), "jwks_uri": format!("http://{address}/keys")});
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(|| async move { Json(document) }))
            .route(
                "/keys",
                get(|State(published): State<Arc<Published>>| async move {
                    published.asked.fetch_add(1, Relaxed);
                    Json(json!({"keys": *published.keys.lock()}))
                }),
            )
            .with_state(published);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() })
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Claims of somebody who may operate.
    fn claims(&self) -> Value {
        let now = now_ms() / 1000;
        json!({"iss": self.url(), "aud": ["other", "weir"], "sub": "17", "exp": now + 300, "iat": now,
            "preferred_username": "anna", "realm_access": {"roles": ["staff", "ops"]}})
    }

    fn signed(&self, claims: &Value) -> String {
        sign(&self.key, Some("1"), claims)
    }

    fn args(&self) -> FaceArgs {
        let oidc = OidcArgs {
            oidc_issuer: Some(self.url()),
            oidc_audiences: Some(vec!["weir".to_owned()]),
            oidc_roles: Some(vec!["ops=operator".to_owned(), "staff=viewer".to_owned()]),
            oidc_roles_claim: Some("realm_access.roles".to_owned()),
            ..OidcArgs::default()
        };
        FaceArgs { oidc, sign_in_limit: Some(0), ..FaceArgs::default() }
    }
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn sign(key: &KeyPair, id: Option<&str>, claims: &Value) -> String {
    let mut header = json!({"alg": "ES256", "typ": "JWT"});
    if let Some(id) = id {
        header["kid"] = json!(id);
    }
    let signed = format!("{}.{}", part(&header), part(claims));
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der()).unwrap();
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// With what everybody knows of the issuer in place of a secret.
fn sign_with_public(known: &[u8], claims: &Value) -> String {
    let signed = format!("{}.{}", part(&json!({"alg": "HS256", "kid": "1"})), part(claims));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, known), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

async fn with(issuer: &Issuer) -> Running {
    let face = issuer.args();
    Running::start_in(Home::new().await, |args| ServeArgs { face, ..args }).await
}

async fn ask(person: &Person, token: &str) -> (StatusCode, Value) {
    let answer = person.http.get(format!("{}/api/v1/agents", person.base)).bearer_auth(token).send().await.unwrap();
    if answer.status() == StatusCode::UNAUTHORIZED {
        let told = answer.headers()["www-authenticate"].to_str().unwrap();
        assert_eq!(told, "Bearer realm=\"weir\", error=\"invalid_token\"");
    }
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_token_of_the_issuer_gives_a_role_and_a_name_in_the_trail() {
    let issuer = Issuer::start().await;
    let running = with(&issuer).await;
    let admin = &running.person;
    let anna = Person { token: issuer.signed(&issuer.claims()), ..admin.clone() };
    let (status, _) = anna.post("/api/v1/join-tokens", &json!({})).await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, problem) = anna.post("/api/v1/tokens", &json!({"name": "a", "role": "admin"})).await;
    assert_eq!(
        (status, problem["detail"].as_str().unwrap().ends_with("your role is operator")),
        (StatusCode::FORBIDDEN, true)
    );
    let trail = admin.get("/api/v1/audit?actor=oidc:anna/17").await;
    let told: Vec<_> =
        trail["items"].as_array().unwrap().iter().map(|entry| entry["status"].as_u64().unwrap()).collect();
    assert_eq!(told, [403, 201], "{trail}");
    // the orchestrator's own tokens count beside
    admin.get("/api/v1/tokens").await;
    assert_eq!(issuer.published.asked.load(Relaxed), 1, "the issuer is asked once");
}

#[tokio::test]
async fn a_token_of_the_issuer_is_for_the_areas_of_its_scope() {
    let issuer = Issuer::start().await;
    let mut face = issuer.args();
    face.oidc.oidc_areas =
        Some(vec!["weir:agents=agents".to_owned(), "weir:metrics=metrics".to_owned(), "weir=all".to_owned()]);
    let running = Running::start_in(Home::new().await, |args| ServeArgs { face, ..args }).await;
    let with = |scope: Value| {
        let mut claims = issuer.claims();
        claims["scope"] = scope;
        Person { token: issuer.signed(&claims), ..running.person.clone() }
    };
    for (scope, agents, metrics, traffic) in [
        (json!("openid weir:agents"), 200, 403, 403),
        (json!(["weir:agents", "weir:metrics"]), 200, 200, 403),
        (json!("weir weir:metrics"), 200, 200, 200),
        (json!("openid weir:traffic"), 403, 403, 403),
        (json!(null), 403, 403, 403),
    ] {
        let person = with(scope.clone());
        for (path, expect) in [("agents", agents), ("metrics", metrics), ("exchanges", traffic)] {
            let (status, answer) = person.ask(&format!("/api/v1/{path}")).await;
            assert_eq!(status.as_u16(), expect, "{scope} {path} {answer}");
        }
    }
    let (_, problem) = with(json!("openid")).ask("/api/v1/agents").await;
    assert_eq!(problem["type"], "urn:weir:problem:no-area");
    assert!(problem["detail"].as_str().unwrap().contains("its claim `scope`"), "{problem}");
    assert_eq!(with(json!("weir:agents")).post("/api/v1/join-tokens", &json!({})).await.0, StatusCode::CREATED);
    let trail = running.person.get("/api/v1/audit").await;
    let newest = &trail["items"][0];
    assert_eq!((&newest["actor"], &newest["areas"]), (&json!("oidc:anna/17"), &json!(["agents"])));
}

#[tokio::test]
async fn what_is_no_token_for_us_is_refused_and_told_why() {
    let issuer = Issuer::start().await;
    let running = with(&issuer).await;
    let person = &running.person;
    let now = now_ms() / 1000;
    let but = |name: &str, value: Value| {
        let mut claims = issuer.claims();
        claims[name] = value;
        issuer.signed(&claims)
    };
    let without = |name: &str| {
        let mut claims = issuer.claims();
        claims.as_object_mut().unwrap().remove(name);
        issuer.signed(&claims)
    };
    // clocks differ by a minute
    for good in [but("exp", json!(now - 30)), but("nbf", json!(now + 30)), but("aud", json!("weir"))] {
        assert_eq!(ask(person, &good).await.0, StatusCode::OK);
    }
    let other = KeyPair::generate().unwrap();
    let claims = issuer.claims();
    let unsigned = |alg: &str| format!("{}.{}.", part(&json!({"alg": alg, "kid": "1"})), part(&claims));
    let symmetric = sign_with_public(issuer.key.public_key_raw(), &claims);
    let symmetric_pem = sign_with_public(issuer.key.public_key_pem().as_bytes(), &claims);
    let good = issuer.signed(&claims);
    let (head, _) = good.split_once('.').unwrap();
    let swapped = format!("{head}.{}.{}", part(&json!({"sub": "1"})), good.rsplit_once('.').unwrap().1);
    for (token, says) in [
        (but("exp", json!(now - 90)), "has expired"),
        (but("nbf", json!(now + 90)), "does not count yet"),
        (but("aud", json!("other")), "is for somebody else"),
        (but("aud", json!([])), "is for somebody else"),
        (but("iss", json!("https://evil.example")), "is of another issuer"),
        (but("exp", json!("tomorrow")), "a time that is no number"),
        (without("exp"), "lacks one of"),
        (without("aud"), "lacks one of"),
        (without("iss"), "lacks one of"),
        (without("sub"), "lacks one of"),
        (sign(&other, Some("1"), &claims), "signed by none of the issuer's keys"),
        (sign(&other, None, &claims), "signed by none of the issuer's keys"),
        (sign(&issuer.key, Some("2"), &claims), "signed by none of the issuer's keys"),
        (swapped, "signed by none of the issuer's keys"),
        (unsigned("none"), "algorithm that is not taken"),
        (unsigned("None"), "algorithm that is not taken"),
        (unsigned("ES256"), "signed by none of the issuer's keys"),
        (symmetric, "algorithm that is not taken"),
        (symmetric_pem, "algorithm that is not taken"),
        ("a.b.c".to_owned(), "cannot be read"),
        ("..".to_owned(), "cannot be read"),
        (format!("{}.x.y", "a".repeat(17 << 10)), "longer than any"),
    ] {
        let (status, problem) = ask(person, &token).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(status == StatusCode::UNAUTHORIZED && detail.contains(says), "{says}: {status} {detail}");
    }
    let (status, problem) = ask(person, &but("realm_access", json!({"roles": ["guests"]}))).await;
    assert_eq!((status, &problem["type"]), (StatusCode::FORBIDDEN, &json!("urn:weir:problem:no-role")), "{problem}");
    // whatever keys tokens name: the issuer is not asked each time
    assert!(issuer.published.asked.load(Relaxed) <= 2);
}

/// Keys change at the issuer; a token with the new one has them fetched.
#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let mut issuer = Issuer::start().await;
    let running = with(&issuer).await;
    let person = &running.person;
    assert_eq!(ask(person, &issuer.signed(&issuer.claims())).await.0, StatusCode::OK);
    let old = std::mem::replace(&mut issuer.key, KeyPair::generate().unwrap());
    *issuer.published.keys.lock() = vec![jwk(&issuer.key, "2")];
    let renewed = || async { ask(person, &sign(&issuer.key, Some("2"), &issuer.claims())).await.0 };
    eventually(renewed, |status| *status == StatusCode::OK).await;
    assert_eq!(issuer.published.asked.load(Relaxed), 2);
    // the one that was taken away counts no longer
    assert_eq!(ask(person, &sign(&old, Some("1"), &issuer.claims())).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn while_the_issuer_is_away_the_keys_that_are_known_count() {
    let issuer = Issuer::start().await;
    let (known, unknown) = (with(&issuer).await, with(&issuer).await);
    let token = issuer.signed(&issuer.claims());
    assert_eq!(ask(&known.person, &token).await.0, StatusCode::OK);
    issuer.serving.abort();
    let address = issuer.address;
    let free = || async { tokio::net::TcpStream::connect(address).await.is_err() };
    eventually(free, |gone| *gone).await;
    assert_eq!(ask(&known.person, &token).await.0, StatusCode::OK);
    let (status, problem) = ask(&unknown.person, &token).await;
    assert_eq!((status, &problem["type"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("urn:weir:problem:issuer-away")));
    // whoever has a credential of this server is let in
    unknown.person.get("/api/v1/agents").await;
    let listener = TcpListener::bind(address).await.unwrap();
    let serving = Issuer::serve(listener, address, Arc::clone(&issuer.published));
    let again = || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        ask(&unknown.person, &token).await.0
    };
    eventually(again, |status| *status == StatusCode::OK).await;
    serving.abort();
}

/// However many come while an issuer does not answer: they wait for it once, together.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_does_not_answer_is_waited_for_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let issuer = Issuer { address, ..Issuer::start().await };
    let published = Arc::clone(&issuer.published);
    let held = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Ok((socket, _)) = silent.accept().await {
            published.asked.fetch_add(1, Relaxed);
            all.push(socket);
        }
    });
    let face = issuer.args();
    let running = Running::start_in(Home::new().await, |args| ServeArgs { face, ..args }).await;
    let token = issuer.signed(&issuer.claims());
    let all = (0..4).map(|_| {
        let request = running.person.http.get(format!("{}/api/v1/agents", running.person.base));
        request.bearer_auth(&token).send()
    });
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(issuer.published.asked.load(Relaxed), 1, "each asked it, and waited for it");
    held.abort();
}
