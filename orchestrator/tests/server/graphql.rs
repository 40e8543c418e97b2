//! GraphQL as a client meets it: questions, subscriptions over a WebSocket, and what hostile ones come to.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::CloseFrame},
};
use weir_proto::v1::{Body, DiskMetrics, Field, NetworkMetrics, SystemMetrics};

use crate::{
    component::filter,
    harness::{PATIENCE, Person, Publisher, Running, exchange, id, publication},
    metrics::report,
};

impl Person {
    async fn question(&self, query: &str) -> Value {
        let (status, answer) = self.post("/graphql", &json!({ "query": query })).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    /// The data of an answer without errors.
    async fn data(&self, query: &str) -> Value {
        let answer = self.question(query).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
        answer["data"].clone()
    }

    /// The code of the one error of an answer.
    async fn code(&self, query: &str) -> String {
        let answer = self.question(query).await;
        let [error] = &answer["errors"].as_array().unwrap_or_else(|| panic!("{answer}"))[..] else {
            panic!("{answer}")
        };
        error["extensions"]["code"].as_str().unwrap_or_else(|| error["message"].as_str().unwrap()).to_owned()
    }

    async fn of_role(&self, role: &str) -> Self {
        let (status, made) = self.post("/api/v1/tokens", &json!({"name": role, "role": role})).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        Self { token: made["token"].as_str().unwrap().to_owned(), ..self.clone() }
    }
}

pub(crate) fn look(at_s: u64, received: u64) -> SystemMetrics {
    SystemMetrics {
        at_us: 1_700_000_000_000_000 + at_s * 1_000_000,
        cpu_percent: 12.5,
        memory_total_bytes: 1 << 40,
        memory_used_bytes: 1 << 33,
        networks: vec![NetworkMetrics { name: "eth0".into(), received_bytes: received, sent_bytes: 2 * received }],
        disks: vec![DiskMetrics { mount: "/".into(), total_bytes: 10, available_bytes: 5 }],
        disk_read_bytes: 3 * received,
        disk_written_bytes: 4 * received,
        ..SystemMetrics::default()
    }
}

#[tokio::test]
async fn agents_and_their_machines() {
    let running = Running::start().await;
    let person = &running.person;
    let (one, two) = (running.agent().await, running.agent().await);
    let _there = one.sync().await.unwrap();
    report(&one, (0..100).map(|s| look(5 * s, 1000 * s)).collect()).await;
    report(&two, vec![look(0, 7)]).await;
    let all = "agents { id name hostname status lastHeartbeat group workers filters { name } currentMetrics { timestamp cpuUsagePercent \
               memoryUsedBytes memoryTotalBytes networkRxBytesPerSec networkTxBytesPerSec diskReadBytesPerSec diskWriteBytesPerSec \
               processCpuPercent processMemoryBytes processUptimeSeconds } metricsHistory { timestamp } }";
    let data = person.data(&format!("{{ {all} allAgentsMetrics {{ agentId timestamp }} }}")).await;
    let agents = data["agents"].as_array().unwrap();
    assert_eq!((agents.len(), &agents[0]["id"], &agents[1]["id"]), (2, &json!(one.id), &json!(two.id)));
    assert_eq!((&agents[0]["status"], &agents[1]["status"]), (&json!("CONNECTED"), &json!("DISCONNECTED")));
    assert_eq!(
        (&agents[0]["name"], &agents[0]["hostname"], &agents[0]["workers"]),
        (&json!("edge-1"), &json!("edge-1"), &json!(2))
    );
    let expect = json!({"timestamp": "2023-11-14T22:21:35.000000Z", "cpuUsagePercent": 12.5, "memoryUsedBytes": "8589934592",
        "memoryTotalBytes": "1099511627776", "networkRxBytesPerSec": "200", "networkTxBytesPerSec": "400",
        "diskReadBytesPerSec": "600", "diskWriteBytesPerSec": "800", "processCpuPercent": 0.0, "processMemoryBytes": "0",
        "processUptimeSeconds": 0});
    assert_eq!(agents[0]["currentMetrics"], expect);
    let history = agents[0]["metricsHistory"].as_array().unwrap();
    assert_eq!(
        (history.len(), &history[0], &history[59]["timestamp"]),
        (60, &json!({"timestamp": expect["timestamp"]}), &json!("2023-11-14T22:16:40.000000Z"))
    );
    assert_eq!(agents[1]["currentMetrics"]["networkRxBytesPerSec"], "0", "there is no look before");
    assert_eq!(
        data["allAgentsMetrics"],
        json!([
        {"agentId": one.id, "timestamp": expect["timestamp"]}, {"agentId": two.id, "timestamp": "2023-11-14T22:13:20.000000Z"}])
    );

    let own = format!(
        "{{ agent(id: \"{0}\") {{ metricsHistory(limit: 3) {{ networkRxBytesPerSec }} }} \
        systemMetrics(agentId: \"{0}\") {{ agentId }} agents(first: 1, after: \"{0}\") {{ id }} }}",
        one.id
    );
    let data = person.data(&own).await;
    assert_eq!(
        data["agent"]["metricsHistory"],
        json!([{"networkRxBytesPerSec": "200"}, {"networkRxBytesPerSec": "200"}, {"networkRxBytesPerSec": "200"}])
    );
    assert_eq!(data["systemMetrics"]["agentId"], json!(one.id));
    assert_eq!(data["agents"], json!([{"id": two.id}]));
    let nobody = uuid::Uuid::nil();
    assert_eq!(person.data(&format!("{{ agent(id: \"{nobody}\") {{ id }} }}")).await["agent"], json!(null));
    assert_eq!(person.code(&format!("{{ systemMetrics(agentId: \"{nobody}\") {{ agentId }} }}")).await, "NOT_FOUND");
    assert_eq!(person.code("{ agent(id: \"x\") { id } }").await, "BAD_REQUEST");
    for wrong in
        ["agents(first: 0) { id }", "agents(first: -1) { id }", "agents { metricsHistory(limit: 0) { timestamp } }"]
    {
        assert!(
            person.question(&format!("{{ {wrong} }}")).await["errors"][0]["extensions"]["code"] == "BAD_REQUEST",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn exchanges_page_by_page_and_one_in_full() {
    let running = Running::start().await;
    let (person, agent) = (&running.person, running.agent().await);
    let mut all: Vec<_> = (0..25).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
    let response = all[24].response.as_mut().unwrap();
    response.headers = vec![Field { name: "Content-Type".into(), value: b"text/plain"[..].into() }];
    response.body = Some(Body { data: "grüß".as_bytes().into(), size: 9, ..Body::default() });
    agent.record(all.clone()).await;
    agent.record(vec![exchange("b.example", "/", 500)]).await;
    let page = |after: &str| {
        format!(
            "{{ exchanges(query: \"host:a.example\", first: 10{after}) {{ edges {{ cursor node {{ id path status agent {{ id }} \
            request {{ method }} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
        )
    };
    let (mut paths, mut after) = (Vec::new(), String::new());
    loop {
        let data = person.data(&page(&after)).await;
        let edges = data["exchanges"]["edges"].as_array().unwrap();
        assert!(
            edges.iter().all(
                |edge| edge["node"]["agent"]["id"] == json!(agent.id) && edge["node"]["request"]["method"] == "GET"
            )
        );
        paths.extend(edges.iter().map(|edge| edge["node"]["path"].as_str().unwrap().to_owned()));
        let info = &data["exchanges"]["pageInfo"];
        if info["hasNextPage"] == false {
            break;
        }
        after = format!(", after: {}", info["endCursor"]);
    }
    assert_eq!(paths, (0..25).rev().map(|n| format!("/{n}")).collect::<Vec<_>>());
    let one = format!(
        "{{ exchange(id: \"{}\") {{ url outcome durationMs connection {{ entry }} filteredRequest {{ url }} response {{ status headers {{ name value }} \
        body {{ size captured truncated text base64 }} cut: body(limit: 4) {{ truncated text }} }} receipts {{ name }} tags {{ name }} }} }}",
        id(&all[24])
    );
    let expect = json!({"url": "https://a.example/24", "outcome": "complete", "durationMs": 1.5, "connection": null, "filteredRequest": null,
        "response": {"status": 200, "headers": [{"name": "Content-Type", "value": "text/plain"}],
            "body": {"size": "9", "captured": "6", "truncated": true, "text": "grüß", "base64": "Z3LDvMOf"},
            "cut": {"truncated": true, "text": "grü"}},
        "receipts": [], "tags": []});
    assert_eq!(person.data(&one).await["exchange"], expect);
    let answer = person.question("{ exchanges(query: \"host:a status:x\") { edges { cursor } } }").await;
    let error = &answer["errors"][0];
    assert_eq!(
        (&error["extensions"]["code"], &error["extensions"]["column"], &error["path"]),
        (&json!("BAD_QUERY"), &json!(15), &json!(["exchanges"]))
    );
    assert_eq!(person.code("{ exchanges(after: \"x\") { edges { cursor } } }").await, "BAD_REQUEST");
    assert_eq!(
        person.data(&format!("{{ exchange(id: \"{}\") {{ id }} }}", uuid::Uuid::nil())).await["exchange"],
        json!(null)
    );
    let publisher = Publisher::new(person);
    assert_eq!(publisher.publish(publication(&filter(), 1), Some(&filter())).await.0, 201);
    let data = person.data("{ filters(group: \"default\") { name version group match removed } }").await;
    assert_eq!(
        data["filters"],
        json!([{"name": "block", "version": "1", "group": "default", "match": "", "removed": false}])
    );
}

#[tokio::test]
async fn secrets_are_hidden_unless_asked_for_by_whoever_may() {
    let running = Running::start().await;
    let admin = &running.person;
    let mut recorded = exchange("a.example", "/", 200);
    recorded.request.as_mut().unwrap().headers = vec![Field { name: "Cookie".into(), value: b"a=secret"[..].into() }];
    recorded.response.as_mut().unwrap().headers =
        vec![Field { name: "Set-Cookie".into(), value: b"b=secret"[..].into() }];
    running.agent().await.record(vec![recorded.clone()]).await;
    let heads = "request { headers { value } } response { headers { value } }";
    let list = format!("{{ exchanges {{ edges {{ node {{ {heads} }} }} }} }}");
    let one = |reveal: bool| format!("{{ exchange(id: \"{}\", reveal: {reveal}) {{ {heads} }} }}", id(&recorded));
    for role in ["viewer", "publisher", "operator", "admin"] {
        let person = admin.of_role(role).await;
        let may = matches!(role, "operator" | "admin");
        for query in [&list, &one(false)] {
            let text = person.data(query).await.to_string();
            assert!(!text.contains("secret") && text.contains("a=[hidden]"), "{role} {text}");
        }
        if may {
            let text = person.data(&one(true)).await.to_string();
            assert!(text.contains("a=secret") && text.contains("b=secret"), "{role} {text}");
        } else {
            assert_eq!(person.code(&one(true)).await, "FORBIDDEN", "{role}");
        }
        let search = "{ exchanges(query: \"header.cookie:*secret*\") { edges { cursor } } }";
        let answer = person.question(search).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"] == "FORBIDDEN", !may, "{role} {answer}");
        let trail = admin.get(&format!("/api/v1/audit?actor=token:{role}")).await;
        let [look] = &trail["items"].as_array().unwrap()[..] else { panic!("{trail}") };
        assert_eq!(
            (&look["action"], &look["object"]),
            (&json!("reveal"), &json!(format!("/graphql exchange {}", id(&recorded))))
        );
        assert_eq!(look["status"], if may { 200 } else { 403 });
    }
}

#[tokio::test]
async fn hostile_questions_are_refused_and_cost_little() {
    let running = Running::start().await;
    let person = &running.person;
    running.agent().await.record(vec![exchange("a.example", "/", 200)]).await;
    let began = std::time::Instant::now();
    let nested = "{ a ".repeat(5_000) + &"}".repeat(5_000);
    let mut doubled = "{ ...f0 }".to_owned();
    for n in 0..100 {
        doubled.push_str(&format!(" fragment f{n} on Query {{ ...f{0} ...f{0} }}", n + 1));
    }
    doubled.push_str(" fragment f100 on Query { __typename }");
    let mut chain = "{ ...f0 }".to_owned();
    for n in 0..1_500 {
        chain.push_str(&format!(" fragment f{n} on Query {{ ...f{} }}", n + 1));
    }
    chain.push_str(" fragment f1500 on Query { __typename }");
    let aliases: String = (0..2_500).map(|n| format!("a{n}: agents {{ id }} ")).collect();
    let expensive: String = (0..20)
        .map(|n| format!("a{n}: agents(first: 1000) {{ metricsHistory(limit: 1000) {{ timestamp }} }} "))
        .collect();
    let refused = [
        nested.clone(),
        format!("query {nested}"),
        doubled,
        chain,
        "{ ...f } fragment f on Query { ...g } fragment g on Query { ...f }".to_owned(),
        "{ ...f } fragment f on Query { ...f }".to_owned(),
        format!("{{ {aliases} }}"),
        format!("{{ {expensive} }}"),
        "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }"
            .to_owned(),
        "{ agents(first: 2147483647) { id } }".to_owned(),
        "{ agents(first: 99999999999999999999) { id } }".to_owned(),
        "{ exchanges(first: 100) { edges { node { request { body(limit: 1048576) { text } } } } } }".to_owned(),
        format!("{{ agents {{ id {} }} }}", "@include(if: true) ".repeat(500)),
        format!("{{ a(x: {}1{}) }}", "[".repeat(9_000), "]".repeat(9_000)),
        "{ agents { id } ".to_owned(),
        "\u{0}".to_owned(),
        String::new(),
        "mutation { x }".to_owned(),
        "subscription { systemMetricsUpdated { timestamp } }".to_owned(),
    ];
    for query in refused {
        let answer = person.question(&query).await;
        let start: String = query.chars().take(60).collect();
        assert!(answer["errors"].as_array().is_some_and(|errors| !errors.is_empty()), "{start} {answer}");
        assert!(answer["data"].is_null(), "{start}");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // What is none at all.
    let send = async |body: Vec<u8>, kind: &str| {
        let request = person.request(Method::POST, "/graphql").header("content-type", kind).body(body);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        assert!(answer["errors"][0]["message"].is_string(), "{answer}");
        (status, answer["errors"][0]["extensions"]["code"].as_str().unwrap().to_owned())
    };
    let json = "application/json";
    for (body, kind, status, code) in [
        (b"{\"query\":\"\xff\"}".to_vec(), json, 400, "BAD_REQUEST"),
        (b"{".to_vec(), json, 400, "BAD_REQUEST"),
        (b"[1]".to_vec(), json, 400, "BAD_REQUEST"),
        (b"{\"query\":\"{ __typename }\"}".to_vec(), "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (vec![b' '; 70_000], json, 413, "TOO_LARGE"),
        ("[".repeat(60_000).into_bytes(), json, 400, "BAD_REQUEST"),
        (
            format!("[{}{{\"query\":\"{{ __typename }}\"}}]", "{\"query\":\"{ __typename }\"},".repeat(10))
                .into_bytes(),
            json,
            400,
            "BAD_REQUEST",
        ),
    ] {
        let start = String::from_utf8_lossy(&body[..body.len().min(30)]).into_owned();
        assert_eq!(send(body, kind).await, (status, code.to_owned()), "{start}");
    }
    assert_eq!(person.data("{ __typename }").await["__typename"], "Query", "it is still there");
}

#[tokio::test]
async fn over_http_as_the_specification_has_it() {
    let running = Running::start().await;
    let person = &running.person;
    let (status, answer) = person
        .post(
            "/graphql",
            &json!([{"query": "{ __typename }"}, {"query": "query A($first: Int!) { agents(first: $first) { id } }",
        "variables": {"first": 5}, "operationName": "A"}]),
        )
        .await;
    assert_eq!(
        (status, answer),
        (StatusCode::OK, json!([{"data": {"__typename": "Query"}}, {"data": {"agents": []}}]))
    );
    let (status, answer) = person
        .ask("/graphql?query=query(%24first:Int!)%7Bagents(first:%24first)%7Bid%7D%7D&variables=%7B%22first%22:5%7D")
        .await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"data": {"agents": []}})));
    assert_eq!(person.ask("/graphql").await.0, StatusCode::BAD_REQUEST);
    let request = person.request(Method::POST, "/graphql").header("accept", "application/graphql-response+json");
    let response = request.json(&json!({"query": "{ nothing }"})).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["content-type"], "application/graphql-response+json");
    for (method, path) in [
        (Method::POST, "/graphql"),
        (Method::GET, "/graphql?query=%7B__schema%7Btypes%7Bname%7D%7D%7D"),
        (Method::GET, "/graphql/schema"),
    ] {
        let stranger = Person { token: "nobody".into(), ..person.clone() };
        let response = stranger.request(method, path).json(&json!({"query": "{ __typename }"})).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains_key("www-authenticate"));
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHORIZED");
    }
    assert_eq!(
        person.request(Method::DELETE, "/graphql").send().await.unwrap().status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    // What a tool asks first.
    let introspection = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name } \
        types { ...FullType } directives { name description locations args { ...InputValue } } } } \
        fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description args { ...InputValue } \
        type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } interfaces { ...TypeRef } \
        enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } } \
        fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
        fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { \
        kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";
    let viewer = person.of_role("viewer").await;
    let data = viewer.data(introspection).await;
    assert_eq!(data["__schema"]["subscriptionType"]["name"], "Subscription");
}

