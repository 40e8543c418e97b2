//! Decisions of a program. To it goes a line of JSON for each message that pauses, as `GET /api/v1/paused/{id}` has it, under
//! `paused`; from it come lines such as `{"id": "…", "decision": "continue"}`, as `POST /api/v1/paused/{id}` takes them. Each is
//! answered by a line with `id` and `decided`, or `error`. What ends otherwise is told by `ended`.

use serde_json::{Value, json};

use super::{decide, whole};
use crate::cli::{client::Client, failure::Failure, output};

pub(super) async fn show(client: &Client, item: &Value) -> Result<(), Failure> {
    match whole(client, item).await {
        Ok(paused) => Ok(output::say(json!({ "paused": paused }).to_string())?),
        // It ended meanwhile.
        Err(Failure::Problem { status: 404, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

pub(super) fn gone(id: &str) -> Result<(), Failure> {
    Ok(output::say(json!({ "ended": { "id": id } }).to_string())?)
}

/// Whether there is to be more.
pub(super) async fn hear(client: &Client, line: &str) -> Result<bool, Failure> {
    if line.trim().is_empty() {
        return Ok(true);
    }
    let answer = match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(mut decision)) => {
            let taken = |member: Option<Value>| member.and_then(|value| value.as_str().map(str::to_owned));
            let id = taken(decision.remove("id")).unwrap_or_default();
            let agent = taken(decision.remove("agent")).unwrap_or_default();
            match decide(client, &id, &agent, &Value::Object(decision)).await {
                Ok(decided) => json!({ "id": id, "decided": decided }),
                Err(Failure::Problem { status, text }) => {
                    json!({ "id": id, "error": { "status": status, "detail": text } })
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(_) => json!({ "error": { "detail": "a decision is a JSON object" } }),
        Err(error) => json!({ "error": { "detail": format!("this line is no JSON: {error}") } }),
    };
    output::say(answer.to_string())?;
    Ok(true)
}
