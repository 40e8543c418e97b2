//! The component: exports of the contract, answered by the [`Guest`] of whatever crate says `export!`. Only here and in
//! `imports/wasm.rs` do the SDK's types meet the generated ones.

use crate::{
    Action, BodyMode, CallOutcome, CallResponse, Chunk, ChunkAction, DoneReason, Filter, Hook, LocalResponse,
    Resumption, Subscription, TrailersAction, UpstreamError, exchange::Direction, guest::Guest,
};

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    unused_qualifications,
    reason = "generated from wit/filter.wit, where the documentation is"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/filter.wit",
        world: "filter",
        pub_export_macro: true,
        export_macro_name: "export_filter",
        default_bindings_module: "weir_sdk::__private::bindings",
    });
}

pub use bindings::export_filter;

use bindings::{
    exports::weir::filter::{events, lifecycle},
    weir::filter::http,
};

/// A crate's one filter. `export!` implements it.
pub trait Component {
    /// The filter.
    type Filter: Filter;

    /// Calls with the crate's one instance.
    fn with<R>(call: impl FnOnce(&Guest<Self::Filter>) -> R) -> R;
}

impl<C: Component> lifecycle::Guest for C {
    fn validate_config(json: String) -> Vec<lifecycle::Problem> {
        log_panics();
        let problems = C::with(|guest| guest.validate_config(&json));
        problems
            .into_iter()
            .map(|problem| lifecycle::Problem { pointer: problem.pointer, message: problem.message })
            .collect()
    }

    fn configure(json: String) -> Result<lifecycle::Subscription, String> {
        log_panics();
        C::with(|guest| guest.configure(&json)).map(subscription)
    }
}

impl<C: Component> events::Guest for C {
    fn on_request_head(of: u32, end_of_stream: bool) -> events::Action {
        action(C::with(|guest| guest.request_head(of, end_of_stream)))
    }

    fn on_response_head(of: u32, end_of_stream: bool) -> events::Action {
        action(C::with(|guest| guest.response_head(of, end_of_stream)))
    }

    fn on_body(of: u32, origin: http::Direction, chunk: Vec<u8>, end_of_stream: bool) -> events::ChunkAction {
        let chunk = Chunk { bytes: chunk, end_of_stream };
        chunk_action(C::with(|guest| guest.body(of, direction(origin), chunk)))
    }

    fn on_trailers(of: u32, origin: http::Direction) -> events::ChunkAction {
        trailers_action(C::with(|guest| guest.trailers(of, direction(origin))))
    }

    fn on_upstream_error(of: u32, error: events::UpstreamError) -> events::Action {
        action(C::with(|guest| guest.upstream_error(of, upstream_error(error))))
    }

    fn on_resume(of: u32, waiting: events::Hook, call: u32, outcome: events::CallOutcome) -> events::Resumption {
        resumption(C::with(|guest| guest.resumed(of, hook(waiting), call, call_outcome(outcome))))
    }

    fn on_done(of: u32, reason: events::DoneReason) {
        C::with(|guest| guest.done(of, done_reason(reason)));
    }
}

/// A panic traps, and a trap has no words: they go to the log first.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| crate::error!("{panic}")));
}

fn direction(direction: http::Direction) -> Direction {
    match direction {
        http::Direction::Request => Direction::Request,
        http::Direction::Response => Direction::Response,
    }
}

fn local_response(response: LocalResponse) -> http::LocalResponse {
    http::LocalResponse { status: response.status, headers: response.headers, body: response.body }
}

fn action(action: Action) -> events::Action {
    match action {
        Action::Next => events::Action::Next,
        Action::Respond(response) => events::Action::Respond(local_response(response)),
        Action::Abort => events::Action::Abort,
        Action::HoldForBody => events::Action::HoldForBody,
        Action::Wait => events::Action::Wait,
    }
}

fn chunk_action(action: ChunkAction) -> events::ChunkAction {
    match action {
        ChunkAction::Pass => events::ChunkAction::Pass,
        ChunkAction::Replace(bytes) => events::ChunkAction::Replace(bytes),
        ChunkAction::Drop => events::ChunkAction::DropChunk,
        ChunkAction::Respond(response) => events::ChunkAction::Respond(local_response(response)),
        ChunkAction::Abort => events::ChunkAction::Abort,
        ChunkAction::Wait => events::ChunkAction::Wait,
    }
}

fn trailers_action(action: TrailersAction) -> events::ChunkAction {
    match action {
        TrailersAction::Next => events::ChunkAction::Pass,
        TrailersAction::Respond(response) => events::ChunkAction::Respond(local_response(response)),
        TrailersAction::Abort => events::ChunkAction::Abort,
        TrailersAction::Wait => events::ChunkAction::Wait,
    }
}

