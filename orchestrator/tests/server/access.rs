//! Who may do what: every address by every role, tokens and users while they count, and the trail that changes leave.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_proto::v1::Field;

use crate::harness::{Agent, Home, JoinTicket, Person, Running, eventually, exchange, id};

pub(crate) const ROLES: [&str; 4] = ["viewer", "operator", "publisher", "admin"];

/// What each operation of the description asks for: the roles that pass.
pub(crate) const MATRIX: &[(&str, &[&str])] = &[
    ("listExchanges", &ROLES),
    ("getExchange", &ROLES),
    ("followExchanges", &ROLES),
    ("countExchanges", &ROLES),
    ("exportExchanges", &ROLES),
    ("exportExchange", &ROLES),
    ("diffExchanges", &ROLES),
    ("importExchanges", &["operator", "admin"]),
    ("replayExchange", &["operator", "admin"]),
    ("sendRequest", &["operator", "admin"]),
    ("annotateExchange", &["operator", "admin"]),
    ("deleteExchange", &["operator", "admin"]),
    ("deleteExchanges", &["operator", "admin"]),
    ("getRequestBody", &ROLES),
    ("getResponseBody", &ROLES),
    ("listMessagesOfExchange", &ROLES),
    ("listMessages", &ROLES),
    ("listTunnels", &ROLES),
    ("listEndedConnections", &ROLES),
    ("listFilters", &ROLES),
    ("getFilter", &ROLES),
    ("followEvents", &ROLES),
    ("listFilterLines", &ROLES),
    ("publishStatement", &["publisher", "admin"]),
    ("getCa", &ROLES),
    ("listConfigurations", &ROLES),
    ("getConfiguration", &ROLES),
    ("pushConfiguration", &["publisher", "admin"]),
    ("listAgents", &ROLES),
    ("getAgent", &ROLES),
    ("revokeAgent", &["operator", "admin"]),
    ("listConnections", &ROLES),
    ("followConnections", &ROLES),
    ("closeConnection", &["operator", "admin"]),
    ("closeConnections", &["operator", "admin"]),
    ("listBreakpoints", &ROLES),
    ("makeBreakpoint", &["operator", "admin"]),
    ("renewBreakpoint", &["operator", "admin"]),
    ("removeBreakpoint", &["operator", "admin"]),
    ("listPaused", &ROLES),
    ("getPaused", &["operator", "admin"]),
    ("decidePaused", &["operator", "admin"]),
    ("listMetrics", &ROLES),
    ("getMetricsHistory", &ROLES),
    ("getUsage", &ROLES),
    ("listAgentMetrics", &ROLES),
    ("makeJoinToken", &["operator", "admin"]),
    ("listJoinTokens", &["operator", "admin"]),
    ("revokeJoinToken", &["operator", "admin"]),
    ("listTokens", &["admin"]),
    ("makeToken", &["admin"]),
    ("revokeToken", &["admin"]),
    ("listUsers", &["admin"]),
    ("addUser", &["admin"]),
    ("removeUser", &["admin"]),
    ("listAudit", &["admin"]),
    ("backUp", &["admin"]),
    ("getRetention", &ROLES),
    ("setRetention", &["operator", "admin"]),
    ("askGraphql", &ROLES),
    ("askGraphqlInAddress", &ROLES),
    ("getGraphqlSchema", &ROLES),
];

impl Person {
    pub(crate) fn with(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) async fn made(&self, name: &str, role: &str) -> Value {
        let (status, made) = self.post("/api/v1/tokens", &json!({"name": name, "role": role})).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made
    }

    pub(crate) async fn status(&self, method: Method, path: &str) -> StatusCode {
        self.request(method, path).send().await.unwrap().status()
    }
}

/// An operation of the description that wants a credential.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: Method,
    pub(crate) path: String,
}

