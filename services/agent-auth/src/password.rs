//! Passwords: making one up, judging a chosen one, hashing.

use crate::AgentAuthError;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use secrecy::{ExposeSecret as _, SecretString};
use switchboard_domain::Rng;
use unicode_normalization::UnicodeNormalization as _;

/// What [`is_acceptable`] asks for.
pub(crate) const RULE: &str = "8 to 128 characters";
/// Letters and digits that nobody takes for each other.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Characters of a random password: 20 of 31 are 99 bits.
const LENGTH: usize = 20;
/// Characters between two hyphens, which are for reading only but belong to the password.
const GROUP: usize = 5;
/// Argon2id with the least that OWASP recommends: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of salt, as the PHC recommends.
const SALT: usize = 16;

/// Whether a password that somebody chose may be used.
pub(crate) fn is_acceptable(password: &SecretString) -> bool {
    (8..=128).contains(&password.expose_secret().nfc().count())
}

/// Makes up a password.
pub(crate) fn random(rng: &dyn Rng) -> SecretString {
    let mut password = String::with_capacity(LENGTH + LENGTH / GROUP);
    for at in 0..LENGTH {
        if at > 0 && at % GROUP == 0 {
            password.push('-');
        }
        let mut chance = [0_u8; 8];
        rng.fill(&mut chance);
        // 64 bits for one of 31: what is uneven about the remainder is far below one in a billion.
        let index = u64::from_le_bytes(chance) % (ALPHABET.len() as u64);
        password.push(char::from(ALPHABET[usize::try_from(index).unwrap_or(0)]));
    }
    password.into()
}

/// Hashes a password with a random salt to a PHC string. Takes tens of milliseconds, on a thread for such work.
///
/// # Errors
/// [`AgentAuthError::Hash`]; [`AgentAuthError::HashTask`] when the process ends meanwhile.
pub(crate) async fn hash(password: SecretString, rng: &dyn Rng) -> Result<SecretString, AgentAuthError> {
    let mut salt = [0_u8; SALT];
    rng.fill(&mut salt);
    tokio::task::spawn_blocking(move || {
        let params =
            Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(argon2::password_hash::Error::from)?;
        // The same characters, however a keyboard composed them, are the same password.
        let password: String = password.expose_secret().nfc().collect();
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Ok(hasher.hash_password_with_salt(password.as_bytes(), &salt)?.to_string().into())
    })
    .await?
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::PasswordVerifier as _;
    use switchboard_boot::system::SystemRng;

    #[test]
    fn random_passwords_are_long_readable_and_different() {
        let (one, other) = (random(&SystemRng), random(&SystemRng));
        let one = one.expose_secret();
        assert_ne!(one, other.expose_secret());
        let groups: Vec<&str> = one.split('-').collect();
        assert_eq!(groups.len(), 4);
        for group in groups {
            assert_eq!(group.len(), 5);
            assert!(group.bytes().all(|byte| ALPHABET.contains(&byte)), "{one}");
        }
        assert!(!ALPHABET.iter().any(|byte| b"0O1lIi".contains(byte)));
    }

    #[tokio::test]
    async fn hashes_are_argon2id_and_match_their_password_only() {
        let hash = hash("Gru\u{308}ße-123".into(), &SystemRng).await.unwrap();
        let hash = hash.expose_secret();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(Argon2::default().verify_password("Grüße-123".as_bytes(), hash).is_ok());
        assert!(Argon2::default().verify_password("grüße-123".as_bytes(), hash).is_err());
    }

    #[test]
    fn chosen_passwords_have_eight_characters_at_least() {
        for (password, acceptable) in
            [("1234567", false), ("12345678", true), ("密码密码密码密码", true), ("a\u{308}bcdefg", false)]
        {
            assert_eq!(is_acceptable(&password.into()), acceptable, "{password}");
        }
        assert!(!is_acceptable(&"x".repeat(129).into()));
    }
}