fn resumption(resumption: Resumption) -> events::Resumption {
    match resumption {
        Resumption::Proceed => events::Resumption::Proceed,
        Resumption::Replace(bytes) => events::Resumption::Replace(bytes),
        Resumption::Drop => events::Resumption::DropChunk,
        Resumption::Respond(response) => events::Resumption::Respond(local_response(response)),
        Resumption::Abort => events::Resumption::Abort,
        Resumption::HoldForBody => events::Resumption::HoldForBody,
        Resumption::Wait => events::Resumption::Wait,
    }
}

fn hook(hook: events::Hook) -> Hook {
    match hook {
        events::Hook::RequestHead => Hook::RequestHead,
        events::Hook::RequestBody => Hook::RequestBody,
        events::Hook::RequestTrailers => Hook::RequestTrailers,
        events::Hook::ResponseHead => Hook::ResponseHead,
        events::Hook::ResponseBody => Hook::ResponseBody,
        events::Hook::ResponseTrailers => Hook::ResponseTrailers,
    }
}

fn call_outcome(outcome: events::CallOutcome) -> CallOutcome {
    match outcome {
        events::CallOutcome::Elapsed => CallOutcome::Elapsed,
        events::CallOutcome::Failed(error) => CallOutcome::Failed(upstream_error(error)),
        events::CallOutcome::Response(response) => {
            let events::CallResponse { status, headers, body } = response;
            CallOutcome::Response(CallResponse { status, headers, body })
        }
    }
}

fn upstream_error(error: events::UpstreamError) -> UpstreamError {
    match error {
        events::UpstreamError::Refused => UpstreamError::Refused,
        events::UpstreamError::Reset => UpstreamError::Reset,
        events::UpstreamError::Timeout => UpstreamError::Timeout,
        events::UpstreamError::Dns => UpstreamError::Dns,
        events::UpstreamError::Tls(reason) => UpstreamError::Tls(reason),
        events::UpstreamError::Protocol => UpstreamError::Protocol,
        events::UpstreamError::TooLarge => UpstreamError::TooLarge,
    }
}

pub(crate) fn done_reason(reason: events::DoneReason) -> DoneReason {
    match reason {
        events::DoneReason::Complete => DoneReason::Complete,
        events::DoneReason::ClientGone => DoneReason::ClientGone,
        events::DoneReason::UpstreamGone => DoneReason::UpstreamGone,
        events::DoneReason::FilterAnswered => DoneReason::FilterAnswered,
        events::DoneReason::FilterFailed => DoneReason::FilterFailed,
        events::DoneReason::ShutDown => DoneReason::ShutDown,
    }
}

pub(crate) fn body_mode(mode: BodyMode) -> http::BodyMode {
    match mode {
        BodyMode::None => http::BodyMode::None,
        BodyMode::Observe => http::BodyMode::Observe,
        BodyMode::Transform => http::BodyMode::Transform,
        BodyMode::Buffer => http::BodyMode::Buffer,
    }
}

fn subscription(subscription: Subscription) -> lifecycle::Subscription {
    lifecycle::Subscription {
        request_head: subscription.request_head,
        request_body: body_mode(subscription.request_body),
        request_trailers: subscription.request_trailers,
        response_head: subscription.response_head,
        response_body: body_mode(subscription.response_body),
        response_trailers: subscription.response_trailers,
        decoded: subscription.decoded,
        max_buffer: subscription.max_buffer,
    }
}

/// An interface that `export!` is asked for beside those of every filter.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_hooks {
    (Connect) => {
        $crate::__private::export_connect!(Component with_types_in $crate::__private::connect_bindings);
    };
    (Messages) => {
        $crate::__private::export_message!(Component with_types_in $crate::__private::message_bindings);
    };
    (Completed) => {
        $crate::__private::export_completed!(Component with_types_in $crate::__private::completed_bindings);
    };
    (Tick) => {
        $crate::__private::export_tick!(Component with_types_in $crate::__private::tick_bindings);
    };
}

/// The wasm half of `export!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($filter:ty) => {
        struct Component;

        ::std::thread_local! {
            static GUEST: $crate::__private::Guest<$filter> = const { $crate::__private::Guest::new() };
        }

        impl $crate::__private::Component for Component {
            type Filter = $filter;

            fn with<R>(call: impl FnOnce(&$crate::__private::Guest<$filter>) -> R) -> R {
                GUEST.with(call)
            }
        }

        $crate::__private::export_filter!(Component with_types_in $crate::__private::bindings);
    };
}
