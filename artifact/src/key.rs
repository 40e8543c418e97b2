//! Publisher keys (Ed25519, RFC 8032) and the proof that a trusted one signed a statement.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

use crate::{Digest, Endorsement, GroupName, Refusal, Statement, StatementError, statement::MAX_STATEMENT_BYTES};

/// Set before the signed bytes, so that a signature made for anything else never fits.
const DOMAIN: &[u8] = b"weir statement v1\n";
const PUBLIC_PREFIX: &str = "weir-publisher-key:";
const SECRET_PREFIX: &str = "weir-publisher-secret-key:";

/// Names a publisher key: the first 16 hex digits of its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KeyId(String);

/// Length of an id in characters.
const ID_LEN: usize = 16;

impl KeyId {
    /// An id as it came in, trusted for nothing but looking a key up. It is shown in errors and logs, so what can be no
    /// id is made harmless, and stays no id.
    pub fn claimed(text: &str) -> Self {
        let shown = text.chars().take(ID_LEN).flat_map(char::escape_debug);
        let cut = text.chars().nth(ID_LEN).map(|_| '…');
        Self(shown.chain(cut).collect())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::claimed(&String::deserialize(deserializer)?))
    }
}

/// Why a statement is not taken as its publisher's.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// No signature at all.
    #[error("the statement is not signed")]
    Unsigned,
    /// The key is not one that this agent trusts.
    #[error("signed by key {0}, which is not trusted here")]
    UnknownKey(KeyId),
    /// The key did not sign these bytes.
    #[error("the signature of key {0} does not fit: the statement was altered, or the key is another's")]
    Mismatch(KeyId),
    /// Not a key in text form.
    #[error("not a {0}")]
    NotAKey(&'static str),
    /// Signed, but not a statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

/// A publisher's public key.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustedKey(VerifyingKey);

impl TrustedKey {
    /// The key's name.
    pub fn id(&self) -> KeyId {
        KeyId(Digest::of(self.0.as_bytes()).hex()[..ID_LEN].to_owned())
    }

    /// One line of text, as in `NAME.pub`.
    pub fn to_text(&self) -> String {
        format!("{PUBLIC_PREFIX}{}", BASE64.encode(self.0.as_bytes()))
    }

    /// Reads the line of [`Self::to_text`].
    ///
    /// # Errors
    /// The text is no public key.
    pub fn from_text(text: &str) -> Result<Self, SignatureError> {
        let bytes = decode(text, PUBLIC_PREFIX).ok_or(SignatureError::NotAKey("publisher's public key"))?;
        VerifyingKey::from_bytes(&bytes)
            .ok()
            .filter(|key| !key.is_weak())
            .map(Self)
            .ok_or(SignatureError::NotAKey("publisher's public key"))
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedKey({})", self.id())
    }
}

impl Serialize for TrustedKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for TrustedKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_text(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A publisher's secret key. Erased from memory when dropped.
pub struct PublisherKey(SigningKey);

impl PublisherKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Self {
        let mut seed = Zeroizing::new([0u8; 32]);
        rand::fill(&mut seed[..]);
        Self(SigningKey::from_bytes(&seed))
    }

    /// What agents are given.
    pub fn public(&self) -> TrustedKey {
        TrustedKey(self.0.verifying_key())
    }

    /// One line of text, for a file that only its owner may read.
    pub fn to_text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(self.0.to_bytes());
        let encoded = Zeroizing::new(BASE64.encode(&seed[..]));
        Zeroizing::new(format!("{SECRET_PREFIX}{}", encoded.as_str()))
    }

    /// Reads the line of [`Self::to_text`].
    ///
    /// # Errors
    /// The text is no secret key.
    pub fn from_text(text: &str) -> Result<Self, SignatureError> {
        let seed = decode(text, SECRET_PREFIX).ok_or(SignatureError::NotAKey("publisher's secret key"))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Signs a statement.
    pub fn sign(&self, statement: &Statement) -> Envelope {
        let statement = statement.to_bytes();
        let signature = self.0.sign(&[DOMAIN, &statement].concat()).to_bytes().to_vec();
        Envelope { statement, signature, key_id: self.public().id() }
    }
}

impl fmt::Debug for PublisherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublisherKey({})", self.public().id())
    }
}

