//! Random numbers, of a generator fit for cryptography. The publication has to grant `random`.

use crate::imports;

/// So many random bytes; 4096 at most, more traps.
pub fn bytes(count: u32) -> Vec<u8> {
    imports::random_bytes(count)
}

/// A random number, each as likely as any other.
pub fn number() -> u32 {
    imports::random_number()
}
