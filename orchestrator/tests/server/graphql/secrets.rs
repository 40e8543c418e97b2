//! What is hidden, from whom, and what is left of a look at it.

use serde_json::json;
use weir_proto::v1::Field;

use crate::harness::{Running, exchange, id};

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
