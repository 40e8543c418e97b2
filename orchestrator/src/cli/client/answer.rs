//! What the server answered: a value, or why there is none.

use reqwest::{Response, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::cli::failure::Failure;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    errors: Vec<Value>,
}

pub(super) async fn read<T: DeserializeOwned>(asked: &str, response: Response) -> Result<T, Failure> {
    let fault = |reason: String| Failure::Answer { asked: asked.to_owned(), reason };
    let bytes = response.bytes().await.map_err(|error| fault(text_of(&error)))?;
    serde_json::from_slice(&bytes).map_err(|error| fault(error.to_string()))
}

/// `title: detail` of a problem document (RFC 9457), else the first of what came.
pub(super) fn problem_text(status: StatusCode, body: &str) -> String {
    let problem: Problem = serde_json::from_str(body).unwrap_or_default();
    let mut text = match (problem.title, problem.detail) {
        (Some(title), Some(detail)) if !detail.starts_with(&title) => format!("{title}: {detail}"),
        (_, Some(text)) | (Some(text), None) => text,
        (None, None) if body.trim_start().starts_with('<') => {
            format!(
                "{}, as a page for browsers: is it an orchestrator that answers there?",
                status.canonical_reason().unwrap_or("it")
            )
        }
        (None, None) if body.trim().is_empty() => status.canonical_reason().unwrap_or("no reason given").to_owned(),
        (None, None) => body.trim().chars().take(200).collect(),
    };
    for error in problem.errors {
        let pointer = error["pointer"].as_str().unwrap_or_default();
        let detail = error["detail"].as_str().or_else(|| error["message"].as_str()).unwrap_or_default();
        text.push_str(&format!("\n  {pointer}: {detail}"));
    }
    text
}

/// What another thing than REST answers to a request of ours, where that is known.
pub(super) fn stranger(response: &Response) -> Option<&'static str> {
    let kind = response.headers().get(reqwest::header::CONTENT_TYPE)?.as_bytes();
    kind.starts_with(b"application/grpc")
        .then_some("it is where agents connect (gRPC); REST is at another port (serve --rest)")
}

/// What to do about a connection on which the two sides do not speak the same.
pub(super) fn advice(reason: &str, scheme: &str) -> Option<&'static str> {
    match scheme {
        "https" if reason.contains("InvalidContentType") => Some("it may speak plain HTTP: try http://"),
        "http" if reason.contains("invalid HTTP version") => Some("it may speak TLS: try https://"),
        _ => None,
    }
}

/// An error with its causes: reqwest's own text leaves out the one that matters.
pub(crate) fn text_of(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: &str) {
        assert_eq!(problem_text(StatusCode::CONFLICT, body), expect);
    }

    #[test]
    fn problems_read_well() {
        check(r#"{"title":"Conflict","detail":"version 1 is not above 2"}"#, "Conflict: version 1 is not above 2");
        check(r#"{"title":"Conflict","detail":"Conflict with 2"}"#, "Conflict with 2");
        check(r#"{"title":"Conflict"}"#, "Conflict");
        check(r#"{"detail":"d","errors":[{"pointer":"/a","detail":"b"}]}"#, "d\n  /a: b");
        check("", "Conflict");
        check("gone wrong", "gone wrong");
        check("\n<!DOCTYPE html>", "Conflict, as a page for browsers: is it an orchestrator that answers there?");
    }
}
