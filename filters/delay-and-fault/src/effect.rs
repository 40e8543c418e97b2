//! What a fault does, once its delay is over.

use weir_sdk::{Action, LocalResponse, Problems, Refusal, Request, field, latin1};

use crate::config::EffectConfig;

#[derive(Debug)]
pub(crate) enum Effect {
    Nothing,
    Abort,
    Respond { status: u16, fields: Vec<(String, String)>, body: Option<String> },
}

impl Effect {
    pub(crate) fn new(at: &str, config: Option<EffectConfig>, problems: &mut Problems) -> Self {
        let answer = match config {
            None => return Self::Nothing,
            Some(EffectConfig::Abort) => return Self::Abort,
            Some(EffectConfig::Respond(answer)) => answer,
        };
        if let Err(fault) = field::check_status(answer.status) {
            problems.push(format!("{at}/respond/status"), fault);
        }
        if answer.body.is_some() && matches!(answer.status, 204 | 205 | 304) {
            problems.push(format!("{at}/respond/body"), format!("{} has none (RFC 9110 section 6.4.1)", answer.status));
        }
        let mut fields = Vec::with_capacity(answer.headers.len());
        for (name, value) in answer.headers {
            let at = format!("{at}/respond/headers/{}", name.replace('~', "~0").replace('/', "~1"));
            for fault in [field::check_name(&name), field::check_value(&value)].into_iter().filter_map(Result::err) {
                problems.push(&at, fault);
            }
            fields.push((name.to_ascii_lowercase(), latin1::from_utf8(&value)));
        }
        Self::Respond { status: answer.status, fields, body: answer.body }
    }

    pub(crate) fn action(&self, request: &Request) -> Action {
        let (status, fields, body) = match self {
            Self::Nothing => return Action::Next,
            Self::Abort => return Action::Abort,
            Self::Respond { status, fields, body } => (status, fields, body),
        };
        let response = match body {
            Some(body) => {
                let is_typed = fields.iter().any(|(name, _)| name == "content-type");
                let response = LocalResponse::new(*status).header("cache-control", "no-store").body(body.as_bytes());
                if is_typed { response } else { response.header("content-type", "text/plain; charset=utf-8") }
            }
            None => injected(*status).response(request),
        };
        fields.iter().fold(response, |response, (name, value)| response.header(name, value)).into()
    }
}

fn injected(status: u16) -> Refusal<'static> {
    Refusal {
        filter: "delay-and-fault",
        status,
        kind: "injected",
        title: "A fault on purpose",
        detail: "The filter `delay-and-fault` answers in the upstream's place, to see what comes of it.",
        rule: None,
    }
}
