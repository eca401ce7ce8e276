//! May the bot answer, and was it an answer? The regulator decides; when it cannot be asked in time, the rules that are
//! built in do, so that a call for a human is never overheard.

use crate::{peers::Peers, turn::Conductor};
use std::time::Duration;
use switchboard_domain::{
    Timestamp,
    regulation::{Decision, Episode, Phase, Rules, decide},
    session::Escalation,
};
use switchboard_mesh::status::from_status;
use switchboard_proto::regulator::v1 as wire;

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    pub(crate) escalation: Option<Escalation>,
    pub(crate) answer_failed: bool,
}

impl Conductor {
    /// Asks; `episode.phase` says whether before the model is called or after the answer.
    pub(crate) async fn judge(&self, episode: Episode<'_>) -> Verdict {
        judge(&self.peers, self.settings.regulator_timeout, &self.rules, episode).await
    }
}

async fn judge(peers: &Peers, timeout: Duration, built_in: &Rules, episode: Episode<'_>) -> Verdict {
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
    };
    let mut regulator = peers.regulator.clone();
    let asked = tokio::time::timeout(timeout, regulator.decide(request)).await;
    let answer = match asked {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => {
            tracing::warn!(code = %from_status(&status).code, "regulator away, built-in rules decide");
            return decide(built_in, &episode).into();
        }
        Err(_elapsed) => {
            tracing::warn!("regulator too slow, built-in rules decide");
            return decide(built_in, &episode).into();
        }
    };
    match answer.escalation.map(Escalation::try_from).transpose() {
        Ok(escalation) => Verdict { escalation, answer_failed: answer.answer_failed },
        Err(error) => {
            tracing::error!(%error, "regulator's answer cannot be read, built-in rules decide");
            decide(built_in, &episode).into()
        }
    }
}

impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Self {
        Self {
            answer_failed: decision.answer_failed,
            escalation: decision.escalate.map(|escalate| Escalation {
                reason: escalate.reason,
                severity: escalate.severity,
                details: escalate.details,
                at: Timestamp::default(), // the session service stamps it when it is written
            }),
        }
    }
}
