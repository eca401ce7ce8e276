//! May the bot answer, and was it an answer? The regulator decides; when it cannot be asked in time, the rules that are
//! built in do, so that a call for a human is never overheard. They are not the shop's own, so doubt goes to a human, and
//! the turn is marked `degraded`.

use crate::{peers::Peers, turn::Conductor};
use std::time::Duration;
use switchboard_domain::{
    Entry, Sender, Timestamp,
    regulation::{Decision, Earlier, Episode, Phase, RuleId, Rules, Speaker, decide_alone},
    session::Escalation,
};
use switchboard_mesh::status::from_status;
use switchboard_proto::{regulator::v1 as wire, session::v1::Turn};

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    pub(crate) escalation: Option<Escalation>,
    pub(crate) answer_failed: bool,
    /// Whether the built-in rules decided in place of the regulator.
    pub(crate) degraded: bool,
}

impl Conductor {
    /// Asks; `episode.phase` says whether before the model is called or after the answer.
    pub(crate) async fn judge(&self, turn: &Turn, episode: Episode<'_>) -> Verdict {
        let episode = Episode { now: self.clock.now(), ..episode };
        judge(&self.peers, self.settings.regulator_timeout, &self.rules, turn, episode).await
    }
}

/// What the policy may know of what was said before: everything since the last word of a human or of the house, which
/// stands where a human was called or left.
pub(crate) fn earlier(context: &[Entry]) -> Vec<Earlier<'_>> {
    let mut earlier: Vec<Earlier<'_>> = Vec::new();
    for entry in context {
        let Some(message) = entry.message() else { continue };
        let speaker = match message.sender {
            Sender::Customer => Speaker::Customer,
            Sender::Assistant => Speaker::Assistant,
            Sender::Agent | Sender::System => {
                earlier.clear();
                continue;
            }
        };
        earlier.push(Earlier { speaker, text: &message.text, at: entry.at, broke_off: message.interrupted });
    }
    earlier
}

async fn judge(
    peers: &Peers,
    timeout: Duration,
    built_in: &Rules,
    turn: &Turn,
    episode: Episode<'_>,
) -> Verdict {
    let request = wire::DecideRequest {
        phase: match episode.phase {
            Phase::BeforeModel => wire::Phase::BeforeModel,
            Phase::AfterAnswer => wire::Phase::AfterAnswer,
        }
        .into(),
        customer_text: episode.customer_text.to_owned(),
        answer: episode.answer.unwrap_or_default().to_owned(),
        provider_failed: episode.answer_failed_hard,
        ai_failures: episode.ai_failures,
        vip: episode.vip,
        vip_parameter: episode.vip_parameter,
        earlier: episode.earlier().iter().map(said).collect(),
        at_ms: episode.now.millis(),
        session: turn.session.clone(),
        turn: turn.id.clone(),
    };
    let mut regulator = peers.regulator.clone();
    let asked = tokio::time::timeout(timeout, regulator.decide(request)).await;
    let answer = match asked {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => {
            tracing::warn!(code = %from_status(&status).code, "regulator away, built-in rules decide");
            return decide_alone(built_in, &episode).into();
        }
        Err(_elapsed) => {
            tracing::warn!("regulator too slow, built-in rules decide");
            return decide_alone(built_in, &episode).into();
        }
    };
    match answer.escalation.map(Escalation::try_from).transpose() {
        Ok(escalation) => Verdict { escalation, answer_failed: answer.answer_failed, degraded: false },
        Err(error) => {
            tracing::error!(%error, "regulator's answer cannot be read, built-in rules decide");
            decide_alone(built_in, &episode).into()
        }
    }
}

fn said(earlier: &Earlier<'_>) -> wire::Earlier {
    let speaker = match earlier.speaker {
        Speaker::Customer => wire::earlier::Speaker::Customer,
        Speaker::Assistant => wire::earlier::Speaker::Assistant,
    };
    wire::Earlier {
        speaker: speaker.into(),
        text: earlier.text.to_owned(),
        at_ms: earlier.at.millis(),
        broke_off: earlier.broke_off,
    }
}

/// A decision of the built-in rules.
impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Self {
        metrics::counter!("switchboard_verdicts_by_built_in_rules_total").increment(1);
        let rule = decision.rule.map(RuleId::as_str).unwrap_or_default().to_owned();
        let (rules_version, evidence) = (decision.rules_version.to_string(), decision.evidence);
        Self {
            answer_failed: decision.answer_failed,
            degraded: true,
            escalation: decision.escalate.map(|escalate| Escalation {
                reason: escalate.reason,
                severity: escalate.severity,
                details: escalate.details,
                at: Timestamp::default(), // the session service stamps it when it is written
                rule,
                rules_version,
                evidence,
            }),
        }
    }
}
