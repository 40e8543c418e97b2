//! Says hello: refuses one path, counts what a request's body came in, and marks every response.
#![forbid(unsafe_code)]

use serde::Deserialize;
use weir_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(default)]
struct Config {
    header: String,
    value: String,
    block: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { header: "x-hello".to_owned(), value: "from rust".to_owned(), block: "/blocked".to_owned() }
    }
}

/// What is remembered of one exchange.
#[derive(Default)]
struct State {
    chunks: u32,
}

struct Hello(Config);

impl Filter for Hello {
    type Config = Config;
    type State = State;

    fn new(config: Config) -> Result<Self, Problems> {
        if !config.block.starts_with('/') {
            return Err(Problem::at("/block", "a path begins with `/`").into());
        }
        Ok(Self(config))
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().request_head().request_body(BodyMode::Observe).response_head()
    }

    fn request_head(&self, request: &mut Request, _state: &mut State) -> Action {
        if request.path().starts_with(&self.0.block) {
            let refusal = LocalResponse::new(403).header("content-type", "text/plain").body("blocked by hello-rust\n");
            return refusal.into();
        }
        if request.has_body() {
            return Action::HoldForBody;
        }
        let _ = request.headers_mut().set("x-seen", "0");
        Action::Next
    }

    fn request_body(&self, request: &mut Request, chunk: Chunk, state: &mut State) -> ChunkAction {
        if !chunk.is_empty() {
            state.chunks += 1;
        }
        if chunk.end_of_stream {
            let _ = request.headers_mut().set("x-seen", &state.chunks.to_string());
        }
        ChunkAction::Pass
    }

    fn response_head(&self, response: &mut Response, _state: &mut State) -> Action {
        let _ = response.headers_mut().set(&self.0.header, &self.0.value);
        Action::Next
    }
}

weir_sdk::export!(Hello);

#[cfg(test)]
mod tests {
    use weir_sdk::testing::{Failures, golden};

    #[test]
    fn golden_cases() -> Result<(), Failures> {
        golden::<super::Hello>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
    }
}
