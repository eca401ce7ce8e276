//! Wire messages to the domain's values and back.

use crate::{
    document::name,
    store::{DecisionRow, DocumentRow, Head, Page},
};
use sha2::{Digest as _, Sha256};
use switchboard_domain::{
    Timestamp,
    limits::PAGE_MAX,
    regulation::{Decision, Earlier, Episode, Escalate, Phase, RuleId, Speaker},
};
use switchboard_proto::{common::v1 as common, convert::WireError, regulator::v1 as wire};

/// Reads what was said before.
///
/// # Errors
/// [`WireError`] when a speaker is none.
pub(crate) fn earlier(request: &wire::DecideRequest) -> Result<Vec<Earlier<'_>>, WireError> {
    let read = |said: &'_ wire::Earlier| match said.speaker() {
        wire::earlier::Speaker::Unspecified => Err(WireError::new("earlier.speaker")),
        wire::earlier::Speaker::Customer => Ok(Speaker::Customer),
        wire::earlier::Speaker::Assistant => Ok(Speaker::Assistant),
    };
    let said = request.earlier.iter().map(|said| {
        let at = Timestamp::from_millis(said.at_ms);
        Ok(Earlier { speaker: read(said)?, text: &said.text, at, broke_off: said.broke_off })
    });
    said.collect()
}

/// Reads a request. An answer without a visible character is as good as none, so it counts as a failure of the provider.
///
/// # Errors
/// [`WireError`] when the phase is none.
pub(crate) fn episode<'a>(
    request: &'a wire::DecideRequest,
    earlier: &'a [Earlier<'a>],
    now: Timestamp,
) -> Result<Episode<'a>, WireError> {
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
        earlier,
        now: if request.at_ms == 0 { now } else { Timestamp::from_millis(request.at_ms) },
    })
}

/// Writes a decision.
pub(crate) fn response(decision: Decision) -> wire::DecideResponse {
    let rule = decision.rule.map(RuleId::as_str).unwrap_or_default().to_owned();
    let version = decision.rules_version.to_string();
    wire::DecideResponse {
        escalation: decision
            .escalate
            .map(|escalate| escalation(escalate, &rule, &version, &decision.evidence)),
        answer_failed: decision.answer_failed,
        rule,
        rules_version: version,
        evidence: decision.evidence,
    }
}

fn escalation(escalate: Escalate, rule: &str, version: &str, evidence: &[String]) -> common::Escalation {
    common::Escalation {
        reason: escalate.reason.as_str().to_owned(),
        severity: escalate.severity.as_str().to_owned(),
        details: escalate.details,
        // The session service says since when the customer waits: it is the one that records it.
        at_ms: Timestamp::default().millis(),
        rule: rule.to_owned(),
        rules_version: version.to_owned(),
        evidence: evidence.to_vec(),
    }
}

/// SHA-256 of everything that a decision looks at, every field with its length before it.
pub(crate) fn input_digest(episode: &Episode<'_>) -> String {
    let mut hasher = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(bytes);
    };
    field(phase_name(episode.phase).as_bytes());
    field(episode.customer_text.as_bytes());
    field(episode.answer.unwrap_or_default().as_bytes());
    field(&[u8::from(episode.answer_failed_hard), u8::from(episode.vip), u8::from(episode.vip_parameter)]);
    field(&episode.ai_failures.to_be_bytes());
    field(&episode.now.millis().to_be_bytes());
    for earlier in episode.earlier() {
        field(&[u8::from(earlier.speaker == Speaker::Assistant), u8::from(earlier.broke_off)]);
        field(&earlier.at.millis().to_be_bytes());
        field(earlier.text.as_bytes());
    }
    crate::document::hex(&hasher.finalize())
}

/// The name of a phase in the store and in metrics.
pub(crate) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::BeforeModel => "before_model",
        Phase::AfterAnswer => "after_answer",
    }
}

/// A version without its document.
pub(crate) fn version(row: &DocumentRow, head: Head) -> wire::RuleVersion {
    let state = match row.published_at {
        _ if row.ordinal == head.published => wire::VersionState::Published,
        Some(_) => wire::VersionState::Retired,
        None => wire::VersionState::Draft,
    };
    wire::RuleVersion {
        ordinal: row.ordinal,
        version: name(row.ordinal, &row.digest),
        state: state.into(),
        shadow: head.shadow == Some(row.ordinal),
        note: row.note.clone(),
        created_by: row.created_by.clone(),
        created_at_ms: row.created_at,
        published_by: row.published_by.clone().unwrap_or_default(),
        published_at_ms: row.published_at,
        digest: row.digest.clone(),
    }
}

/// A recorded decision.
pub(crate) fn decision(row: DecisionRow) -> wire::Decision {
    let list = |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let phase = match row.phase.as_str() {
        "after_answer" => wire::Phase::AfterAnswer,
        _ => wire::Phase::BeforeModel,
    };
    wire::Decision {
        id: row.id,
        at_ms: row.at,
        session: row.session,
        turn: row.turn,
        phase: phase.into(),
        rules_version: row.version,
        rule: row.rule,
        escalated: row.escalated != 0,
        answer_failed: row.answer_failed != 0,
        evidence: list(Some(&row.evidence)),
        input_digest: row.input_digest,
        shadow_version: row.shadow_version.unwrap_or_default(),
        shadow_rule: row.shadow_rule.unwrap_or_default(),
        shadow_escalated: row.shadow_escalated == Some(1),
        shadow_evidence: list(row.shadow_evidence.as_deref()),
    }
}

/// How many rows a page has.
pub(crate) fn page_size(asked: u32) -> usize {
    if asked == 0 { PAGE_MAX } else { (asked as usize).min(PAGE_MAX) }
}

/// Reads which decisions are asked for; one more than a page tells whether there are more.
///
/// # Errors
/// [`WireError`] when the token is none of ours.
pub(crate) fn page(request: wire::ListDecisionsRequest) -> Result<Page, WireError> {
    let before = match request.page_token.split_once('/') {
        None if request.page_token.is_empty() => (i64::MAX, String::new()),
        None => return Err(WireError::new("page_token")),
        Some((at, id)) => (at.parse().map_err(|_| WireError::new("page_token"))?, id.to_owned()),
    };
    Ok(Page {
        before,
        session: request.session,
        escalated_only: request.escalated_only,
        rule: request.rule,
        version: request.rules_version,
        since: request.since_ms,
        until: if request.until_ms == 0 { i64::MAX } else { request.until_ms },
        limit: i64::try_from(page_size(request.limit) + 1).unwrap_or(i64::MAX),
    })
}

/// Where the page after a row begins.
pub(crate) fn page_token(row: &DecisionRow) -> String {
    format!("{}/{}", row.at, row.id)
}
