//! Wire messages to the domain's values and back.

use switchboard_domain::{
    Timestamp,
    regulation::{Decision, Episode, Escalate, Phase, RuleId},
};
use switchboard_proto::{common::v1 as common, convert::WireError, regulator::v1 as wire};

/// Reads a request. An answer without a visible character is as good as none, so it counts as a failure of the provider.
///
/// # Errors
/// [`WireError`] when the phase is none.
pub(crate) fn episode(request: &wire::DecideRequest) -> Result<Episode<'_>, WireError> {
    let phase = match request.phase() {
        wire::Phase::Unspecified => return Err(WireError::new("phase")),
        wire::Phase::BeforeModel => Phase::BeforeModel,
        wire::Phase::AfterAnswer => Phase::AfterAnswer,
    };
    let answered = !request.provider_failed && !request.answer.trim().is_empty();
    Ok(Episode {
        phase,
        customer_text: &request.customer_text,
        answer: answered.then_some(request.answer.as_str()),
        answer_failed_hard: !answered,
        ai_failures: request.ai_failures,
        vip: request.vip,
        vip_parameter: request.vip_parameter,
    })
}

/// Writes a decision.
pub(crate) fn response(decision: Decision) -> wire::DecideResponse {
    wire::DecideResponse {
        escalation: decision.escalate.map(escalation),
        answer_failed: decision.answer_failed,
        rule: decision.rule.map(RuleId::as_str).unwrap_or_default().to_owned(),
        rules_version: decision.rules_version.to_string(),
        evidence: decision.evidence,
    }
}

fn escalation(escalate: Escalate) -> common::Escalation {
    common::Escalation {
        reason: escalate.reason.as_str().to_owned(),
        severity: escalate.severity.as_str().to_owned(),
        details: escalate.details,
        // The session service says since when the customer waits: it is the one that records it.
        at_ms: Timestamp::default().millis(),
    }
}
