//! One-time codes of authenticator apps: RFC 6238 over HMAC-SHA-1 with six digits and steps of 30 seconds, the only form
//! that all apps know. SHA-1's weakness (collisions) does not matter inside an HMAC.

use aws_lc_rs::hmac;
use std::fmt::Write as _;
use switchboard_domain::{Rng, Timestamp};

/// Seconds for which a code is shown.
const STEP: i64 = 30;
/// Steps before and after the present one whose codes count too: clocks differ.
const SKEW: i64 = 1;
/// Digits of a code.
const DIGITS: usize = 6;
/// Bytes of a secret, as RFC 4226 recommends.
const SECRET: usize = 20;
/// RFC 4648.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Makes a secret, in base32.
pub(crate) fn make_secret(rng: &dyn Rng) -> String {
    let mut secret = [0_u8; SECRET];
    rng.fill(&mut secret);
    encode(&secret)
}

/// The address that an app reads from a picture.
pub(crate) fn uri(issuer: &str, username: &str, secret: &str) -> String {
    let (issuer, username) = (escape(issuer), escape(username));
    format!(
        "otpauth://totp/{issuer}:{username}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}"
    )
}

/// Whether a text could be a code.
pub(crate) fn is_code(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The step that `code` belongs to, if it is one of those that count now and comes after `last`, the one used last.
pub(crate) fn matching_step(secret: &str, code: &str, last: i64, now: Timestamp) -> Option<i64> {
    let secret = decode(secret)?;
    let present = now.seconds().div_euclid(STEP);
    // All are compared, whichever fits.
    let mut found = None;
    for step in present - SKEW..=present + SKEW {
        let fits = crate::secret::is_same(&code_at(&secret, step), code);
        if fits && step > last && found.is_none() {
            found = Some(step);
        }
    }
    found
}

fn code_at(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    // RFC 4226, 5.3: the last four bits say where to look.
    let at = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
    let window = tag.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).unwrap_or_default();
    let number = u32::from_be_bytes(window) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(8).div_ceil(5));
    for group in bytes.chunks(5) {
        let mut block = [0_u8; 8];
        block[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(block);
        for at in 0..(group.len() * 8).div_ceil(5) {
            let index = usize::try_from((bits >> (35 - 5 * at)) & 31).unwrap_or_default();
            text.push(char::from(BASE32[index]));
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for letter in text.bytes() {
        let value = BASE32.iter().position(|known| *known == letter)?;
        bits = (bits << 5) | u32::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

/// Percent-encodes all but what RFC 3986 calls unreserved.
fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}"); // writing to a String cannot fail
        }
        escaped
    })
}

/// The code that an app shows.
#[cfg(test)]
pub(crate) fn code(secret: &str, now: Timestamp) -> String {
    code_at(&decode(secret).unwrap_or_default(), now.seconds().div_euclid(STEP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_boot::system::SystemRng;

    #[test]
    fn codes_follow_the_standard() {
        // RFC 6238, appendix B, the last six of its eight digits.
        let secret = b"12345678901234567890";
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(secret, seconds / STEP), code, "{seconds}");
            let found = matching_step(&encode(secret), code, 0, Timestamp::from_millis(seconds * 1000));
            assert_eq!(found, Some(seconds / STEP));
        }
        // RFC 4226, appendix D.
        let codes =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871"];
        for (step, code) in (0..).zip(codes) {
            assert_eq!(code_at(secret, step), code, "{step}");
        }
    }

    #[test]
    fn a_code_counts_one_step_early_or_late_and_never_after_a_later_one() {
        let secret = make_secret(&SystemRng);
        let bytes = decode(&secret).unwrap();
        let now = Timestamp::from_millis(1_700_000_000_123);
        let present = now.seconds() / STEP;
        for (offset, counts) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let code = code_at(&bytes, present + offset);
            let found = matching_step(&secret, &code, 0, now);
            assert_eq!(found, counts.then_some(present + offset), "{offset}");
            assert_eq!(matching_step(&secret, &code, present + offset, now), None, "{offset}: used");
        }
        assert_eq!(matching_step("not base32!", "123456", 0, now), None);
    }

    #[test]
    fn base32_follows_the_standard() {
        // RFC 4648, 10, without padding.
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(make_secret(&SystemRng).len(), 32);
    }

    #[test]
    fn addresses_are_escaped() {
        assert_eq!(
            uri("My Shop", "a@b", "MZXW6"),
            "otpauth://totp/My%20Shop:a%40b?secret=MZXW6&issuer=My%20Shop&algorithm=SHA1&digits=6&period=30"
        );
    }
}
