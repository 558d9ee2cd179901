//! Random tokens, and the hashes by which they are kept. Must not know what a token is for.

use sha2::{Digest, Sha256};

/// A new random token of 256 bits, as 64 hexadecimal digits.
#[must_use]
pub fn random_token() -> String {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).expect("the kernel has random bytes after boot");
    hex::encode(bytes)
}

/// SHA-256 in hexadecimal. For random tokens a plain hash is enough: there is nothing to guess.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
