//! The shop behind the customers: it may sign visitor tokens of its own.

use crate::clock::RealClock;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use switchboard_domain::Clock as _;

/// `iss` of tokens that the shop signs.
pub const ISSUER: &str = "larkway-shop";
/// The secret that the shop shares with every World.
pub const SECRET: &str = "a secret of the sample shop that is long enough";

/// A token for a session; `about` says what the shop knows of the customer (`name`, `email`, `vip`, `language`) and may
/// replace any claim.
pub fn token(session: &str, about: &Value) -> String {
    signed(session, about, SECRET)
}

/// A token signed with another secret.
pub fn forged_token(session: &str) -> String {
    signed(session, &json!({}), "somebody else's secret that is long enough, too")
}

fn signed(session: &str, about: &Value, secret: &str) -> String {
    let now = RealClock.now().seconds();
    let mut claims =
        json!({ "iss": ISSUER, "aud": "visitor", "sub": session, "iat": now, "exp": now + 3600 });
    for (name, value) in about.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a signed token")
}