/// All of them; the others say that they want none.
pub(crate) async fn operations(person: &Person) -> Vec<Operation> {
    let description = person.get("/openapi.json").await;
    let nobody = uuid::Uuid::nil().to_string();
    let mut all = Vec::new();
    let mut open = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            if operation["security"] == json!([{}]) {
                open.push(id);
                continue;
            }
            let path = path.replace("{id}", &nobody).replace("{other}", &nobody).replace("{name}", "nobody");
            all.push(Operation { id, method: method.to_uppercase().parse().unwrap(), path });
        }
    }
    open.sort_unstable();
    assert_eq!(open, ["describe", "health", "prometheusMetrics", "readiness"]);
    all
}

#[tokio::test]
async fn every_address_by_every_role() {
    let running = Running::start().await;
    let admin = &running.person;
    let operations = operations(admin).await;
    let mut seen = 0;
    for role in ROLES {
        let person = admin.with(admin.made(role, role).await["token"].as_str().unwrap());
        for Operation { id, method, path } in &operations {
            seen += 1;
            let rules = MATRIX.iter().find(|(name, _)| name == id);
            let (_, roles) = rules.unwrap_or_else(|| panic!("who may {id}?"));
            let response = person.request(method.clone(), path).json(&json!({})).send().await.unwrap();
            let status = response.status();
            // A stream has no end.
            let streams = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
            let answer: Value = if streams { json!(null) } else { response.json().await.unwrap_or_default() };
            if roles.contains(&role) {
                assert!(!matches!(status.as_u16(), 401 | 403 | 500..), "{role} {id}: {status} {answer}");
            } else {
                assert_eq!(status, StatusCode::FORBIDDEN, "{role} {id}: {answer}");
                let detail = answer["detail"].as_str().unwrap();
                assert!(detail.ends_with(&format!("your role is {role}")), "{detail}");
            }
        }
    }
    assert_eq!(seen, MATRIX.len() * ROLES.len());
}

/// The same addresses by who is nobody: without a credential, with one that nobody gave out, with one that was taken back, or one
/// that is sent twice.
#[tokio::test]
async fn every_address_by_nobody() {
    let running = Running::start_in(Home::new().await, |args| {
        let face = weir_orchestrator::FaceArgs { sign_in_limit: Some(0), ..args.face };
        weir_orchestrator::ServeArgs { face, ..args }
    })
    .await;
    let admin = &running.person;
    let made = admin.made("gone", "admin").await;
    let gone = made["token"].as_str().unwrap();
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.status(Method::DELETE, &path).await, StatusCode::NO_CONTENT);
    let before = admin.get("/api/v1/audit").await;
    let bearer = |token: &str| format!("Bearer {token}");
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let credentials = [
        vec![],
        vec![bearer("")],
        vec![bearer(&admin.token[..admin.token.len() - 1])],
        vec![bearer(gone)],
        vec![bearer(&admin.token), bearer(&admin.token)],
        vec![basic(&admin.token)],
        vec![format!("Digest {}", admin.token)],
    ];
    for Operation { id, method, path } in operations(admin).await {
        for credentials in &credentials {
            let url = format!("{}{path}", admin.base);
            let request = admin.http.request(method.clone(), url).json(&json!({}));
            let request = credentials.iter().fold(request, |request, given| request.header("authorization", given));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{id} {credentials:?}");
            assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{id}");
        }
    }
    // The door of subscriptions is the same.
    let upgrade = admin.http.get(format!("{}/graphql", admin.base)).headers(
        [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "graphql-transport-ws"),
        ]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect(),
    );
    let refused = upgrade.bearer_auth(gone).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(admin.get("/api/v1/audit").await, before, "nobody fills the trail");
}

