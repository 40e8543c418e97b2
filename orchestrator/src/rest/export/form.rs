//! How an exchange is written, and what stands around it.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_har::Recorder;
use weir_proto::v1::{Exchange, Field, Message};

use crate::store::{Damage, Slot, Summary};

/// In raw messages, what is wrong with a body that is not there.
const DAMAGED: &str = "weir-body-damaged";

/// `har`: HTTP Archive 1.2; `curl`: commands for a POSIX shell; `raw`: messages as HTTP/1.1 writes them
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExportForm {
    #[default]
    Har,
    Curl,
    Raw,
}

impl ExportForm {
    pub(super) fn begin(self) -> Vec<u8> {
        match self {
            Self::Har => weir_har::begin(env!("CARGO_PKG_VERSION")).into_bytes(),
            Self::Curl => b"#!/bin/sh\n".to_vec(),
            Self::Raw => Vec::new(),
        }
    }

    /// `unread` were left out though they may fit, which raw messages have no place to say.
    pub(super) fn end(self, unread: u64) -> Vec<u8> {
        let comment =
            (unread > 0).then(|| format!("{unread} exchanges that may fit were left out: a body of theirs is damaged"));
        match self {
            Self::Har => comment.map_or_else(|| weir_har::end().to_owned(), |it| weir_har::end_with(&it)).into_bytes(),
            Self::Curl => comment.map(|comment| format!("# {comment}\n").into_bytes()).unwrap_or_default(),
            Self::Raw => Vec::new(),
        }
    }

    /// Are the messages of this exchange to be read for it?
    pub(super) fn wants_messages(self, exchange: &Exchange) -> bool {
        self == Self::Har && weir_har::is_websocket(exchange)
    }

    /// `damaged` says which bodies are not there.
    pub(super) fn written(
        self,
        summary: &Summary,
        mut exchange: Exchange,
        messages: &[Message],
        damaged: &[Damage],
        first: bool,
    ) -> Vec<u8> {
        let said = damaged.iter().map(|damage| damage.to_string().replace(char::is_control, " "));
        let said = said.collect::<Vec<_>>().join("; ");
        match self {
            Self::Har => {
                let recorder = Recorder { id: &summary.agent.to_string(), name: &summary.agent_name };
                let mut out = if first { b"\n".to_vec() } else { b",\n".to_vec() };
                let mut entry = weir_har::entry_with(&exchange, recorder, messages);
                if !said.is_empty() {
                    entry["comment"] = said.into();
                }
                // Writing to memory does not fail.
                let _ = serde_json::to_writer(&mut out, &entry);
                out
            }
            Self::Curl if said.is_empty() => weir_har::command(&exchange).into_bytes(),
            Self::Curl => format!("# {said}\n{}", weir_har::command(&exchange)).into_bytes(),
            Self::Raw => {
                for damage in damaged {
                    let field = Field { name: DAMAGED.to_owned(), value: damage.to_string().into_bytes().into() };
                    match (damage.slot, &mut exchange.request, &mut exchange.response) {
                        (Slot::Request, Some(request), _) => request.headers.push(field),
                        (Slot::Response, _, Some(response)) => response.headers.push(field),
                        _ => {}
                    }
                }
                weir_har::messages(&exchange)
            }
        }
    }
}

/// The answer that carries it.
pub(super) fn file(form: ExportForm, name: &str, body: Body) -> Response {
    let (kind, ending) = match form {
        ExportForm::Har => ("application/json", "har"),
        ExportForm::Curl => ("text/plain; charset=utf-8", "sh"),
        ExportForm::Raw => ("application/octet-stream", "http"),
    };
    let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
    if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"{name}.{ending}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    response
}
