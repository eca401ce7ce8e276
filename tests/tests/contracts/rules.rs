//! The regulator's rules as documents: drafts, publishing, the shadow, records. What a draft would have done: `past.rs`.

use crate::{words::assert_refused, world::World};
use futures::future::join_all;
use switchboard_domain::{BuiltinRole, ErrorKind, Failure, Principal, ServiceName};
use switchboard_mesh::{Channel, Mounted, status::from_status};
use switchboard_proto::{
    audit::v1::{self as audit, audit_service_client::AuditServiceClient},
    regulator::v1::{
        self as wire, Phase, VersionState, regulator_service_client::RegulatorServiceClient,
        what_if_request::Candidate, what_if_response::Event,
    },
};
use switchboard_tests::patience::eventually;

crate::on_both_engines!(
    an_invalid_draft_keeps_the_published_rules,
    a_draft_becomes_the_rules_and_the_old_ones_may_come_back,
    what_says_the_same_is_the_same_version,
    of_many_who_publish_one_wins,
    replicas_begin_with_one_version_and_learn_of_the_next,
    decisions_are_recorded,
    decisions_are_found,
    the_shadow_decides_beside_the_rules,
    every_command_is_in_the_audit_log,
);

/// A document that makes refunds a matter for humans.
pub(crate) const REFUNDS: &str =
    "# refunds are for humans\nrules:\n  keyword:\n    phrases: [退款, refund]\n";

/// A regulator at work on the world's data.
pub(crate) async fn regulator(world: &World) -> Mounted {
    let build = |config, deps| Box::pin(switchboard_regulator::build(config, deps)) as _;
    let server = world.part(ServiceName::Regulator, build).await;
    for task in server.tasks {
        world.life.spawn(task.name, task.work);
    }
    server.mounted.unwrap()
}

/// Somebody at the edge who talks to a regulator.
pub(crate) struct Desk<'w> {
    pub(crate) world: &'w World,
    pub(crate) at: &'w Mounted,
    pub(crate) role: BuiltinRole,
}

macro_rules! calls {
    ($($name:ident: $request:ident => $answer:ty;)+) => {
        impl Desk<'_> {
            $(async fn $name(&self, request: wire::$request) -> Result<$answer, Failure> {
                let mut client = RegulatorServiceClient::new(self.channel());
                let principal = self.world.staff(self.role).principal();
                let call = async move { client.$name(request).await };
                match self.world.acting(principal, call).await {
                    Ok(answer) => Ok(answer.into_inner()),
                    Err(status) => Err(from_status(&status)),
                }
            })+
        }
    };
}

calls! {
    get_rules: GetRulesRequest => wire::GetRulesResponse;
    list_rule_versions: ListRuleVersionsRequest => wire::ListRuleVersionsResponse;
    get_rule_version: GetRuleVersionRequest => wire::GetRuleVersionResponse;
    put_draft: PutDraftRequest => wire::PutDraftResponse;
    publish: PublishRequest => wire::PublishResponse;
    set_shadow: SetShadowRequest => wire::SetShadowResponse;
    clear_shadow: ClearShadowRequest => wire::ClearShadowResponse;
    shadow_report: ShadowReportRequest => wire::ShadowReportResponse;
    list_decisions: ListDecisionsRequest => wire::ListDecisionsResponse;
    what_if: WhatIfRequest => tonic::Streaming<wire::WhatIfResponse>;
}

impl<'w> Desk<'w> {
    pub(crate) fn of(world: &'w World, at: &'w Mounted) -> Self {
        Self { world, at, role: BuiltinRole::Supervisor }
    }

    fn channel(&self) -> Channel {
        self.world.channel(ServiceName::Gateway, self.at)
    }

    pub(crate) async fn draft(&self, document: &str) -> i64 {
        let draft = wire::PutDraftRequest { document: document.into(), note: "try".into() };
        self.put_draft(draft).await.unwrap().version.unwrap().ordinal
    }