/// Whatever changes something leaves an entry, whether or not it comes to anything; whatever looks leaves none.
#[tokio::test]
async fn every_change_leaves_an_entry() {
    let running = Running::start().await;
    let admin = &running.person;
    let description = admin.get("/openapi.json").await;
    let mut changes = 0;
    for Operation { id, method, path } in operations(admin).await {
        let template = description["paths"].as_object().unwrap().iter().find_map(|(template, operations)| {
            (operations[method.as_str().to_lowercase()]["operationId"] == id.as_str()).then_some(template)
        });
        // It leaves one when it begins, whose file is not read to its end here.
        if id == "backUp" {
            continue;
        }
        let answer = admin.request(method.clone(), &path).json(&json!({})).send().await.unwrap();
        let (status, replayed) = (answer.status(), answer.headers().clone());
        drop(answer);
        let trail = admin.get("/api/v1/audit?limit=500").await;
        let entries = trail["items"].as_array().unwrap();
        if method != Method::GET && path.starts_with("/api/") {
            changes += 1;
            let newest = &entries[0];
            assert_eq!(newest["action"], format!("{method} {}", template.unwrap()), "{id} {replayed:?}");
            assert_eq!((&newest["status"], &newest["object"]), (&json!(status.as_u16()), &json!(path)), "{id}");
        }
        assert_eq!(entries.len(), changes, "{id}");
    }
    assert!(changes > 20, "{changes}");
    // Of GraphQL there is nothing that changes anything.
    let schema = admin.request(Method::GET, "/graphql/schema").send().await.unwrap().text().await.unwrap();
    assert!(schema.contains("query: Query") && !schema.contains("mutation:"), "{schema}");
}

/// What agents and whoever starts the server change is in the trail too.
#[tokio::test]
async fn an_agent_that_joins_and_a_new_admin_token_leave_an_entry() {
    let running = Running::start().await;
    let agent = running.agent_of("edge").await;
    let token = running.person.join_token("edge").await;
    let refused = Agent::join(running.grpc, &JoinTicket { token: "weir-once-x".to_owned(), ..token }).await;
    assert!(refused.is_err());
    let trail = running.person.get(&format!("/api/v1/audit?actor=agent:{}", agent.id)).await;
    let entry = &trail["items"][0];
    assert_eq!((&entry["action"], &entry["object"]), (&json!("join"), &json!("edge-1, group edge")));
    assert_eq!((&entry["role"], &entry["source"]), (&Value::Null, &json!("127.0.0.1")));
    let home = running.stop().await;
    let running = Running::start_in(home, |args| weir_orchestrator::ServeArgs { new_token: true, ..args }).await;
    let trail = running.person.get("/api/v1/audit").await;
    let actions: Vec<&str> =
        trail["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["make-admin-token", "POST /api/v1/join-tokens", "join", "POST /api/v1/join-tokens"]);
}

#[tokio::test]
async fn what_is_hidden_is_shown_to_some_and_that_is_in_the_trail() {
    let running = Running::start().await;
    let admin = &running.person;
    let mut recorded = exchange("a.example", "/", 200);
    recorded.request.as_mut().unwrap().headers = vec![Field { name: "Cookie".into(), value: b"a=secret"[..].into() }];
    running.agent().await.record(vec![recorded.clone()]).await;
    let one = format!("/api/v1/exchanges/{}", id(&recorded));
    let export = "/api/v1/exchanges/export?reveal=true";
    for (role, status) in [("viewer", 403), ("publisher", 403), ("operator", 200)] {
        let person = admin.with(admin.made(role, role).await["token"].as_str().unwrap());
        assert_eq!(person.status(Method::GET, "/api/v1/exchanges/export").await, 200, "{role}");
        assert_eq!(person.status(Method::GET, export).await, status, "{role}");
        let cookie = if status == 200 { "a=secret" } else { "a=[hidden]" };
        assert_eq!(person.get(&one).await["request"]["headers"], json!([["Cookie", cookie]]), "{role}");
        // each answer of a search would tell something of it
        for list in ["exchanges", "exchanges/stream", "exchanges/export"] {
            let query = "query=host:a or -response.header.Set-Cookie:a* or (request.header.COOKIE~^a)";
            assert_eq!(person.status(Method::GET, &format!("/api/v1/{list}?{query}")).await, status, "{role} {list}");
        }
        let trail = admin.get(&format!("/api/v1/audit?actor=token:{role}")).await;
        // The newest first; one exchange by itself, of which nothing was shown, leaves none.
        let looks = trail["items"].as_array().unwrap();
        let looked_at: Vec<_> = looks.iter().map(|look| (look["object"].as_str().unwrap(), &look["status"])).collect();
        let all = [(one.as_str(), &json!(200)), (export, &json!(status))];
        assert_eq!(looked_at, if status == 200 { &all[..] } else { &all[1..] }, "{role}");
        assert!(looks.iter().all(|look| look["action"] == "reveal"), "{trail}");
    }
}

#[tokio::test]
async fn a_token_counts_until_it_is_revoked_or_ends() {
    let running = Running::start().await;
    let admin = &running.person;
    let made = admin.made("ci", "publisher").await;
    let ci = admin.with(made["token"].as_str().unwrap());
    assert_eq!(ci.status(Method::GET, "/api/v1/agents").await, StatusCode::OK);
    let listed = admin.get("/api/v1/tokens").await;
    assert_eq!(listed["items"][0]["name"], "ci");
    assert_eq!(listed["items"][0]["created_by"], "admin");
    assert!(listed["items"][0]["last_used"].is_string(), "{listed}");
    assert!(!listed.to_string().contains(&ci.token), "{listed}");
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.status(Method::DELETE, &path).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.status(Method::DELETE, &path).await, StatusCode::NOT_FOUND);
    assert_eq!(ci.status(Method::GET, "/api/v1/agents").await, StatusCode::UNAUTHORIZED);

    let wanted = json!({"name": "short", "role": "viewer", "expires_in_s": 1});
    let (_, made) = admin.post("/api/v1/tokens", &wanted).await;
    let short = admin.with(made["token"].as_str().unwrap());
    eventually(|| short.status(Method::GET, "/api/v1/agents"), |status| *status == StatusCode::UNAUTHORIZED).await;
    assert_eq!(admin.get("/api/v1/tokens").await["items"], json!([]));
}

