//! The service over the wire, as its callers see it.

use crate::{Config, config::Settings, service::Regulator};
use std::{sync::Arc, time::Duration};
use switchboard_boot::{
    Configured as _, Sources, Tree,
    system::{SystemClock, SystemRng},
};
use switchboard_domain::{ErrorKind, Principal, ServiceName, regulation::RulesSource};
use switchboard_mesh::{CallContext, RemoteSettings, ServerStack, guard, loopback, status::from_status};
use switchboard_proto::regulator::v1::{
    DecideRequest, DecideResponse, GetRulesRequest, Phase, regulator_service_client::RegulatorServiceClient,
    regulator_service_server::RegulatorServiceServer,
};
use tonic::{Status, service::Routes};

const SECOND: Duration = Duration::from_secs(1);

fn settings(text: &str) -> Settings {
    let defaults = "
        keywords = []
        exceptions = []
        failure_phrases = []
        failure_threshold = 3
        vip_auto_escalate = true
    ";
    let mut table: toml::Table = defaults.parse().unwrap();
    table.extend(text.parse::<toml::Table>().unwrap());
    table.try_into().unwrap()
}

/// A client that calls `settings` from `caller`, through the same guard as in production.
fn client(caller: ServiceName, settings: &Settings) -> RegulatorServiceClient<switchboard_mesh::Channel> {
    let stack = ServerStack::new(
        ServiceName::Regulator,
        switchboard_proto::ACCESS,
        Arc::new(SystemClock),
        Arc::new(SystemRng),
    );
    let service = RegulatorServiceServer::new(Regulator::new(settings).unwrap());
    let remote = RemoteSettings {
        call_timeout: 5 * SECOND,
        connect_timeout: SECOND,
        keep_alive_interval: SECOND,
        keep_alive_timeout: SECOND,
    };
    RegulatorServiceClient::new(loopback(caller, &remote, guard(stack, Routes::new(service))))
}

fn context() -> CallContext {
    CallContext::background(ServiceName::ChatGateway, &SystemClock, &SystemRng)
}

async fn decide(settings: &Settings, request: DecideRequest) -> Result<DecideResponse, Status> {
    let mut client = client(ServiceName::ChatGateway, settings);
    context().scope(client.decide(request)).await.map(tonic::Response::into_inner)
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
        (question("Let me talk to a human!"), ("keyword", "keyword", "high", false, &["talk to a human"])),
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
    for (request, (rule, reason, severity, failed, evidence)) in table {
        let told = format!("{request:?}");
        let decision = decide(&settings(""), request).await.unwrap();
        assert_eq!(decision.rule, rule, "{told}");
        assert_eq!(decision.answer_failed, failed, "{told}");
        assert_eq!(decision.evidence, evidence, "{told}");
        assert_eq!(decision.rules_version, RulesSource::builtin().version, "{told}");
        let escalation = decision.escalation.unwrap_or_default();
        assert_eq!((escalation.reason.as_str(), escalation.severity.as_str()), (reason, severity), "{told}");
        assert_eq!((escalation.details.is_empty(), escalation.at_ms), (rule.is_empty(), 0), "{told}");
    }
}

#[tokio::test]
async fn a_request_without_a_phase_is_refused() {
    for phase in [0, 99] {
        let refused = decide(&settings(""), DecideRequest { phase, ..question("人工") }).await.unwrap_err();
        let failure = from_status(&refused);
        assert_eq!((failure.kind, failure.facts["field"].as_str()), (ErrorKind::Invalid, "phase"), "{phase}");
    }
}

#[tokio::test]
async fn own_lists_replace_the_builtin_ones_one_by_one() {
    let own = settings("keywords = ['退款', '人工智能']\nfailure_threshold = 1\nvip_auto_escalate = false");
    let rule = async |request| decide(&own, request).await.unwrap().rule;
    assert_eq!(rule(question("我要退款")).await, "keyword");
    assert_eq!(rule(question("我要转人工")).await, "");
    assert_eq!(rule(question("人工智能")).await, "keyword", "an own keyword outranks a built-in exception");
    assert_eq!(rule(DecideRequest { vip: true, ..question("hello") }).await, "");
    assert_eq!(rule(answer("抱歉", 0)).await, "ai_failure");
}

