//! What is wrong with a body that is to be JSON, and where it is wrong.

use serde_json::Value;

use super::problem::Problem;

/// The fault that was found; with a pointer, where it is a member that nobody knows.
pub(super) fn misread(body: &[u8], error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let problem = Problem::bad_request(format!("JSON: {text}"));
    let named = text.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
    let (Some((name, _)), Ok(value)) = (named, serde_json::from_slice(body)) else { return problem };
    let mut found = Vec::new();
    places(&value, name, String::new(), &mut found);
    match <[String; 1]>::try_from(found) {
        Ok([pointer]) => problem.at(pointer, "there is no such member here".to_owned()),
        // in one place it may be right
        Err(_) => problem,
    }
}

/// JSON Pointers (RFC 6901) to members of this name.
fn places(value: &Value, name: &str, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (own, value) in members {
                let pointer = format!("{at}/{}", own.replace('~', "~0").replace('/', "~1"));
                if own == name {
                    found.push(pointer.clone());
                }
                places(value, name, pointer, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, name, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(default)]
        #[expect(dead_code, reason = "read by nobody")]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "read by nobody")]
        known: u8,
    }

    fn check(body: &str, pointer: &str) {
        let error = serde_json::from_str::<Outer>(body).unwrap_err();
        let problem = serde_json::to_value(misread(body.as_bytes(), &error)).unwrap();
        assert_eq!(problem["errors"][0]["pointer"].as_str().unwrap_or_default(), pointer, "{body}: {problem}");
        assert_eq!(problem["status"], 400);
    }

    #[test]
    fn members_that_nobody_knows_are_pointed_at() {
        check(r#"{"a/b~":1}"#, "/a~1b~0");
        check(r#"{"inner":[{"known":1},{"know":1}]}"#, "/inner/1/know");
        check(r#"{"inner":[{"a":1,"known":2}],"a":1}"#, "");
        check(r#"{"inner":1}"#, "");
        check("{", "");
    }
}
