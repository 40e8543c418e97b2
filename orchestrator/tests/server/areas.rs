//! Tokens that are for some areas: every address and every field by every role in every area, and the ways around that there are none of.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use weir_proto::v1::agent_message::Message;

use crate::{
    access::{MATRIX, Operation, ROLES, operations},
    breakpoints,
    graphql::{look, socket::Socket},
    harness::{Person, Running, exchange, id},
    metrics::report,
    sse::Stream,
};

const AREAS: [&str; 7] = ["traffic", "filters", "config", "agents", "metrics", "access", "backup"];

/// Which area each operation of the description is of.
const OF_OPERATIONS: &[(&str, &[&str])] = &[
    (
        "traffic",
        &[
            "listExchanges",
            "getExchange",
            "followExchanges",
            "countExchanges",
            "exportExchanges",
            "exportExchange",
            "diffExchanges",
            "importExchanges",
            "replayExchange",
            "sendRequest",
            "annotateExchange",
            "deleteExchange",
            "deleteExchanges",
            "getRequestBody",
            "getResponseBody",
            "listMessagesOfExchange",
            "listMessages",
            "listTunnels",
            "listEndedConnections",
            "listConnections",
            "followConnections",
            "closeConnection",
            "closeConnections",
            "listBreakpoints",
            "makeBreakpoint",
            "renewBreakpoint",
            "removeBreakpoint",
            "listPaused",
            "getPaused",
            "decidePaused",
            "getUsage",
            "getRetention",
            "setRetention",
        ],
    ),
    ("filters", &["listFilters", "getFilter", "listFilterLines", "publishStatement"]),
    ("config", &["listConfigurations", "getConfiguration", "pushConfiguration"]),
    (
        "agents",
        &["getCa", "listAgents", "getAgent", "revokeAgent", "makeJoinToken", "listJoinTokens", "revokeJoinToken"],
    ),
    ("metrics", &["listMetrics", "getMetricsHistory", "listAgentMetrics"]),
    ("access", &["listTokens", "makeToken", "revokeToken", "listUsers", "addUser", "removeUser", "listAudit"]),
    ("backup", &["backUp"]),
];

/// What these answer has an area each: that of an event, that of a field.
const OF_EACH: &[(&str, &[&str])] = &[
    ("followEvents", &["traffic", "agents"]),
    ("askGraphql", &AREAS),
    ("askGraphqlInAddress", &AREAS),
    ("getGraphqlSchema", &AREAS),
];

/// Fields of GraphQL's query and subscription types, and which area each is of.
const OF_FIELDS: &[(&str, &str, &str)] = &[
    ("agents", "agents", "{ agents { id } }"),
    ("agent", "agents", "{ agent(id: \"AGENT\") { id } }"),
    ("systemMetrics", "metrics", "{ systemMetrics(agentId: \"AGENT\") { agentId } }"),
    ("allAgentsMetrics", "metrics", "{ allAgentsMetrics { agentId } }"),
    ("exchanges", "traffic", "{ exchanges { edges { cursor } } }"),
    ("exchange", "traffic", "{ exchange(id: \"EXCHANGE\") { id } }"),
    ("filters", "filters", "{ filters { name } }"),
    ("systemMetricsUpdated", "metrics", "subscription { systemMetricsUpdated { agentId } }"),
    ("exchangeRecorded", "traffic", "subscription { exchangeRecorded { id } }"),
];

async fn made(maker: &Person, name: &str, role: &str, areas: &[&str]) -> Value {
    let wanted = json!({"name": name, "role": role, "areas": areas});
    let (status, made) = maker.post("/api/v1/tokens", &wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made
}

async fn person(maker: &Person, role: &str, areas: &[&str]) -> Person {
    maker.with(made(maker, &format!("{role}.{}", areas.join(".")), role, areas).await["token"].as_str().unwrap())
}

/// Of an operation.
fn areas_of(operation: &str) -> Vec<&'static str> {
    let alone = OF_OPERATIONS.iter().filter(|(_, all)| all.contains(&operation)).map(|(area, _)| *area);
    let each = OF_EACH.iter().filter(|(name, _)| *name == operation).flat_map(|(_, areas)| areas.iter().copied());
    alone.chain(each).collect()
}

