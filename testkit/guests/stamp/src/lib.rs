//! Writes the version it was configured with on both heads: what shows that an exchange meets one version.

use serde::Deserialize;
use weir_sdk::{Action, Filter, Problems, Request, Response, Subscription};

#[derive(Deserialize)]
struct Config {
    stamp: u64,
}

struct Stamp(String);

impl Filter for Stamp {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        Ok(Self(config.stamp.to_string()))
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().request_head().response_head()
    }

    fn request_head(&self, request: &mut Request, _state: &mut ()) -> Action {
        let _ = request.headers_mut().set("x-stamp", &self.0);
        Action::Next
    }

    fn response_head(&self, response: &mut Response, _state: &mut ()) -> Action {
        let _ = response.headers_mut().set("x-stamp", &self.0);
        Action::Next
    }
}

weir_sdk::export!(Stamp);
