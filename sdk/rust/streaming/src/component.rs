//! The component: exports of the world `stream-filter`, answered by whatever crate says `export!`.

use std::cell::OnceCell;

use weir_sdk::{UpstreamError, streaming as sdk};

use crate::{Action, Body, Reply, StreamFilter, agent};

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    unused_qualifications,
    reason = "generated from wit/stream.wit, where the documentation is"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "stream-filter",
        pub_export_macro: true,
        export_macro_name: "export_stream_filter",
        default_bindings_module: "weir_streaming::__private::bindings",
        with: {
            "weir:filter/http@0.1.0": weir_sdk::__private::bindings::weir::filter::http,
            "weir:filter/log@0.1.0": weir_sdk::__private::bindings::weir::filter::log,
            "weir:filter/limits@0.1.0": weir_sdk::__private::bindings::weir::filter::limits,
            "weir:filter/metrics@0.1.0": weir_sdk::__private::bindings::weir::filter::metrics,
            "weir:filter/clock@0.1.0": weir_sdk::__private::bindings::weir::filter::clock,
            "weir:filter/random@0.1.0": weir_sdk::__private::bindings::weir::filter::random,
            "weir:filter/kv@0.1.0": weir_sdk::__private::bindings::weir::filter::kv,
            "weir:filter/tags@0.1.0": weir_sdk::__private::bindings::weir::filter::tags,
            "weir:filter/secrets@0.1.0": weir_sdk::__private::bindings::weir::filter::secrets,
        },
    });
}

pub use bindings::export_stream_filter;

use bindings::exports::weir::filter::{lifecycle, streaming};
use weir_sdk::__private::bindings::weir::filter::http::BodyMode;

/// A crate's one filter. `export!` implements it.
pub trait StreamComponent {
    /// The filter.
    type Filter: StreamFilter;

    /// Calls with the crate's one instance.
    fn with<R>(call: impl FnOnce(&OnceCell<&'static Self::Filter>) -> R) -> R;
}

impl<C: StreamComponent> lifecycle::Guest for C {
    fn validate_config(json: String) -> Vec<lifecycle::Problem> {
        sdk::log_panics();
        let problems = sdk::configured(&json, C::Filter::new).err().map(sdk::all).unwrap_or_default();
        let problem = |it: weir_sdk::Problem| lifecycle::Problem { pointer: it.pointer, message: it.message };
        problems.into_iter().map(problem).collect()
    }

    fn configure(json: String) -> Result<lifecycle::Subscription, String> {
        sdk::log_panics();
        let filter = sdk::configured(&json, C::Filter::new).map_err(|problems| problems.to_string())?;
        let asked = filter.subscription().asked;
        // it lives as long as the instance
        let filter: &'static C::Filter = Box::leak(Box::new(filter));
        C::with(|place| place.set(filter)).map_err(|_| "configured twice".to_owned())?;
        let mode = |asked| if asked { BodyMode::Transform } else { BodyMode::None };
        Ok(lifecycle::Subscription {
            request_head: asked.request_head,
            request_body: mode(asked.request_body),
            request_trailers: false,
            response_head: asked.response_head,
            response_body: mode(asked.response_body),
            response_trailers: false,
            decoded: asked.decoded,
            max_buffer: 0,
        })
    }
}

impl<C: StreamComponent> streaming::Guest for C {
    async fn on_request(of: u32, body: Option<streaming::Incoming>) -> streaming::Action {
        let Some(filter) = C::with(|place| place.get().copied()) else { return streaming::Action::Next(None) };
        let mut request = sdk::request(of, body.is_none());
        filter.request(&mut request, body.map(came)).await.into()
    }

    async fn on_response(of: u32, body: Option<streaming::Incoming>) -> streaming::Action {
        let Some(filter) = C::with(|place| place.get().copied()) else { return streaming::Action::Next(None) };
        let mut response = sdk::response(of, body.is_none());
        filter.response(&mut response, body.map(came)).await.into()
    }

    async fn on_upstream_error(of: u32, error: streaming::UpstreamError) -> streaming::Action {
        let Some(filter) = C::with(|place| place.get().copied()) else { return streaming::Action::Next(None) };
        filter.upstream_error(&sdk::request(of, true), upstream_error(error)).await.into()
    }
}

fn came(incoming: streaming::Incoming) -> Body {
    Body(agent::Body::came(incoming))
}

fn upstream_error(error: streaming::UpstreamError) -> UpstreamError {
    match error {
        streaming::UpstreamError::Refused => UpstreamError::Refused,
        streaming::UpstreamError::Reset => UpstreamError::Reset,
        streaming::UpstreamError::Timeout => UpstreamError::Timeout,
        streaming::UpstreamError::Dns => UpstreamError::Dns,
        streaming::UpstreamError::Tls(reason) => UpstreamError::Tls(reason),
        streaming::UpstreamError::Protocol => UpstreamError::Protocol,
        streaming::UpstreamError::TooLarge => UpstreamError::TooLarge,
    }
}

impl From<Action> for streaming::Action {
    fn from(action: Action) -> Self {
        match action {
            Action::Next => Self::Next(None),
            Action::NextWith(body) => Self::Next(Some(body.0.goes())),
            Action::Respond(reply) => Self::Respond(reply.into()),
            Action::Abort => Self::Abort,
        }
    }
}

impl From<Reply> for streaming::Reply {
    fn from(reply: Reply) -> Self {
        let (status, headers, body) = sdk::parts(reply.head);
        let own = (!body.is_empty()).then(|| Body::written(async move |out| out.write(body).await));
        Self { status, headers, body: reply.body.or(own).map(|body| body.0.goes()) }
    }
}

/// The wasm half of `export!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($filter:ty) => {
        struct Component;

        ::std::thread_local! {
            static FILTER: ::std::cell::OnceCell<&'static $filter> = const { ::std::cell::OnceCell::new() };
        }

        impl $crate::__private::StreamComponent for Component {
            type Filter = $filter;

            fn with<R>(call: impl FnOnce(&::std::cell::OnceCell<&'static $filter>) -> R) -> R {
                FILTER.with(call)
            }
        }

        $crate::__private::export_stream_filter!(Component with_types_in $crate::__private::bindings);
    };
}
