//! Gives every request an id that its upstream, its client and the logs of both know. In: heads. Out: the same heads with the
//! id; a client's own is taken on only where the configuration says so, and only if it is harmless.
#![forbid(unsafe_code)]

mod config;
mod generate;
mod trace;

use weir_sdk::{Action, Filter, HeadersMut, Problems, Request, Response, Subscription, field, warn};

use crate::{
    config::{Client, Config, Trace},
    generate::Kind,
    trace::TraceParent,
};

/// The filter.
#[derive(Debug)]
pub struct RequestId {
    field: String,
    client: Client,
    kind: Kind,
    max_length: usize,
    echo: bool,
    trace: Trace,
    sampled: bool,
}

/// Bytes that a client's id may have at most, whatever the configuration says.
const LONGEST: usize = 256;

impl Filter for RequestId {
    type Config = Config;
    /// The id, for the response.
    type State = Option<String>;

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if let Err(fault) = field::check_name(&config.header) {
            problems.push("/header", fault);
        }
        if config.header.eq_ignore_ascii_case("traceparent") || config.header.eq_ignore_ascii_case("tracestate") {
            problems.push("/header", "this field is Trace Context's: see `trace`");
        }
        if !(1..=LONGEST).contains(&config.max_length) {
            problems.push("/max_length", format!("1 to {LONGEST} bytes"));
        }
        problems.or(Self {
            field: config.header.to_ascii_lowercase(),
            client: config.client,
            kind: config.generate,
            max_length: config.max_length,
            echo: config.echo,
            trace: config.trace,
            sampled: config.sampled,
        })
    }

    fn subscription(&self) -> Subscription {
        let subscription = Subscription::new().request_head();
        if self.echo { subscription.response_head() } else { subscription }
    }

    fn request_head(&self, request: &mut Request, kept: &mut Option<String>) -> Action {
        let id = match self.of_client(request) {
            Some(id) => id,
            None => {
                let id = self.kind.generate(request);
                set(&mut request.headers_mut(), &self.field, &id);
                id
            }
        };
        if self.echo {
            *kept = Some(id);
        }
        self.trace(&mut request.headers_mut());
        Action::Next
    }

    fn response_head(&self, response: &mut Response, kept: &mut Option<String>) -> Action {
        // An upstream that says another id is corrected: one exchange, one id.
        if let Some(id) = kept {
            set(&mut response.headers_mut(), &self.field, id);
        }
        Action::Next
    }
}

weir_sdk::export!(RequestId);

impl RequestId {
    /// The id that the client sent, if it may send one and sent one that can stand in a log.
    fn of_client(&self, request: &Request) -> Option<String> {
        if self.client == Client::Replace {
            return None;
        }
        let mut lines = request.headers().get_all(&self.field);
        let id = lines.pop().filter(|_| lines.is_empty())?;
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+/=:@".contains(&byte);
        ((1..=self.max_length).contains(&id.len()) && id.bytes().all(harmless)).then_some(id)
    }

    /// Trace Context (W3C Recommendation of 2021-11-23). A trace that comes along goes on as it is: this proxy reports no
    /// span, and a parent that nobody reported would cut the trace in two.
    fn trace(&self, headers: &mut HeadersMut<'_>) {
        let goes_on = match self.trace {
            Trace::Off => return,
            Trace::Restart => false,
            Trace::Continue => match &headers.get_all("traceparent")[..] {
                [parent] => TraceParent::is_valid(parent),
                _ => false,
            },
        };
        if !goes_on {
            // Section 3.3.1: without a valid parent, the state is nobody's.
            if let Err(fault) = headers.remove("tracestate") {
                warn!("`tracestate` was not removed: {fault}");
            }
            set(headers, "traceparent", &TraceParent::start(self.sampled));
        }
    }
}

fn set(headers: &mut HeadersMut<'_>, field: &str, value: &str) {
    if let Err(fault) = headers.set(field, value) {
        warn!("`{field}` was not set: {fault}");
    }
}

#[cfg(test)]
mod tests;