fn decode(text: &str, prefix: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(BASE64.decode(text.trim().strip_prefix(prefix)?).ok()?);
    <[u8; 32]>::try_from(&bytes[..]).ok().map(Zeroizing::new)
}

/// A statement as it travels: bytes that nobody has looked into yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// JSON of a [`Statement`].
    pub statement: Vec<u8>,
    /// Ed25519, 64 bytes.
    pub signature: Vec<u8>,
    /// The key that is said to have signed.
    pub key_id: KeyId,
}

/// A statement that a trusted key signed. [`TrustedKeys::open`] is the only way to one.
#[derive(Debug, Clone)]
pub struct Signed {
    statement: Statement,
    key_id: KeyId,
    digest: Digest,
}

impl Signed {
    /// What was said.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Who said it.
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Of the statement's bytes: two statements are the same one only if this is.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// The publisher keys that an agent, or a person at a command line, trusts.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(BTreeMap<KeyId, TrustedKey>);

impl TrustedKeys {
    /// Trusts these keys.
    pub fn new(keys: impl IntoIterator<Item = TrustedKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.id(), key)).collect())
    }

    /// Verifies first, parses after.
    ///
    /// # Errors
    /// The statement is unsigned, signed by a key not trusted, altered, or no statement.
    pub fn open(&self, envelope: &Envelope) -> Result<Signed, SignatureError> {
        if envelope.signature.is_empty() {
            return Err(SignatureError::Unsigned);
        }
        // Before any work is done for whoever sent it.
        if envelope.statement.len() > MAX_STATEMENT_BYTES {
            return Err(StatementError::TooLarge(envelope.statement.len()).into());
        }
        let key = self.0.get(&envelope.key_id).ok_or_else(|| SignatureError::UnknownKey(envelope.key_id.clone()))?;
        let mismatch = || SignatureError::Mismatch(envelope.key_id.clone());
        let signature = Signature::from_slice(&envelope.signature).map_err(|_| mismatch())?;
        let message = [DOMAIN, &envelope.statement].concat();
        key.0.verify_strict(&message, &signature).map_err(|_| mismatch())?;
        Ok(Signed {
            statement: Statement::parse(&envelope.statement)?,
            key_id: envelope.key_id.clone(),
            digest: Digest::of(&envelope.statement),
        })
    }

    /// Trusts a key that a trusted key vouches for, in an agent of this group at this time (seconds since the Unix
    /// epoch); true when it is new. A key that is trusted already stays so, whatever the time.
    ///
    /// # Errors
    /// The endorsement is for another group, from the future, expired, or by a key that is not trusted here.
    pub fn endorse(&mut self, signed: &Signed, ours: &GroupName, now: u64) -> Result<bool, Refusal> {
        let Statement::Endorse(Endorsement { key, key_id, expires, .. }) = signed.statement() else { return Ok(false) };
        signed.statement().check_reach(ours, now)?;
        if !self.contains(signed.key_id()) {
            return Err(Refusal::Endorser(signed.key_id().clone()));
        }
        // An id is short enough to be made to collide: never in place of a key that is there.
        if self.contains(key_id) {
            return Ok(false);
        }
        if *expires <= now {
            return Err(Refusal::Expired(*expires));
        }
        self.0.insert(key.id(), key.clone());
        Ok(true)
    }

    /// Is a key of this id trusted?
    pub fn contains(&self, id: &KeyId) -> bool {
        self.0.contains_key(id)
    }

    /// The keys, by id.
    pub fn iter(&self) -> impl Iterator<Item = &TrustedKey> {
        self.0.values()
    }

    /// No key is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