#[tokio::test]
async fn the_rules_can_be_read_and_their_version_tells_them_apart() {
    let read = async |settings: &Settings| {
        let mut client = client(ServiceName::Gateway, settings);
        context().scope(client.get_rules(GetRulesRequest {})).await.unwrap().into_inner()
    };
    let builtin = read(&settings("")).await;
    assert_eq!(builtin.version, RulesSource::builtin().version);
    let document: RulesSource = serde_json::from_str(&builtin.document_json).unwrap();
    assert_eq!(document, RulesSource::builtin());

    let (one, again) = (read(&settings("keywords = ['a']")).await, read(&settings("keywords = ['a']")).await);
    let other = read(&settings("keywords = ['a']\nfailure_threshold = 4")).await;
    assert!(
        one.version.starts_with("config-") && one.version.len() == "config-".len() + 12,
        "{}",
        one.version
    );
    assert_eq!(one.version, again.version);
    assert_ne!(one.version, other.version);
    let document: RulesSource = serde_json::from_str(&other.document_json).unwrap();
    assert_eq!((document.version, document.failure_threshold), (other.version, 4));
}

#[tokio::test]
async fn only_the_declared_callers_and_roles_may_ask() {
    let refused =
        |outcome: Result<tonic::Response<DecideResponse>, Status>| from_status(&outcome.unwrap_err()).kind;
    let mut edge = client(ServiceName::Gateway, &settings(""));
    assert_eq!(refused(context().scope(edge.decide(question("人工"))).await), ErrorKind::Forbidden);
    let id = "agt_0192f0c1a2b37c4d8e5f60718293a4b5";
    let agent = context().acting_as(Principal::parse(&format!("agent:{id}")).unwrap());
    let mut conductor = client(ServiceName::ChatGateway, &settings(""));
    assert_eq!(refused(agent.scope(conductor.decide(question("人工"))).await), ErrorKind::Forbidden);
}

#[test]
fn a_bad_list_is_told_with_its_key_its_index_and_the_reason() {
    for (text, key, problem) in [
        ("keywords = ['人工', ' ']", "regulator.keywords", "keywords[1] is empty"),
        (
            "failure_phrases = ['Sorry', 'SORRY']",
            "regulator.failure_phrases",
            "failure_phrases[1] is the same as the phrase at index 0",
        ),
        (
            "exceptions = ['labour', '人工']",
            "regulator.exceptions",
            "exceptions[1] is also one of the keywords, which would never be found",
        ),
        ("failure_threshold = 0", "regulator.failure_threshold", "failure_threshold is 0"),
    ] {
        let config = Config { regulator: settings(text) };
        assert_eq!(config.check(), [(key, problem.to_owned())], "{text}");
    }
    assert!(Config { regulator: settings("") }.check().is_empty());
}

#[test]
fn the_lists_of_the_original_can_be_taken_over() {
    let config = Config {
        regulator: settings(
            "keywords = ['人工','真人','客服','投诉','无法解决','转人工','接人工']
             failure_phrases = ['抱歉','很抱歉','无法','不清楚','不太清楚','无法回答','不能确定']",
        ),
    };
    assert_eq!(config.check(), []);
}

#[test]
fn lists_come_from_the_environment_with_commas() {
    let variable = |name: &str, text: &str| (format!("SWITCHBOARD__REGULATOR__{name}"), text.to_owned());
    let read = |environment| {
        let (sources, mut problems) = (Sources { environment, ..Sources::default() }, Vec::new());
        let config = Tree::load(&sources, &mut problems).extract::<Config>(&mut problems);
        (config, problems)
    };
    let (config, problems) = read(Vec::new());
    assert!(config.unwrap().regulator.keywords.is_empty() && problems.is_empty(), "{problems:?}");

    let (config, _) =
        read(vec![variable("KEYWORDS", "人工,真人, 客服"), variable("VIP_AUTO_ESCALATE", "false")]);
    let settings = config.unwrap().regulator;
    assert_eq!(
        (settings.keywords, settings.vip_auto_escalate),
        (["人工", "真人", "客服"].map(Into::into).into(), false)
    );

    let (config, problems) = read(vec![variable("KEYWORDS", "人工,ok,OK")]);
    assert!(config.is_none());
    assert_eq!(problems[0].key, "regulator.keywords");
    assert_eq!(problems[0].problem, "keywords[2] is the same as the phrase at index 1");
}
