//! One public or shared key, and the one algorithm that it verifies. The key decides: what a token says of its algorithm is
//! held against it and never followed (RFC 8725 section 3.1).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::VerifyingKey as EdwardsKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::ecdsa::{Signature, VerifyingKey as CurveKey, signature::Verifier as _};
use rsa::{BoxedUint, PublicKey as RsaKey};
use serde_json::Value;
use sha2::Sha256;

/// Bits of an RSA modulus: RFC 7518 section 3.3 asks for 2048; more than 4096 takes a hook too long.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// Bytes of a shared secret (RFC 7518 section 3.2).
const SECRET_BYTES: usize = 32;

pub(crate) enum Key {
    Rs256(Box<RsaKey>),
    Es256(Box<CurveKey>),
    EdDsa(Box<EdwardsKey>),
    Hs256(Vec<u8>),
}

impl Key {
    /// RFC 7518 section 6, RFC 8037. None: a key for something else, which stands in the sets of many issuers.
    pub(crate) fn parse(jwk: &Value) -> Result<Option<Self>, String> {
        let text = |name: &str| jwk[name].as_str();
        if text("use").is_some_and(|use_| use_ != "sig") {
            return Ok(None);
        }
        if jwk["key_ops"].as_array().is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
            return Ok(None);
        }
        let key = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => rsa(jwk)?,
            (Some("EC"), Some("P-256")) => {
                let mut point = vec![4];
                point.extend(bytes(jwk, "x", 32)?);
                point.extend(bytes(jwk, "y", 32)?);
                let key = CurveKey::from_sec1_bytes(&point).map_err(|_| "`x` and `y` are no point of P-256")?;
                Self::Es256(Box::new(key))
            }
            (Some("OKP"), Some("Ed25519")) => {
                let point = <[u8; 32]>::try_from(bytes(jwk, "x", 32)?).map_err(|_| "`x` has not 32 bytes")?;
                let key = EdwardsKey::from_bytes(&point).map_err(|_| "`x` is no point of Ed25519")?;
                if key.is_weak() {
                    return Err("anybody can sign for this key".to_owned());
                }
                Self::EdDsa(Box::new(key))
            }
            (Some("oct"), _) => {
                let secret = decode(jwk, "k")?;
                if secret.len() < SECRET_BYTES {
                    return Err(format!("a secret of {} bytes can be guessed: {SECRET_BYTES} at least", secret.len()));
                }
                Self::Hs256(secret)
            }
            (Some(_), _) => return Ok(None),
            (None, _) => return Err("no key: `kty` is missing".to_owned()),
        };
        // A set lists keys for other algorithms, too.
        Ok(Some(key).filter(|key| text("alg").is_none_or(|alg| alg == key.algorithm())))
    }

    /// RFC 7518 section 3.1, RFC 8037 section 3.1.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
            Self::Hs256(_) => "HS256",
        }
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rs256(key) => key.pkcs1v15_verify::<Sha256>(message, signature).is_ok(),
            Self::Es256(key) => {
                Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            Self::EdDsa(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Self::Hs256(secret) => {
                let mut mac = <Hmac<Sha256>>::new_from_slice(secret).expect("HMAC takes keys of any length");
                mac.update(message);
                mac.verify_slice(signature).is_ok()
            }
        }
    }
}

/// A shared key is a secret.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.algorithm())
    }
}

fn rsa(jwk: &Value) -> Result<Key, String> {
    let (n, e) = (decode(jwk, "n")?, decode(jwk, "e")?);
    if e.len() > 5 {
        return Err("an exponent of more than 33 bits".to_owned());
    }
    if n.len() > RSA_BITS.end() / 8 + 8 {
        return Err(format!("a modulus of {} bytes: at most {} bits", n.len(), RSA_BITS.end()));
    }
    let (n, e) = (BoxedUint::from_be_slice_vartime(&n), BoxedUint::from_be_slice_vartime(&e));
    let bits = usize::try_from(n.bit_width()).unwrap_or(usize::MAX);
    if !RSA_BITS.contains(&bits) {
        return Err(format!("a modulus of {bits} bits: {} to {}", RSA_BITS.start(), RSA_BITS.end()));
    }
    RsaKey::new(n, e).map(|key| Key::Rs256(Box::new(key))).map_err(|fault| fault.to_string())
}

fn bytes(jwk: &Value, name: &str, length: usize) -> Result<Vec<u8>, String> {
    let bytes = decode(jwk, name)?;
    if bytes.len() == length { Ok(bytes) } else { Err(format!("`{name}` has {} bytes, not {length}", bytes.len())) }
}

fn decode(jwk: &Value, name: &str) -> Result<Vec<u8>, String> {
    let text = jwk[name].as_str().ok_or_else(|| format!("`{name}` is missing"))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|fault| format!("`{name}` is no base64url: {fault}"))
}
