//! Certificates for the names that clients ask for. Enters: a host; leaves: TLS settings with a certificate for it, made
//! once and kept. Must not know where the authority is stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType,
    SerialNumber,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use super::AuthorityError;
use crate::target::TargetHost;

/// Names that are kept; beyond it the ones made first go.
const BOUND: usize = 4096;
/// Browsers take up to 200 days from authorities of their own choice; one day of them lies in the past, for clocks that
/// are behind.
const VALID_DAYS: i64 = 197;
/// Long before it ends, for agents that run for years.
const KEPT_FOR: Duration = Duration::from_secs(30 * 86_400);

pub(super) struct Leaves {
    issuer: Issuer<'static, KeyPair>,
    /// Shown behind each leaf, and when it ends, which no leaf outlives; none of an authority that clients trust itself.
    intermediate: Option<(CertificateDer<'static>, OffsetDateTime)>,
    /// One key for all leaves of this run: a name costs a signature, and a handshake proves as much with it.
    key: KeyPair,
    signing_key: Arc<dyn rustls::sign::SigningKey>,
    /// Sessions resume whatever their name, since the name is in the ticket.
    tickets: Arc<dyn ProducesTickets>,
    made: Mutex<HashMap<TargetHost, Leaf>>,
}

struct Leaf {
    at: Instant,
    certified: Arc<CertifiedKey>,
    /// by ALPN; two or three
    configs: Vec<(Option<Vec<u8>>, Arc<ServerConfig>)>,
}

impl Leaf {
    fn config(&self, alpn: Option<&[u8]>) -> Option<Arc<ServerConfig>> {
        self.configs.iter().find(|(of, _)| of.as_deref() == alpn).map(|(_, config)| Arc::clone(config))
    }

    fn keep(&mut self, alpn: Option<&[u8]>, config: Arc<ServerConfig>) -> Arc<ServerConfig> {
        if let Some(other) = self.config(alpn) {
            return other;
        }
        // Only h2, http/1.1 and none are frequent; whatever else clients think of is not kept.
        if self.configs.len() < 3 {
            self.configs.push((alpn.map(<[u8]>::to_vec), Arc::clone(&config)));
        }
        config
    }
}

impl Leaves {
    pub(super) fn new(
        issuer: Issuer<'static, KeyPair>,
        intermediate: Option<(CertificateDer<'static>, OffsetDateTime)>,
    ) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Leaves {
            signing_key: aws_lc_rs::sign::any_supported_type(&der)?,
            tickets: aws_lc_rs::Ticketer::new()?,
            issuer,
            intermediate,
            key,
            made: Mutex::default(),
        })
    }

    pub(super) fn server_config(
        &self,
        host: &TargetHost,
        alpn: Option<&[u8]>,
    ) -> Result<Arc<ServerConfig>, AuthorityError> {
        let certified = match self.made.lock().get(host).filter(|leaf| leaf.at.elapsed() < KEPT_FOR) {
            Some(leaf) => match leaf.config(alpn) {
                Some(config) => return Ok(config),
                None => Some(Arc::clone(&leaf.certified)),
            },
            None => None,
        };
        // Signing takes a while, in which no other worker is to wait for this one.
        let certified = match certified {
            Some(certified) => certified,
            None => {
                let above = self.intermediate.iter().map(|(certificate, _)| certificate.clone());
                let chain = std::iter::once(self.sign(host)?).chain(above).collect();
                self.keep(host, CertifiedKey::new(chain, Arc::clone(&self.signing_key)))
            }
        };
        let config = Arc::new(self.config(&certified, alpn)?);
        if let Some(leaf) = self.made.lock().get_mut(host)
            && Arc::ptr_eq(&leaf.certified, &certified)
        {
            return Ok(leaf.keep(alpn, config));
        }
        Ok(config)
    }

    /// Of two that were made at once, the first is kept, and shown to both clients.
    fn keep(&self, host: &TargetHost, certified: CertifiedKey) -> Arc<CertifiedKey> {
        let mut made = self.made.lock();
        if let Some(leaf) = made.get(host).filter(|leaf| leaf.at.elapsed() < KEPT_FOR) {
            return Arc::clone(&leaf.certified);
        }
        if made.len() >= BOUND {
            forget_oldest(&mut made);
        }
        let certified = Arc::new(certified);
        let leaf = Leaf { at: Instant::now(), certified: Arc::clone(&certified), configs: Vec::new() };
        made.insert(host.clone(), leaf);
        certified
    }