    async fn versions(&self) -> Vec<(i64, VersionState, bool)> {
        let all = self.list_rule_versions(wire::ListRuleVersionsRequest::default()).await.unwrap();
        assert!(!all.has_more);
        all.versions.iter().map(|version| (version.ordinal, version.state(), version.shadow)).collect()
    }

    async fn rules(&self) -> wire::GetRulesResponse {
        self.get_rules(wire::GetRulesRequest {}).await.unwrap()
    }

    /// What the conductor is told about a customer's text.
    async fn decide(&self, text: &str) -> wire::DecideResponse {
        let request = wire::DecideRequest {
            phase: Phase::BeforeModel.into(),
            customer_text: text.into(),
            session: format!("session of {text}"),
            turn: "trn_0192f0c1a2b37c4d8e5f60718293a4b5".into(),
            at_ms: 7,
            ..Default::default()
        };
        let mut client = RegulatorServiceClient::new(self.world.channel(ServiceName::ChatGateway, self.at));
        let worker = Principal::Service(ServiceName::ChatGateway);
        self.world.acting(worker, client.decide(request)).await.unwrap().into_inner()
    }

    async fn decisions(&self, request: wire::ListDecisionsRequest) -> Vec<wire::Decision> {
        self.list_decisions(request).await.unwrap().decisions
    }

    pub(crate) async fn report(&self, request: wire::WhatIfRequest) -> Result<String, Failure> {
        let mut stream = self.what_if(request).await?;
        let mut report = String::new();
        while let Some(answer) = stream.message().await.map_err(|status| from_status(&status))? {
            if let Some(Event::Report(piece)) = answer.event {
                report.push_str(&piece);
            }
        }
        Ok(report)
    }
}

fn publish(ordinal: i64, expected: i64) -> wire::PublishRequest {
    wire::PublishRequest { ordinal, expected }
}

async fn an_invalid_draft_keeps_the_published_rules(world: &World) {
    let mounted = regulator(world).await;
    let desk = Desk::of(world, &mounted);
    let before = desk.rules().await;
    for (document, line, reason) in [
        ("rules:\n  keyword:\n    phrases: [a, ' ']\n", "3", "rules.keyword.phrases[1] is empty"),
        ("rules:\n  vip: {enabled: maybe}\n", "2", "bool"),
        ("rules:\n\n  ai_failures: {}\n", "3", "ai_failures"),
        ("rules: [", "1", ""),
    ] {
        let draft = wire::PutDraftRequest { document: document.into(), note: String::new() };
        let failure = desk.put_draft(draft.clone()).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.code.as_ref()),
            (ErrorKind::Invalid, "INVALID_RULES"),
            "{document}"
        );
        assert_eq!(failure.facts["line"], line, "{document}: {failure}");
        assert!(failure.facts["reason"].contains(reason), "{document}: {failure}");
        let tried = wire::WhatIfRequest {
            candidate: Some(Candidate::Document(draft.document)),
            since_ms: 1,
            ..Default::default()
        };
        assert_refused(desk.report(tried).await, ErrorKind::Invalid, "INVALID_RULES");
    }
    assert_eq!(desk.rules().await, before);
    assert_eq!(desk.versions().await, [(1, VersionState::Published, false)]);
}

