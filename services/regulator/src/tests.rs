//! The service over the wire, as its callers see it, on a store of its own. What is promised on both engines is in the
//! contracts.

mod shadows;

use crate::{Config, build, config};
use std::{sync::Arc, time::Duration};
use switchboard_boot::{
    Configured as _, Deps, Lifecycle, NodeConfig, Server, Sources, Tree,
    system::{SystemClock, SystemRng},
};
use switchboard_db::Db;
use switchboard_domain::{BuiltinRole, ErrorKind, Failure, Principal, ServiceName, regulation::RulesSource};
use switchboard_mesh::{CallContext, Channel, Directory, channel::nowhere, loopback, status::from_status};
use switchboard_proto::regulator::v1::{
    CheckDraftRequest, DecideRequest, DecideResponse, GetRulesRequest, GetRulesResponse, Phase,
    PublishRequest, PutDraftRequest, regulator_service_client::RegulatorServiceClient,
};
use tempfile::TempDir;

type Client = RegulatorServiceClient<Channel>;

fn read(folder: &TempDir, keys: &[(&str, &str)]) -> (Option<Config>, Option<NodeConfig>, Vec<String>) {
    let mut flags: Vec<(String, String)> =
        keys.iter().map(|(key, value)| (format!("regulator.{key}"), (*value).to_owned())).collect();
    flags.push(("database.data_dir".to_owned(), folder.path().display().to_string()));
    let (sources, mut problems) = (Sources { flags, ..Sources::default() }, Vec::new());
    let tree = Tree::load(&sources, &mut problems);
    let (config, node) = (tree.extract(&mut problems), tree.extract(&mut problems));
    let problems = problems.into_iter().map(|problem| format!("{}: {}", problem.key, problem.problem));
    (config, node, problems.collect())
}

/// A regulator that is built and not started, on a folder.
struct World {
    server: Server,
    node: Arc<NodeConfig>,
    life: Lifecycle,
}

impl World {
    async fn open(folder: &TempDir, keys: &[(&str, &str)]) -> Self {
        let (config, node, problems) = read(folder, keys);
        assert!(problems.is_empty(), "{problems:?}");
        let (life, node) = (Lifecycle::new(), Arc::new(node.unwrap()));
        let deps = deps(&life, &node);
        Self { server: build(config.unwrap(), deps).await.unwrap(), node, life }
    }

    /// What it keeps, seen from beside it.
    async fn db(&self) -> Db {
        deps(&self.life, &self.node).open_db(&crate::MIGRATIONS).await.unwrap()
    }

    fn client(&self, caller: ServiceName) -> Client {
        let mounted = self.server.mounted.clone().unwrap();
        RegulatorServiceClient::new(loopback(caller, self.node.mesh.call_timeout, mounted.guarded))
    }

    async fn decide(&self, request: DecideRequest) -> Result<DecideResponse, Failure> {
        let mut client = self.client(ServiceName::ChatGateway);
        told(context().scope(client.decide(request)).await)
    }

    async fn rules(&self) -> GetRulesResponse {
        let mut client = self.client(ServiceName::Gateway);
        context().scope(client.get_rules(GetRulesRequest {})).await.unwrap().into_inner()
    }

    async fn close(self) {
        assert!(self.life.stop(Duration::from_secs(20)).await);
    }
}

fn deps(life: &Lifecycle, node: &Arc<NodeConfig>) -> Deps {
    let mut peers = Directory::new(ServiceName::Regulator);
    peers.add(ServiceName::Session, nowhere(ServiceName::Session)).unwrap();
    Deps {
        name: crate::NAME,
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        coord: switchboard_coord::Coord::alone(),
        peers,
        tasks: life.clone(),
        node: Arc::clone(node),
    }
}

fn context() -> CallContext {
    CallContext::background(ServiceName::ChatGateway, &SystemClock, &SystemRng)
}

fn staff(role: BuiltinRole) -> CallContext {
    let id = "agt_0192f0c1a2b37c4d8e5f60718293a4b5".parse().unwrap();
    context().acting_as(Principal::Agent { id, permissions: role.permissions() })
}

fn told<T>(outcome: Result<tonic::Response<T>, tonic::Status>) -> Result<T, Failure> {
    outcome.map(tonic::Response::into_inner).map_err(|status| from_status(&status))
}

fn question(text: &str) -> DecideRequest {
    DecideRequest { phase: Phase::BeforeModel.into(), customer_text: text.into(), ..DecideRequest::default() }
}

fn answer(text: &str, ai_failures: u32) -> DecideRequest {
    DecideRequest {
        phase: Phase::AfterAnswer.into(),
        answer: text.into(),
        ai_failures,
        ..DecideRequest::default()
    }
}

/// What is expected of one request: `(rule, reason, severity, answer_failed, evidence)`.
type Expected<'a> = (&'a str, &'a str, &'a str, bool, &'a [&'a str]);
const GOES_ON: Expected<'_> = ("", "", "", false, &[]);

