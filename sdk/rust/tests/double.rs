//! The native double keeps the contract as the agent does: who sees what, who may change what, and when state goes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it cannot go on")]

use weir_sdk::{
    prelude::*,
    testing::{Exchange, Tested, Verdict},
    warn,
};

/// Does what its configuration says.
struct Puppet(Config);

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case", tag = "play")]
enum Config {
    /// Sets a field from a body hook, having held the head.
    Hold { hold: bool },
    /// Replaces a chunk with this mode.
    Replace { mode: String },
    /// Tries to change what is not its own.
    Trespass,
    /// Remembers each chunk.
    Remember,
    /// Answers for the dead.
    StandIn,
}

impl Filter for Puppet {
    type Config = Config;
    type State = Vec<u8>;

    fn new(config: Config) -> Result<Self, Problems> {
        Ok(Self(config))
    }

    fn subscription(&self) -> Subscription {
        let mode = match &self.0 {
            Config::Replace { mode } if mode == "observe" => BodyMode::Observe,
            Config::Replace { mode } if mode == "buffer" => BodyMode::Buffer,
            _ => BodyMode::Transform,
        };
        Subscription::new().request_head().request_body(mode).response_head().max_buffer(4)
    }

    fn request_head(&self, request: &mut Request, _state: &mut Vec<u8>) -> Action {
        if let Config::Trespass = self.0 {
            for (name, value) in [("connection", "close"), ("x y", "1"), ("x-a", "1\r\nx-b: 2")] {
                warn!("{name}: {}", request.headers_mut().set(name, value).unwrap_err());
            }
            warn!("mode: {}", request.set_body_mode(BodyMode::Buffer).unwrap_err());
            assert_eq!(request.headers().get("Proxy-Authorization"), None);
            request.headers_mut().set("host", "b.example").unwrap();
            assert_eq!(request.authority(), "b.example");
        }
        if matches!(self.0, Config::Hold { hold: true }) { Action::HoldForBody } else { Action::Next }
    }

    fn request_body(&self, request: &mut Request, chunk: Chunk, state: &mut Vec<u8>) -> ChunkAction {
        match &self.0 {
            Config::Hold { .. } => match request.headers_mut().set("x-late", "yes") {
                Ok(()) => ChunkAction::Pass,
                Err(HeaderError::Frozen) => ChunkAction::Replace(b"frozen".to_vec()),
                Err(other) => panic!("{other}"),
            },
            Config::Replace { .. } if !chunk.is_empty() => ChunkAction::Replace(chunk.to_ascii_uppercase()),
            Config::Remember => {
                state.extend_from_slice(&chunk);
                if chunk.end_of_stream { ChunkAction::Replace(state.clone()) } else { ChunkAction::Drop }
            }
            _ => ChunkAction::Pass,
        }
    }

    fn upstream_error(&self, _request: &Request, error: UpstreamError, _state: &mut Vec<u8>) -> Action {
        match self.0 {
            Config::StandIn => LocalResponse::text(200, format!("{error:?}")).into(),
            _ => Action::Next,
        }
    }
}

fn tested(config: &str) -> Tested<Puppet> {
    Tested::new(config).unwrap()
}

fn post(chunks: &[&str]) -> Exchange {
    let exchange = Exchange::new("POST", "http://a.example/").header("host", "a.example");
    chunks.iter().fold(exchange, |exchange, chunk| exchange.chunk(*chunk))
}

#[test]
fn a_head_can_be_changed_from_a_body_hook_only_while_it_is_held() {
    let forwarded = tested(r#"{"play": "hold", "hold": true}"#).run(post(&["a", "b"])).forwarded.unwrap();
    assert_eq!((forwarded.field("x-late"), forwarded.joined()), (Some("yes"), b"ab".to_vec()));
    let forwarded = tested(r#"{"play": "hold", "hold": false}"#).run(post(&["a"])).forwarded.unwrap();
    assert_eq!((forwarded.field("x-late"), &forwarded.joined()[..6]), (None, &b"frozen"[..]));
}

#[test]
fn a_mode_is_a_promise() {
    let run =
        |mode: &str, chunks: &[&str]| tested(&format!(r#"{{"play": "replace", "mode": "{mode}"}}"#)).run(post(chunks));
    assert_eq!(run("transform", &["a", "b"]).forwarded.unwrap().body, [b"A", b"B"]);
    assert_eq!(run("buffer", &["a", "b"]).forwarded.unwrap().body, [b"AB"]);
    assert_eq!(run("buffer", &["abc", "de"]).verdict, Verdict::Fail);
    assert_eq!(run("observe", &["a"]).verdict, Verdict::Fail);
}

#[test]
fn what_is_the_agents_stays_the_agents() {
    let filter = tested(r#"{"play": "trespass"}"#);
    let forwarded = filter.run(post(&["a"]).header("proxy-authorization", "Basic x")).forwarded.unwrap();
    assert_eq!((forwarded.start.authority.as_str(), forwarded.field("host")), ("b.example", Some("b.example")));
    let lines: Vec<String> = filter.log().into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].contains("agent owns") && lines[1].contains("not a valid") && lines[2].contains("not a valid"));
}

#[test]
fn what_a_client_says_of_itself_is_cleared_in_every_spelling() {
    struct Clear;
    impl Filter for Clear {
        type Config = NoConfig;
        type State = ();
        fn new(_: NoConfig) -> Result<Self, Problems> {
            Ok(Self)
        }
        fn subscription(&self) -> Subscription {
            Subscription::new().request_head()
        }
        fn request_head(&self, request: &mut Request, _: &mut ()) -> Action {
            request.headers_mut().remove_forged(&["x-user-id", "y_id"]).unwrap();
            Action::Next
        }
    }
    let forged = ["X-User-Id", "x_user_id", "x-user_id", "y_id", "y-id"];
    let exchange =
        forged.iter().fold(Exchange::get("http://a.example/"), |exchange, name| exchange.header(name, "root"));
    let exchange = exchange.header("x-user-ids", "1").header("authorization", "2");
    let fields = Tested::<Clear>::new("{}").unwrap().run(exchange).forwarded.unwrap().fields;
    assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["x-user-ids", "authorization"]);
}

#[test]
fn state_is_of_one_exchange_and_goes_with_it() {
    let filter = tested(r#"{"play": "remember"}"#);
    for text in ["one", "two"] {
        assert_eq!(filter.run(post(&[text, "!"])).forwarded.unwrap().joined(), format!("{text}!").into_bytes());
    }
    assert_eq!(filter.live_states(), 0);
}

#[test]
fn a_filter_may_answer_for_an_upstream_that_does_not() {
    let outcome = tested(r#"{"play": "stand-in"}"#).run(post(&[]).fail("tls expired"));
    assert_eq!(outcome.verdict, Verdict::Respond);
    assert_eq!(outcome.received.unwrap().joined(), b"Tls(\"expired\")");
    assert_eq!(tested(r#"{"play": "remember"}"#).run(post(&[]).fail("refused")).received, None);
}