async fn a_draft_becomes_the_rules_and_the_old_ones_may_come_back(world: &World) {
    let mounted = regulator(world).await;
    let desk = Desk::of(world, &mounted);
    assert_eq!(desk.decide("我要退款").await.rule, "");
    let draft = desk.draft(REFUNDS).await;
    assert_eq!(draft, 2);
    assert_eq!(desk.decide("我要退款").await.rule, "", "a draft decides nothing");

    let published = desk.publish(publish(draft, 1)).await.unwrap().version.unwrap();
    assert_eq!((published.state(), published.published_by), (VersionState::Published, published.created_by));
    let decision = desk.decide("我要退款").await;
    assert_eq!(
        (decision.rule.as_str(), decision.rules_version.as_str()),
        ("keyword", published.version.as_str())
    );
    assert!(published.version.starts_with("v2-"), "{}", published.version);
    let escalation = decision.escalation.unwrap();
    assert_eq!((escalation.rule.as_str(), escalation.rules_version), ("keyword", published.version));
    assert_eq!(escalation.evidence, ["退款"]);

    assert_refused(desk.publish(publish(1, 1)).await, ErrorKind::Conflict, "RULES_MOVED");
    assert_refused(desk.publish(publish(9, 2)).await, ErrorKind::NotFound, "RULES_NOT_FOUND");
    desk.publish(publish(draft, 1)).await.unwrap(); // a repeat of what has happened
    desk.publish(publish(1, 2)).await.unwrap();
    assert_eq!(desk.decide("我要退款").await.rule, "");
    assert_eq!(
        desk.versions().await,
        [(2, VersionState::Retired, false), (1, VersionState::Published, false)]
    );
    let kept = desk.get_rule_version(wire::GetRuleVersionRequest { ordinal: 2 }).await.unwrap();
    assert_eq!((kept.document.as_str(), kept.version.unwrap().note.as_str()), (REFUNDS, "try"));
    assert!(kept.document_json.contains("退款"));
}

async fn what_says_the_same_is_the_same_version(world: &World) {
    let mounted = regulator(world).await;
    let desk = Desk::of(world, &mounted);
    assert_eq!(desk.draft(REFUNDS).await, 2);
    let json = r#"{"rules": {"keyword": {"enabled": true, "phrases": ["退款", "refund"]}}}"#;
    let again = wire::PutDraftRequest { document: json.into(), note: "other words".into() };
    let put = desk.put_draft(again).await.unwrap();
    assert_eq!((put.created, put.version.unwrap().ordinal), (false, 2));
    let both = join_all((0..6).map(|_| desk.draft("rules: {vip: {enabled: false}}"))).await;
    assert_eq!(both, [3; 6]);
    let page = wire::ListRuleVersionsRequest { before: 3, limit: 1 };
    let page = desk.list_rule_versions(page).await.unwrap();
    assert_eq!((page.versions[0].ordinal, page.versions.len(), page.has_more), (2, 1, true));
}

async fn of_many_who_publish_one_wins(world: &World) {
    let (one, other) = (regulator(world).await, regulator(world).await);
    let desks = [Desk::of(world, &one), Desk::of(world, &other)];
    let mut drafts = Vec::new();
    for n in 0..8 {
        drafts.push(desks[0].draft(&format!("rules: {{keyword: {{phrases: [call {n}]}}}}")).await);
    }
    let calls =
        drafts.iter().map(|draft| desks[usize::try_from(draft % 2).unwrap()].publish(publish(*draft, 1)));
    let outcomes = join_all(calls).await;
    let winners: Vec<i64> = outcomes
        .iter()
        .filter_map(|outcome| Some(outcome.as_ref().ok()?.version.as_ref()?.ordinal))
        .collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    for failure in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(
            (failure.code.as_ref(), &failure.facts["published"]),
            ("RULES_MOVED", &winners[0].to_string())
        );
    }
    let published = desks[0].versions().await;
    assert_eq!(published.iter().filter(|version| version.1 == VersionState::Published).count(), 1);
    assert!(published.contains(&(winners[0], VersionState::Published, false)));
}

async fn replicas_begin_with_one_version_and_learn_of_the_next(world: &World) {
    let both = futures::join!(regulator(world), regulator(world));
    let (one, other) = (Desk::of(world, &both.0), Desk::of(world, &both.1));
    assert_eq!(one.rules().await, other.rules().await);
    assert_eq!(one.versions().await, [(1, VersionState::Published, false)]);
    let draft = one.draft(REFUNDS).await;
    one.publish(publish(draft, 1)).await.unwrap();
    assert_eq!(one.decide("退款").await.rule, "keyword");
    let learned = async || (other.decide("退款").await.rule == "keyword").then_some(());
    eventually("the other replica learns of it", learned).await;
}