#[tokio::test]
async fn the_builtin_policy_over_the_wire() {
    let provider_failed =
        |ai_failures| DecideRequest { provider_failed: true, ..answer("half an ans", ai_failures) };
    let table: Vec<(DecideRequest, Expected<'_>)> = vec![
        (question("电池能用多久"), GOES_ON),
        (question("人工智能是什么"), GOES_ON),
        (question("我要转人工"), ("keyword", "keyword", "high", false, &["转人工", "人工"])),
        (question("有没有人?"), ("request", "keyword", "high", false, &["有没有人"])),
        (question("垃圾,骗子"), ("sentiment", "sentiment", "medium", false, &["垃圾 +3", "骗子 +3"])),
        (DecideRequest { vip: true, ..question("hello") }, ("vip", "vip", "high", false, &[])),
        (DecideRequest { vip_parameter: true, ..question("人工") }, ("vip", "vip", "high", false, &[])),
        (answer("The battery lasts 80 km.", 2), GOES_ON),
        (answer("抱歉,我不清楚", 0), ("", "", "", true, &["抱歉", "不清楚"])),
        (answer("抱歉", 2), ("ai_failure", "fail_loop", "low", true, &["抱歉"])),
        (answer(" \n", 0), ("", "", "", true, &[])),
        (answer("", 2), ("ai_failure", "fail_loop", "low", true, &[])),
        (provider_failed(1), ("", "", "", true, &[])),
        (provider_failed(2), ("ai_failure", "fail_loop", "low", true, &[])),
        (answer("抱歉", u32::MAX), ("ai_failure", "fail_loop", "low", true, &["抱歉"])),
        // Not the question of this phase.
        (DecideRequest { vip: true, ..answer("fine", 0) }, GOES_ON),
        (DecideRequest { answer: "抱歉".into(), ai_failures: 9, ..question("hi") }, GOES_ON),
    ];
    let folder = TempDir::new().unwrap();
    let world = World::open(&folder, &[]).await;
    let version = world.rules().await.version;
    for (request, (rule, reason, severity, failed, evidence)) in table {
        let told = format!("{request:?}");
        let decision = world.decide(request).await.unwrap();
        assert_eq!(decision.rule, rule, "{told}");
        assert_eq!(decision.answer_failed, failed, "{told}");
        assert_eq!(decision.evidence, evidence, "{told}");
        assert_eq!(decision.rules_version, version, "{told}");
        let Some(escalation) = decision.escalation else {
            assert_eq!(reason, "", "{told}");
            continue;
        };
        assert_eq!((escalation.reason.as_str(), escalation.severity.as_str()), (reason, severity), "{told}");
        assert_eq!((escalation.rule.as_str(), escalation.rules_version), (rule, version.clone()), "{told}");
        assert_eq!((escalation.evidence, escalation.at_ms), (decision.evidence, 0), "{told}");
        assert!(!escalation.details.is_empty(), "{told}");
    }
    world.close().await;
}

#[tokio::test]
async fn what_was_said_before_is_looked_at() {
    use switchboard_proto::regulator::v1::{Earlier, earlier::Speaker};
    let said = |speaker: Speaker, text: &str, at_ms| Earlier {
        speaker: speaker.into(),
        text: text.into(),
        at_ms,
        broke_off: false,
    };
    let folder = TempDir::new().unwrap();
    let world = World::open(&folder, &[]).await;
    let ask = "我的订单什么时候发货";
    let again = DecideRequest {
        earlier: vec![said(Speaker::Customer, ask, 1), said(Speaker::Customer, ask, 2)],
        at_ms: 3,
        ..question(ask)
    };
    assert_eq!(world.decide(again.clone()).await.unwrap().rule, "repeated");
    let waited = DecideRequest {
        earlier: vec![said(Speaker::Customer, "在吗", 1), said(Speaker::Assistant, "抱歉", 2)],
        at_ms: 200_000,
        ..question("喂")
    };
    assert_eq!(world.decide(waited).await.unwrap().rule, "waiting");
    let nobody = DecideRequest { earlier: vec![said(Speaker::Unspecified, ask, 1)], ..again };
    let failure = world.decide(nobody).await.unwrap_err();
    assert_eq!((failure.kind, failure.facts["field"].as_str()), (ErrorKind::Invalid, "earlier.speaker"));
    for phase in [0, 99] {
        let failure = world.decide(DecideRequest { phase, ..question("人工") }).await.unwrap_err();
        assert_eq!((failure.kind, failure.facts["field"].as_str()), (ErrorKind::Invalid, "phase"), "{phase}");
    }
    world.close().await;
}

