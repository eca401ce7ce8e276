//! Visitor tokens: what they say, and how they are signed.

use crate::{AgentAuthError, key::SigningKey};
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use std::{fmt::Write as _, time::Duration};
use switchboard_domain::{Rng, SessionName, Timestamp};
use switchboard_proto::{agentauth::v1 as wire, convert::WireError};

/// Header `typ`: no other kind of token has it.
pub(crate) const TYPE: &str = "visitor+jwt";
/// Claim `aud`.
pub(crate) const AUDIENCE: &str = "visitor";
/// Longest nickname, in characters.
const NAME_MAX: usize = 100;
/// Longest e-mail address, in characters, as SMTP has it.
const EMAIL_MAX: usize = 254;
/// Longest BCP 47 tag, in characters.
const LANGUAGE_MAX: usize = 35;

/// Whose token, and what the shop said of him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visitor {
    session: SessionName,
    vip: bool,
    name: Option<String>,
    email: Option<String>,
    language: Option<String>,
}

impl TryFrom<wire::IssueVisitorTokenRequest> for Visitor {
    type Error = AgentAuthError;
    fn try_from(request: wire::IssueVisitorTokenRequest) -> Result<Self, AgentAuthError> {
        Ok(Self {
            session: SessionName::parse(&request.session).map_err(|_| WireError::new("session"))?,
            vip: request.vip,
            name: claim(request.nickname, "nickname", NAME_MAX)?,
            email: claim(request.email, "email", EMAIL_MAX)?,
            language: claim(request.language, "language", LANGUAGE_MAX)?,
        })
    }
}

/// An optional claim: the empty text is none.
fn claim(text: String, claim: &'static str, max: usize) -> Result<Option<String>, AgentAuthError> {
    if text.chars().count() > max {
        return Err(AgentAuthError::ClaimTooLong { claim, max });
    }
    Ok((!text.is_empty()).then_some(text))
}

/// The claims of RFC 7519 in whole seconds, and ours.
#[derive(Debug, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'static str,
    sub: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    vip: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
}

/// What is the same in all tokens of an issuer.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    /// Claim `iss`.
    pub(crate) name: String,
    /// From `iat` to `exp`.
    pub(crate) life: Duration,
}

impl Issuer {
    /// Signs a token for `visitor`; answers it and when it expires.
    ///
    /// # Errors
    /// [`AgentAuthError::Sign`] when the key cannot sign.
    pub(crate) fn sign(
        &self,
        visitor: &Visitor,
        key: &SigningKey,
        now: Timestamp,
        rng: &dyn Rng,
    ) -> Result<(String, Timestamp), AgentAuthError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        let issued = now.seconds();
        let expires = now.plus(self.life).seconds();
        let claims = Claims {
            iss: &self.name,
            aud: AUDIENCE,
            sub: visitor.session.as_str(),
            iat: issued,
            nbf: issued,
            exp: expires,
            jti: token_id(rng),
            vip: visitor.vip,
            name: visitor.name.as_deref(),
            email: visitor.email.as_deref(),
            language: visitor.language.as_deref(),
        };
        let token = jsonwebtoken::encode(&header, &claims, &key.private)?;
        Ok((token, Timestamp::from_millis(expires.saturating_mul(1000))))
    }
}

/// 128 random bits in hexadecimal.
pub(crate) fn token_id(rng: &dyn Rng) -> String {
    let mut chance = [0_u8; 16];
    rng.fill(&mut chance);
    let mut hex = String::with_capacity(32);
    for byte in chance {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
    }
    hex
}
