//! The customer of a session as JSON, and how pressing the session is.

use super::span;
use serde::Serialize;
use std::collections::BTreeMap;
use switchboard_domain::{Session, routing::Level, session::Profile};
use switchboard_proto::session::v1 as wire;
use utoipa::ToSchema;

/// Name shown for a customer who has told none.
const NICKNAME: &str = "访客";
/// Currency of a customer of whom none is noted.
const CURRENCY: &str = "USD";

/// The customer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserProfile {
    nickname: String,
    email: Option<String>,
    vip: bool,
    /// What agents noted of the customer, for agents; the fields below come from it.
    #[schema(value_type = Object)]
    metadata: BTreeMap<String, String>,
    gdpr_consent: bool,
    marketing_subscribed: bool,
    country: String,
    city: String,
    language: &'static str,
    currency: String,
}

/// How pressing a session is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriorityView {
    /// `urgent`, `high` or `normal`.
    pub(crate) level: String,
    pub(crate) is_vip: bool,
    pub(crate) wait_time_seconds: f64,
    pub(crate) is_timeout: bool,
    pub(crate) is_repeat: bool,
    pub(crate) urgent_keywords: Vec<String>,
}

/// What a customer is called, also one who has told no name.
pub(crate) fn nickname(profile: &Profile) -> String {
    profile.nickname.clone().unwrap_or_else(|| NICKNAME.to_owned())
}

impl UserProfile {
    /// Of a session's customer.
    pub(super) fn new(session: &Session, insight: Option<&wire::Insight>) -> Self {
        let noted: BTreeMap<String, String> =
            insight.map(|insight| insight.attributes.clone().into_iter().collect()).unwrap_or_default();
        let text = |name: &str, unknown: &str| noted.get(name).map_or(unknown, String::as_str).to_owned();
        let is_yes = |name: &str| noted.get(name).is_some_and(|said| said == "true");
        Self {
            nickname: nickname(&session.profile),
            email: session.profile.email.clone(),
            vip: session.profile.vip,
            gdpr_consent: is_yes("gdpr_consent"),
            marketing_subscribed: is_yes("marketing_subscribed"),
            country: text("country", ""),
            city: text("city", ""),
            language: session.language().tag(),
            currency: text("currency", CURRENCY),
            metadata: noted,
        }
    }
}

impl PriorityView {
    /// Of a session whose customer does not wait.
    pub(super) fn unhurried(session: &Session) -> Self {
        Self {
            level: Level::Normal.as_str().to_owned(),
            is_vip: session.profile.vip,
            wait_time_seconds: 0.0,
            is_timeout: false,
            is_repeat: session.desk.repeats > 0,
            urgent_keywords: Vec::new(),
        }
    }
}

impl From<wire::Priority> for PriorityView {
    fn from(priority: wire::Priority) -> Self {
        Self {
            level: priority.level,
            is_vip: priority.vip,
            wait_time_seconds: span(priority.wait_ms),
            is_timeout: priority.timeout,
            is_repeat: priority.repeat,
            urgent_keywords: priority.urgent_words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{testing::log, view::SessionState};
    use switchboard_domain::session::LogEpoch;

    #[test]
    fn agents_see_what_colleagues_noted_and_how_pressing_it_is() {
        let noted = [("country", "DE"), ("city", "Köln"), ("gdpr_consent", "true"), ("order_id", "7")];
        let insight = wire::Insight {
            attributes: noted.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            priority: Some(wire::Priority {
                level: "urgent".into(),
                vip: true,
                wait_ms: 301_005,
                timeout: true,
                repeat: false,
                urgent_words: vec!["退款".into()],
            }),
        };
        let session = log::session("alice", 0);
        let state = SessionState::new(&session, LogEpoch::new(1), &[], Some(&insight));
        let state = serde_json::to_value(state).unwrap();
        let profile = &state["user_profile"];
        assert_eq!((&profile["country"], &profile["city"]), (&"DE".into(), &"Köln".into()));
        assert_eq!((&profile["gdpr_consent"], &profile["currency"]), (&true.into(), &"USD".into()));
        assert_eq!(profile["metadata"]["order_id"], "7");
        let priority = serde_json::json!({ "level": "urgent", "is_vip": true, "wait_time_seconds": 301.01,
            "is_timeout": true, "is_repeat": false, "urgent_keywords": ["退款"] });
        assert_eq!(state["priority"], priority);
    }
}