#[tokio::test]
async fn the_configuration_is_the_first_version_and_no_later_one() {
    let folder = TempDir::new().unwrap();
    let own = [("keywords", "退款,人工智能"), ("failure_threshold", "1"), ("vip_auto_escalate", "false")];
    let world = World::open(&folder, &own).await;
    let rule = async |request| world.decide(request).await.unwrap().rule;
    assert_eq!(rule(question("我要退款")).await, "keyword");
    assert_eq!(rule(question("转人工")).await, "");
    assert_eq!(rule(question("人工智能")).await, "keyword", "an own keyword outranks a built-in exception");
    assert_eq!(rule(DecideRequest { vip: true, ..question("hello") }).await, "");
    assert_eq!(rule(answer("抱歉", 0)).await, "ai_failure");
    let first = world.rules().await;
    assert!(first.version.starts_with("v1-") && first.version.len() == 15, "{}", first.version);
    let document = RulesSource::parse(&first.document_json).unwrap();
    assert_eq!(document.rules.keyword.phrases, ["退款", "人工智能"]);
    world.close().await;

    let world = World::open(&folder, &[("keywords", "别的")]).await;
    assert_eq!(world.rules().await, first);
    world.close().await;
}

#[tokio::test]
async fn only_the_declared_callers_and_people_may_ask() {
    let folder = TempDir::new().unwrap();
    let world = World::open(&folder, &[]).await;
    let (mut edge, mut conductor) =
        (world.client(ServiceName::Gateway), world.client(ServiceName::ChatGateway));
    let agent = || staff(BuiltinRole::Agent);
    let put = || PutDraftRequest { document: "{}".into(), note: String::new() };
    for refused in [
        told(context().scope(edge.decide(question("人工"))).await).map(drop),
        told(agent().scope(conductor.decide(question("人工"))).await).map(drop),
        told(agent().scope(edge.put_draft(put())).await).map(drop),
        told(agent().scope(edge.publish(PublishRequest { ordinal: 1, expected: 1 })).await).map(drop),
        told(agent().scope(edge.get_rules(GetRulesRequest {})).await).map(drop),
    ] {
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Forbidden);
    }
    told(staff(BuiltinRole::Supervisor).scope(edge.put_draft(put())).await).unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_draft_can_be_checked_without_being_kept() {
    let folder = TempDir::new().unwrap();
    let world = World::open(&folder, &[]).await;
    let mut edge = world.client(ServiceName::Gateway);
    let mut check = async |document: &str| {
        let request = CheckDraftRequest { document: document.into() };
        told(staff(BuiltinRole::Supervisor).scope(edge.check_draft(request)).await).unwrap()
    };
    let wrong = check("rules:\n  keyword:\n    phrases: [a, A]\n").await;
    assert_eq!((wrong.line, wrong.digest.as_str()), (3, ""));
    assert_eq!(wrong.reason, "rules.keyword.phrases[1] is the same as the phrase at index 0");
    let right = check("rules: {vip: {enabled: false}}").await;
    assert_eq!((right.reason.as_str(), right.line), ("", 0));
    assert!(!RulesSource::parse(&right.document_json).unwrap().rules.vip.enabled);
    world.close().await;
}

#[test]
fn a_bad_key_is_told_with_its_place_and_the_reason() {
    let folder = TempDir::new().unwrap();
    for (key, value, problem) in [
        (
            "keywords",
            "人工,ok,OK",
            "regulator.keywords: rules.keyword.phrases[2] is the same as the phrase at index 1",
        ),
        (
            "failure_phrases",
            "Sorry,SORRY",
            "regulator.failure_phrases: rules.ai_failure.phrases[1] is the same as the phrase at index 0",
        ),
        (
            "exceptions",
            "labour,人工",
            "regulator.exceptions: exceptions[1] is also one of rules.keyword.phrases, which would never be found",
        ),
        (
            "failure_threshold",
            "0",
            "regulator.failure_threshold: rules.ai_failure.threshold is not 1 to 1000",
        ),
        ("rules_max_age", "0s", "regulator.rules_max_age: more than 0"),
        ("what_if.agents", "0", "regulator.what_if.agents: at least 1"),
        ("what_if.agents", "10001", "regulator.what_if.agents: at most 10000"),
    ] {
        let (config, _, problems) = read(&folder, &[(key, value)]);
        assert!(config.is_none());
        assert_eq!(problems, [problem], "{key}");
    }
    assert!(read(&folder, &[]).0.unwrap().check().is_empty());
}

#[test]
fn the_lists_of_the_original_can_be_taken_over() {
    let variable = |name: &str, text: &str| (format!("SWITCHBOARD__REGULATOR__{name}"), text.to_owned());
    let environment = vec![
        variable("KEYWORDS", "人工,真人, 客服,投诉,无法解决,转人工,接人工"),
        variable("FAILURE_PHRASES", "抱歉,很抱歉,无法,不清楚,不太清楚,无法回答,不能确定"),
        variable("VIP_AUTO_ESCALATE", "false"),
    ];
    let (sources, mut problems) = (Sources { environment, ..Sources::default() }, Vec::new());
    let config: Option<Config> = Tree::load(&sources, &mut problems).extract(&mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let first = config::first_document(&config.unwrap().regulator).unwrap();
    let rules = RulesSource::parse(&first.written).unwrap().rules;
    assert_eq!(rules.keyword.phrases, RulesSource::builtin().rules.keyword.phrases[..7]);
    assert_eq!((rules.ai_failure.phrases.len(), rules.vip.enabled), (7, false));
}
