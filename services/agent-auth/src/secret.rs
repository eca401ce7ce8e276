//! Secrets that this service hands out: 256 random bits as text, kept as a hash only. Being long and random they need no
//! slow hash.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use switchboard_domain::Rng;

/// Bytes of a secret.
const BYTES: usize = 32;
/// What a refresh token begins with: scanners find leaked ones by it, and none passes for another kind of token.
const REFRESH: &str = "rt_";

/// 256 random bits in base64url.
pub(crate) fn random(rng: &dyn Rng) -> SecretString {
    let mut chance = [0_u8; BYTES];
    rng.fill(&mut chance);
    URL_SAFE_NO_PAD.encode(chance).into()
}

/// The first refresh token of a login.
pub(crate) fn refresh_token(rng: &dyn Rng) -> SecretString {
    format!("{REFRESH}{}", random(rng).expose_secret()).into()
}

/// The refresh token that follows `token` in the family: always the same one, known to nobody without the key.
pub(crate) fn successor(family_key: &SecretString, token: &SecretString) -> SecretString {
    let key = hmac::Key::new(hmac::HMAC_SHA256, family_key.expose_secret().as_bytes());
    let tag = hmac::sign(&key, token.expose_secret().as_bytes());
    format!("{REFRESH}{}", URL_SAFE_NO_PAD.encode(tag)).into()
}

/// The secret that follows from an idempotency key: always the same one, known to nobody without the salt and the key.
pub(crate) fn derived(salt: &SecretString, key: &str) -> SecretString {
    let salt = hmac::Key::new(hmac::HMAC_SHA256, salt.expose_secret().as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&salt, key.as_bytes())).into()
}

/// Whether a text has the form of a refresh token.
pub(crate) fn is_refresh_token(text: &str) -> bool {
    text.strip_prefix(REFRESH).is_some_and(is_secret)
}

/// Whether a text has the form of [`random`].
pub(crate) fn is_secret(text: &str) -> bool {
    text.len() == BYTES.saturating_mul(8).div_ceil(6)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What is kept of a secret: SHA-256 in hexadecimal.
pub(crate) fn fingerprint(secret: &str) -> String {
    switchboard_db::audit::digest(secret)
}

/// Compares in a time that does not depend on where texts differ.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_boot::system::SystemRng;

    #[test]
    fn successors_follow_from_the_key_and_the_token() {
        let (key, other) = (random(&SystemRng), random(&SystemRng));
        let token = refresh_token(&SystemRng);
        let next = successor(&key, &token);
        assert_eq!(next.expose_secret(), successor(&key, &token).expose_secret());
        assert_ne!(next.expose_secret(), successor(&other, &token).expose_secret());
        assert_ne!(next.expose_secret(), successor(&key, &next).expose_secret());
        for token in [&token, &next] {
            assert!(is_refresh_token(token.expose_secret()), "{}", token.expose_secret());
        }
        for bad in ["", "rt_", key.expose_secret(), "rt_eyJhbGciOiJFZERTQSJ9.e30.c2ln", "RT_"] {
            assert!(!is_refresh_token(bad), "{bad}");
        }
    }
}
