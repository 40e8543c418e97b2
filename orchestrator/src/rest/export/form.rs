//! How an exchange is written, and what stands around it.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_har::Recorder;
use weir_proto::v1::{Exchange, Message};

use crate::store::Summary;

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

    pub(super) fn end(self) -> &'static [u8] {
        match self {
            Self::Har => weir_har::end().as_bytes(),
            Self::Curl | Self::Raw => b"",
        }
    }

    /// Are the messages of this exchange to be read for it?
    pub(super) fn wants_messages(self, exchange: &Exchange) -> bool {
        self == Self::Har && weir_har::is_websocket(exchange)
    }

    pub(super) fn written(self, summary: &Summary, exchange: &Exchange, messages: &[Message], first: bool) -> Vec<u8> {
        match self {
            Self::Har => {
                let recorder = Recorder { id: &summary.agent.to_string(), name: &summary.agent_name };
                let mut out = if first { b"\n".to_vec() } else { b",\n".to_vec() };
                // Writing to memory does not fail.
                let _ = serde_json::to_writer(&mut out, &weir_har::entry_with(exchange, recorder, messages));
                out
            }
            Self::Curl => weir_har::command(exchange).into_bytes(),
            Self::Raw => weir_har::messages(exchange),
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
