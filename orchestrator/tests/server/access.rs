//! Who may do what: every address by every role, and by nobody.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Home, Person, Running};

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
