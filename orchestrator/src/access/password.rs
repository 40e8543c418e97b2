//! Passwords of people. They are few bits, so only a slow hash of them is kept (Argon2id, RFC 9106); verifying one costs tens of
//! milliseconds and 19 MiB, so few are verified at a time, and one that was right is known again for a while.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

/// Verified at a time.
const TURNS: usize = 2;
/// How long to wait for one's turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a password that was right is known again.
const KNOWN: Duration = Duration::from_secs(60);
/// Of them at a time.
const MOST_KNOWN: usize = 256;
/// Characters that a password has at least (NIST SP 800-63B section 3.1.1.2), and bytes at most.
const SHORTEST: usize = 12;
const LONGEST: usize = 1024;

/// Why a password was not taken or not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("a password has at least {SHORTEST} characters and at most {LONGEST} bytes")]
    Length,
    #[error("too many passwords are being tried")]
    Busy,
    #[error("the password cannot be hashed")]
    Hash,
}

/// Looks at passwords.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    /// SHA-256 of what was kept and what was given, and when it was found right.
    known: Mutex<HashMap<[u8; 32], Instant>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(TURNS)), known: Mutex::default() }
    }
}

impl Passwords {
    /// What is kept of a new one.
    pub(crate) async fn hash(&self, password: String) -> Result<String, PasswordError> {
        if password.chars().count() < SHORTEST || password.len() > LONGEST {
            return Err(PasswordError::Length);
        }
        self.in_turn(move || {
            let mut salt = [0; 16];
            rand::fill(&mut salt[..]);
            let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|_| PasswordError::Hash)
        })
        .await?
    }

    /// Is it the one? `kept` is none where there is no such user, which takes as long.
    pub(crate) async fn is_right(&self, kept: Option<String>, given: String) -> Result<bool, PasswordError> {
        if given.len() > LONGEST {
            return Ok(false);
        }
        let is_user = kept.is_some();
        if self.is_known(kept.as_deref(), &given) {
            return Ok(is_user);
        }
        let digest = digest(kept.as_deref(), &given);
        let kept = kept.unwrap_or_else(|| NOBODY.to_owned());
        let right = self.in_turn(move || Argon2::default().verify_password(given.as_bytes(), kept.as_str()).is_ok());
        let right = right.await? && is_user;
        if right {
            let mut known = self.known.lock();
            known.retain(|_, at| at.elapsed() < KNOWN);
            if known.len() < MOST_KNOWN {
                known.insert(digest, Instant::now());
            }
        }
        Ok(right)
    }

    /// Was it right a moment ago?
    pub(crate) fn is_known(&self, kept: Option<&str>, given: &str) -> bool {
        self.known.lock().get(&digest(kept, given)).is_some_and(|at| at.elapsed() < KNOWN)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Busy)?;
        let work = move || {
            // The thread has the turn: whoever asked may hang up meanwhile.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| PasswordError::Hash)
    }
}

fn digest(kept: Option<&str>, given: &str) -> [u8; 32] {
    let kept = kept.unwrap_or(NOBODY);
    let mut digest = Sha256::new();
    digest.update((kept.len() as u64).to_be_bytes());
    digest.update(kept);
    digest.update(given);
    digest.finalize().into()
}

/// The hash of a password that nobody has, with the parameters of the others.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGF0IGFsbCE$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAcjArZzRpRfd0gw";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_one_is_right() {
        let passwords = Passwords::default();
        let kept = passwords.hash("correct horse battery".to_owned()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        for _ in 0..2 {
            assert_eq!(passwords.is_right(Some(kept.clone()), "correct horse battery".to_owned()).await, Ok(true));
            assert_eq!(passwords.is_right(Some(kept.clone()), "correct horse batterz".to_owned()).await, Ok(false));
            assert_eq!(passwords.is_right(None, "correct horse battery".to_owned()).await, Ok(false));
        }
        assert_eq!(passwords.known.lock().len(), 1);
        assert!(argon2::password_hash::phc::PasswordHash::new(NOBODY).is_ok(), "it takes as long as the others");
    }

    #[tokio::test]
    async fn a_password_has_a_length() {
        let passwords = Passwords::default();
        for password in ["", "short", &"x".repeat(LONGEST + 1)] {
            assert_eq!(passwords.hash(password.to_owned()).await, Err(PasswordError::Length));
        }
        let kept = passwords.hash("ż".repeat(SHORTEST)).await.unwrap();
        assert_eq!(passwords.is_right(Some(kept), "x".repeat(LONGEST + 1)).await, Ok(false));
    }
}
