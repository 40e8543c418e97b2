//! An agent's certificate lasts for a while only; after two thirds of it, another one for a new key takes its place. What
//! is connected stays connected.

use std::{path::PathBuf, time::Duration};

use rand::Rng as _;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};
use weir_proto::v1::{RenewRequest, control_client::ControlClient};

use super::{BackOff, Identity, JoinError, Link, asked_to_wait, explain, join};

/// Between two looks at the clock: it may be set, and a machine may sleep.
const LOOK: Duration = Duration::from_secs(3600);

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps the identity in `folder` from ending.
pub struct Renewal {
    pub identity: Identity,
    pub folder: PathBuf,
    pub link: Link,
}

/// Why a certificate was not renewed.
#[derive(Debug, thiserror::Error)]
enum RenewError {
    #[error("{}", explain(.0))]
    Away(#[from] tonic::transport::Error),
    #[error("{}", explain(.0))]
    Refused(#[from] tonic::Status),
    #[error("the orchestrator gave a certificate that is none, or has ended")]
    Useless,
    #[error(transparent)]
    Own(#[from] JoinError),
}

impl RenewError {
    /// Before the next attempt, at least.
    fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused(status) => asked_to_wait(status),
            _ => None,
        }
    }
}

/// When a certificate began and when it ends, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Validity {
    begins: i64,
    ends: i64,
}

impl Renewal {
    /// For ever.
    pub async fn run(mut self) {
        let mut back_off = BackOff::default();
        loop {
            let Some(validity) = Validity::of(&self.identity.certificate_pem) else {
                return tracing::error!("the agent's certificate cannot be read: it will not be renewed");
            };
            let wait = validity.due(now());
            if !wait.is_zero() {
                // not all of a fleet at once
                let share = rand::rng().random_range(0.9..=1.0);
                sleep(wait.min(LOOK).mul_f64(share)).await;
                continue;
            }
            match self.renew().await {
                Ok(()) => {
                    back_off.reset();
                    tracing::info!("the agent's certificate was renewed");
                    // also where the clocks of this machine and the orchestrator's differ by days
                    sleep(validity.lasts() / 10).await;
                }
                Err(error) => {
                    let wait = back_off.wait_at_least(error.wait());
                    if back_off.is_first() {
                        tracing::warn!("the agent's certificate {}: it was not renewed: {error}", validity.end(now()));
                    }
                    sleep(wait).await;
                }
            }
        }
    }

    async fn renew(&mut self) -> Result<(), RenewError> {
        let channel = self.link.connect().await?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(JoinError::Key)?;
        let certificate_request = join::request_for(&key).map_err(JoinError::Key)?.into();
        let mut request = tonic::Request::new(RenewRequest { certificate_request });
        request.set_timeout(PATIENCE);
        let answer = timeout(PATIENCE, ControlClient::new(channel).renew(request)).await;
        let answer = answer.map_err(|_| tonic::Status::deadline_exceeded("no answer"))??.into_inner();
        let certificate_pem = join::chain_pem(&answer.certificate_chain)?;
        let present = Validity::of(&self.identity.certificate_pem);
        if !Validity::of(&certificate_pem).is_some_and(|renewed| renewed.is_of_use(present, now())) {
            return Err(RenewError::Useless);
        }
        let renewed = Identity { certificate_pem, key_pem: key.serialize_pem(), ..self.identity.clone() };
        // nothing that cannot be used takes the place of what can, and nobody is to hear of a key that a crash would lose
        let usable = self.link.with(&renewed)?;
        renewed.keep_pair(&self.folder)?;
        self.link.renew(usable);
        self.identity = renewed;
        Ok(())
    }
}

impl Validity {
    fn of(pem: &str) -> Option<Self> {
        let leaf = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let (_, leaf) = x509_parser::parse_x509_certificate(&leaf).ok()?;
        let validity = leaf.validity();
        Some(Self { begins: validity.not_before.timestamp(), ends: validity.not_after.timestamp() })
    }

    fn lasts(self) -> Duration {
        Duration::from_secs(u64::try_from(self.ends.saturating_sub(self.begins)).unwrap_or(0))
    }

    /// How long until two thirds are over.
    fn due(self, now: i64) -> Duration {
        let third = i64::try_from(self.lasts().as_secs() / 3).unwrap_or(i64::MAX);
        let due = self.ends.saturating_sub(third);
        Duration::from_secs(u64::try_from(due.saturating_sub(now)).unwrap_or(0))
    }

    /// In place of another. It is the orchestrator's clock that counts: by the one of this machine both may have ended.
    fn is_of_use(self, present: Option<Self>, now: i64) -> bool {
        self.ends > now || present.is_none_or(|present| self.ends > present.ends)
    }

    /// For people: what a failed renewal leads to.
    fn end(self, now: i64) -> String {
        if self.ends <= now {
            return "has ended, and the agent has to join again with another join token (--join-token)".to_owned();
        }
        match OffsetDateTime::from_unix_timestamp(self.ends) {
            Ok(when) => format!("ends at {when}"),
            Err(_) => "ends".to_owned(),
        }
    }
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_third_is_for_renewing() {
        let validity = Validity { begins: 1_000, ends: 1_900 };
        assert_eq!(validity.due(1_000), Duration::from_secs(600));
        assert_eq!(validity.due(1_599), Duration::from_secs(1));
        assert_eq!(validity.due(1_600), Duration::ZERO);
        assert_eq!(validity.due(5_000), Duration::ZERO);
        assert!(validity.end(1_899).starts_with("ends at"));
        assert!(validity.end(1_900).contains("--join-token"));
    }

    #[test]
    fn where_this_machines_clock_is_ahead_a_later_end_counts() {
        let present = Some(Validity { begins: 1_000, ends: 1_900 });
        let renewed = Validity { begins: 1_600, ends: 2_500 };
        assert!(renewed.is_of_use(present, 2_000) && renewed.is_of_use(present, 99_000));
        assert!(
            !Validity { begins: 1_000, ends: 1_900 }.is_of_use(present, 2_000),
            "no later than the one that is there"
        );
        assert!(
            Validity { begins: 500, ends: 1_400 }.is_of_use(present, 1_300),
            "the orchestrator's clock was set back"
        );
    }

    #[test]
    fn what_makes_no_sense_is_due_and_waits_for_nothing() {
        for (begins, ends) in [(i64::MAX, i64::MIN), (i64::MIN, i64::MIN), (0, -1)] {
            assert_eq!(Validity { begins, ends }.due(0), Duration::ZERO);
        }
        assert_eq!(Validity::of("no certificate"), None);
    }
}