async fn decisions_are_recorded(world: &World) {
    let mounted = regulator(world).await;
    let desk = Desk::of(world, &mounted);
    for text in ["转人工", "你好", "你好", "有没有人"] {
        desk.decide(text).await;
    }
    let all = wire::ListDecisionsRequest::default();
    let recorded = async || (desk.decisions(all.clone()).await.len() == 4).then_some(());
    eventually("four decisions are recorded", recorded).await;
    let version = desk.rules().await.version;
    let escalated = wire::ListDecisionsRequest { escalated_only: true, ..all.clone() };
    let mut rules: Vec<_> =
        desk.decisions(escalated).await.into_iter().map(|made| (made.rule, made.evidence)).collect();
    rules.sort();
    let expected = [("keyword", vec!["转人工", "人工"]), ("request", vec!["有没有人"])];
    assert_eq!(
        rules,
        expected.map(|(rule, evidence)| (rule.into(), evidence.into_iter().map(Into::into).collect()))
    );

    let hello = wire::ListDecisionsRequest { session: "session of 你好".into(), ..all.clone() };
    let hello = desk.decisions(hello).await;
    assert_eq!(hello.len(), 2);
    assert_eq!(hello[0].input_digest, hello[1].input_digest, "the same input has the same digest");
    assert!(
        hello
            .iter()
            .all(|made| made.rules_version == version && !made.escalated && made.shadow_version.is_empty())
    );

    // Page by page, each once.
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let page = wire::ListDecisionsRequest { limit: 3, page_token: token, ..all.clone() };
        let page = desk.list_decisions(page).await.unwrap();
        seen.extend(page.decisions.into_iter().map(|made| made.id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 4);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|id| id.starts_with("evt_")));
    let odd = wire::ListDecisionsRequest { page_token: "x".into(), ..all };
    assert_refused(desk.list_decisions(odd).await, ErrorKind::Invalid, "MALFORMED_MESSAGE");
}

/// By rule, by version, by time.
async fn decisions_are_found(world: &World) {
    let mounted = regulator(world).await;
    let desk = Desk::of(world, &mounted);
    for text in ["转人工", "你好", "你好", "有没有人"] {
        desk.decide(text).await;
    }
    let all = wire::ListDecisionsRequest::default();
    let recorded = async || (desk.decisions(all.clone()).await.len() == 4).then_some(());
    eventually("four decisions are recorded", recorded).await;
    let version = desk.rules().await.version;
    let hello = wire::ListDecisionsRequest { session: "session of 你好".into(), ..all.clone() };
    let hello = desk.decisions(hello).await;
    let find = async |request: wire::ListDecisionsRequest| {
        desk.decisions(request).await.into_iter().map(|made| made.rule).collect::<Vec<_>>()
    };
    let by_rule = |rule: &str| wire::ListDecisionsRequest { rule: rule.into(), ..all.clone() };
    assert_eq!(find(by_rule("keyword")).await, ["keyword"]);
    assert_eq!(find(by_rule("vip")).await, [""; 0]);
    let by_version =
        |version: &str| wire::ListDecisionsRequest { rules_version: version.into(), ..all.clone() };
    assert_eq!((find(by_version(&version)).await.len(), find(by_version("v9-no")).await.len()), (4, 0));
    let at = hello[0].at_ms;
    let span = |since_ms, until_ms| wire::ListDecisionsRequest {
        session: "session of 你好".into(),
        since_ms,
        until_ms,
        ..all.clone()
    };
    assert!(!find(span(at, at + 1)).await.is_empty());
    assert_eq!((find(span(at + 1, 0)).await.len(), find(span(0, hello[1].at_ms)).await.len()), (0, 0));
}

