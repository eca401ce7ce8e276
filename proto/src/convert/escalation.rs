//! Why a human is wanted, and who answers.

use super::{WireError, parsed};
use crate::common::v1 as wire;
use switchboard_domain::{
    AgentId, Timestamp,
    entry::{AgentRef, Source},
    session::Escalation,
};

impl From<&Escalation> for wire::Escalation {
    fn from(value: &Escalation) -> Self {
        Self {
            reason: value.reason.as_str().to_owned(),
            severity: value.severity.as_str().to_owned(),
            details: value.details.clone(),
            at_ms: value.at.millis(),
            rule: value.rule.clone(),
            rules_version: value.rules_version.clone(),
            evidence: value.evidence.clone(),
        }
    }
}

impl TryFrom<wire::Escalation> for Escalation {
    type Error = WireError;
    fn try_from(value: wire::Escalation) -> Result<Self, WireError> {
        Ok(Self {
            reason: parsed(value.reason.parse(), "escalation.reason")?,
            severity: parsed(value.severity.parse(), "escalation.severity")?,
            details: value.details,
            at: Timestamp::from_millis(value.at_ms),
            rule: value.rule,
            rules_version: value.rules_version,
            evidence: value.evidence,
        })
    }
}

impl From<&AgentRef> for wire::AgentRef {
    fn from(value: &AgentRef) -> Self {
        Self { id: value.id.to_string(), name: value.name.clone() }
    }
}

impl TryFrom<wire::AgentRef> for AgentRef {
    type Error = WireError;
    fn try_from(value: wire::AgentRef) -> Result<Self, WireError> {
        Ok(Self { id: parsed(AgentId::parse(&value.id), "agent.id")?, name: value.name })
    }
}

impl From<&Source> for wire::Source {
    fn from(value: &Source) -> Self {
        Self {
            title: value.title.clone(),
            url: value.url.clone().unwrap_or_default(),
            article: value.article.clone().unwrap_or_default(),
        }
    }
}

impl From<wire::Source> for Source {
    fn from(value: wire::Source) -> Self {
        let given = |text: String| (!text.is_empty()).then_some(text);
        Self { title: value.title, url: given(value.url), article: given(value.article) }
    }
}
