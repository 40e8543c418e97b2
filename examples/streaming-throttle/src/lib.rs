//! Slows bodies down to so many bytes a second, as a client behind a poor link would have them:
//! `{"response": 65536}`. Both directions may be slowed; one that is not asked for passes without a copy.

use std::{num::NonZeroU32, time::Duration};

use serde::Deserialize;
use weir_sdk::{Problems, Request, Response};
use weir_streaming::{Action, Body, Gone, StreamFilter, Subscription, Writer, sleep};

/// Pieces of a second: a body moves in so many steps.
const STEPS: u32 = 20;

#[derive(Deserialize)]
struct Config {
    /// Bytes a second from the client.
    request: Option<NonZeroU32>,
    /// Bytes a second to the client.
    response: Option<NonZeroU32>,
}

struct Throttle(Config);

impl StreamFilter for Throttle {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Problems> {
        Ok(Self(config))
    }

    fn subscription(&self) -> Subscription {
        let mut asked = Subscription::new();
        if self.0.request.is_some() {
            asked = asked.request();
        }
        if self.0.response.is_some() {
            asked = asked.response();
        }
        asked
    }

    async fn request(&'static self, _request: &mut Request, body: Option<Body>) -> Action {
        slowed(body, self.0.request)
    }

    async fn response(&'static self, _response: &mut Response, body: Option<Body>) -> Action {
        slowed(body, self.0.response)
    }
}

fn slowed(body: Option<Body>, rate: Option<NonZeroU32>) -> Action {
    match (body, rate) {
        (Some(body), Some(rate)) => Body::written(async move |out| copy(body, out, rate.get()).await).into(),
        _ => Action::Next,
    }
}

async fn copy(mut body: Body, out: &mut Writer, rate: u32) -> Result<(), Gone> {
    let step = (rate / STEPS).max(1);
    let pause = Duration::from_secs_f64(f64::from(step) / f64::from(rate));
    let mut moved = 0;
    while let Some(chunk) = body.chunk().await {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let piece;
            (piece, rest) = rest.split_at(rest.len().min((step - moved) as usize));
            out.write(piece).await?;
            moved += piece.len() as u32;
            if moved == step {
                moved = 0;
                sleep(pause).await;
            }
        }
    }
    Ok(())
}

weir_streaming::export!(Throttle);

#[cfg(test)]
mod tests {
    use super::*;
    use weir_streaming::testing;

    #[test]
    fn what_comes_is_what_goes() {
        let rate = NonZeroU32::new(60);
        let Action::NextWith(body) = slowed(Some(testing::body(["one", "two three"], None)), rate) else {
            panic!("it is not slowed");
        };
        assert_eq!(testing::whole(body), (b"onetwo three".to_vec(), Ok(None)));
        assert!(matches!(slowed(Some(testing::body(["one"], None)), None), Action::Next));
    }
}
