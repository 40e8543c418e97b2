//! Hashes of passwords, in the forms in which tools write them.

use base64::{
    Engine as _,
    alphabet::{BCRYPT, STANDARD},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// A hash, and how it was made.
pub(crate) enum Hash {
    /// `$pbkdf2-sha256$i=ROUNDS$SALT$HASH` (PHC string format), or passlib's form of it
    Pbkdf2 { rounds: u32, salt: Vec<u8>, hash: [u8; 32] },
    /// `$2y$COST$…`, as `htpasswd -B` writes it
    Bcrypt { cost: u32, salt: [u8; 16], hash: [u8; 23] },
}

/// Rounds that a hook can be asked for at all; 50 ms of CPU time are enough for far less (see the README).
const MOST_ROUNDS: u32 = 1_000_000;
const FEWEST_ROUNDS: u32 = 1_000;
const COSTS: std::ops::RangeInclusive<u32> = 4..=12;

/// Bytes of a password that bcrypt looks at, less the zero behind it. What is longer is wrong rather than cut.
const BCRYPT_LONGEST: usize = 71;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64_OF_BCRYPT: GeneralPurpose = GeneralPurpose::new(&BCRYPT, LENIENT);

impl Hash {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('$').collect();
        match parts[..] {
            ["", "pbkdf2-sha256", rounds, salt, hash] => pbkdf2(rounds, salt, hash),
            ["", "2a" | "2b" | "2y", cost, rest] => bcrypt(cost, rest),
            _ => Err("no hash that is known here: `$pbkdf2-sha256$i=…` or `$2y$…` (`htpasswd -nB NAME`)".to_owned()),
        }
    }

    /// Takes as long whether it is the password or not.
    pub(crate) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Pbkdf2 { rounds, salt, hash } => {
                let mut made = [0; 32];
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, *rounds, &mut made);
                made.ct_eq(hash).into()
            }
            Self::Bcrypt { cost, salt, hash } => {
                let is_whole = password.len() <= BCRYPT_LONGEST && !password.contains(&0);
                let mut key = password[..password.len().min(BCRYPT_LONGEST)].to_vec();
                key.push(0);
                let made = ::bcrypt::bcrypt(*cost, *salt, &key);
                is_whole & bool::from(made[..23].ct_eq(hash))
            }
        }
    }
}

/// A hash is a secret of its own: it can be guessed at.
impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pbkdf2 { .. } => "Pbkdf2",
            Self::Bcrypt { .. } => "Bcrypt",
        })
    }
}

fn pbkdf2(rounds: &str, salt: &str, hash: &str) -> Result<Hash, String> {
    let rounds: u32 = rounds.strip_prefix("i=").unwrap_or(rounds).parse().map_err(|_| "no number of rounds")?;
    if !(FEWEST_ROUNDS..=MOST_ROUNDS).contains(&rounds) {
        return Err(format!("{rounds} rounds: {FEWEST_ROUNDS} to {MOST_ROUNDS}"));
    }
    // passlib writes `.` for `+`
    let decode = |text: &str| BASE64.decode(text.replace('.', "+")).map_err(|fault| fault.to_string());
    let (salt, hash) = (decode(salt)?, decode(hash)?);
    if salt.len() < 8 || salt.len() > 64 {
        return Err(format!("a salt of {} bytes: 8 to 64", salt.len()));
    }
    let hash = <[u8; 32]>::try_from(hash).map_err(|hash| format!("a hash of {} bytes, not 32", hash.len()))?;
    Ok(Hash::Pbkdf2 { rounds, salt, hash })
}

fn bcrypt(cost: &str, rest: &str) -> Result<Hash, String> {
    let cost: u32 = cost.parse().map_err(|_| "no cost")?;
    if !COSTS.contains(&cost) {
        return Err(format!("a cost of {cost}: {} to {}", COSTS.start(), COSTS.end()));
    }
    if rest.len() != 53 || !rest.is_ascii() {
        return Err(format!("{} characters behind the cost, not 53", rest.len()));
    }
    let (salt, hash) = rest.split_at(22);
    let decode = |text: &str| BASE64_OF_BCRYPT.decode(text).map_err(|fault| fault.to_string());
    let salt = <[u8; 16]>::try_from(decode(salt)?).map_err(|_| "no salt of 16 bytes")?;
    let hash = <[u8; 23]>::try_from(decode(hash)?).map_err(|_| "no hash of 23 bytes")?;
    Ok(Hash::Bcrypt { cost, salt, hash })
}

#[cfg(test)]
mod tests {
    use super::Hash;

    #[test]
    fn vectors() {
        for (password, hash) in [
            // jBCrypt's
            ("", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
            ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
            // made with Python's hashlib
            ("open sesame", SESAME),
            ("open sesame", &SESAME.replace("i=", "").replace('+', ".")),
        ] {
            let parsed = Hash::parse(hash).unwrap();
            assert!(parsed.verify(password.as_bytes()), "{hash}");
            assert!(!parsed.verify(b"other") && !parsed.verify(&[b'a'; 100]) && !parsed.verify(b"a\0b"), "{hash}");
        }
    }

    const SESAME: &str = "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$Mqp8wAsrOsjVEIymTD0kATxTpTf4f+0ZMgQPDlukk/w";

    #[test]
    fn what_is_no_hash_is_a_fault() {
        for text in [
            "",
            "secret",
            "$1$abc$def",
            "$apr1$a$b",
            "$2y$31$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
            "$2y$06$m0CrhHm10qJ3lXRY",
            "$pbkdf2-sha256$i=1$MDEyMzQ1Njc4OWFiY2RlZg$AAAA",
            "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$AAAA",
            "$pbkdf2-sha256$i=1000$MDE$AAAA",
            "$pbkdf2-sha256$i=9999999$MDEyMzQ1Njc4OWFiY2RlZg$AAAA",
        ] {
            assert!(Hash::parse(text).is_err(), "{text}");
        }
    }
}
