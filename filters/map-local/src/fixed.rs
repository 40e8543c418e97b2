//! One rule: its response, made once.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use weir_sdk::{Headers, LocalResponse, Problems, field, latin1, matching::Scope};

use crate::{config::Rule, etag};

#[derive(Debug)]
pub(crate) struct Fixed {
    pub(crate) scope: Scope,
    status: u16,
    /// With Content-Type and, where caches may ask for it, ETag.
    fields: Vec<(String, String)>,
    etag: Option<String>,
    body: Vec<u8>,
}

/// Fields that go with a 304 (RFC 9110 section 15.4.5), in lower case.
const OF_NOT_MODIFIED: [&str; 6] = ["cache-control", "content-location", "date", "etag", "expires", "vary"];

impl Fixed {
    pub(crate) fn new(at: &str, rule: Rule, problems: &mut Problems) -> Self {
        let scope = Scope::new(&format!("{at}/match"), &rule.scope, problems);
        if scope.is_empty() && rule.scope == Default::default() {
            problems
                .push(format!("{at}/match"), "a rule for every request hides the upstream: say `\"hosts\": [\"*\"]`");
        }
        if let Err(fault) = field::check_status(rule.status) {
            problems.push(format!("{at}/status"), fault);
        }
        let (body, default_type) = body(at, &rule, problems);
        if matches!(rule.status, 204 | 205 | 304) && !body.is_empty() {
            problems.push(format!("{at}/status"), format!("{} has no body (RFC 9110 section 6.4.1)", rule.status));
        }
        let mut fields = Vec::with_capacity(rule.headers.len() + 2);
        for (name, value) in &rule.headers {
            let at = format!("{at}/headers/{}", name.replace('~', "~0").replace('/', "~1"));
            if name.eq_ignore_ascii_case("content-type") {
                problems.push(&at, "the body's type stands in `content_type`");
            }
            for fault in [field::check_name(name), field::check_value(value)].into_iter().filter_map(Result::err) {
                problems.push(&at, fault);
            }
            fields.push((name.to_ascii_lowercase(), latin1::from_utf8(value)));
        }
        if let Some(content_type) = rule.content_type.as_deref().or(default_type) {
            let is_good = content_type.contains('/') && content_type.is_ascii();
            if !is_good || field::check_value(content_type).is_err() {
                problems.push(format!("{at}/content_type"), "no media type");
            }
            fields.push(("content-type".to_owned(), content_type.to_owned()));
        }
        let own = fields.iter().find(|(name, _)| name == "etag").map(|(_, value)| value.clone());
        let etag = (rule.status == 200).then(|| own.clone().unwrap_or_else(|| etag::of(&body)));
        if own.is_none() {
            fields.extend(etag.iter().map(|etag| ("etag".to_owned(), etag.clone())));
        }
        Self { scope, status: rule.status, fields, etag, body }
    }

    /// The agent leaves out the body for HEAD and keeps its length. Ranges are never answered: a server may ignore them (RFC
    /// 9110 section 14.2).
    pub(crate) fn answer(&self, method: &str, headers: Headers<'_>) -> LocalResponse {
        let is_known = matches!(method, "GET" | "HEAD")
            && self.etag.as_ref().is_some_and(|own| etag::is_listed(own, &headers.get_all("if-none-match")));
        let status = if is_known { 304 } else { self.status };
        let fields = self.fields.iter().filter(|(name, _)| !is_known || OF_NOT_MODIFIED.contains(&name.as_str()));
        let response = fields.fold(LocalResponse::new(status), |response, (name, value)| response.header(name, value));
        if is_known { response } else { response.body(self.body.clone()) }
    }
}

/// The body and what type it is if nothing else is said.
fn body(at: &str, rule: &Rule, problems: &mut Problems) -> (Vec<u8>, Option<&'static str>) {
    match (&rule.text, &rule.json, &rule.base64) {
        (None, None, None) => {
            if rule.content_type.is_some() {
                problems.push(format!("{at}/content_type"), "there is no body that it could describe");
            }
            (Vec::new(), None)
        }
        (Some(text), None, None) => (text.clone().into_bytes(), Some("text/plain; charset=utf-8")),
        (None, Some(json), None) => (json.to_string().into_bytes(), Some("application/json")),
        (None, None, Some(base64)) => {
            let bytes = STANDARD.decode(base64).unwrap_or_else(|fault| {
                problems.push(format!("{at}/base64"), fault.to_string());
                Vec::new()
            });
            (bytes, Some("application/octet-stream"))
        }
        _ => {
            problems.push(at, "one of `text`, `json` and `base64`");
            (Vec::new(), None)
        }
    }
}