#[tokio::test]
async fn the_schema_is_the_golden_one() {
    let running = Running::start().await;
    let response = running.person.request(Method::GET, "/graphql/schema").send().await.unwrap();
    let text = response.text().await.unwrap();
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/golden/schema.graphql");
    if std::env::var_os("WEIR_UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, format!("{}\n", text.trim())).unwrap();
    }
    assert_eq!(text.trim(), std::fs::read_to_string(&golden).unwrap().trim(), "accept it with WEIR_UPDATE_GOLDEN=1");
}

/// A client of graphql-transport-ws.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(person: &Person, with_header: bool) -> Self {
        let mut request = format!("{}/graphql", person.base.replace("http", "ws")).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        if with_header {
            headers.insert("authorization", format!("Bearer {}", person.token).parse().unwrap());
        }
        Self(connect_async(request).await.unwrap().0)
    }

    /// With somebody on the other side.
    async fn ready(person: &Person) -> Self {
        let mut socket = Self::open(person, true).await;
        socket.say(json!({"type": "connection_init"})).await;
        assert_eq!(socket.told().await, json!({"type": "connection_ack"}));
        socket
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({"type": "subscribe", "id": id, "payload": {"query": query}})).await;
    }

    async fn told(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn closed(&mut self) -> u16 {
        loop {
            match timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap() {
                Message::Close(Some(CloseFrame { code, .. })) => return code.into(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn what_comes_is_told_over_a_websocket() {
    let running = Running::start().await;
    let (person, agent) = (&running.person, running.agent().await);
    let mut socket = Socket::ready(&person.of_role("viewer").await).await;
    socket.subscribe("bad", "subscription { exchangeRecorded(query: \"status:x\") { id } }").await;
    let told = socket.told().await;
    assert_eq!((&told["type"], &told["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("BAD_QUERY")));
    socket.subscribe("hidden", "subscription { exchangeRecorded(query: \"header.cookie:a\") { id } }").await;
    assert_eq!(socket.told().await["payload"][0]["extensions"]["code"], "FORBIDDEN");
    socket
        .subscribe(
            "x",
            "subscription { exchangeRecorded(query: \"status:5xx\") { id place url request { headers { value } } } }",
        )
        .await;
    socket
        .subscribe(
            "m",
            &format!(
                "subscription {{ systemMetricsUpdated(agentId: \"{}\") {{ agentId networkRxBytesPerSec }} }}",
                agent.id
            ),
        )
        .await;
    // A question too; its answer says that what was asked before has begun.
    socket.subscribe("q", "{ __typename }").await;
    assert_eq!(socket.told().await, json!({"type": "next", "id": "q", "payload": {"data": {"__typename": "Query"}}}));
    assert_eq!(socket.told().await, json!({"type": "complete", "id": "q"}));
    socket.say(json!({"type": "ping"})).await;
    assert_eq!(socket.told().await["type"], "pong");

    let mut recorded = exchange("a.example", "/1", 500);
    recorded.request.as_mut().unwrap().headers = vec![Field { name: "Cookie".into(), value: b"a=secret"[..].into() }];
    let (first, second) = (recorded.clone(), exchange("a.example", "/2", 502));
    agent.record(vec![exchange("a.example", "/0", 200), first.clone()]).await;
    let told = socket.told().await;
    assert_eq!((&told["type"], &told["id"]), (&json!("next"), &json!("x")));
    let told = &told["payload"]["data"]["exchangeRecorded"];
    assert_eq!((&told["id"], &told["url"]), (&json!(id(&first)), &json!("https://a.example/1")));
    assert_eq!(told["request"]["headers"], json!([{"value": "a=[hidden]"}]));
    agent.record(vec![second.clone()]).await;
    assert_eq!(socket.told().await["payload"]["data"]["exchangeRecorded"]["id"], id(&second));
    report(&agent, vec![look(0, 1000)]).await;
    report(&agent, vec![look(1, 3000)]).await;
    let mut rate = json!(null);
    while rate != "2000" {
        let told = socket.told().await;
        assert_eq!(told["id"], "m");
        rate = told["payload"]["data"]["systemMetricsUpdated"]["networkRxBytesPerSec"].clone();
    }
    socket.say(json!({"type": "complete", "id": "x"})).await;
    let place = told["place"].as_str().unwrap();
    socket.subscribe("x", &format!("subscription {{ exchangeRecorded(after: \"{place}\") {{ id }} }}")).await;
    assert_eq!(socket.told().await["payload"]["data"]["exchangeRecorded"]["id"], id(&second), "from behind a place");
    running.stop().await;
    assert_eq!(socket.closed().await, 1001);
}

#[tokio::test]
async fn a_socket_is_for_whoever_may_and_says_why_it_closes() {
    let running = Running::start().await;
    let person = &running.person;
    let bearer = format!("Bearer {}", person.token);
    for payload in [json!({"Authorization": bearer}), json!({"authorization": bearer}), json!({"token": person.token})]
    {
        let mut socket = Socket::open(person, false).await;
        socket.say(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.told().await, json!({"type": "connection_ack"}));
        socket.say(json!({"type": "connection_init"})).await;
        assert_eq!(socket.closed().await, 4429);
    }
    let init = |payload: Value| json!({"type": "connection_init", "payload": payload});
    for (first, code) in [
        (init(json!({"token": "nobody"})), 4403),
        (init(json!({})), 4403),
        (json!({"type": "connection_init"}), 4403),
        (json!({"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}), 4401),
        (json!({"type": "start"}), 4400),
        (json!([]), 4400),
    ] {
        let mut socket = Socket::open(person, false).await;
        socket.say(first.clone()).await;
        assert_eq!(socket.closed().await, code, "{first}");
    }
    let mut socket = Socket::ready(person).await;
    let follow = "subscription { exchangeRecorded { id } }";
    socket.subscribe("1", follow).await;
    socket.subscribe("1", follow).await;
    assert_eq!(socket.closed().await, 4409);
    let mut socket = Socket::ready(person).await;
    socket.0.send(Message::Binary(vec![0xff].into())).await.unwrap();
    assert_eq!(socket.closed().await, 4400);
    let mut socket = Socket::ready(person).await;
    for n in 0..40 {
        socket.subscribe(&n.to_string(), follow).await;
    }
    let told = socket.told().await;
    assert_eq!((&told["type"], &told["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("BUSY")));
    // A page of another origin has no use of what a browser remembers.
    let mut request = format!("{}/graphql", person.base.replace("http", "ws")).into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    headers.insert("authorization", bearer.parse().unwrap());
    headers.insert("origin", "http://evil.example".parse().unwrap());
    assert!(connect_async(request).await.is_err());
    let mut request = format!("{}/graphql", person.base.replace("http", "ws")).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-ws".parse().unwrap());
    assert!(connect_async(request).await.is_err());
}

#[tokio::test]
async fn a_socket_ends_with_its_credential() {
    let running = Running::start().await;
    let admin = &running.person;
    let viewer = admin.of_role("viewer").await;
    let mut socket = Socket::ready(&viewer).await;
    let tokens = admin.get("/api/v1/tokens").await;
    let path = format!("/api/v1/tokens/{}", tokens["items"][0]["id"].as_str().unwrap());
    assert_eq!(admin.request(Method::DELETE, &path).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(socket.closed().await, 4403);
}
