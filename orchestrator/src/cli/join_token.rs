//! `orchestrator join-token`: the orchestrator's one-time token and CA, put together with the publisher keys of this
//! machine. So the orchestrator has no say in whose filters the agent will trust.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use weir_artifact::{GroupName, JoinToken};

use super::{client::Connect, failure::Failure, keys::KeyDir, output, units};

/// Print a line that lets one agent join: `agent run --orchestrator URL --join-token LINE`
///
/// The agent will trust the keys of the key folder: one's own and every other .pub file there.
#[derive(Debug, Args)]
#[command(name = "join-token")]
pub(crate) struct JoinTokenArgs {
    /// Group that the agent joins
    #[arg(long, value_name = "GROUP", default_value_t)]
    group: GroupName,
    /// How long it can be used [default: as the server says]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    expires_in: Option<Duration>,
    #[command(flatten)]
    dir: KeyDir,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Deserialize)]
struct Made {
    token: String,
    ca: String,
    group: String,
}

impl JoinTokenArgs {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let own = self.dir.secret()?.public();
        let others = self.dir.public()?.into_iter().map(|(_, key)| key);
        let publishers: BTreeMap<_, _> = others.chain([own]).map(|key| (key.id(), key)).collect();
        let mut asked = json!({"group": self.group});
        if let Some(expires_in) = self.expires_in {
            asked["expires_in_s"] = expires_in.as_secs().into();
        }
        let made: Made = self.connect.client()?.post(&["join-tokens"], &asked).await?;
        let fault = |reason: &str| Failure::Answer { asked: "POST /api/v1/join-tokens".into(), reason: reason.into() };
        if made.group != self.group.as_str() {
            return Err(fault("the token is for another group"));
        }
        let token = JoinToken {
            token: made.token,
            ca: BASE64.decode(made.ca).map_err(|_| fault("the CA certificate is not base64"))?,
            group: self.group,
            publishers: publishers.into_values().collect(),
        };
        Ok(output::say(token.to_text())?)
    }
}
