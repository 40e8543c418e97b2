//! Asks before it lets go: starts a call or a timer at a stage of the exchange and waits for it. What it heard stands on the
//! response (`x-answer`) and in the tag `answer`; how many responses it has seen, whatever its version, in `x-count`.

use std::time::Duration;

use serde::Deserialize;
use weir_sdk::{
    Action, BodyMode, CallOutcome, CallRequest, Chunk, ChunkAction, Filter, Problems, Request, Response, Resumed,
    Resumption, Subscription, kv, limits,
};

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    RequestHead,
    RequestBody,
    ResponseHead,
    ResponseBody,
}

#[derive(Deserialize)]
struct Config {
    stage: Stage,
    /// to be asked; else a timer runs
    upstream: Option<String>,
    #[serde(default)]
    path: String,
    #[serde(default)]
    delay_ms: u64,
    /// What waits goes on backwards.
    #[serde(default)]
    backwards: bool,
    /// Stands in the field `authorization` of what is asked.
    secret: Option<String>,
}

struct Ask(Config);

impl Ask {
    fn start(&self, request: &Request) -> Result<(), String> {
        let started = match &self.0.upstream {
            Some(upstream) => {
                let mut call = CallRequest::post(&*self.0.path, "question");
                if let Some(secret) = &self.0.secret {
                    let placeholder = request.secret(secret).ok_or("no such secret")?;
                    call = call.header("authorization", format!("Bearer {placeholder}"));
                }
                request.start_call(upstream, &call)
            }
            None => request.start_timer(Duration::from_millis(self.0.delay_ms)),
        };
        started.map(drop).map_err(|error| error.to_string())
    }

    fn head(&self, request: &Request, stage: Stage, answer: &mut String) -> Action {
        if self.0.stage != stage {
            return Action::Next;
        }
        match self.start(request) {
            Ok(()) => Action::Wait,
            Err(error) => {
                *answer = error;
                Action::Next
            }
        }
    }

    fn body(&self, request: &Request, chunk: &Chunk, stage: Stage) -> ChunkAction {
        if self.0.stage == stage && chunk.end_of_stream && self.start(request).is_ok() {
            return ChunkAction::Wait;
        }
        ChunkAction::Pass
    }
}

impl Filter for Ask {
    type Config = Config;
    type State = String;

    fn new(config: Config) -> Result<Self, Problems> {
        Ok(Self(config))
    }

    fn subscription(&self) -> Subscription {
        let wanted = if self.0.backwards { BodyMode::Buffer } else { BodyMode::Observe };
        let mode = |stage| if self.0.stage == stage { wanted } else { BodyMode::None };
        Subscription::new()
            .request_head()
            .request_body(mode(Stage::RequestBody))
            .response_head()
            .response_body(mode(Stage::ResponseBody))
            .max_buffer(limits::buffer_bytes())
    }

    fn request_head(&self, request: &mut Request, answer: &mut String) -> Action {
        self.head(request, Stage::RequestHead, answer)
    }

    fn request_body(&self, request: &mut Request, chunk: Chunk, _: &mut String) -> ChunkAction {
        self.body(request, &chunk, Stage::RequestBody)
    }

    fn response_head(&self, response: &mut Response, answer: &mut String) -> Action {
        let count = kv::add("responses", 1.0, None).unwrap_or_default();
        let _ = response.headers_mut().set("x-count", &count.to_string());
        let _ = response.headers_mut().set("x-answer", answer);
        self.head(response.request(), Stage::ResponseHead, answer)
    }

    fn response_body(&self, response: &mut Response, chunk: Chunk, _: &mut String) -> ChunkAction {
        self.body(response.request(), &chunk, Stage::ResponseBody)
    }

    fn resumed(&self, resumed: &mut Resumed, outcome: CallOutcome, answer: &mut String) -> Resumption {
        *answer = match outcome {
            CallOutcome::Elapsed => "elapsed".to_owned(),
            CallOutcome::Response(response) => {
                format!("{} {}", response.status, String::from_utf8_lossy(&response.body)).trim_end().to_owned()
            }
            CallOutcome::Failed(error) => format!("failed {error:?}"),
        };
        let _ = resumed.request().set_tag("answer", answer.as_str());
        // a name without a dot is the filter's own
        let _ = resumed.request().tag("answer").map(|own| resumed.request().set_tag("heard", own.is_some()));
        let _ = resumed.request().set_tag("waited", format!("{:?}", resumed.waiting()));
        if let Some(response) = resumed.response_mut() {
            let _ = response.headers_mut().set("x-answer", answer);
        }
        match resumed.chunk().filter(|_| self.0.backwards) {
            Some(mut chunk) => {
                chunk.reverse();
                Resumption::Replace(chunk)
            }
            None => Resumption::Proceed,
        }
    }
}

weir_sdk::export!(Ask);