#[tokio::test]
async fn what_is_asked_for_wrongly_makes_no_token_and_no_user() {
    let running = Running::start().await;
    let long = "x".repeat(65);
    for (path, wanted) in [
        ("tokens", json!({"name": "", "role": "viewer"})),
        ("tokens", json!({"name": "a b", "role": "viewer"})),
        ("tokens", json!({"name": long, "role": "viewer"})),
        ("tokens", json!({"name": "a", "role": "root"})),
        ("tokens", json!({"name": "a", "role": "viewer", "expires_in_s": 0})),
        ("tokens", json!({"name": "a", "role": "viewer", "expires_in_s": 1_000_000_000})),
        ("tokens", json!({"name": "a", "role": "viewer", "more": 1})),
        ("users", json!({"name": "a:b", "role": "viewer", "password": "long enough for all"})),
        ("users", json!({"name": "anna", "role": "viewer", "password": "too short"})),
        ("users", json!({"name": "anna", "role": "viewer"})),
    ] {
        let (status, problem) = running.person.post(&format!("/api/v1/{path}"), &wanted).await;
        assert!(matches!(status.as_u16(), 400 | 422), "{wanted}: {status}");
        assert!(!problem.to_string().contains("too short"), "the password is told back: {problem}");
    }
    for path in ["tokens", "users"] {
        assert_eq!(running.person.get(&format!("/api/v1/{path}")).await["items"], json!([]));
    }
}

#[tokio::test]
async fn people_have_a_name_and_a_password() {
    let running = Running::start().await;
    let admin = &running.person;
    let anna = json!({"name": "anna", "role": "operator", "password": "korrekt horse bättery"});
    let (status, added) = admin.post("/api/v1/users", &anna).await;
    assert_eq!(status, StatusCode::CREATED, "{added}");
    assert!(!added.to_string().contains("horse"), "{added}");
    assert_eq!(admin.post("/api/v1/users", &anna).await.0, StatusCode::CONFLICT);
    let as_user = |name: &str, password: &str, path: &str| {
        let request = admin.http.get(format!("{}{path}", admin.base)).basic_auth(name, Some(password));
        async move { request.send().await.unwrap().status() }
    };
    let agents = "/api/v1/agents";
    assert_eq!(as_user("anna", "korrekt horse bättery", agents).await, StatusCode::OK);
    assert_eq!(as_user("anna", "korrekt horse bättery", "/api/v1/users").await, StatusCode::FORBIDDEN);
    for (name, password) in
        [("anna", "korrekt horse battery"), ("anna", ""), ("hanna", "korrekt horse bättery"), ("", "")]
    {
        assert_eq!(as_user(name, password, agents).await, StatusCode::UNAUTHORIZED, "{name} {password}");
    }
    assert_eq!(admin.status(Method::DELETE, "/api/v1/users/anna").await, StatusCode::NO_CONTENT);
    assert_eq!(admin.status(Method::DELETE, "/api/v1/users/anna").await, StatusCode::NOT_FOUND);
    assert_eq!(as_user("anna", "korrekt horse bättery", agents).await, StatusCode::UNAUTHORIZED);
}

