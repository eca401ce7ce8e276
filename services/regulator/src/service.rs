//! The calls it answers.

use crate::{
    RegulatorError,
    config::WhatIf,
    document::{Document, Version, name},
    in_force::{InForce, Rulers},
    recorder::Recorder,
    store::{Decided, NewDecision, Store},
    what_if::{self, Ask, Replaying},
    wire as read,
};
use std::{pin::Pin, sync::Arc};
use switchboard_domain::{
    Clock,
    regulation::{Decision, Phase, RuleId, decide},
};
use switchboard_mesh::reply;
use switchboard_proto::{
    convert::WireError,
    regulator::v1::{self as wire, regulator_service_server::RegulatorService, what_if_request::Candidate},
};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

/// Longest note on a version, in characters.
const NOTE_MAX: usize = 500;
/// Most agents that a predicted queue may have.
pub(crate) const AGENTS_MAX: u32 = 10_000;
/// How many differing decisions a shadow's report shows.
const DIFFERING_MAX: i64 = 50;

/// The regulator.
#[derive(Debug, Clone)]
pub(crate) struct Regulator {
    pub(crate) store: Store,
    pub(crate) in_force: InForce,
    pub(crate) recorder: Recorder,
    pub(crate) replaying: Replaying,
    pub(crate) what_if: Arc<WhatIf>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Regulator {
    fn decide(&self, request: &wire::DecideRequest) -> Result<wire::DecideResponse, RegulatorError> {
        let earlier = read::earlier(request)?;
        let episode = read::episode(request, &earlier, self.clock.now())?;
        let Rulers { published, shadow } = self.in_force.now();
        let decision = decide(&published.rules, &episode);
        count(episode.phase, &decision);
        let shadow = shadow.map(|shadow| decide(&shadow.rules, &episode));
        if let Some(shadow) = &shadow {
            compare(&decision, shadow);
        }
        self.recorder.record(NewDecision {
            at: self.clock.now().millis(),
            session: request.session.clone(),
            turn: request.turn.clone(),
            phase: read::phase_name(episode.phase),
            answer_failed: decision.answer_failed,
            decided: decided(&decision),
            input_digest: read::input_digest(&episode),
            shadow: shadow.as_ref().map(decided),
        });
        Ok(read::response(decision))
    }

    fn rules(&self) -> wire::GetRulesResponse {
        let Rulers { published, shadow } = self.in_force.now();
        wire::GetRulesResponse {
            version: published.rules.version.to_string(),
            document_json: published.canonical.clone(),
            shadow: shadow.map(|shadow| shadow.ordinal),
            ordinal: published.ordinal,
        }
    }

    async fn versions(
        &self,
        request: wire::ListRuleVersionsRequest,
    ) -> Result<wire::ListRuleVersionsResponse, RegulatorError> {
        let limit = read::page_size(request.limit);
        let before = if request.before == 0 { i64::MAX } else { request.before };
        let head = self.store.head().await?;
        let count = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let mut rows = self.store.documents(before, count).await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let versions = rows.iter().map(|row| read::version(row, head)).collect();
        Ok(wire::ListRuleVersionsResponse { versions, has_more })
    }

    async fn version(&self, ordinal: i64) -> Result<wire::GetRuleVersionResponse, RegulatorError> {
        let row = self.store.document(ordinal).await?;
        Ok(wire::GetRuleVersionResponse {
            version: Some(read::version(&row, self.store.head().await?)),
            document: row.document,
            document_json: row.canonical,
        })
    }

    fn check(document: &str) -> Result<wire::CheckDraftResponse, RegulatorError> {
        match Document::parse(document) {
            Ok(Document { canonical, digest, .. }) => {
                Ok(wire::CheckDraftResponse { document_json: canonical, digest, ..Default::default() })
            }
            Err(RegulatorError::InvalidRules(error)) => Ok(wire::CheckDraftResponse {
                reason: error.reason,
                line: error.line,
                column: error.column,
                ..Default::default()
            }),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, request: wire::PutDraftRequest) -> Result<wire::PutDraftResponse, RegulatorError> {
        if request.note.chars().count() > NOTE_MAX {
            return Err(WireError::new("note").into());
        }
        let document = Document::parse(&request.document)?;
        let (row, created) = self.store.put(document, request.note).await?;
        let version = Some(read::version(&row, self.store.head().await?));
        Ok(wire::PutDraftResponse { version, created })
    }

    async fn publish(&self, request: wire::PublishRequest) -> Result<wire::PublishResponse, RegulatorError> {
        // What cannot be used does not come into force.
        self.compiled(request.ordinal).await?;
        let row = self.store.publish(request.ordinal, request.expected).await?;
        self.in_force.refresh().await?;
        Ok(wire::PublishResponse { version: Some(read::version(&row, self.store.head().await?)) })
    }

    async fn set_shadow(&self, ordinal: i64) -> Result<wire::SetShadowResponse, RegulatorError> {
        self.compiled(ordinal).await?;
        let row = self.store.set_shadow(Some(ordinal)).await?.ok_or(RegulatorError::NoVersion)?;
        self.in_force.refresh().await?;
        Ok(wire::SetShadowResponse { version: Some(read::version(&row, self.store.head().await?)) })
    }

    async fn clear_shadow(&self) -> Result<wire::ClearShadowResponse, RegulatorError> {
        self.store.set_shadow(None).await?;
        self.in_force.refresh().await?;
        Ok(wire::ClearShadowResponse {})
    }

    async fn shadow_report(
        &self,
        request: wire::ShadowReportRequest,
    ) -> Result<wire::ShadowReportResponse, RegulatorError> {
        let shadow = match request.ordinal {
            Some(ordinal) => Some(ordinal),
            None => self.store.head().await?.shadow,
        };
        let Some(ordinal) = shadow else { return Ok(wire::ShadowReportResponse::default()) };
        let row = self.store.document(ordinal).await?;
        let version = name(ordinal, &row.digest);
        let counts = self.store.shadow_counts(&version, request.since_ms).await?;
        let differing = self.store.differing(&version, request.since_ms, DIFFERING_MAX).await?;
        Ok(wire::ShadowReportResponse {
            ordinal,
            decisions: counts.decisions,
            only_shadow: counts.only_shadow,
            only_published: counts.only_published,
            other_rule: counts.other_rule,
            differing: differing.into_iter().map(read::decision).collect(),
        })
    }

    async fn decisions(
        &self,
        request: wire::ListDecisionsRequest,
    ) -> Result<wire::ListDecisionsResponse, RegulatorError> {
        let limit = read::page_size(request.limit);
        let mut rows = self.store.decisions(read::page(request)?).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_page_token = rows.last().filter(|_| more).map(read::page_token).unwrap_or_default();
        Ok(wire::ListDecisionsResponse {
            decisions: rows.into_iter().map(read::decision).collect(),
            next_page_token,
        })
    }

    async fn what_if(&self, request: wire::WhatIfRequest) -> Result<what_if::Reports, RegulatorError> {
        let settings = &self.what_if;
        let draft = match request.candidate.ok_or(WireError::new("candidate"))? {
            Candidate::Document(text) => {
                let document = Document::parse(&text)?;
                Arc::new(Version::compile(0, &document.digest, &document.canonical)?)
            }
            Candidate::Ordinal(ordinal) => self.compiled(ordinal).await?,
        };
        let base = match request.base {
            0 => self.in_force.now().published,
            ordinal => self.compiled(ordinal).await?,
        };
        let until = if request.until_ms == 0 { self.clock.now().millis() } else { request.until_ms };
        if request.since_ms <= 0 || request.since_ms >= until {
            return Err(WireError::new("since_ms").into());
        }
        if request.agents > AGENTS_MAX {
            return Err(WireError::new("agents").into());
        }
        let of_settings = |asked: u32, setting: u32| if asked == 0 { setting } else { asked };
        let ask = Ask {
            base,
            draft,
            since: request.since_ms,
            until,
            limit: of_settings(request.limit, settings.max_sessions).min(settings.max_sessions),
            agents: of_settings(request.agents, settings.agents),
            handling: (request.handling_ms > 0).then_some(request.handling_ms),
        };
        self.replaying.start(ask)
    }

    async fn compiled(&self, ordinal: i64) -> Result<Arc<Version>, RegulatorError> {
        let row = self.store.document(ordinal).await?;
        Ok(Arc::new(Version::compile(row.ordinal, &row.digest, &row.canonical)?))
    }
}

/// Makes of each `name: Request => Response = |this, request| future` one handler.
macro_rules! handlers {
    ($($name:ident: $request:ident => $response:ident = |$this:ident, $message:ident| $work:expr;)+) => {
        #[tonic::async_trait]
        impl RegulatorService for Regulator {
            $(async fn $name(
                &self,
                request: Request<wire::$request>,
            ) -> Result<Response<wire::$response>, Status> {
                let ($this, $message) = (self, request.into_inner());
                reply(async { Ok::<_, RegulatorError>($work) }).await
            })+

            type WhatIfStream = Pin<Box<dyn Stream<Item = Result<wire::WhatIfResponse, Status>> + Send>>;

            async fn what_if(
                &self,
                request: Request<wire::WhatIfRequest>,
            ) -> Result<Response<Self::WhatIfStream>, Status> {
                reply(async {
                    let reports = self.what_if(request.into_inner()).await?;
                    Ok::<Self::WhatIfStream, RegulatorError>(Box::pin(reports))
                })
                .await
            }
        }
    };
}

handlers! {
    decide: DecideRequest => DecideResponse = |this, request| this.decide(&request)?;
    get_rules: GetRulesRequest => GetRulesResponse = |this, _request| this.rules();
    list_rule_versions: ListRuleVersionsRequest => ListRuleVersionsResponse = |this, request| this.versions(request).await?;
    get_rule_version: GetRuleVersionRequest => GetRuleVersionResponse = |this, request| this.version(request.ordinal).await?;
    check_draft: CheckDraftRequest => CheckDraftResponse = |_this, request| Self::check(&request.document)?;
    put_draft: PutDraftRequest => PutDraftResponse = |this, request| this.put(request).await?;
    publish: PublishRequest => PublishResponse = |this, request| this.publish(request).await?;
    set_shadow: SetShadowRequest => SetShadowResponse = |this, request| this.set_shadow(request.ordinal).await?;
    clear_shadow: ClearShadowRequest => ClearShadowResponse = |this, _request| this.clear_shadow().await?;
    shadow_report: ShadowReportRequest => ShadowReportResponse = |this, request| this.shadow_report(request).await?;
    list_decisions: ListDecisionsRequest => ListDecisionsResponse = |this, request| this.decisions(request).await?;
}

fn decided(decision: &Decision) -> Decided {
    Decided {
        version: decision.rules_version.to_string(),
        rule: decision.rule.map(RuleId::as_str).unwrap_or_default(),
        escalated: decision.escalate.is_some(),
        evidence: decision.evidence.clone(),
    }
}

/// Counts a decision; the labels come from enums.
fn count(phase: Phase, decision: &Decision) {
    let (phase, rule) = (read::phase_name(phase), decision.rule.map_or("none", RuleId::as_str));
    metrics::counter!("switchboard_regulator_decisions_total", "phase" => phase, "rule" => rule).increment(1);
}

/// Counts what the shadow says beside the rules in force.
fn compare(decision: &Decision, shadow: &Decision) {
    let outcome = match (decision.rule, shadow.rule) {
        (one, other) if one == other => "same",
        (None, Some(_)) => "only_shadow",
        (Some(_), None) => "only_published",
        _ => "other_rule",
    };
    metrics::counter!("switchboard_regulator_shadow_total", "outcome" => outcome).increment(1);
}
