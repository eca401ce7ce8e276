//! The calls it answers.

use crate::{
    RegulatorError,
    config::Settings,
    rules::{self, RulesInForce},
    wire,
};
use std::sync::Arc;
use switchboard_domain::regulation::{Decision, Phase, RuleId, Rules, decide};
use switchboard_mesh::reply;
use switchboard_proto::regulator::v1::{
    DecideRequest, DecideResponse, GetRulesRequest, GetRulesResponse,
    regulator_service_server::RegulatorService,
};
use tonic::{Request, Response, Status};

/// Answers with the rules it was built with.
#[derive(Debug, Clone)]
pub(crate) struct Regulator {
    rules: Arc<Rules>,
    document: Arc<str>,
}

impl Regulator {
    /// Compiles the rules.
    ///
    /// # Errors
    /// [`RegulatorError::Rules`] when they cannot be used.
    pub(crate) fn new(settings: &Settings) -> Result<Self, RegulatorError> {
        let RulesInForce { compiled, source } = rules::in_force(settings)?;
        let document = serde_json::to_string(&source)?.into();
        tracing::info!(rules.version = %compiled.version, "escalation rules in force");
        Ok(Self { rules: Arc::new(compiled), document })
    }

    fn decide(&self, request: &DecideRequest) -> Result<DecideResponse, RegulatorError> {
        let episode = wire::episode(request)?;
        let decision = decide(&self.rules, &episode);
        count(episode.phase, &decision);
        Ok(wire::response(decision))
    }

    fn rules(&self) -> GetRulesResponse {
        GetRulesResponse { version: self.rules.version.to_string(), document_json: self.document.to_string() }
    }
}

#[tonic::async_trait]
impl RegulatorService for Regulator {
    async fn decide(&self, request: Request<DecideRequest>) -> Result<Response<DecideResponse>, Status> {
        reply(async { self.decide(request.get_ref()) }).await
    }

    async fn get_rules(
        &self,
        _request: Request<GetRulesRequest>,
    ) -> Result<Response<GetRulesResponse>, Status> {
        reply(async { Ok::<_, RegulatorError>(self.rules()) }).await
    }
}

/// Counts a decision; the labels come from enums.
fn count(phase: Phase, decision: &Decision) {
    let phase = match phase {
        Phase::BeforeModel => "before_model",
        Phase::AfterAnswer => "after_answer",
    };
    let rule = decision.rule.map_or("none", RuleId::as_str);
    metrics::counter!("switchboard_regulator_decisions_total", "phase" => phase, "rule" => rule).increment(1);
}
