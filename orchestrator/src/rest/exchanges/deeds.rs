//! What filters and people did to an exchange, and what they said of it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use weir_proto::v1;

use super::some;

/// A pause at a breakpoint, and what ended it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Intervention {
    /// `request` or `response`
    at: &'static str,
    /// `continue`, `modify`, `respond`, `redirect`, `kill` or `block`; `timed-out`, `lease-ended` or `shut-down` when nobody decided
    decision: String,
    /// Whose decision.
    by: Option<String>,
    /// Of `method`, `url`, `headers`, `status` and `body`
    changed: Vec<String>,
    waited_us: u64,
    /// Nobody decided, and the exchange failed for it.
    failed: bool,
}

/// What one filter did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Receipt {
    name: String,
    version: u64,
    digest: String,
    /// next, responded, aborted, failed or skipped
    verdict: String,
    error: Option<String>,
    changed: bool,
    /// What it changed: `request-head`, `response-head`, `request-body`, `response-body`, `request-trailers`, `response-trailers`,
    /// `messages`. Empty of an agent that is too old to say.
    changes: Vec<String>,
    /// What its guest took, all its hooks together, microseconds; null of an agent that is too old to say.
    took_us: Option<f64>,
}

pub(in super::super) fn told_tags(tags: Vec<v1::Tag>) -> BTreeMap<String, serde_json::Value> {
    tags.into_iter().map(tag).collect()
}

fn tag(tag: v1::Tag) -> (String, serde_json::Value) {
    use v1::tag::Value;
    let value = match tag.value {
        Some(Value::Text(text)) => text.into(),
        Some(Value::Number(number)) => number.into(),
        Some(Value::Flag(flag)) => flag.into(),
        None => serde_json::Value::Null,
    };
    (tag.name, value)
}

pub(super) fn intervention(how: v1::Intervention) -> Intervention {
    Intervention {
        at: if how.at_response { "response" } else { "request" },
        decision: how.decision,
        by: some(how.by),
        changed: how.changed,
        waited_us: how.waited_us,
        failed: how.failed,
    }
}

pub(super) fn receipt(receipt: v1::Receipt) -> Receipt {
    Receipt {
        name: receipt.name,
        version: receipt.version,
        digest: receipt.digest,
        verdict: receipt.verdict,
        error: some(receipt.error),
        changed: receipt.changed,
        changes: receipt.changes,
        took_us: (receipt.took_ns != 0).then_some(receipt.took_ns as f64 / 1000.0),
    }
}
