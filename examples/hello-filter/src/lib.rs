//! The smallest filter: a field on every response.
#![forbid(unsafe_code)]

use weir_sdk::prelude::*;

struct Hello;

impl Filter for Hello {
    type Config = NoConfig;
    type State = ();

    fn new(_config: NoConfig) -> Result<Self, Problems> {
        Ok(Self)
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().response_head()
    }

    fn response_head(&self, response: &mut Response, _state: &mut ()) -> Action {
        let _ = response.headers_mut().set("x-hello", "from a filter");
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
