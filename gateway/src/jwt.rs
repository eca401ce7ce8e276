//! Tokens of visitors and of agents: the one place that verifies a JWT. The library checks the signature and nothing else;
//! what else has to hold is checked here, in an order that gives forged tokens as little work as possible. Whose token it
//! is follows from its type, and what is asked of its claims follows from that: neither can stand in for the other.

mod agent;

pub(crate) use agent::AgentToken;

use crate::config::{Agents, Visitor};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use std::{collections::HashMap, collections::HashSet, time::Duration};
use switchboard_domain::{Language, SessionName, Timestamp, session::Profile};

/// Longest token that is looked at, in bytes.
const MAX_BYTES: usize = 4 * 1024;
/// `typ` of the tokens that agent-auth signs for visitors.
const VISITOR_TYPE: &str = "visitor+jwt";
/// `typ` of access tokens of agents (RFC 9068).
const AGENT_TYPE: &str = "at+jwt";
/// `aud` of every visitor token.
const VISITORS: &str = "visitor";
/// `aud` of every agent's token.
const AGENTS: &str = "agent";
/// Header members that would let a token say how it wants to be verified.
const FORBIDDEN: [&str; 7] = ["crit", "jku", "jwk", "x5u", "x5c", "x5t", "b64"];
/// Longest name that a token may tell, in characters.
const NAME_MAX: usize = 100;
/// Longest e-mail address, in characters, as SMTP has it.
const EMAIL_MAX: usize = 254;
/// Longest BCP 47 tag, in characters.
const LANGUAGE_MAX: usize = 35;

/// Why a token is refused. Clients are told one code for all of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    /// Longer than any token of ours.
    #[error("the token is too long")]
    TooLong,
    /// Not three parts of base64url with JSON in the first two.
    #[error("the token cannot be read")]
    Malformed,
    /// Wrong algorithm, type, or a member that is not allowed.
    #[error("the token's header is not allowed")]
    Header,
    /// The key is not known; it may be new.
    #[error("the token's key is not known")]
    UnknownKey,
    /// Signed by somebody else, or changed.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim is missing, of the wrong type or of the wrong value.
    #[error("claim `{0}` of the token is wrong")]
    Claim(&'static str),
    /// Too old.
    #[error("the token has expired")]
    Expired,
}

/// Who signed a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signer {
    /// Our own agent-auth.
    Switchboard,
    /// The shop.
    Shop,
}

/// A verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A customer's.
    Visitor(Verified),
    /// Of a person of the shop.
    Agent(AgentToken),
}

/// What a verified visitor token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) session: SessionName,
    /// What it says of the customer; `None` when it says nothing.
    pub(crate) profile: Option<Profile>,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) signer: Signer,
}

/// Public keys by their id.
#[derive(Debug, Default)]
pub(crate) struct KeySet(HashMap<String, DecodingKey>);

/// What is expected of a token.
#[derive(Debug)]
pub(crate) struct Verifier {
    own: Rules,
    agents: Rules,
    shop: Option<(Rules, DecodingKey)>,
    leeway: Duration,
}

#[derive(Debug)]
struct Rules {
    signer: Signer,
    algorithm: Algorithm,
    issuer: String,
    audience: &'static str,
    max_lifetime: Duration,
}

/// When a token counts.
#[derive(Debug, Clone, Copy)]
struct Span {
    issued: Timestamp,
    expires: Timestamp,
}

