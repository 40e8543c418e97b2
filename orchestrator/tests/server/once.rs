//! `Idempotency-Key`, `ETag`, `If-Match`: requests that are sent twice, and changes of what somebody else changed.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use weir_proto::v1::{Replayed, answer::Answer, command::Command};

use crate::{
    commands::able,
    harness::{Control, PATIENCE, Person, Running, exchange, id},
};

async fn make(person: &Person, key: &str, body: &Value) -> Response {
    person.request(Method::POST, "/api/v1/tokens").header("idempotency-key", key).json(body).send().await.unwrap()
}

async fn count(person: &Person, path: &str) -> usize {
    person.get(path).await["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn the_same_request_is_carried_out_once_and_answered_alike() {
    let running = Running::start().await;
    let person = &running.person;
    let key = format!("\"{}\"", Uuid::new_v4());
    let body = json!({"name": "ci", "role": "viewer"});
    let first = make(person, &key, &body).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    assert!(!first.headers().contains_key("idempotency-replayed"));
    let first: Value = first.json().await.unwrap();
    let again = make(person, &key, &body).await;
    assert_eq!(again.status(), StatusCode::CREATED);
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.headers()["content-type"], "application/json");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    // the token of the answer that was kept is the one that counts
    let made = Person { token: first["token"].as_str().unwrap().to_owned(), ..person.clone() };
    made.get("/api/v1/agents").await;
    assert_eq!(count(person, "/api/v1/tokens").await, 1);
    assert_eq!(count(person, "/api/v1/audit").await, 1);

    let other = json!({"name": "other", "role": "viewer"});
    let answer = make(person, &key, &other).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.json::<Value>().await.unwrap()["type"], "urn:weir:problem:idempotency-key");
    let elsewhere =
        person.request(Method::POST, "/api/v1/users").header("idempotency-key", &key).json(&body).send().await;
    assert_eq!(elsewhere.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
    for short in ["1", "\"\"", "a b c d e f g h i j k"] {
        assert_eq!(make(person, short, &other).await.status(), StatusCode::BAD_REQUEST, "{short}");
    }
    // a key belongs to who sent it
    let admin = json!({"name": "second", "role": "admin"});
    let (_, second) = person.post("/api/v1/tokens", &admin).await;
    let second = Person { token: second["token"].as_str().unwrap().to_owned(), ..person.clone() };
    let answer = make(&second, &key, &body).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert!(!answer.headers().contains_key("idempotency-replayed"));
}

/// Also what was refused is answered alike, unless it may come out otherwise.
#[tokio::test]
async fn refusals_are_kept_where_they_would_be_the_same() {
    let running = Running::start().await;
    let person = &running.person;
    let key = Uuid::new_v4().to_string();
    let wrong = json!({"name": "a b", "role": "viewer"});
    for replayed in [false, true] {
        let answer = make(person, &key, &wrong).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.headers().contains_key("idempotency-replayed"), replayed);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    let (_, viewer) = person.post("/api/v1/tokens", &json!({"name": "eyes", "role": "viewer"})).await;
    let viewer = Person { token: viewer["token"].as_str().unwrap().to_owned(), ..person.clone() };
    for _ in 0..2 {
        let answer = make(&viewer, &Uuid::new_v4().to_string(), &json!({"name": "a", "role": "admin"})).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
}

/// However many send it at once: one is carried out, and no answer tells of another.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_at_once_is_carried_out_once() {
    let running = Running::start().await;
    let person = &running.person;
    for round in 0..5 {
        let (key, body) = (Uuid::new_v4().to_string(), json!({"name": format!("at-once-{round}"), "role": "viewer"}));
        let all = (0..20).map(|_| make(person, &key, &body));
        let mut made = Vec::new();
        for answer in futures_util::future::join_all(all).await {
            match answer.status() {
                StatusCode::CREATED => made.push(answer.json::<Value>().await.unwrap()["token"].clone()),
                status => assert_eq!(status, StatusCode::CONFLICT),
            }
        }
        assert!(!made.is_empty() && made.iter().all(|token| *token == made[0]), "{made:?}");
        assert_eq!(count(person, "/api/v1/tokens").await, round + 1);
    }
}

