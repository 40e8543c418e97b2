//! Tokens: 256 random bits as text. Only their SHA-256 is kept, which is as good as the token for comparing and
//! worthless for showing; a slow hash is for secrets that people choose.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub(crate) type TokenHash = [u8; 32];

const ADMIN: &str = "weir-admin-";
const ACCESS: &str = "weir-token-";
const JOIN: &str = "weir-once-";

/// A new admin token.
pub(crate) fn admin() -> String {
    random(ADMIN)
}

/// A new token for a program.
pub(crate) fn access() -> String {
    random(ACCESS)
}

/// A new join token.
pub(crate) fn join() -> String {
    random(JOIN)
}

fn random(prefix: &str) -> String {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes[..]);
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a token.
pub(crate) fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.trim()).into()
}

/// Takes the same time wherever the two differ.
pub(crate) fn same(a: &TokenHash, b: &TokenHash) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_only_the_same_is_the_same() {
        let (one, two) = (admin(), admin());
        assert_ne!(one, two);
        assert!(same(&hash(&one), &hash(&format!("{one}\n"))));
        assert!(!same(&hash(&one), &hash(&two)));
    }
}
