//! Passwords: making one up, judging a chosen one, hashing and comparing. Nothing here waits for anything: what takes
//! long runs on threads for such work, see `hashing.rs`.

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::phc::PasswordHash,
};
use secrecy::{ExposeSecret as _, SecretString};
use switchboard_domain::{ErrorKind, Failure, Rng};
use unicode_normalization::UnicodeNormalization as _;
use zxcvbn::{Score, zxcvbn};

/// Shortest and longest password, in characters. With a password as the only factor, NIST advises 15 at least.
const MIN: usize = 8;
const MAX: usize = 128;
/// Shortest word that is taken out of a password before what is left of it is looked at.
const WORD_MIN: usize = 3;
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
/// The password of nobody, under today's parameters: comparing with it takes as long as with somebody's.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlzIQ$\
                      bm8gcGFzc3dvcmQgaGFzaGVzIHRvIHRoaXMgdGV4dCE";
/// What attackers try first here.
const PRODUCT_WORDS: [&str; 4] = ["switchboard", "admin", "administrator", "customerservice"];

/// Which chosen passwords are accepted.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Least score of zxcvbn, 0 to 4.
    pub(crate) score_min: u8,
    /// Passwords that are refused, whatever their score; letter case does not matter.
    pub(crate) blocklist: Vec<String>,
}

/// Why a password that somebody chose is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakness {
    TooShort,
    TooLong,
    Blocked,
    Guessable,
}

/// What comparing a password found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// It is the password.
    pub(crate) is_right: bool,
    /// It should be hashed anew: parameters have changed since.
    pub(crate) is_outdated: bool,
}

impl Weakness {
    /// In one clause, for people.
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Self::TooShort => "a password has 8 characters at least",
            Self::TooLong => "a password has 128 characters at most",
            Self::Blocked => "this password is known to everybody",
            Self::Guessable => "this password is too easy to guess: use several unusual words",
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Blocked => "blocked",
            Self::Guessable => "guessable",
        }
    }
}

impl From<Weakness> for Failure {
    fn from(weakness: Weakness) -> Self {
        Self::new(ErrorKind::Invalid, "INVALID_PASSWORD", weakness.rule())
            .with("reason", weakness.as_str())
            .with("min_length", MIN)
            .with("max_length", MAX)
    }
}

impl Policy {
    /// Judges a password; `about` are names of its owner, which guessers try. Takes milliseconds, the first time tens of
    /// them: the dictionaries are unpacked then.
    ///
    /// # Errors
    /// [`Weakness`], why it is refused.
    pub(crate) fn judge(&self, password: &SecretString, about: &[String]) -> Result<(), Weakness> {
        let password = composed(password);
        let password = password.expose_secret();
        match password.chars().count() {
            ..MIN => return Err(Weakness::TooShort),
            MIN..=MAX => {}
            _ => return Err(Weakness::TooLong),
        }
        let folded = password.to_lowercase();
        if self.blocklist.iter().any(|word| word.to_lowercase() == folded) {
            return Err(Weakness::Blocked);
        }
        let words = about.iter().chain(&self.blocklist).map(String::as_str).chain(PRODUCT_WORDS);
        let words: Vec<&str> = words.flat_map(|text| text.split_whitespace().chain([text])).collect();
        if is_made_of(&folded, &words) || zxcvbn(password, &words).score() < score(self.score_min) {
            return Err(Weakness::Guessable);
        }
        Ok(())
    }
}

/// Whether little is left of a password when names and words that everybody knows are taken out.
fn is_made_of(folded: &str, words: &[&str]) -> bool {
    let words = words.iter().map(|word| word.to_lowercase()).filter(|word| word.chars().count() >= WORD_MIN);
    let rest = words.fold(folded.to_owned(), |rest, word| rest.replace(&word, ""));
    rest != folded && rest.chars().filter(|c| c.is_alphanumeric()).count() < MIN / 2
}

fn score(least: u8) -> Score {
    match least {
        0 => Score::Zero,
        1 => Score::One,
        2 => Score::Two,
        3 => Score::Three,
        _ => Score::Four,
    }
}

/// Makes up a password.
pub(crate) fn random(rng: &dyn Rng) -> SecretString {
    words(rng, LENGTH)
}

