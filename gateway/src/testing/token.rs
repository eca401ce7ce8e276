//! Signing tokens of visitors and agents, right ones and wrong ones.

use super::START_MS;
use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use switchboard_domain::Permissions;

/// The account of the tests.
pub(crate) const AGENT: &str = "agt_00000000000000000000000000000007";
/// Its login; it began a minute before the tests.
pub(crate) const LOGIN: &str = "lgn_01a2052f4a387000800000000000000a";

/// A key of agent-auth.
pub(crate) struct Key {
    pair: Ed25519KeyPair,
    pub(crate) kid: &'static str,
}

impl Key {
    pub(crate) fn generate(kid: &'static str) -> Self {
        Self { pair: Ed25519KeyPair::generate().unwrap(), kid }
    }

    /// Its public half, as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x })
    }

    /// The bytes of its public half.
    pub(crate) fn public(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// Signs whatever header and claims say.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// Signs texts that need not be JSON.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// A token as agent-auth signs it.
    pub(crate) fn token(&self, session: &str) -> String {
        self.sign(&self.header(), &claims(session))
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "typ": "visitor+jwt", "kid": self.kid })
    }

    /// The header of an agent's access token.
    pub(crate) fn agent_header(&self) -> Value {
        json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.kid })
    }

    /// An access token as agent-auth signs it.
    pub(crate) fn access(&self, permissions: Permissions) -> String {
        self.sign(&self.agent_header(), &agent_claims(permissions))
    }
}

/// Signs with a shared secret.
pub(crate) fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// Claims that are right at the start of the tests.
pub(crate) fn claims(session: &str) -> Value {
    let now = START_MS / 1000;
    json!({
        "iss": "switchboard", "aud": "visitor", "sub": session,
        "iat": now, "nbf": now, "exp": now + 7 * 24 * 3600, "jti": "00"
    })
}

/// An agent's claims that are right at the start of the tests.
pub(crate) fn agent_claims(permissions: Permissions) -> Value {
    let now = START_MS / 1000;
    json!({
        "iss": "switchboard", "aud": "agent", "sub": AGENT, "sid": LOGIN, "jti": "01", "iat": now, "nbf": now,
        "exp": now + 900, "name": "王小明", "username": "xiaoming", "role": "agent", "pv": 1,
        "permissions": permissions.to_string(), "amr": ["pwd"],
    })
}
