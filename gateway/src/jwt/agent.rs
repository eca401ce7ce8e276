//! What an agent's access token has to say beside the claims that every token has.

use super::{Rejected, Span, text};
use serde_json::{Map, Value};
use switchboard_domain::{AgentId, LoginId, Permissions, Timestamp};

/// Longest name, username, role and token id, in characters.
const TEXT_MAX: usize = 128;

/// What a verified access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentToken {
    pub(crate) id: AgentId,
    pub(crate) login: LoginId,
    /// The name that customers and colleagues see.
    pub(crate) name: String,
    pub(crate) username: String,
    pub(crate) role: String,
    pub(crate) permissions: Permissions,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
}

/// Reads the claims. All of them are required: a token that leaves one out was not made by agent-auth.
pub(super) fn read(claims: &Map<String, Value>, span: Span) -> Result<AgentToken, Rejected> {
    let short = |name: &'static str| {
        let text = text(claims, name)?;
        let fits =
            !text.is_empty() && text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control);
        if fits { Ok(text.to_owned()) } else { Err(Rejected::Claim(name)) }
    };
    short("jti")?;
    claims.get("pv").and_then(Value::as_i64).filter(|pv| *pv >= 0).ok_or(Rejected::Claim("pv"))?;
    let methods = claims.get("amr").and_then(Value::as_array).ok_or(Rejected::Claim("amr"))?;
    if methods.is_empty() || !methods.iter().all(Value::is_string) {
        return Err(Rejected::Claim("amr"));
    }
    Ok(AgentToken {
        id: AgentId::parse(text(claims, "sub")?).map_err(|_| Rejected::Claim("sub"))?,
        login: LoginId::parse(text(claims, "sid")?).map_err(|_| Rejected::Claim("sid"))?,
        name: short("name")?,
        username: short("username")?,
        role: short("role")?,
        permissions: Permissions::parse(text(claims, "permissions")?)
            .ok_or(Rejected::Claim("permissions"))?,
        issued: span.issued,
        expires: span.expires,
    })
}

#[cfg(test)]
mod tests;
