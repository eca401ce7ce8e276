//! The regulator: three versions, one decision, a report in two pieces.

use super::{
    FakeRegulator, Stream,
    login::{Answer, note},
    refuse,
};
use futures::{StreamExt as _, stream};
use switchboard_domain::{ErrorKind, Failure};
use switchboard_mesh::status::to_status;
use switchboard_proto::regulator::v1::{
    self as wire, Phase, VersionState, what_if_request::Candidate, what_if_response::Event,
};
use tonic::{Request, Response, Status};

/// A document that cannot be used.
const BROKEN: &str = "broken";

fn version(ordinal: i64) -> wire::RuleVersion {
    let state = if ordinal == 2 { VersionState::Published } else { VersionState::Draft };
    wire::RuleVersion {
        ordinal,
        version: format!("v{ordinal}-abc"),
        state: state.into(),
        created_by: "configuration".into(),
        created_at_ms: 1500,
        published_at_ms: (ordinal == 2).then_some(2500),
        published_by: if ordinal == 2 { "agent:a".into() } else { String::new() },
        ..wire::RuleVersion::default()
    }
}

fn decision() -> wire::Decision {
    wire::Decision {
        id: "evt_1".into(),
        at_ms: 1500,
        session: "alice".into(),
        phase: Phase::AfterAnswer.into(),
        rules_version: "v2-abc".into(),
        rule: "keyword".into(),
        escalated: true,
        evidence: vec!["退款".into()],
        shadow_version: "v3-abc".into(),
        ..wire::Decision::default()
    }
}

fn invalid(document: &str) -> Result<(), Status> {
    if document != BROKEN {
        return Ok(());
    }
    let told = "line 4, column 7: no";
    let failure = Failure::new(ErrorKind::Invalid, "INVALID_RULES", told);
    Err(to_status(&failure.with("line", 4).with("column", 7).with("reason", "no")))
}

/// Makes of each `name: Request => Response = |request| (facts, answer)` a handler that notes what it was asked.
macro_rules! handlers {
    ($($name:ident: $request:ident => $response:ident = |$message:ident| $facts:expr, $answer:expr;)+) => {
        #[tonic::async_trait]
        impl wire::regulator_service_server::RegulatorService for FakeRegulator {
            type WhatIfStream = Stream<wire::WhatIfResponse>;

            $(async fn $name(&self, request: Request<wire::$request>) -> Answer<wire::$response> {
                let $message = request.into_inner();
                note(&self.0, stringify!($name), &$facts)?;
                Ok(Response::new($answer))
            })+

            async fn decide(&self, _: Request<wire::DecideRequest>) -> Answer<wire::DecideResponse> {
                Err(refuse(ErrorKind::Internal, "INTERNAL", "not asked in these tests"))
            }

            async fn what_if(&self, request: Request<wire::WhatIfRequest>) -> Answer<Self::WhatIfStream> {
                let request = request.into_inner();
                note(&self.0, "what_if", &format!("{} {}", request.since_ms, request.handling_ms))?;
                let pieces = match request.candidate {
                    Some(Candidate::Document(document)) => {
                        invalid(&document)?;
                        // Breaks off in the middle.
                        vec![r#"{"sessions":"#]
                    }
                    _ => vec![r#"{"sessions":"#, r#"2,"report_digest":"d"}"#],
                };
                let told = pieces.into_iter().map(|piece| {
                    Ok(wire::WhatIfResponse { event: Some(Event::Report(piece.to_owned())) })
                });
                Ok(Response::new(stream::iter(told).boxed()))
            }
        }
    };
}

handlers! {
    get_rules: GetRulesRequest => GetRulesResponse = |_request| "", wire::GetRulesResponse {
        version: "v2-abc".into(), document_json: r#"{"rules":{}}"#.into(), shadow: Some(3), ordinal: 2,
    };
    list_rule_versions: ListRuleVersionsRequest => ListRuleVersionsResponse =
        |request| format!("{}/{}", request.before, request.limit), wire::ListRuleVersionsResponse {
            versions: vec![version(3), version(2)], has_more: true,
        };
    get_rule_version: GetRuleVersionRequest => GetRuleVersionResponse =
        |request| request.ordinal.to_string(), wire::GetRuleVersionResponse {
            version: Some(version(request.ordinal)), document: "rules: {}".into(), document_json: "{}".into(),
        };
    check_draft: CheckDraftRequest => CheckDraftResponse = |request| request.document, if request.document == BROKEN {
        wire::CheckDraftResponse { reason: "no".into(), line: 4, column: 7, ..Default::default() }
    } else {
        wire::CheckDraftResponse { document_json: "{}".into(), digest: "d".into(), ..Default::default() }
    };
    put_draft: PutDraftRequest => PutDraftResponse = |request| request.note, {
        invalid(&request.document)?;
        wire::PutDraftResponse { version: Some(version(3)), created: true }
    };
    publish: PublishRequest => PublishResponse =
        |request| format!("{} {}", request.ordinal, request.expected), wire::PublishResponse { version: Some(version(2)) };
    set_shadow: SetShadowRequest => SetShadowResponse =
        |request| request.ordinal.to_string(), wire::SetShadowResponse { version: Some(version(3)) };
    clear_shadow: ClearShadowRequest => ClearShadowResponse = |_request| "", wire::ClearShadowResponse {};
    shadow_report: ShadowReportRequest => ShadowReportResponse =
        |request| format!("{:?} {}", request.ordinal, request.since_ms), wire::ShadowReportResponse {
            ordinal: request.ordinal.unwrap_or_default(), only_shadow: 2, differing: vec![decision()],
            ..Default::default()
        };
    list_decisions: ListDecisionsRequest => ListDecisionsResponse = |request| format!(
        "{} {} {} {} {}..{} {}/{}", request.session, request.escalated_only, request.rule, request.rules_version,
        request.since_ms, request.until_ms, request.page_token, request.limit,
    ), wire::ListDecisionsResponse { decisions: vec![decision()], next_page_token: "1500/evt_1".into() };
}
