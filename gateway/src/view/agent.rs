//! A person of the shop as JSON.

use super::seconds;
use serde::{Deserialize, Serialize};
use switchboard_domain::Timestamp;
use switchboard_proto::agentauth::v1::{Agent, Skill};
use utoipa::ToSchema;

/// A person of the shop. Never tells anything about the password.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountView {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) name: String,
    pub(crate) role: String,
    /// `online`, `busy`, `break`, `lunch`, `training` or `offline`.
    pub(crate) status: String,
    pub(crate) status_note: Option<String>,
    pub(crate) status_updated_at: f64,
    pub(crate) last_active_at: Option<f64>,
    pub(crate) max_sessions: u32,
    pub(crate) created_at: f64,
    pub(crate) last_login: Option<f64>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) skills: Vec<SkillView>,
    /// Until it is changed, only one's own account can be used.
    pub(crate) must_change_password: bool,
    pub(crate) totp_enabled: bool,
    pub(crate) disabled_at: Option<f64>,
    pub(crate) version: i64,
}

/// What somebody is good at.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SkillView {
    /// 1 to 50 characters.
    pub(crate) category: String,
    pub(crate) level: SkillLevel,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
}

/// How good.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SkillLevel {
    Junior,
    Intermediate,
    Senior,
}

/// Milliseconds since the Unix epoch as JSON tells times.
pub(crate) fn time(ms: i64) -> f64 {
    seconds(Timestamp::from_millis(ms))
}

impl From<Agent> for AccountView {
    fn from(agent: Agent) -> Self {
        let some = |text: String| (!text.is_empty()).then_some(text);
        Self {
            id: agent.id,
            username: agent.username,
            name: agent.name,
            role: agent.role,
            status: agent.status,
            status_note: some(agent.status_note),
            status_updated_at: time(agent.status_at_ms),
            last_active_at: agent.last_active_at_ms.map(time),
            max_sessions: agent.max_sessions,
            created_at: time(agent.created_at_ms),
            last_login: agent.last_login_at_ms.map(time),
            avatar_url: some(agent.avatar_url),
            skills: agent.skills.into_iter().map(Into::into).collect(),
            must_change_password: agent.must_change_password,
            totp_enabled: agent.totp_enabled,
            disabled_at: agent.disabled_at_ms.map(time),
            version: agent.version,
        }
    }
}

impl From<Skill> for SkillView {
    fn from(skill: Skill) -> Self {
        let level = match skill.level.as_str() {
            "senior" => SkillLevel::Senior,
            "intermediate" => SkillLevel::Intermediate,
            _ => SkillLevel::Junior,
        };
        Self { category: skill.category, level, tags: skill.tags }
    }
}

impl From<SkillView> for Skill {
    fn from(skill: SkillView) -> Self {
        let level = match skill.level {
            SkillLevel::Junior => "junior",
            SkillLevel::Intermediate => "intermediate",
            SkillLevel::Senior => "senior",
        };
        Self { category: skill.category, level: level.to_owned(), tags: skill.tags }
    }
}
