//! Access tokens of people of the shop: what they say, and how they are signed.

use crate::{AgentAuthError, account::AgentRow, key::SigningKey, token::token_id};
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use std::time::Duration;
use switchboard_domain::{Permissions, Rng, Timestamp};

/// Header `typ` of RFC 9068.
pub(crate) const TYPE: &str = "at+jwt";
/// Claim `aud`.
pub(crate) const AUDIENCE: &str = "agent";

#[derive(Debug, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'static str,
    sub: &'a str,
    sid: &'a str,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    name: &'a str,
    username: &'a str,
    role: &'a str,
    pv: i64,
    permissions: String,
    amr: &'a [String],
}

/// Whose token, for which login.
#[derive(Clone, Copy)]
pub(crate) struct Holder<'a> {
    pub(crate) agent: &'a AgentRow,
    /// The login's id.
    pub(crate) login: &'a str,
    pub(crate) permissions: Permissions,
    /// How he proved who he is, by the names of RFC 8176.
    pub(crate) amr: &'a [String],
}

/// Signs a token that `issuer` gives for `life`.
///
/// # Errors
/// [`AgentAuthError::Sign`] when the key cannot sign.
pub(crate) fn sign(
    issuer: &str,
    life: Duration,
    holder: Holder<'_>,
    key: &SigningKey,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<String, AgentAuthError> {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(key.kid.clone());
    // Right after all logins were ended, the next second has to be waited for, or lent.
    let issued = now.seconds().max(holder.agent.valid_after.div_euclid(1000));
    let claims = Claims {
        iss: issuer,
        aud: AUDIENCE,
        sub: &holder.agent.id,
        sid: holder.login,
        jti: token_id(rng),
        iat: issued,
        nbf: issued,
        exp: Timestamp::from_millis(issued.saturating_mul(1000)).plus(life).seconds(),
        name: &holder.agent.display_name,
        username: &holder.agent.username,
        role: &holder.agent.role,
        pv: holder.agent.pv,
        permissions: holder.permissions.to_string(),
        amr: holder.amr,
    };
    Ok(jsonwebtoken::encode(&header, &claims, &key.private)?)
}