#[tokio::test]
async fn every_address_by_every_role_in_every_area() {
    let running = Running::start().await;
    let operations = operations(&running.person).await;
    let (mut passed, mut refused) = (0, 0);
    for Operation { id, .. } in &operations {
        let areas = areas_of(id);
        assert!(areas.len() == 1 || OF_EACH.iter().any(|(name, _)| name == id), "which area is {id} of? {areas:?}");
    }
    for (role, area) in ROLES.into_iter().flat_map(|role| AREAS.map(|area| (role, area))) {
        let person = person(&running.person, role, &[area]).await;
        for Operation { id, method, path } in &operations {
            let (_, roles) = MATRIX.iter().find(|(name, _)| name == id).unwrap();
            let response = person.request(method.clone(), path).json(&json!({})).send().await.unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            let which = format!("{role} {area} {id}: {status}");
            if roles.contains(&role) && areas_of(id).contains(&area) {
                passed += 1;
                assert!(!matches!(status.as_u16(), 401 | 403 | 500..), "{which}");
                continue;
            }
            refused += 1;
            let answer: Value = response.json().await.unwrap();
            assert_eq!(status, StatusCode::FORBIDDEN, "{which}");
            if roles.contains(&role) {
                assert_eq!(answer["type"], "urn:weir:problem:insufficient-scope", "{which}");
                let detail = answer["detail"].as_str().unwrap();
                assert!(detail.ends_with(&format!("; your token is for {area}")), "{detail}");
                let told = headers["www-authenticate"].to_str().unwrap();
                let scope = format!("scope=\"{}\"", areas_of(id)[0]);
                let either = id == "followEvents";
                assert!(told.contains("error=\"insufficient_scope\"") && (either || told.ends_with(&scope)), "{told}");
            } else {
                assert_eq!(answer["type"], "urn:weir:problem:forbidden", "{which}");
            }
        }
    }
    assert_eq!(passed + refused, operations.len() * ROLES.len() * AREAS.len());
    assert!(passed > operations.len(), "{passed}");
}