/// What lies in the database opens nothing.
#[tokio::test]
async fn a_kept_answer_shows_no_token_to_who_reads_the_database() {
    let running = Running::start().await;
    let key = Uuid::new_v4().to_string();
    let made: Value = make(&running.person, &key, &json!({"name": "ci", "role": "admin"})).await.json().await.unwrap();
    let token = made["token"].as_str().unwrap().to_owned();
    let home = running.stop().await;
    if !crate::on_postgres() {
        for file in ["weir.db", "weir.db-wal"] {
            let bytes = std::fs::read(home.path().join(file)).unwrap_or_default();
            for secret in [&token, &key] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{file} holds what is shown once");
            }
        }
    }
    // and another start gives the same answer
    let running = Running::start_in(home, |args| args).await;
    let again = make(&running.person, &key, &json!({"name": "ci", "role": "admin"})).await;
    assert_eq!(again.json::<Value>().await.unwrap()["token"], json!(token));
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again_and_what_changed_is_not_changed_unseen() {
    let running = Running::start().await;
    let person = &running.person;
    let recorded = exchange("a.example", "/", 200);
    running.agent().await.record(vec![recorded.clone()]).await;
    let path = format!("/api/v1/exchanges/{}", id(&recorded));
    let ask = async |method: Method, condition: Option<(&str, &str)>| {
        let request = person.request(method, &path);
        let request = condition.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send().await.unwrap()
    };
    let first = ask(Method::GET, None).await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    let weak = format!("\"x\", W/{tag}");
    for known in [tag.as_str(), &weak, "*"] {
        let answer = ask(Method::GET, Some(("if-none-match", known))).await;
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(answer.headers()["etag"], tag.as_str());
        assert!(answer.bytes().await.unwrap().is_empty());
    }
    assert_eq!(ask(Method::GET, Some(("if-none-match", "\"x\""))).await.status(), StatusCode::OK);
    // a role that sees less has another
    let (_, viewer) = person.post("/api/v1/tokens", &json!({"name": "eyes", "role": "viewer"})).await;
    let viewer = Person { token: viewer["token"].as_str().unwrap().to_owned(), ..person.clone() };
    let seen = viewer.request(Method::GET, &path).send().await.unwrap();
    let theirs = seen.headers()["etag"].to_str().unwrap().to_owned();

    let strong = format!("W/{tag}");
    for other in ["\"x\"", strong.as_str()] {
        let answer = ask(Method::DELETE, Some(("if-match", other))).await;
        assert_eq!(answer.status(), StatusCode::PRECONDITION_FAILED, "{other}");
        assert_eq!(answer.json::<Value>().await.unwrap()["type"], "urn:weir:problem:precondition-failed");
    }
    let refused = viewer.request(Method::DELETE, &path).header("if-match", &theirs).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let several = format!("\"x\", {tag}");
    assert_eq!(ask(Method::DELETE, Some(("if-match", &several))).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(ask(Method::DELETE, Some(("if-match", "*"))).await.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(ask(Method::GET, None).await.status(), StatusCode::NOT_FOUND);
}

/// Of those who saw the same exchange and want it gone, one has it go, and the others hear that it is not what they saw.
#[tokio::test(flavor = "multi_thread")]
async fn what_several_delete_at_once_one_deletes() {
    let running = Running::start().await;
    race(&running, &[&running.person]).await;
}

pub(crate) async fn race(running: &Running, people: &[&Person]) {
    let agent = running.agent().await;
    for _ in 0..10 {
        let recorded = exchange("a.example", "/", 200);
        agent.record(vec![recorded.clone()]).await;
        let path = format!("/api/v1/exchanges/{}", id(&recorded));
        let seen = people[0].request(Method::GET, &path).send().await.unwrap();
        let tag = seen.headers()["etag"].to_str().unwrap();
        let all =
            (0..8).map(|n| people[n % people.len()].request(Method::DELETE, &path).header("if-match", tag).send());
        let mut told: Vec<u16> = Vec::new();
        for answer in futures_util::future::join_all(all).await {
            told.push(answer.unwrap().status().as_u16());
        }
        told.sort_unstable();
        assert_eq!(told, [204, 412, 412, 412, 412, 412, 412, 412]);
    }
}

/// What an agent sends cannot be taken back: a request for it that is repeated is not sent again, whatever came of the first.
#[tokio::test]
async fn a_replay_that_is_asked_for_twice_is_sent_once() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut control = agent.sync_as(able(&["replay"])).await.unwrap();
    control.state().await.unwrap();
    let key = Uuid::new_v4().to_string();
    let (first, ()) = tokio::join!(replay(&running.person, &key), sent(&mut control));
    assert_eq!(first.0, StatusCode::ACCEPTED, "{first:?}");
    // The agent would hear of another before it hears of the next.
    assert_eq!(replay(&running.person, &key).await, (first.0, first.1, true));
    let key = Uuid::new_v4().to_string();
    let gone = async {
        let command = control.command().await;
        assert!(matches!(command.command, Some(Command::Replay(_))));
        drop(control);
    };
    let (lost, ()) = tokio::join!(replay(&running.person, &key), gone);
    assert_eq!((lost.0, &lost.1["type"]), (StatusCode::BAD_GATEWAY, &json!("urn:weir:problem:agent-lost")));
    let mut control = agent.sync_as(able(&["replay"])).await.unwrap();
    control.state().await.unwrap();
    assert_eq!(replay(&running.person, &key).await, (lost.0, lost.1, true), "nobody knows whether it was sent");
    let key = Uuid::new_v4().to_string();
    let (again, ()) = tokio::join!(replay(&running.person, &key), sent(&mut control));
    assert_eq!((again.0, again.2), (StatusCode::ACCEPTED, false));
}

/// Who sent it may be gone before it is done.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_that_goes_away_began_is_carried_out_once() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let mut control = agent.sync_as(able(&["replay"])).await.unwrap();
    control.state().await.unwrap();
    let key = Uuid::new_v4().to_string();
    let (person, sent_with) = (running.person.clone(), key.clone());
    let client = tokio::spawn(async move { replay(&person, &sent_with).await });
    let command = control.command().await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    assert_eq!(replay(&running.person, &key).await.0, StatusCode::CONFLICT, "it is being carried out");
    control.answer(&command, Answer::Replayed(Replayed { ended: false, status: 200 })).await;
    let answer = async {
        loop {
            let again = replay(&running.person, &key).await;
            if again.0 != StatusCode::CONFLICT {
                return again;
            }
        }
    };
    let (status, _, replayed) = tokio::time::timeout(PATIENCE, answer).await.expect("its answer is kept");
    assert_eq!((status, replayed), (StatusCode::ACCEPTED, true));
}

async fn replay(person: &Person, key: &str) -> (StatusCode, Value, bool) {
    let request = person.request(Method::POST, "/api/v1/replays").header("idempotency-key", key);
    let answer = request.json(&json!({"url": "http://a.example/"})).send().await.unwrap();
    let replayed = answer.headers().contains_key("idempotency-replayed");
    (answer.status(), answer.json().await.unwrap(), replayed)
}

/// The next command is a replay, of which the agent says that it goes on.
async fn sent(control: &mut Control) {
    let command = control.command().await;
    assert!(matches!(command.command, Some(Command::Replay(_))), "{command:?}");
    control.answer(&command, Answer::Replayed(Replayed { ended: false, status: 200 })).await;
}