/// Whenever somebody hangs up: what was changed is in the trail.
#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_leaves_a_trail_all_the_same() {
    use tokio::io::AsyncWriteExt as _;
    let running = Running::start().await;
    let admin = &running.person;
    let address = admin.base.trim_start_matches("http://");
    for n in 0..40 {
        let body = json!({"name": format!("anna-{n}"), "role": "admin", "password": "long enough for all"}).to_string();
        let head = format!("POST /api/v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n", admin.token);
        let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(n * 5)).await;
    }
    let ask = || async {
        let users = admin.get("/api/v1/users").await["items"].as_array().unwrap().len();
        let trail = admin.get("/api/v1/audit?limit=500").await;
        let added = trail["items"].as_array().unwrap().iter().filter(|entry| entry["status"] == 201).count();
        assert!(
            trail["items"].as_array().unwrap().iter().all(|entry| entry["action"] == "POST /api/v1/users"),
            "{trail}"
        );
        (users, added)
    };
    eventually(ask, |(users, added)| *users > 0 && users == added).await;
}

/// Guesses share few turns, and whoever has a token waits for none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_passwords_keeps_no_token_waiting() {
    let running = Running::start().await;
    let admin = &running.person;
    let flood: Vec<_> = (0..200)
        .map(|n| {
            let guess = admin.http.get(format!("{}/api/v1/agents", admin.base)).basic_auth("anna", Some(n.to_string()));
            tokio::spawn(async move { guess.send().await.unwrap().status().as_u16() })
        })
        .collect();
    for _ in 0..10 {
        let asked = tokio::time::timeout(Duration::from_secs(10), admin.status(Method::GET, "/api/v1/agents"));
        assert_eq!(asked.await.unwrap(), StatusCode::OK);
    }
    for guess in flood {
        assert!(matches!(guess.await.unwrap(), 401 | 429));
    }
}

#[tokio::test]
async fn changes_leave_a_trail_granted_or_not() {
    let running = Running::start().await;
    let admin = &running.person;
    let viewer = admin.with(admin.made("eyes", "viewer").await["token"].as_str().unwrap());
    let path = format!("/api/v1/agents/{}", uuid::Uuid::nil());
    assert_eq!(viewer.status(Method::DELETE, &path).await, StatusCode::FORBIDDEN);
    assert_eq!(admin.status(Method::DELETE, &path).await, StatusCode::NOT_FOUND);
    assert_eq!(admin.status(Method::POST, "/api/v1/nothing").await, StatusCode::NOT_FOUND);
    viewer.get("/api/v1/agents").await;
    let trail = admin.get("/api/v1/audit").await;
    let told: Vec<_> = trail["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap_or_else(|| panic!("{entry}")).to_owned();
            assert_eq!(text("source"), "127.0.0.1");
            (text("actor"), text("role"), text("action"), entry["status"].as_u64().unwrap())
        })
        .collect();
    let entry =
        |actor: &str, role: &str, action: &str, status| (actor.to_owned(), role.to_owned(), action.to_owned(), status);
    assert_eq!(
        told[..3],
        [
            entry("admin", "admin", "POST /api/v1/tokens", 201),
            entry("token:eyes", "viewer", "DELETE /api/v1/agents/{id}", 403),
            entry("admin", "admin", "DELETE /api/v1/agents/{id}", 404),
        ]
    );
    let page = admin.get("/api/v1/audit?limit=1&actor=admin").await;
    let next = page["next"].as_str().unwrap();
    let older = admin.get(&format!("/api/v1/audit?limit=1&actor=admin&cursor={next}")).await;
    assert_eq!(older["items"][0]["action"], "DELETE /api/v1/agents/{id}", "{page} {older}");
}
