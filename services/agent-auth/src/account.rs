//! Accounts of people who work for the shop.

use crate::AgentAuthError;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use switchboard_domain::{AgentId, Permission, Permissions, Timestamp, text::username_key};
use switchboard_proto::agentauth::v1 as wire;
use unicode_normalization::UnicodeNormalization as _;

/// Longest username, in characters.
const USERNAME_MAX: usize = 64;

/// The name under which somebody signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Username(String);

impl Username {
    /// What [`Self::parse`] asks for.
    pub(crate) const RULE: &'static str = "1 to 64 letters, digits or . _ - @ +";

    /// Trims and checks a name; `None` when it breaks [`Self::RULE`].
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text: String = text.trim().nfc().collect();
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
        let fits = !text.is_empty() && text.chars().count() <= USERNAME_MAX;
        (fits && text.chars().all(allowed)).then_some(Self(text))
    }

    /// The name as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names are compared: who looks the same is the same.
    pub(crate) fn key(&self) -> String {
        username_key(&self.0)
    }
}

/// An admin about to be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewAdmin {
    pub(crate) id: AgentId,
    pub(crate) username: Username,
    /// PHC string.
    pub(crate) password_hash: SecretString,
    /// Whether nothing else may be done before the password was changed.
    pub(crate) must_change_password: bool,
    pub(crate) created_at: Timestamp,
}

/// A row of `agent`. Has no `Debug`: it holds secrets.
#[derive(Clone, sqlx::FromRow)]
pub(crate) struct AgentRow {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) display_name: String,
    pub(crate) password_hash: String,
    pub(crate) must_change_password: i64,
    pub(crate) role: String,
    pub(crate) pv: i64,
    pub(crate) valid_after: i64,
    pub(crate) status: String,
    pub(crate) status_note: String,
    pub(crate) status_at: i64,
    pub(crate) last_active_at: Option<i64>,
    pub(crate) max_sessions: i64,
    pub(crate) avatar_url: String,
    pub(crate) skills: String,
    pub(crate) totp_secret: Option<String>,
    pub(crate) totp_pending: Option<String>,
    pub(crate) totp_step: i64,
    pub(crate) created_at: i64,
    pub(crate) last_login_at: Option<i64>,
    pub(crate) disabled_at: Option<i64>,
    pub(crate) deleted_at: Option<i64>,
    pub(crate) version: i64,
}

/// One skill as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Skill {
    pub(crate) category: String,
    pub(crate) level: String,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
}

impl AgentRow {
    /// Its id.
    ///
    /// # Errors
    /// [`AgentAuthError::Stored`] when the row holds none.
    pub(crate) fn id(&self) -> Result<AgentId, AgentAuthError> {
        AgentId::parse(&self.id).map_err(|_| AgentAuthError::Stored { what: "the id of an account" })
    }

    /// What it may do of what its role may: only its own account while the password must be changed, nothing at all
    /// when it is disabled.
    pub(crate) fn may(&self, role: Permissions) -> Permissions {
        if self.disabled_at.is_some() || self.deleted_at.is_some() {
            Permissions::NONE
        } else if self.must_change_password != 0 {
            Permissions::of(&[Permission::AccountSelf])
        } else {
            role
        }
    }

    /// As others see it.
    ///
    /// # Errors
    /// [`AgentAuthError::Stored`] when the skills cannot be read.
    pub(crate) fn told(&self) -> Result<wire::Agent, AgentAuthError> {
        let skills: Vec<Skill> = serde_json::from_str(&self.skills)
            .map_err(|_| AgentAuthError::Stored { what: "the skills of an account" })?;
        Ok(wire::Agent {
            id: self.id.clone(),
            username: self.username.clone(),
            name: self.display_name.clone(),
            role: self.role.clone(),
            status: self.status.clone(),
            status_note: self.status_note.clone(),
            status_at_ms: self.status_at,
            last_active_at_ms: self.last_active_at,
            max_sessions: u32::try_from(self.max_sessions).unwrap_or_default(),
            created_at_ms: self.created_at,
            last_login_at_ms: self.last_login_at,
            avatar_url: self.avatar_url.clone(),
            skills: skills
                .into_iter()
                .map(|skill| wire::Skill { category: skill.category, level: skill.level, tags: skill.tags })
                .collect(),
            must_change_password: self.must_change_password != 0,
            totp_enabled: self.totp_secret.is_some(),
            disabled_at_ms: self.disabled_at,
            version: self.version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_checked_and_folded() {
        for (text, written, key) in [
            (" Admin ", "Admin", "admin"),
            ("ＡＤＭＩＮ", "ＡＤＭＩＮ", "admin"),
            ("anna.müller@shop-1.example", "anna.müller@shop-1.example", "anna.müller@shop-1.example"),
            ("Mu\u{308}ller", "Müller", "müller"),
            ("客服01", "客服01", "客服01"),
        ] {
            let name = Username::parse(text).unwrap();
            assert_eq!((name.as_str(), name.key().as_str()), (written, key));
        }
        for bad in ["", "  ", "a b", "a\nb", "root\u{0}", "<b>", "x".repeat(65).as_str()] {
            assert_eq!(Username::parse(bad), None, "{bad:?}");
        }
    }
}
