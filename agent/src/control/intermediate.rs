//! The agent's intermediate under the fleet's root: asked for over mTLS, and again after two thirds of its time. Without an
//! orchestrator the agent goes on until it ends, and then says why clients' TLS fails.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rand::Rng as _;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};
use weir_proto::v1::{CertifyRequest, interception_client::InterceptionClient};

use super::{BackOff, JoinError, Link, asked_to_wait, explain, join};
use crate::{
    tls::{AuthorityError, FleetFolder},
    worker::Shared,
};

/// Between two looks at the clock: it may be set, and a machine may sleep.
const LOOK: Duration = Duration::from_secs(3600);
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps the intermediate from ending.
pub struct Intermediates {
    pub shared: Arc<Shared>,
    pub data_dir: PathBuf,
    pub link: Link,
}

#[derive(Debug, thiserror::Error)]
enum CertifyError {
    #[error("{}", explain(.0))]
    Away(#[from] tonic::transport::Error),
    #[error("{}", explain(.0))]
    Refused(#[from] tonic::Status),
    #[error(transparent)]
    Chain(#[from] JoinError),
    #[error(transparent)]
    Own(#[from] AuthorityError),
}

impl CertifyError {
    /// Before the next attempt, at least.
    fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused(status) => asked_to_wait(status),
            _ => None,
        }
    }
}

impl Intermediates {
    /// For ever.
    pub async fn run(self) {
        let mut back_off = BackOff::default();
        let mut has_told_the_end = false;
        loop {
            let now = OffsetDateTime::now_utc();
            let validity = self.shared.authority.validity();
            let wait = validity.map_or(Duration::ZERO, |(begins, ends)| {
                let due = ends - (ends - begins) / 3;
                Duration::try_from(due - now).unwrap_or(Duration::ZERO)
            });
            if !wait.is_zero() {
                // not all of a fleet at once
                let share = rand::rng().random_range(0.9..=1.0);
                sleep(wait.min(LOOK).mul_f64(share)).await;
                continue;
            }
            let Err(error) = self.renew().await else {
                back_off.reset();
                has_told_the_end = false;
                tracing::info!("the agent has a new intermediate of the fleet's root");
                if let Some((begins, ends)) = self.shared.authority.validity() {
                    // also where the clocks of this machine and the orchestrator's differ by days
                    sleep(Duration::try_from((ends - begins) / 10).unwrap_or_default()).await;
                }
                continue;
            };
            let wait = back_off.wait_at_least(error.wait());
            match validity {
                Some((_, ends)) if ends <= now && !std::mem::replace(&mut has_told_the_end, true) => {
                    tracing::error!(
                        "the agent's intermediate ended at {ends} and was not renewed: TLS of clients that is to be \
                         intercepted fails until it is: {error}"
                    );
                }
                Some((_, ends)) if ends > now && back_off.is_first() => {
                    tracing::warn!("the agent's intermediate ends at {ends}, and was not renewed: {error}");
                }
                None if back_off.is_first() => {
                    tracing::warn!(
                        "no client is served before the agent has an intermediate of the fleet's root: {error}"
                    );
                }
                _ => {}
            }
            sleep(wait).await;
        }
    }

    async fn renew(&self) -> Result<(), CertifyError> {
        let folder = FleetFolder::of(&self.data_dir);
        // whoever signs by hand puts it there while the agent runs
        if self.shared.authority.reload(&folder)? {
            return Ok(());
        }
        let channel = self.link.connect().await?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(JoinError::Key)?;
        let certificate_request = join::request_for(&key).map_err(JoinError::Key)?.into();
        let mut request = tonic::Request::new(CertifyRequest { certificate_request });
        request.set_timeout(PATIENCE);
        let answer = timeout(PATIENCE, InterceptionClient::new(channel).certify(request)).await;
        let answer = answer.map_err(|_| tonic::Status::deadline_exceeded("no answer"))??.into_inner();
        let chain = join::chain_pem(&answer.certificate_chain)?;
        Ok(self.shared.authority.adopt(&folder, &chain, &key.serialize_pem())?)
    }
}
