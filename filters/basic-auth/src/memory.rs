//! What was verified before. Nothing in it is a password: credentials are kept as a digest under a random key that dies
//! with the instance. Bounded: one digest a user, and the last few that were wrong.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use weir_sdk::random;

use crate::credentials::Credentials;

type Digest = [u8; 32];

/// Wrong credentials that are remembered: clients that were not told of a new password ask again and again.
const WRONG: usize = 64;

pub(crate) struct Memory {
    key: Option<[u8; 32]>,
    right: Vec<Option<Digest>>,
    wrong: Vec<Digest>,
    next_wrong: usize,
}

impl Memory {
    pub(crate) fn new(users: usize) -> Self {
        Self { key: None, right: vec![None; users], wrong: Vec::new(), next_wrong: 0 }
    }

    pub(crate) fn digest(&mut self, credentials: &Credentials) -> Digest {
        let key = self.key.get_or_insert_with(|| {
            let mut key = [0; 32];
            key.iter_mut().zip(random::bytes(32)).for_each(|(byte, random)| *byte = random);
            key
        });
        let mut mac = <Hmac<Sha256>>::new_from_slice(key).expect("HMAC takes keys of any length");
        // A name has no colon, so the two cannot be cut elsewhere.
        mac.update(credentials.user.as_bytes());
        mac.update(b":");
        mac.update(&credentials.password);
        mac.finalize().into_bytes().into()
    }

    /// What came of these credentials before.
    pub(crate) fn recall(&self, user: Option<usize>, seen: &Digest) -> Option<bool> {
        let right = user.and_then(|user| self.right.get(user)).and_then(Option::as_ref);
        if right.is_some_and(|known| known.ct_eq(seen).into()) {
            return Some(true);
        }
        self.wrong.iter().any(|known| known.ct_eq(seen).into()).then_some(false)
    }

    pub(crate) fn keep(&mut self, user: Option<usize>, seen: Digest, is_right: bool) {
        if is_right {
            if let Some(known) = user.and_then(|user| self.right.get_mut(user)) {
                *known = Some(seen);
            }
        } else if self.wrong.len() < WRONG {
            self.wrong.push(seen);
        } else {
            self.wrong[self.next_wrong] = seen;
            self.next_wrong = (self.next_wrong + 1) % WRONG;
        }
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("users", &self.right.len()).finish_non_exhaustive()
    }
}
