//! `PATCH /api/v1/exchanges/{id}`: what people say of an exchange, a note and tags. What was recorded stays as it is.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderName, header},
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use weir_proto::v1::{Exchange, Tag, tag};

use super::{
    conditional::{IfMatch, failed, tag_of},
    exchanges::{detail, told_tags},
    input::{Id, Patch},
    problem::Problem,
    secrets::Asker,
};
use crate::{
    orchestrator::Orchestrator,
    store::{Changed, Deed, Outline, is_of_people},
};

/// Bytes of a note, of a tag's name and of its text.
const LONGEST_NOTE: usize = 8 << 10;
const LONGEST_NAME: usize = 64;
const LONGEST_TEXT: usize = 256;
/// Tags of people on one exchange.
const MOST_TAGS: usize = 32;

/// What is to be said of it from now on; what is left out stays (RFC 7396).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnnotationPatch {
    /// Up to 8,192 bytes; null takes it away.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    note: Option<Option<String>>,
    /// By name: 1 to 64 letters, digits, `-` and `_`. A text of up to 256 bytes, a number or a flag; null takes the tag away.
    #[serde(default)]
    #[schema(value_type = Object)]
    tags: BTreeMap<String, Option<TagValue>>,
}

/// Of a tag.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum TagValue {
    Flag(bool),
    Number(f64),
    Text(String),
}

/// What is said of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Annotations {
    note: Option<String>,
    /// What people said and, by `FILTER.NAME`, what filters said: text, number or flag.
    #[schema(value_type = Object)]
    tags: BTreeMap<String, serde_json::Value>,
}

/// Changes what people say of an exchange: its note and its tags, which queries find (`tag:NAME`, `tag:NAME=TEXT`). The `ETag` is that
/// of the exchange from now on.
#[utoipa::path(patch, path = "/api/v1/exchanges/{id}", operation_id = "annotateExchange", tag = "exchanges", params(("id" = String, Path,)),
    request_body(content((AnnotationPatch = "application/merge-patch+json"), (AnnotationPatch = "application/json"))), responses(
    (status = 200, body = Annotations, headers(("ETag" = String))), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "It cannot be said so: `errors` says where")))]
pub(super) async fn annotate(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    known: IfMatch,
    Extension(deed): Extension<Deed>,
    Id(id): Id,
    Patch(patch): Patch<AnnotationPatch>,
) -> Result<([(HeaderName, String); 1], Json<Annotations>), Problem> {
    patch.check()?;
    let change = |outline: &mut Outline| {
        let still = known.holds(|| tag_of(&detail(asker.sees(outline.clone()))));
        if still {
            patch.apply(&mut outline.exchange)?;
        }
        Ok::<_, Problem>(still)
    };
    let outline = match orchestrator.store.annotate(id, change, &deed.answered(200)).await? {
        Changed::Done(outline) => outline,
        Changed::Otherwise => return Err(failed()),
        Changed::Absent => return Err(known.absent(Problem::not_found(format!("there is no exchange {id}")))),
    };
    let annotations = Annotations {
        note: Some(outline.exchange.note.clone()).filter(|note| !note.is_empty()),
        tags: told_tags(outline.exchange.tags.clone()),
    };
    Ok(([(header::ETAG, tag_of(&detail(asker.sees(outline))))], Json(annotations)))
}

/// A member that is there, be it null.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl AnnotationPatch {
    fn check(&self) -> Result<(), Problem> {
        let mut wrong = Vec::new();
        if self.note.iter().flatten().any(|note| note.len() > LONGEST_NOTE) {
            wrong.push(("/note".to_owned(), format!("it has more than {LONGEST_NOTE} bytes")));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        for (name, value) in &self.tags {
            let pointer = format!("/tags/{}", name.replace('~', "~0").replace('/', "~1"));
            if !is_of_people(name) {
                wrong.push((pointer, "with a dot it is a filter's".to_owned()));
            } else if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(fits) {
                wrong.push((pointer, "a name has 1 to 64 of letters, digits, `-` and `_`".to_owned()));
            } else if let Some(TagValue::Text(text)) = value
                && (text.len() > LONGEST_TEXT || text.chars().any(char::is_control))
            {
                wrong.push((pointer, format!("a text has {LONGEST_TEXT} bytes at most, on one line")));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let problem = Problem::unprocessable("annotation", "nothing was changed: it cannot be said so");
        Err(wrong.into_iter().fold(problem, |problem, (pointer, reason)| problem.at(pointer, reason)))
    }

    fn apply(&self, exchange: &mut Exchange) -> Result<(), Problem> {
        if let Some(note) = &self.note {
            exchange.note = note.clone().unwrap_or_default();
        }
        exchange.tags.retain(|tag| !is_of_people(&tag.name) || !self.tags.contains_key(&tag.name));
        for (name, value) in &self.tags {
            let value = match value {
                None => continue,
                Some(TagValue::Flag(flag)) => tag::Value::Flag(*flag),
                Some(TagValue::Number(number)) => tag::Value::Number(*number),
                Some(TagValue::Text(text)) => tag::Value::Text(text.clone()),
            };
            exchange.tags.push(Tag { name: name.clone(), value: Some(value) });
        }
        if exchange.tags.iter().filter(|tag| is_of_people(&tag.name)).count() > MOST_TAGS {
            let detail = format!("nothing was changed: people may put {MOST_TAGS} tags on an exchange");
            return Err(Problem::unprocessable("annotation", detail));
        }
        Ok(())
    }
}
