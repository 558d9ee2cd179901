//! Whether somebody who knows the secret sent these bytes: `X-Hub-Signature-256`. Must not know what the bytes say;
//! nothing else may look at them before.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Shorter secrets can be guessed.
pub const LEAST_SECRET_BYTES: usize = 32;

/// The bytes of a SHA-256.
const DIGEST_BYTES: usize = 32;

/// Why a body is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the request is not signed: there is no X-Hub-Signature-256 header")]
    Missing,
    #[error("the signature is not `sha256=` and 64 hexadecimal digits")]
    WrongForm,
    #[error("the signature does not fit the body: the secrets differ, or something changed the body on its way")]
    WrongSignature,
}

/// Why a secret is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret of {length} bytes is too short: use at least {LEAST_SECRET_BYTES}, random ones")]
pub struct WeakSecret {
    pub length: usize,
}

/// To be asked of every secret when it is loaded.
///
/// # Errors
/// It is under 32 bytes.
pub fn check_secret(secret: &SecretString) -> Result<(), WeakSecret> {
    let length = secret.expose_secret().len();
    if length < LEAST_SECRET_BYTES { Err(WeakSecret { length }) } else { Ok(()) }
}

/// Verifies the raw body against the header's value. Any one of the secrets will do: there are two while one replaces
/// the other. How long it takes does not depend on what is wrong.
///
/// # Errors
/// The header is missing or malformed, or no secret fits.
pub fn verify(secrets: &[SecretString], header: Option<&str>, body: &[u8]) -> Result<(), SignatureError> {
    let header = header.ok_or(SignatureError::Missing)?;
    let digits = header.strip_prefix("sha256=").ok_or(SignatureError::WrongForm)?;
    let mut signature = [0; DIGEST_BYTES];
    hex::decode_to_slice(digits, &mut signature).map_err(|_| SignatureError::WrongForm)?;
    let fits = secrets.iter().fold(false, |fits, secret| fits | fits_one(secret, &signature, body));
    if fits { Ok(()) } else { Err(SignatureError::WrongSignature) }
}

fn fits_one(secret: &SecretString, signature: &[u8; DIGEST_BYTES], body: &[u8]) -> bool {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

/// The header's value for a body: what GitHub would send. For hooks that the daemon delivers to itself.
#[must_use]
pub fn sign(secret: &SecretString, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{SecretString, SignatureError, check_secret, sign, verify};

    /// The example of GitHub's documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().map(|text| SecretString::from(*text)).collect()
    }

    #[test]
    fn the_documented_example_is_accepted() {
        assert_eq!(verify(&secrets(&[SECRET]), Some(SIGNATURE), BODY), Ok(()));
        assert_eq!(sign(&SecretString::from(SECRET), BODY), SIGNATURE);
    }

    #[test]
    fn any_of_several_secrets_will_do() {
        assert_eq!(verify(&secrets(&["new", SECRET]), Some(SIGNATURE), BODY), Ok(()));
        assert_eq!(verify(&secrets(&[SECRET, "old"]), Some(SIGNATURE), BODY), Ok(()));
    }

    #[test]
    fn everything_else_is_refused() {
        let cut = &SIGNATURE[..SIGNATURE.len() - 1];
        let byte_less = &SIGNATURE[..SIGNATURE.len() - 2];
        let longer = format!("{SIGNATURE}00");
        let last_differs = format!("{byte_less}18");
        let spaced = format!("{SIGNATURE} ");
        let sha1 = SIGNATURE.replace("sha256", "sha1");
        let capital = SIGNATURE.replace("sha256", "SHA256");
        let wide = format!("sha256={}", "é".repeat(32));
        for (header, error) in [
            (None, SignatureError::Missing),
            (Some(""), SignatureError::WrongForm),
            (Some("sha256="), SignatureError::WrongForm),
            (Some(&SIGNATURE["sha256=".len()..]), SignatureError::WrongForm),
            (Some(cut), SignatureError::WrongForm),
            (Some(byte_less), SignatureError::WrongForm),
            (Some(longer.as_str()), SignatureError::WrongForm),
            (Some(spaced.as_str()), SignatureError::WrongForm),
            (Some(sha1.as_str()), SignatureError::WrongForm),
            (Some(capital.as_str()), SignatureError::WrongForm),
            (Some(wide.as_str()), SignatureError::WrongForm),
            (Some(last_differs.as_str()), SignatureError::WrongSignature),
        ] {
            assert_eq!(verify(&secrets(&[SECRET]), header, BODY), Err(error), "{header:?}");
        }
        assert_eq!(verify(&secrets(&[SECRET]), Some(SIGNATURE), b"Hello, World"), Err(SignatureError::WrongSignature));
        assert_eq!(verify(&secrets(&["other"]), Some(SIGNATURE), BODY), Err(SignatureError::WrongSignature));
        assert_eq!(verify(&[], Some(SIGNATURE), BODY), Err(SignatureError::WrongSignature));
    }

    #[test]
    fn short_secrets_are_refused() {
        check_secret(&SecretString::from("x".repeat(32))).expect("long enough");
        let error = check_secret(&SecretString::from("x".repeat(31))).expect_err("short");
        assert_eq!(error.to_string(), "a webhook secret of 31 bytes is too short: use at least 32, random ones");
    }

    proptest! {
        #[test]
        fn one_changed_bit_is_noticed(body in prop::collection::vec(any::<u8>(), 1..64), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let secret = SecretString::from("a secret");
            let header = sign(&secret, &body);
            prop_assert_eq!(verify(std::slice::from_ref(&secret), Some(&header), &body), Ok(()));
            let mut changed = body.clone();
            changed[at.index(body.len())] ^= 1 << bit;
            prop_assert_eq!(verify(&[secret], Some(&header), &changed), Err(SignatureError::WrongSignature));
        }

        #[test]
        fn any_header_is_answered(header in any::<String>(), rest in "[0-9a-fA-F]{0,70}") {
            let _ = verify(&secrets(&[SECRET]), Some(&header), BODY);
            let header = format!("sha256={rest}");
            prop_assert!(verify(&secrets(&[SECRET]), Some(&header), BODY).is_err());
        }
    }
}
