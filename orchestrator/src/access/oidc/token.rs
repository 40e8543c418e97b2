//! A signed token taken apart (RFC 7515, RFC 7519) and held against a key and this clock. Pure; the arithmetic of signatures is
//! aws-lc's. The header says which algorithm, but only a public key whose kind and curve fit it is ever tried.

use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Clocks differ, in seconds.
const SKEW_S: f64 = 60.0;
/// Longest token that is looked at, in bytes.
const LONGEST: usize = 16 << 10;

/// What signs with a private key. Whoever has the public one of the issuer cannot make these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// A public key, of its one kind.
#[derive(Debug, Clone)]
pub(super) enum PublicKey {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Not looked into yet but for what its header says.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }

    /// With keys of 2048 bits or more.
    fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::EdDsa => return None,
        })
    }
}

impl PublicKey {
    /// May a token that names this algorithm be signed with it?
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa(_) => algorithm.rsa().is_some(),
            Self::P256(_) => algorithm == Algorithm::Es256,
            Self::P384(_) => algorithm == Algorithm::Es384,
            Self::Ed25519(_) => algorithm == Algorithm::EdDsa,
        }
    }

    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (self, algorithm) {
            (Self::Rsa(key), _) => match algorithm.rsa() {
                Some(parameters) => key.verify(parameters, message, signature),
                None => return false,
            },
            (Self::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Self::P384(point), Algorithm::Es384) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            (Self::Ed25519(key), Algorithm::EdDsa) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            _ => return false,
        };
        verified.is_ok()
    }
}

impl<'a> Unverified<'a> {
    /// Three parts, the first of which can be understood.
    pub(super) fn read(token: &'a str) -> Result<Self, &'static str> {
        if token.len() > LONGEST {
            return Err("is longer than any that is looked at");
        }
        const UNREADABLE: &str = "cannot be read";
        let (signed, signature) = token.rsplit_once('.').ok_or(UNREADABLE)?;
        let (header, claims) = signed.split_once('.').ok_or(UNREADABLE)?;
        let header: Header = part(header).ok_or(UNREADABLE)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| UNREADABLE)?;
        let taken = "is signed with an algorithm that is not taken: RS, PS or ES with SHA-2, or EdDSA";
        let algorithm = Algorithm::named(&header.alg).ok_or(taken)?;
        // RFC 7515 section 4.1.11: what has to be understood is not.
        if header.crit.is_some() {
            return Err("asks for an extension that is not known (`crit`)");
        }
        Ok(Self { algorithm, key_id: header.kid, signed, claims, signature })
    }

    /// What it claims, if this is the key that it is signed with.
    pub(super) fn claims(&self, key: &PublicKey) -> Option<Map<String, Value>> {
        let right = key.verifies(self.algorithm, self.signed.as_bytes(), &self.signature);
        right.then(|| part(self.claims)).flatten()
    }
}

fn part<T: for<'a> Deserialize<'a>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// Whether it is of this issuer, for one of these, and in its time (RFC 7519 section 4.1).
pub(super) fn check(
    claims: &Map<String, Value>,
    issuer: &str,
    audiences: &[String],
    now_s: f64,
) -> Result<(), &'static str> {
    const MISSING: &str = "lacks one of `exp`, `iss`, `aud` and `sub`";
    let named = |name: &str| claims.get(name).filter(|value| !value.is_null()).ok_or(MISSING);
    let time = |value: &Value| value.as_f64().filter(|time| time.is_finite()).ok_or("has a time that is no number");
    let (expires, from) = (time(named("exp")?)?, named("iss")?);
    named("sub")?;
    // Issuers differ in whether they end with a slash.
    if from.as_str().map(|from| from.trim_end_matches('/')) != Some(issuer.trim_end_matches('/')) {
        return Err("is of another issuer");
    }
    let ours = |value: &Value| value.as_str().is_some_and(|name| audiences.iter().any(|audience| audience == name));
    let for_us = match named("aud")? {
        Value::Array(all) => all.iter().any(ours),
        one => ours(one),
    };
    if !for_us {
        return Err("is for somebody else (`aud`)");
    }
    if expires + SKEW_S <= now_s {
        return Err("has expired");
    }
    match claims.get("nbf").map(time).transpose()? {
        Some(begins) if begins - SKEW_S > now_s => Err("does not count yet (`nbf`): do the clocks agree?"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7515, appendices A.2 and A.3, and RFC 8037, appendix A.4.
    #[test]
    fn the_examples_of_the_standards() {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let point = [
            vec![4],
            bytes("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
            bytes("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
        ];
        let es256 = PublicKey::P256(point.concat());
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let read = Unverified::read(token).unwrap();
        assert_eq!(read.algorithm, Algorithm::Es256);
        assert_eq!(read.claims(&es256).unwrap()["iss"], "joe");
        let ed25519 = PublicKey::Ed25519(bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
        assert!(read.claims(&ed25519).is_none());
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let read = Unverified::read(token).unwrap();
        assert!(ed25519.verifies(read.algorithm, read.signed.as_bytes(), &read.signature));
        // it signs a text, which makes no claims
        assert!(read.claims(&ed25519).is_none());
    }

    #[test]
    fn claims_in_their_time() {
        let good = json!({"iss": "https://a/", "aud": "w", "sub": "1", "exp": 1000, "nbf": 900});
        let with = |name: &str, value: Value| {
            let mut claims = good.as_object().unwrap().clone();
            claims.insert(name.to_owned(), value);
            check(&claims, "https://a", &["w".to_owned()], 950.0)
        };
        assert_eq!(with("x", json!(1)), Ok(()));
        assert_eq!(with("exp", json!(890.5)), Ok(()));
        assert_eq!(with("nbf", json!(1010)), Ok(()));
        for (name, value) in [
            ("exp", json!(890)),
            ("exp", json!("1000")),
            ("exp", json!(null)),
            ("nbf", json!(1011)),
            ("nbf", json!("x")),
            ("iss", json!("https://a.b")),
            ("iss", json!(["https://a"])),
            ("aud", json!("W")),
            ("aud", json!([])),
            ("aud", json!({"w": 1})),
            ("sub", json!(null)),
        ] {
            assert!(with(name, value.clone()).is_err(), "{name} {value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}", parts in proptest::collection::vec("[A-Za-z0-9_-]{0,60}", 0..5)) {
            let keys = [PublicKey::P256(vec![4; 65]), PublicKey::Ed25519(vec![1; 32]), PublicKey::Rsa(RsaPublicKeyComponents { n: vec![1; 256], e: vec![1, 0, 1] })];
            for token in [text, parts.join("."), format!("eyJhbGciOiJFUzI1NiJ9.{}", parts.join("."))] {
                if let Ok(read) = Unverified::read(&token) {
                    for key in &keys {
                        prop_assert!(read.claims(key).is_none());
                    }
                }
            }
        }
    }
}