async fn the_shadow_decides_beside_the_rules(world: &World) {
    let mounted = regulator(world).await;
    let desk = Desk::of(world, &mounted);
    let shadow = |ordinal| desk.set_shadow(wire::SetShadowRequest { ordinal });
    assert_refused(shadow(1).await, ErrorKind::Conflict, "RULES_IN_FORCE");
    assert_refused(shadow(5).await, ErrorKind::NotFound, "RULES_NOT_FOUND");
    assert_eq!(desk.shadow_report(wire::ShadowReportRequest::default()).await.unwrap().ordinal, 0);
    let draft = desk.draft(REFUNDS).await;
    assert!(shadow(draft).await.unwrap().version.unwrap().shadow);
    assert_eq!(desk.rules().await.shadow, Some(draft));
    for (text, rule) in [("退款", ""), ("转人工", "keyword"), ("你好", ""), ("退款,有没有人?", "request")]
    {
        assert_eq!(desk.decide(text).await.rule, rule, "the shadow changes nothing: {text}");
    }
    let counted = async || {
        let report = desk.shadow_report(wire::ShadowReportRequest::default()).await.unwrap();
        (report.decisions == 4).then_some(report)
    };
    let report = eventually("four decisions are recorded", counted).await;
    assert_eq!((report.ordinal, report.only_shadow, report.only_published, report.other_rule), (2, 1, 1, 1));
    let mut differing: Vec<_> =
        report.differing.iter().map(|made| (made.rule.as_str(), made.shadow_rule.as_str())).collect();
    differing.sort_unstable();
    assert_eq!(differing, [("", "keyword"), ("keyword", ""), ("request", "keyword")]);
    let since = wire::ShadowReportRequest { ordinal: Some(2), since_ms: i64::MAX };
    assert_eq!(desk.shadow_report(since).await.unwrap().decisions, 0);

    desk.clear_shadow(wire::ClearShadowRequest {}).await.unwrap();
    assert_eq!(desk.rules().await.shadow, None);
    shadow(draft).await.unwrap();
    desk.publish(publish(draft, 1)).await.unwrap();
    assert_eq!(desk.rules().await.shadow, None, "what is in force is no shadow");
}

async fn every_command_is_in_the_audit_log(world: &World) {
    let mounted = regulator(world).await;
    let desk = Desk::of(world, &mounted);
    let draft = desk.draft(REFUNDS).await;
    desk.draft(REFUNDS).await; // changes nothing
    desk.set_shadow(wire::SetShadowRequest { ordinal: draft }).await.unwrap();
    desk.clear_shadow(wire::ClearShadowRequest {}).await.unwrap();
    desk.publish(publish(draft, 1)).await.unwrap();
    desk.publish(publish(draft, 1)).await.unwrap(); // a repeat
    desk.publish(publish(1, 1)).await.unwrap_err(); // refused
    let mut client = AuditServiceClient::new(desk.channel());
    let admin = world.staff(BuiltinRole::Admin).principal();
    let list = audit::ListRequest { limit: 50, ..Default::default() };
    let records = world.acting(admin.clone(), client.list(list)).await.unwrap().into_inner().records;
    let told: Vec<_> =
        records.iter().rev().map(|record| (record.action.as_str(), record.object.as_str())).collect();
    assert_eq!(
        told,
        [
            ("rules.publish", "rules/1"),
            ("rules.put", "rules/2"),
            ("rules.shadow", "rules/2"),
            ("rules.shadow", "rules/2"),
            ("rules.publish", "rules/2"),
        ]
    );
    assert_eq!(records[4].actor, "configuration");
    assert!(records[..4].iter().all(|record| record.actor.starts_with("agent:agt_")), "{records:?}");
    let verify = audit::VerifyRequest::default();
    let found = world.acting(admin, client.verify(verify)).await.unwrap().into_inner();
    assert_eq!((found.broken_seq, found.head_seq), (None, 5));
}