    fn config(&self, certified: &Arc<CertifiedKey>, alpn: Option<&[u8]>) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::clone(certified))));
        config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&self.tickets);
        Ok(config)
    }

    fn sign(&self, host: &TargetHost) -> Result<CertificateDer<'static>, AuthorityError> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![match host {
            TargetHost::Domain(name) => SanType::DnsName((&**name).try_into()?),
            TargetHost::V4(address) => SanType::IpAddress((*address).into()),
            TargetHost::V6(address) => SanType::IpAddress((*address).into()),
        }];
        params.distinguished_name = DistinguishedName::new();
        let name = host.to_string();
        // RFC 5280 appendix A: a common name has at most 64 characters. Clients look at the alternative name only.
        params.distinguished_name.push(DnType::CommonName, if name.len() <= 64 { &name } else { "Weir" });
        params.serial_number = Some(serial());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = OffsetDateTime::now_utc() - time::Duration::days(1);
        params.not_after = params.not_before + time::Duration::days(VALID_DAYS);
        if let Some((_, ends)) = &self.intermediate {
            params.not_after = params.not_after.min(*ends);
        }
        Ok(params.signed_by(&self.key, &self.issuer)?.der().clone())
    }
}

fn forget_oldest(made: &mut HashMap<TargetHost, Leaf>) {
    let mut ages: Vec<Instant> = made.values().map(|leaf| leaf.at).collect();
    let (_, middle, _) = ages.select_nth_unstable(BOUND / 4);
    let middle = *middle;
    made.retain(|_, leaf| leaf.at > middle);
}

/// Positive, and 126 bits of chance (RFC 5280 section 4.1.2.2): clients refuse a second certificate of the same number.
pub(super) fn serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls_pki_types::{ServerName, UnixTime};
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;
    use crate::tls::Authority;

    impl Leaves {
        pub(in crate::tls) fn count(&self) -> usize {
            self.made.lock().len()
        }
    }

    /// What a client that trusts the authority says to the certificate for `host`, if it asked for `name`.
    fn verify(authority: &Authority, host: &str, name: &str) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().unwrap().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
        let leaf = authority.with_leaves(|leaves| leaves.sign(&TargetHost::parse(host).unwrap()).unwrap());
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now()).map(|_| ())
    }

    fn authority() -> Authority {
        Authority::load_or_create(tempfile::tempdir().unwrap().path()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_leaf_is_for_its_domain_and_no_other(
            name in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?([.][a-z]([a-z0-9-]{0,20}[a-z0-9])?){0,5}[.][a-z]{2,6}",
            other in "[a-z]{1,8}[.]other",
        ) {
            let authority = AUTHORITY.get_or_init(authority);
            prop_assert_eq!(verify(authority, &name, &name), Ok(()));
            prop_assert!(verify(authority, &name, &other).is_err());
            let stranger = STRANGER.get_or_init(self::authority);
            let leaf = authority.with_leaves(|leaves| leaves.sign(&TargetHost::parse(&name).unwrap()).unwrap());
            let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
            let (_, ca) = X509Certificate::from_der(authority.certificate().unwrap()).unwrap();
            let (_, not_ca) = X509Certificate::from_der(stranger.certificate().unwrap()).unwrap();
            prop_assert!(leaf.verify_signature(Some(ca.public_key())).is_ok());
            prop_assert!(leaf.verify_signature(Some(not_ca.public_key())).is_err());
            let days = leaf.validity().not_after.timestamp() - leaf.validity().not_before.timestamp();
            prop_assert!(days <= 197 * 86_400);
        }

        #[test]
        fn a_leaf_is_for_its_address(v4: [u8; 4], v6: [u8; 16]) {
            let authority = AUTHORITY.get_or_init(authority);
            let v4 = std::net::Ipv4Addr::from(v4).to_string();
            prop_assert_eq!(verify(authority, &v4, &v4), Ok(()));
            let v6 = std::net::Ipv6Addr::from(v6);
            if v6.to_ipv4_mapped().is_none() {
                prop_assert_eq!(verify(authority, &format!("[{v6}]"), &v6.to_string()), Ok(()));
            }
        }
    }

    static AUTHORITY: std::sync::OnceLock<Authority> = std::sync::OnceLock::new();
    static STRANGER: std::sync::OnceLock<Authority> = std::sync::OnceLock::new();

    #[test]
    fn names_are_kept_within_a_bound() {
        let authority = authority();
        let host = |n: usize| TargetHost::parse(&format!("h{n}.example")).unwrap();
        let first = authority.server_config(&host(0), Some(b"h2")).unwrap();
        assert!(Arc::ptr_eq(&first, &authority.server_config(&host(0), Some(b"h2")).unwrap()));
        for n in 0..BOUND + 10 {
            authority.server_config(&host(n), None).unwrap();
        }
        assert!(authority.with_leaves(Leaves::count) <= BOUND);
    }

    #[test]
    fn a_name_has_one_certificate_however_many_ask_at_once() {
        let authority = authority();
        let host = TargetHost::parse("a.example").unwrap();
        let configs: Vec<_> = std::thread::scope(|scope| {
            let ask = || authority.server_config(&host, Some(b"h2")).unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(configs.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
    }
}
