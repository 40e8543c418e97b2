//! What goes on when a credential ends: nothing that was asked for with it goes on for longer than a few seconds, and whoever reads it sees
//! that it is not whole.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
    time::timeout,
};
use weir_proto::v1::{Body, Exchange, Replayed, answer::Answer};

use crate::{
    commands::{able, connected},
    harness::{PATIENCE, Person, Running, eventually, exchange, id},
    sse::Stream,
};

/// Within which an answer ends: credentials are looked at every two seconds, and a test machine is slow. A minute without a reader would
/// end it too.
const SOON: Duration = Duration::from_secs(30);
/// For how long a reader takes little.
const SLOWLY: Duration = Duration::from_secs(8);

/// Somebody with a token, and its address.
pub(crate) async fn somebody(admin: &Person, role: &str, expires_in_s: u64) -> (Person, String) {
    let wanted = json!({"name": "brief", "role": role, "expires_in_s": expires_in_s});
    let (status, made) = admin.post("/api/v1/tokens", &wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    (Person { token: made["token"].as_str().unwrap().to_owned(), ..admin.clone() }, path)
}

pub(crate) async fn revoke(admin: &Person, path: &str) {
    assert_eq!(admin.request(Method::DELETE, path).send().await.unwrap().status(), StatusCode::NO_CONTENT);
}

fn large(n: usize) -> Exchange {
    let mut one = exchange("a.example", &format!("/{n}"), 200);
    let bytes: Vec<u8> = (0..1_000_000).map(|_| rand::random()).collect();
    one.response.as_mut().unwrap().body =
        Some(Body { size: bytes.len() as u64, data: bytes.into(), ..Body::default() });
    one
}

/// More than the buffers of a connection hold; one of them.
pub(crate) async fn record_much(running: &Running) -> String {
    let agent = running.agent().await;
    for n in 0..24 {
        agent.record(vec![large(n)]).await;
    }
    let last = large(24);
    agent.record(vec![last.clone()]).await;
    id(&last)
}

/// An answer of which nothing was read but its beginning.
pub(crate) struct Begun {
    socket: tokio::net::TcpStream,
    text: Vec<u8>,
}

impl Begun {
    pub(crate) async fn of(person: &Person, path: &str) -> Self {
        Self::asked(person, path, format!("Bearer {}", person.token)).await
    }

    async fn asked(person: &Person, path: &str, authorization: String) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        let mut socket = socket.connect(person.base.trim_start_matches("http://").parse().unwrap()).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut text = vec![0; 4096];
        timeout(PATIENCE, socket.read_exact(&mut text)).await.expect("the answer begins in time").unwrap();
        assert!(text.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&text));
        Self { socket, text }
    }

    /// Bytes that came until the connection ended, of a reader that takes its time until credentials have been looked at. It did not end as an
    /// answer does that is whole.
    pub(crate) async fn breaks_off(mut self) -> usize {
        let mut piece = vec![0; 64 << 10];
        let began = Instant::now();
        // A reset is an end as well.
        while let Ok(some @ 1..) = timeout(PATIENCE, self.socket.read(&mut piece)).await.expect("it goes on") {
            self.text.extend(&piece[..some]);
            if began.elapsed() < SLOWLY {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        let end = self.text.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8_lossy(&self.text[..end]).into_owned();
        match head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
            Some(length) => assert!(self.text.len() - end < length.parse().unwrap(), "it is whole"),
            None => assert!(!self.text.ends_with(b"0\r\n\r\n"), "it ended as if it were whole"),
        }
        self.text.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_under_way_break_off_when_the_token_is_revoked() {
    let running = Running::start().await;
    let admin = &running.person;
    record_much(&running).await;
    let (other, _) = somebody(admin, "admin", 3600).await;
    for path in ["/api/v1/exchanges/export", "/api/v1/exchanges/export?format=raw", "/api/v1/backup"] {
        let (person, token) = somebody(admin, "admin", 3600).await;
        let (cut, whole) = (Begun::of(&person, path).await, Begun::of(&other, path));
        // One backup is written at a time.
        let whole = if path.ends_with("backup") { None } else { Some(whole.await) };
        revoke(admin, &token).await;
        let began = Instant::now();
        let length = cut.breaks_off().await;
        assert!(began.elapsed() < SOON, "{path}: {:?}", began.elapsed());
        if let Some(mut whole) = whole {
            // It is as long as ever for who may have it.
            let mut rest = vec![0; length];
            timeout(PATIENCE, whole.socket.read_exact(&mut rest)).await.expect("it goes on").unwrap();
        }
        assert_eq!(person.status(Method::GET, path).await, StatusCode::UNAUTHORIZED);
    }
}

/// A reader that takes nothing does not keep it, and its turn is free.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_reads_ends_as_soon() {
    let running = Running::start().await;
    let admin = &running.person;
    record_much(&running).await;
    let (person, token) = somebody(admin, "viewer", 3600).await;
    let mut unread = vec![Begun::of(&admin.of_role("operator").await, "/api/v1/exchanges/export").await];
    for _ in 0..3 {
        unread.push(Begun::of(&person, "/api/v1/exchanges/export").await);
    }
    let export = || admin.status(Method::GET, "/api/v1/exchanges/export?limit=1");
    assert_eq!(export().await, StatusCode::TOO_MANY_REQUESTS);
    revoke(admin, &token).await;
    let began = Instant::now();
    let three = || futures_util::future::join_all((0..3).map(|_| export()));
    eventually(three, |answers| *answers == [StatusCode::OK; 3]).await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_removed_reads_no_body_to_its_end() {
    let running = Running::start().await;
    let admin = &running.person;
    let agent = running.agent().await;
    let mut much = exchange("a.example", "/much", 200);
    let bytes: Vec<u8> = (0..8_000_000).map(|_| rand::random()).collect();
    much.response.as_mut().unwrap().body =
        Some(Body { size: bytes.len() as u64, data: bytes.into(), ..Body::default() });
    agent.record(vec![much.clone()]).await;
    let anna = json!({"name": "anna", "role": "viewer", "password": "korrekt horse bättery"});
    assert_eq!(admin.post("/api/v1/users", &anna).await.0, StatusCode::CREATED);
    let path = format!("/api/v1/exchanges/{}/response/body", id(&much));
    let authorization = format!("Basic {}", STANDARD.encode("anna:korrekt horse bättery"));
    let body = Begun::asked(admin, &path, authorization).await;
    revoke(admin, "/api/v1/users/anna").await;
    let began = Instant::now();
    body.breaks_off().await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn every_stream_says_why_it_ends() {
    let running = Running::start().await;
    let admin = &running.person;
    let (person, token) = somebody(admin, "viewer", 3600).await;
    let mut streams = Vec::new();
    for path in ["events", "exchanges/stream", "connections/stream"] {
        streams.push(Stream::open(&person, &format!("/api/v1/{path}")).await);
    }
    let question = json!({ "query": "subscription { exchangeRecorded { id } }" });
    let request = person.request(Method::POST, "/graphql").header("accept", "text/event-stream").json(&question);
    let told = request.send().await.unwrap();
    assert_eq!(told.status(), StatusCode::OK);
    revoke(admin, &token).await;
    let began = Instant::now();
    for mut stream in streams {
        let told = stream.told_but("missed").await;
        assert_eq!((&*told.event, &told.data["reason"]), ("end", &json!("unauthorized")));
        assert!(stream.next().await.is_none());
    }
    let text = timeout(PATIENCE, told.text()).await.unwrap().unwrap();
    assert!(text.contains("UNAUTHORIZED") && text.ends_with("event: complete\ndata:\n\n"), "{text}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

/// What is said in one long event is no exception.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_under_way_is_cut_off() {
    let running = Running::start().await;
    let admin = &running.person;
    let agent = running.agent().await;
    let mut much = exchange("a.example", "/much", 200);
    let data = bytes::Bytes::from(vec![b'x'; 1 << 20]);
    much.response.as_mut().unwrap().body = Some(Body { size: data.len() as u64, data, ..Body::default() });
    agent.record(vec![much.clone()]).await;
    let (person, token) = somebody(admin, "viewer", 3600).await;
    let bodies: String = (0..9).map(|n| format!("b{n}:body(limit:1048576)%7Btext%7D,")).collect();
    let path = format!("/graphql?query=%7Bexchange(id:%22{}%22)%7Bresponse%7B{bodies}%7D%7D%7D", id(&much));
    let fields = format!("Bearer {}\r\nAccept: text/event-stream", person.token);
    let told = Begun::asked(admin, &path, fields).await;
    revoke(admin, &token).await;
    let began = Instant::now();
    told.breaks_off().await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

/// A head is no more than a beginning.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_asked_for_to_its_end_after_the_revocation_is_not_made() {
    let running = Running::start().await;
    let admin = &running.person;
    let wanted = json!({"name": "late", "role": "viewer", "expires_in_s": 3600}).to_string();
    let key = "Idempotency-Key: 8e03978e-40d5-43e8-bc93-6894a57f9324\r\n";
    for (field, rest) in [("", &*wanted), (key, &wanted), ("", "")] {
        let (person, token) = somebody(admin, "admin", 3600).await;
        let mut socket = tokio::net::TcpStream::connect(person.base.trim_start_matches("http://")).await.unwrap();
        let head = format!(
            "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\n{field}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            person.token,
            wanted.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        // Its credential counted: the body is waited for.
        let mut going_on = [0; 25];
        timeout(PATIENCE, socket.read_exact(&mut going_on)).await.unwrap().unwrap();
        assert_eq!(&going_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        revoke(admin, &token).await;
        socket.write_all(rest.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("it is waited for");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
    let made = admin.get("/api/v1/tokens").await;
    assert!(!made.to_string().contains("\"late\""), "{made}");
}

/// What is being sent is not taken either.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_under_way_ends_and_nothing_of_it_is_stored() {
    let running = Running::start().await;
    let admin = &running.person;
    let (person, token) = somebody(admin, "operator", 3600).await;
    let socket = tokio::net::TcpStream::connect(person.base.trim_start_matches("http://")).await.unwrap();
    let (mut read, mut write) = socket.into_split();
    let head = format!(
        "POST /api/v1/exchanges/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        person.token
    );
    write.write_all(head.as_bytes()).await.unwrap();
    let sending = tokio::spawn(async move {
        // Fast enough to be waited for.
        let piece = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
        while write.write_all(piece.as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    revoke(admin, &token).await;
    let mut answer = Vec::new();
    let _ = timeout(SOON, read.read_to_end(&mut answer)).await.expect("it is taken on and on");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert_eq!(admin.ids("", 10).await, Vec::<String>::new());
    sending.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_goes_no_further_than_the_credential_that_asked_for_it() {
    let running = Running::start().await;
    let (admin, agent) = (&running.person, running.agent().await);
    agent.record((0..2000).map(|_| exchange("a.example", "/", 200)).collect()).await;
    let (operator, _) = somebody(admin, "operator", 3600).await;
    // The token is taken away together with the first exchanges that go: in the midst of it, however fast it is.
    let meanwhile = match crate::on_postgres() {
        true => {
            "CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN DELETE FROM access_tokens; RETURN NULL; END $$; \
             CREATE TRIGGER meanwhile AFTER DELETE ON exchanges EXECUTE FUNCTION meanwhile()"
        }
        false => "CREATE TRIGGER meanwhile AFTER DELETE ON exchanges BEGIN DELETE FROM access_tokens; END",
    };
    running.dir.sql(meanwhile).await;
    assert_eq!(
        operator.status(Method::DELETE, "/api/v1/exchanges?query=host:a.example").await,
        StatusCode::UNAUTHORIZED
    );
    let left = admin.ids("", 500).await.len();
    assert!((1..2000).contains(&left), "{left} are left");
}

#[tokio::test]
async fn no_request_is_sent_for_a_credential_that_counts_no_longer() {
    let running = Running::start().await;
    let (admin, agent) = (&running.person, running.agent().await);
    let mut control = connected(&agent, able(&["replay"])).await;
    let (operator, path) = somebody(admin, "operator", 3600).await;
    let wanted = json!({"url": "http://a.example/", "count": 3});
    let sending = tokio::spawn(async move { operator.post("/api/v1/replays", &wanted).await });
    let command = control.command().await;
    revoke(admin, &path).await;
    control.answer(&command, Answer::Replayed(Replayed { ended: false, status: 200 })).await;
    let (status, sent) = sending.await.unwrap();
    assert_eq!((status, sent["items"].as_array().map(Vec::len)), (StatusCode::ACCEPTED, Some(1)), "{sent}");
    assert_eq!(sent["stopped"], "the credential counts no longer");
}
