//! A query as it comes over HTTP, in the URL or in a body.

use serde::Deserialize;
use serde_json::Value;

use crate::reject::Reject;

/// One operation that is asked for. Derived code refuses a member that stands twice: readers disagree on which one counts.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Query {
    #[serde(default)]
    pub(crate) query: Option<String>,
    #[serde(default, rename = "operationName")]
    pub(crate) operation: Option<String>,
    #[serde(default)]
    extensions: Option<Value>,
}

impl Query {
    /// A body: one query, or a batch of them.
    pub(crate) fn list_of_json(bytes: &[u8], most: usize) -> Result<Vec<Self>, Reject> {
        let malformed = |_| Reject::malformed("The body is no JSON of a GraphQL request.");
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
            // Derived code would take a list for an object, too: that is what the look before is for.
            return Ok(vec![serde_json::from_slice(bytes).map_err(malformed)?]);
        }
        let list: Vec<Self> = serde_json::from_slice(bytes).map_err(malformed)?;
        if list.len() > most || most < 2 {
            return Err(Reject::too_much("BATCH", "operations in one request", list.len() as u64, most as u64));
        }
        if list.is_empty() { Err(Reject::NO_QUERY) } else { Ok(list) }
    }

    /// The hash of a query that the server is to know already (automatic persisted queries).
    pub(crate) fn persisted(&self) -> Option<&str> {
        self.extensions.as_ref()?["persistedQuery"]["sha256Hash"].as_str()
    }

    /// The parameters of a URL; none where there is no query in it.
    pub(crate) fn of_url(path: &str) -> Result<Option<Self>, Reject> {
        let mut found = Self::default();
        let mut is_there = false;
        let query = path.split_once('?').map_or("", |(_, query)| query);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let twice = || Reject::malformed("A parameter stands twice.");
            let taken = match decode(name)?.as_str() {
                "query" => found.query.replace(decode(value)?).is_some(),
                "operationName" => found.operation.replace(decode(value)?).is_some(),
                "extensions" => {
                    let parsed = serde_json::from_str(&decode(value)?);
                    let parsed = parsed.map_err(|_| Reject::malformed("`extensions` is no JSON."))?;
                    found.extensions.replace(parsed).is_some()
                }
                _ => continue,
            };
            if taken {
                return Err(twice());
            }
            is_there = true;
        }
        Ok(is_there.then_some(found))
    }

    pub(crate) fn is_in_url(path: &str) -> Result<bool, Reject> {
        Self::of_url(path).map(|found| found.is_some())
    }
}

/// `application/x-www-form-urlencoded`, which is what clients write and servers read.
fn decode(text: &str) -> Result<String, Reject> {
    let malformed = || Reject::malformed("The URL is not encoded well.");
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(malformed);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).map_err(|_| malformed())?
            }
            other => other,
        });
    }
    String::from_utf8(out).map_err(|_| malformed())
}