impl KeySet {
    /// Reads a JWK Set. Keys that are no Ed25519 signature keys with an id are left out.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        let set: Value = serde_json::from_str(json).ok()?;
        let keys = set.get("keys")?.as_array()?.iter().filter_map(|jwk| {
            let text = |name: &str| jwk.get(name).and_then(Value::as_str);
            let fits = text("kty") == Some("OKP")
                && text("crv") == Some("Ed25519")
                && matches!(text("alg"), None | Some("EdDSA" | "Ed25519"))
                && matches!(text("use"), None | Some("sig"));
            let kid = text("kid").filter(|kid| fits && !kid.is_empty())?;
            Some((kid.to_owned(), DecodingKey::from_ed_components(text("x")?).ok()?))
        });
        Some(Self(keys.collect()))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Verifier {
    /// Takes what is expected from the settings.
    pub(crate) fn new(visitor: &Visitor, agents: &Agents) -> Self {
        let secret = visitor.shop_secret.expose_secret();
        let shop = (!secret.is_empty()).then(|| {
            let rules = Rules {
                signer: Signer::Shop,
                algorithm: Algorithm::HS256,
                issuer: visitor.shop_issuer.clone(),
                audience: VISITORS,
                max_lifetime: visitor.shop_max_lifetime,
            };
            (rules, DecodingKey::from_secret(secret.as_bytes()))
        });
        let signed_here = |audience, max_lifetime| Rules {
            signer: Signer::Switchboard,
            algorithm: Algorithm::EdDSA,
            issuer: visitor.issuer.clone(),
            audience,
            max_lifetime,
        };
        let own = signed_here(VISITORS, visitor.max_lifetime);
        Self { own, agents: signed_here(AGENTS, agents.max_lifetime), shop, leeway: visitor.leeway }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// [`Rejected`], with [`Rejected::UnknownKey`] only for a token that is right so far.
    pub(crate) fn verify(&self, token: &str, keys: &KeySet, now: Timestamp) -> Result<Token, Rejected> {
        if token.len() > MAX_BYTES {
            return Err(Rejected::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Rejected::Malformed);
        };
        let header = object(header)?;
        if FORBIDDEN.iter().any(|name| header.contains_key(*name)) {
            return Err(Rejected::Header);
        }
        // The algorithm is ours to choose: it follows from whose key it is, and the token may only agree.
        let kind = header.get("typ").map(Value::as_str);
        let (rules, key) = match (header.get("alg").and_then(Value::as_str), &self.shop) {
            (Some("EdDSA"), _) if matches!(kind, Some(Some(VISITOR_TYPE | AGENT_TYPE))) => {
                let kid = header.get("kid").and_then(Value::as_str).ok_or(Rejected::Header)?;
                let rules = if kind == Some(Some(AGENT_TYPE)) { &self.agents } else { &self.own };
                (rules, keys.0.get(kid).ok_or(Rejected::UnknownKey)?)
            }
            (Some("HS256"), Some((rules, key)))
                if matches!(kind, None | Some(Some(VISITOR_TYPE | "JWT"))) =>
            {
                (rules, key)
            }
            _ => return Err(Rejected::Header),
        };
        let claims = signed_claims(token, key, rules.algorithm)?;
        let span = self.check(&claims, rules, now)?;
        if rules.audience == AGENTS {
            return agent::read(&claims, span).map(Token::Agent);
        }
        let session = SessionName::parse(text(&claims, "sub")?).map_err(|_| Rejected::Claim("sub"))?;
        let Span { issued, expires } = span;
        let profile = profile(&claims)?;
        Ok(Token::Visitor(Verified { session, profile, issued, expires, signer: rules.signer }))
    }

    /// What has to hold for every token.
    fn check(&self, claims: &Map<String, Value>, rules: &Rules, now: Timestamp) -> Result<Span, Rejected> {
        if text(claims, "iss")? != rules.issuer {
            return Err(Rejected::Claim("iss"));
        }
        if text(claims, "aud")? != rules.audience {
            return Err(Rejected::Claim("aud"));
        }
        let expires = seconds(claims, "exp")?;
        let issued = seconds(claims, "iat")?;
        // Shops' libraries seldom write it; ours always does.
        let not_before = match (claims.contains_key("nbf"), rules.signer) {
            (false, Signer::Shop) => issued,
            (true, _) | (false, Signer::Switchboard) => seconds(claims, "nbf")?,
        };
        if now >= expires.plus(self.leeway) {
            return Err(Rejected::Expired);
        }
        if issued > now.plus(self.leeway) {
            return Err(Rejected::Claim("iat"));
        }
        if not_before > now.plus(self.leeway) {
            return Err(Rejected::Claim("nbf"));
        }
        if expires <= issued || expires.since(issued) > rules.max_lifetime + self.leeway {
            return Err(Rejected::Claim("exp"));
        }
        Ok(Span { issued, expires })
    }
}

/// A claim that has to be a text.
fn text<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, Rejected> {
    claims.get(name).and_then(Value::as_str).ok_or(Rejected::Claim(name))
}

fn object(part: &str) -> Result<Map<String, Value>, Rejected> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejected::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Rejected::Malformed)
}

/// The claims, if the signature is right.
fn signed_claims(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> Result<Map<String, Value>, Rejected> {
    let mut validation = Validation::new(algorithm);
    // Its own checks accept too much and read the system clock; see `Verifier::check`.
    validation.required_spec_claims = HashSet::new();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    #[expect(
        clippy::disallowed_methods,
        reason = "the one verifier: everything but the signature is checked here"
    )]
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation);
    decoded.map(|data| data.claims).map_err(|error| {
        let is_signature = matches!(error.kind(), jsonwebtoken::errors::ErrorKind::InvalidSignature);
        if is_signature { Rejected::Signature } else { Rejected::Malformed }
    })
}

/// A time claim: whole seconds since the Unix epoch.
fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Timestamp, Rejected> {
    let number = claims.get(name).and_then(Value::as_i64).filter(|number| *number > 0);
    let ms = number.and_then(|number| number.checked_mul(1000)).ok_or(Rejected::Claim(name))?;
    Ok(Timestamp::from_millis(ms))
}

fn profile(claims: &Map<String, Value>) -> Result<Option<Profile>, Rejected> {
    let optional = |name: &'static str, max: usize| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= max && !text.chars().any(char::is_control) => {
            Ok((!text.is_empty()).then(|| text.clone()))
        }
        Some(_) => Err(Rejected::Claim(name)),
    };
    let vip = match claims.get("vip") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(vip)) => *vip,
        Some(_) => return Err(Rejected::Claim("vip")),
    };
    let language = optional("language", LANGUAGE_MAX)?.and_then(|tag| Language::from_tag(&tag));
    let profile = Profile {
        nickname: optional("name", NAME_MAX)?,
        email: optional("email", EMAIL_MAX)?,
        vip,
        language,
    };
    Ok((profile != Profile::default()).then_some(profile))
}

#[cfg(test)]
mod tests;
