//! Signatures in the form of Standard Webhooks: `v1,<base64 of HMAC-SHA256 over id.timestamp.body>`, one for each active
//! secret, separated by spaces.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fmt;
use switchboard_domain::Rng;

/// What a secret's text form begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret.
const LENGTH: usize = 32;

/// What signs calls of an endpoint. Never shown but by [`Secret::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Makes a new one.
    pub(crate) fn mint(rng: &dyn Rng) -> Self {
        let mut chance = [0_u8; LENGTH];
        rng.fill(&mut chance);
        Self(format!("{PREFIX}{}", STANDARD.encode(chance)))
    }

    /// From its text form, as it was stored.
    pub(crate) fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Its text form, for the one who made it and for the table.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// The signature of one call; `None` when the stored form is damaged.
    fn sign(&self, id: &str, seconds: i64, body: &str) -> Option<String> {
        let key = STANDARD.decode(self.0.strip_prefix(PREFIX)?).ok()?;
        let signed = format!("{id}.{seconds}.{body}");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
        Some(format!("v1,{}", STANDARD.encode(tag)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The value of `webhook-signature`.
pub(crate) fn signatures(secrets: &[Secret], id: &str, seconds: i64, body: &str) -> String {
    let signed: Vec<String> = secrets.iter().filter_map(|secret| secret.sign(id, seconds, body)).collect();
    signed.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample of the Standard Webhooks libraries.
    #[test]
    fn the_sample_of_the_specification() {
        let secret = Secret::from_stored("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let signed = signatures(
            std::slice::from_ref(&secret),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let two = signatures(&[secret.clone(), secret.clone()], "msg_1", 1, "{}");
        assert_eq!(two.split(' ').count(), 2);
        assert!(!format!("{secret:?}").contains("MfKQ"));
    }
}