/// Makes up `length` characters in groups. Twenty are 99 bits.
pub(crate) fn words(rng: &dyn Rng, length: usize) -> SecretString {
    let mut password = String::with_capacity(length + length / GROUP);
    for at in 0..length {
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

/// The same characters, however a keyboard composed them, are the same password.
pub(crate) fn composed(password: &SecretString) -> SecretString {
    password.expose_secret().nfc().collect::<String>().into()
}

/// The salt of one hash.
pub(crate) fn salt(rng: &dyn Rng) -> [u8; SALT] {
    let mut salt = [0; SALT];
    rng.fill(&mut salt);
    salt
}

/// Hashes a password to a PHC string. Takes tens of milliseconds.
///
/// # Errors
/// What the library says.
pub(crate) fn hash(
    password: &SecretString,
    salt: &[u8; SALT],
) -> Result<SecretString, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(argon2::password_hash::Error::from)?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let password = composed(password);
    Ok(hasher.hash_password_with_salt(password.expose_secret().as_bytes(), salt)?.to_string().into())
}

/// Compares a password with a PHC string; `None`: with nobody's. Takes tens of milliseconds either way.
///
/// # Errors
/// What the library says of a hash that it cannot read.
pub(crate) fn verify(
    password: &SecretString,
    phc: Option<&SecretString>,
) -> Result<Verdict, argon2::password_hash::Error> {
    let hash = PasswordHash::new(phc.map_or(NOBODY, |phc| phc.expose_secret()))?;
    let password = composed(password);
    let matches = Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash);
    let is_right = match matches {
        Ok(()) => phc.is_some(),
        Err(argon2::password_hash::Error::PasswordInvalid) => false,
        Err(error) => return Err(error),
    };
    let params = Params::try_from(&hash).ok();
    let is_current = params.is_some_and(|params| {
        (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES)
    });
    Ok(Verdict { is_right, is_outdated: !is_current || hash.algorithm.as_str() != "argon2id" })
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn hashes_are_argon2id_and_match_their_password_only() {
        let phc = hash(&"Gru\u{308}ße-123".into(), &salt(&SystemRng)).unwrap();
        assert!(phc.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        for (password, is_right) in [("Grüße-123", true), ("grüße-123", false), ("", false)] {
            let verdict = verify(&password.into(), Some(&phc)).unwrap();
            assert_eq!(verdict, Verdict { is_right, is_outdated: false }, "{password}");
        }
        // Hashed by an older version with less effort.
        let params = Params::new(8192, 1, 1, None).unwrap();
        let old = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let old = old.hash_password_with_salt(b"Gruss-123", &[7; 16]).unwrap().to_string().into();
        let verdict = verify(&"Gruss-123".into(), Some(&old)).unwrap();
        assert_eq!(verdict, Verdict { is_right: true, is_outdated: true });
        assert!(verify(&"x".into(), Some(&"plain text".into())).is_err());
    }

    #[test]
    fn nobody_has_a_password() {
        let verdict = verify(&"".into(), None).unwrap();
        assert_eq!(verdict, Verdict { is_right: false, is_outdated: false });
    }

    #[test]
    fn chosen_passwords_are_hard_to_guess() {
        use Weakness::{Blocked, Guessable, TooLong, TooShort};
        let policy = Policy { score_min: 3, blocklist: vec!["Correct Horse Battery Staple".into()] };
        let about = ["marianne".to_owned(), "Marianne Vogelsang".to_owned()];
        let long = "vögel singen ".repeat(10);
        for (password, verdict) in [
            ("k7#pQ2!", Err(TooShort)),
            ("a\u{308}bcdefg", Err(TooShort)),
            ("password1234", Err(Guessable)),
            ("Administrator1", Err(Guessable)),
            ("switchboard2024", Err(Guessable)),
            ("marianne-vogelsang", Err(Guessable)),
            ("correct horse battery staple", Err(Blocked)),
            ("blaue Giraffen tanzen leise", Ok(())),
            ("v8Kq!zR2p#Lw", Ok(())),
            ("月亮代表我的心2浣熊", Ok(())),
            (&long, Err(TooLong)),
        ] {
            assert_eq!(policy.judge(&password.into(), &about), verdict, "{password}");
        }
        let lax = Policy { score_min: 0, blocklist: Vec::new() };
        assert_eq!(lax.judge(&"password".into(), &[]), Ok(()));
        assert_eq!(lax.judge(&"switchboard-123".into(), &[]), Err(Guessable));
    }
}