#[tokio::test]
async fn a_token_of_two_areas_has_both_and_no_third() {
    let running = Running::start().await;
    let both = person(&running.person, "viewer", &["metrics", "agents"]).await;
    both.get("/api/v1/metrics").await;
    both.get("/api/v1/agents").await;
    for path in ["exchanges", "filters", "configurations", "usage", "exchanges/export", "exchanges/stream"] {
        assert_eq!(both.ask(&format!("/api/v1/{path}")).await.0, StatusCode::FORBIDDEN, "{path}");
    }
    // Whichever way an address is written, and whatever is asked of it.
    for path in ["//api/v1/exchanges", "/api/v1//exchanges", "/api/v1/agents/../exchanges", "/api/v1/%65xchanges"] {
        let status = both.request(Method::GET, path).send().await.unwrap().status();
        assert!(matches!(status.as_u16(), 403 | 404), "{path}: {status}");
    }
    for method in [Method::HEAD, Method::GET] {
        assert_eq!(both.status(method, "/api/v1/exchanges").await, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn every_field_of_graphql_by_every_area() {
    let running = Running::start().await;
    let (admin, agent) = (&running.person, running.agent().await);
    let recorded = exchange("a.example", "/", 200);
    agent.record(vec![recorded.clone()]).await;
    report(&agent, vec![look(0, 1)]).await;
    let types = "queryType { fields { name } } subscriptionType { fields { name } } mutationType { name }";
    let schema = admin.data(&format!("{{ __schema {{ {types} }} }}")).await["__schema"].clone();
    let fields =
        ["queryType", "subscriptionType"].into_iter().flat_map(|kind| schema[kind]["fields"].as_array().unwrap());
    let mut fields: Vec<_> = fields.map(|field| field["name"].as_str().unwrap()).collect();
    let mut known: Vec<_> = OF_FIELDS.iter().map(|(name, ..)| *name).collect();
    fields.sort_unstable();
    known.sort_unstable();
    assert_eq!((fields, &schema["mutationType"]), (known, &Value::Null), "which area is each of?");

    for area in AREAS {
        let person = person(admin, "admin", &[area]).await;
        let mut socket = Socket::ready(&person).await;
        for (name, of, query) in OF_FIELDS {
            let query = query.replace("AGENT", &agent.id.to_string()).replace("EXCHANGE", &id(&recorded));
            if query.starts_with("subscription") {
                socket.subscribe(name, &query).await;
                if area == *of {
                    // The next that is told is the answer to another question.
                    socket.subscribe("q", "{ __typename }").await;
                    assert_eq!(socket.told().await["id"], "q", "{area} {name}");
                    assert_eq!(socket.told().await["type"], "complete");
                } else {
                    let told = socket.told().await;
                    let code = &told["payload"][0]["extensions"]["code"];
                    assert_eq!((&told["id"], code), (&json!(name), &json!("INSUFFICIENT_SCOPE")), "{area} {told}");
                }
                continue;
            }
            let get = [("query", query.as_str())];
            let by_address = person.request(Method::GET, "/graphql").query(&get).send().await.unwrap();
            let many: Value = person.post("/graphql", &json!([{ "query": query }])).await.1;
            let asked = [person.question(&query).await, by_address.json().await.unwrap(), many[0].clone()];
            for answer in asked {
                let code = &answer["errors"][0]["extensions"]["code"];
                let expect = if area == *of { Value::Null } else { json!("INSUFFICIENT_SCOPE") };
                assert_eq!(*code, expect, "{area} {name} {answer}");
                let tells = [agent.id.to_string(), id(&recorded)].iter().any(|id| answer.to_string().contains(id));
                assert!(area == *of || !tells, "{area} {name} {answer}");
            }
        }
    }
}

/// From what somebody may see to what they may not there is a way in the graph, and it ends.
#[tokio::test]
async fn what_hangs_on_a_field_has_an_area_of_its_own() {
    let running = Running::start().await;
    let (admin, agent) = (&running.person, running.agent().await);
    let recorded = exchange("a.example", "/", 200);
    agent.record(vec![recorded.clone()]).await;
    report(&agent, vec![look(0, 1)]).await;
    let traffic = person(admin, "operator", &["traffic"]).await;
    let answer = traffic.question("{ exchanges { edges { node { id agentName agent { version } } } } }").await;
    let node = &answer["data"]["exchanges"]["edges"][0]["node"];
    assert_eq!((&node["id"], &node["agentName"]), (&json!(id(&recorded)), &json!("edge-1")), "{answer}");
    assert_eq!(node.get("agent"), Some(&Value::Null), "it is null, and not left out: {answer}");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INSUFFICIENT_SCOPE");
    let agents = person(admin, "operator", &["agents"]).await;
    for field in ["currentMetrics { cpuUsagePercent }", "metricsHistory { cpuUsagePercent }"] {
        let text = agents.question(&format!("{{ agents {{ name {field} }} }}")).await.to_string();
        assert!(text.contains("INSUFFICIENT_SCOPE") && !text.contains("12.5"), "{text}");
    }
    let both = person(admin, "viewer", &["agents", "metrics"]).await;
    let data = both.data("{ agents { currentMetrics { cpuUsagePercent } metricsHistory { cpuUsagePercent } } }").await;
    assert!(data.to_string().matches("12.5").count() == 2, "{data}");
}

#[tokio::test]
async fn a_token_makes_none_that_is_wider_and_no_user() {
    let running = Running::start().await;
    let admin = &running.person;
    let access = person(admin, "admin", &["access"]).await;
    let two = person(admin, "admin", &["access", "traffic"]).await;
    let wanted = |areas: Value| json!({"name": "more", "role": "admin", "areas": areas});
    for (maker, areas, expect) in [
        (&access, json!(null), Some("wider")),
        (&access, json!(["traffic"]), Some("wider")),
        (&access, json!(["access", "traffic"]), Some("wider")),
        (&access, json!(AREAS), Some("wider")),
        (&two, json!(null), Some("wider")),
        (&two, json!(["backup"]), Some("wider")),
        (admin, json!([]), Some("areas")),
        (admin, json!(["everything"]), Some("bad-request")),
        (admin, json!(["Traffic"]), Some("bad-request")),
        (admin, json!("traffic"), Some("bad-request")),
        (&access, json!(["access"]), None),
        (&two, json!(["traffic", "traffic"]), None),
        (admin, json!(null), None),
    ] {
        let (status, answer) = maker.post("/api/v1/tokens", &wanted(areas.clone())).await;
        match expect {
            None => assert_eq!(status, StatusCode::CREATED, "{areas} {answer}"),
            Some(word) => {
                let kind = answer["type"].as_str().unwrap();
                let is_it = kind.ends_with(word) || word == "bad-request" && status.is_client_error();
                assert!(is_it && status != StatusCode::CREATED, "{areas} {answer}");
            }
        }
    }
    let without = json!({"name": "more", "role": "viewer"});
    assert_eq!(access.post("/api/v1/tokens", &without).await.0, StatusCode::FORBIDDEN);
    let anna = json!({"name": "anna", "role": "viewer", "password": "korrekt horse bättery"});
    let (status, answer) = access.post("/api/v1/users", &anna).await;
    assert_eq!((status, &answer["type"]), (StatusCode::FORBIDDEN, &json!("urn:weir:problem:wider")));
    assert_eq!(access.get("/api/v1/users").await["items"], json!([]));
    let listed = access.get("/api/v1/tokens").await;
    let areas: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| item["areas"].clone()).collect();
    assert_eq!(
        areas,
        [json!(["access"]), json!(["traffic", "access"]), json!(["access"]), json!(["traffic"]), json!(null)]
    );
}

/// Of two tokens with one name, the narrow one does not get what the other made by sending its key again.
#[tokio::test]
async fn an_answer_that_is_kept_is_not_for_a_narrower_token() {
    let running = Running::start().await;
    let admin = &running.person;
    let wide = admin.with(admin.made("ci", "admin").await["token"].as_str().unwrap());
    let narrow = admin.with(made(admin, "ci", "admin", &["access"]).await["token"].as_str().unwrap());
    let (key, body) = (Uuid::new_v4().to_string(), json!({"name": "made", "role": "admin"}));
    let make = |person: &Person| {
        let request = person.request(Method::POST, "/api/v1/tokens").header("idempotency-key", &key).json(&body);
        async move { request.send().await.unwrap() }
    };
    assert_eq!(make(&wide).await.status(), StatusCode::CREATED);
    assert_eq!(make(&wide).await.headers()["idempotency-replayed"], "true");
    let refused = make(&narrow).await;
    assert!(!refused.headers().contains_key("idempotency-replayed"));
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(!refused.text().await.unwrap().contains("weir-token-"));
    let other = person(admin, "admin", &["traffic"]).await;
    assert_eq!(make(&other).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn of_events_each_area_hears_its_own() {
    let running = Running::start().await;
    let admin = &running.person;
    let traffic = person(admin, "viewer", &["traffic"]).await;
    let agents = person(admin, "viewer", &["agents"]).await;
    let mut of_traffic = Stream::open(&traffic, "/api/v1/events").await;
    let mut of_agents = Stream::open(&agents, "/api/v1/events").await;
    for (who, kinds) in [(&traffic, "agent.*,revision.*"), (&agents, "exchange.*")] {
        let (status, problem) = who.ask(&format!("/api/v1/events?kinds={kinds}")).await;
        assert_eq!((status, &problem["type"]), (StatusCode::FORBIDDEN, &json!("urn:weir:problem:insufficient-scope")));
    }
    let agent = running.agent().await;
    let control = breakpoints::connected(&agent).await;
    control.say(Message::Paused(breakpoints::paused())).await;
    // Of what happened before it, the one hears nothing, and the other nothing of what happened after.
    assert_eq!(of_traffic.told_but("missed").await.event, "exchange.paused");
    assert_eq!(of_agents.told_but("missed").await.event, "agent.connected");
    drop(control);
    let mut told = of_agents.told_but("missed").await.event;
    while told.starts_with("revision.") {
        told = of_agents.told_but("missed").await.event;
    }
    assert_eq!(told, "agent.disconnected");
}

#[tokio::test]
async fn the_trail_tells_areas_and_what_a_token_was_made_for() {
    let running = Running::start().await;
    let admin = &running.person;
    let narrow = person(admin, "operator", &["traffic", "metrics"]).await;
    assert_eq!(narrow.status(Method::DELETE, &format!("/api/v1/agents/{}", Uuid::nil())).await, StatusCode::FORBIDDEN);
    let answer = narrow.request(Method::POST, "/api/v1/join-tokens").json(&json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let trail = admin.get("/api/v1/audit").await;
    let told: Vec<_> = trail["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["object"].as_str().unwrap(), entry["areas"].clone(), entry["status"].as_u64().unwrap()))
        .collect();
    let areas = json!(["traffic", "metrics"]);
    assert_eq!(told[0], ("/api/v1/join-tokens", areas.clone(), 403));
    assert_eq!((&told[1].1, told[1].2), (&areas, 403));
    let name = "operator.traffic.metrics";
    let object = format!("/api/v1/tokens {name}: operator, areas: traffic, metrics");
    assert_eq!(told[2], (object.as_str(), Value::Null, 201));
}

/// What needs no credential tells nothing of who is there.
#[tokio::test]
async fn what_is_open_tells_nothing_that_has_an_area() {
    let running = Running::start().await;
    let agent = running.agent().await;
    agent.record(vec![exchange("secret.example", "/", 200)]).await;
    report(&agent, vec![look(0, 1)]).await;
    for path in ["/metrics", "/openapi.json", "/healthz", "/readyz"] {
        let answer = running.person.http.get(format!("{}{path}", running.person.base)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        for word in ["secret.example", "edge-1", &agent.id.to_string()] {
            assert!(!text.contains(word), "{path} has {word}");
        }
    }
}
