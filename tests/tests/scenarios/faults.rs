//! Whatever a provider does, a customer gets an answer, a notice or a human, soon; and never the vendor's own words.

use crate::shared::fresh;
use std::time::Duration;
use switchboard_domain::ServiceName;
use switchboard_tests::{
    client::{Detail, Visitor},
    clock::RealClock,
    fakes::{FakeCoze, FakeOpenAi, Fault, coze, openai},
    patience::eventually,
    settings::Settings,
    sse::kinds,
    world::{Shape, World},
};
use tokio::time::Instant;

in_both_shapes!(
    every_fault_of_coze,
    every_fault_of_openai,
    what_the_house_knows_is_answered_without_a_provider,
    a_provider_that_keeps_failing_is_left_alone,
);

/// The longest that a customer waits.
const SOON: Duration = Duration::from_secs(15);
/// The knowledge base does not know it, so nobody stands in for the provider.
const QUESTION: &str = "请问贵公司的董事长是哪一年出生的，毕业于哪所大学呢";
/// The knowledge base knows it.
const KNOWN: &str = "City 充满一次电可以跑多远？";
const MIB: usize = 1024 * 1024;

/// What becomes of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The customer sees the whole answer.
    Answer,
    /// Nothing was shown: a human is called.
    HandedOver,
    /// What was shown is kept and marked: a human is called.
    BrokeOff,
}

use End::{Answer, BrokeOff, HandedOver};

/// Faults that mean the same to both providers.
fn common() -> Vec<(Fault, End)> {
    vec![
        (Fault::Hang, HandedOver),
        (Fault::Status(401), HandedOver),
        (Fault::Status(429), HandedOver),
        (Fault::Status(500), HandedOver),
        (Fault::Status(302), HandedOver),
        (Fault::Page, HandedOver),
        (Fault::ErrorEvent(None), HandedOver),
        (Fault::ErrorEventLater(None), BrokeOff),
        (Fault::RequiresAction, HandedOver),
        (Fault::Canceled, BrokeOff),
        (Fault::SlowFirst(Duration::from_mins(1)), HandedOver),
        (Fault::SlowDeltas(Duration::from_millis(700)), BrokeOff),
        (Fault::Stall, BrokeOff),
        (Fault::Cut, BrokeOff),
        (Fault::EndEarly, BrokeOff),
        (Fault::Garbage, HandedOver),
        (Fault::BrokenJson, BrokeOff),
        (Fault::SplitUtf8, Answer),
        (Fault::Flood(MIB), BrokeOff),
        (Fault::FloodLine(MIB), HandedOver),
        (Fault::FloodIgnored(MIB), HandedOver),
        (Fault::ControlCharacters, Answer),
        (Fault::Empty, HandedOver),
        (Fault::NoSpace, Answer),
    ]
}

fn of_coze() -> Vec<(Fault, End)> {
    let codes = [4000, 4009, 4016, 4020, 4100, 4200, 700_012_006];
    let mut rows = common();
    rows.extend(codes.map(|code| (Fault::JsonError(code), HandedOver)));
    rows.extend([
        (Fault::Failed(5000), HandedOver),
        (Fault::ErrorEvent(Some(4016)), HandedOver),
        (Fault::ErrorEventLater(Some(4013)), BrokeOff),
        (Fault::NoDeltas, Answer),
        (Fault::Nameless, Answer),
    ]);
    rows
}

fn of_openai() -> Vec<(Fault, End)> {
    let mut rows = common();
    rows.extend([
        (Fault::Status(404), HandedOver),
        (Fault::JsonError(503), HandedOver),
        (Fault::ErrorEvent(Some(429)), HandedOver),
        (Fault::ErrorEventLater(Some(502)), BrokeOff),
    ]);
    rows
}

/// Timers and bounds so short that every fault shows within a moment.
fn impatient(name: &str) -> Settings {
    Settings::new(name)
        .without_breaker()
        .with_timers(Duration::from_secs(2), Duration::from_millis(1500), Duration::from_secs(4))
        .set("model.retry.busy_pause", "50ms")
        .set("model.limits.answer_bytes", "65536")
        .set("model.limits.line_bytes", "131072")
        .set("model.limits.stream_bytes", "524288")
}

/// Asks while the provider misbehaves, and looks at everything that a customer can see.
async fn suffer(world: &World, fault: &Fault, expected: End) {
    let alice = world.client().visitor(&fresh("alice"));
    let asked = Instant::now();
    let told = alice.stream(QUESTION).await.rest().await;
    let took = asked.elapsed();
    assert!(took < SOON, "{fault:?}: {took:?}");
    let kinds = kinds(&told);
    assert_eq!(kinds.last(), Some(&"done"), "{fault:?}: {kinds:?}");
    let seen: String = told.iter().map(|frame| frame.raw.as_str()).collect();
    for leak in
        ["vendor", "event interval error", "maintenance", "<html>", "oops", "\u{fffd}", "\\u0000", "\\u001b"]
    {
        assert!(!seen.contains(leak), "{fault:?} leaks {leak}: {}", &seen[..seen.len().min(2000)]);
    }
    let detail = alice.detail().await;
    assert_eq!(detail.said_by("user")[0].content, QUESTION, "{fault:?}");
    assert_eq!(detail.running_turn, None, "{fault:?}");
    kept(&alice, &detail, fault, expected).await;
}

/// What is on record of it.
async fn kept(alice: &Visitor, detail: &Detail, fault: &Fault, expected: End) {
    let whole = format!("收到：{QUESTION}");
    let answers = detail.said_by("assistant");
    let state =
        alice.log().await.into_iter().rfind(|event| event["type"] == "turn").unwrap()["state"].clone();
    match expected {
        Answer => {
            assert_eq!((answers.len(), state.as_str()), (1, Some("done")), "{fault:?}: {detail:?}");
            assert_eq!(
                (answers[0].content.as_str(), answers[0].interrupted),
                (whole.as_str(), false),
                "{fault:?}"
            );
            assert_eq!(detail.status, "bot_active", "{fault:?}");
        }
        HandedOver => {
            assert_eq!((answers.len(), state.as_str()), (0, Some("handed_over")), "{fault:?}: {detail:?}");
            called_a_human(detail, fault);
        }
        BrokeOff => {
            assert_eq!((answers.len(), state.as_str()), (1, Some("interrupted")), "{fault:?}: {detail:?}");
            let part = &answers[0];
            let is_part = whole.starts_with(&part.content) || matches!(fault, Fault::Flood(_));
            assert!(
                part.interrupted && is_part && part.content.len() <= 65_536,
                "{fault:?}: {}",
                part.content
            );
            called_a_human(detail, fault);
        }
    }
}

fn called_a_human(detail: &Detail, fault: &Fault) {
    assert_eq!((detail.status.as_str(), detail.said_by("system").len()), ("pending_manual", 1), "{fault:?}");
}

async fn every_fault_of_coze(shape: Shape) {
    let provider = FakeCoze::start(coze::Options::new(RealClock::shared())).await;
    let world = World::start(shape, &impatient("faults-coze").with_coze(&provider)).await;
    let _evidence = world.evidence();
    for (fault, expected) in of_coze() {
        provider.chat.set(fault.clone());
        suffer(&world, &fault, expected).await;
    }
    provider.chat.heal();
    for fault in [Fault::Hang, Fault::Status(500), Fault::Page] {
        provider.grant.set(fault.clone());
        suffer(&world, &fault, HandedOver).await;
    }
    provider.grant.heal();
    for fault in [Fault::Hang, Fault::Status(500), Fault::JsonError(4000)] {
        provider.conversation.set(fault.clone());
        suffer(&world, &fault, HandedOver).await;
    }
    provider.conversation.heal();
    suffer(&world, &Fault::NoSpace, Answer).await;
}

async fn every_fault_of_openai(shape: Shape) {
    let provider = FakeOpenAi::start(openai::Options::default()).await;
    let world = World::start(shape, &impatient("faults-openai").with_openai(&provider)).await;
    let _evidence = world.evidence();
    for (fault, expected) in of_openai() {
        provider.chat.set(fault.clone());
        suffer(&world, &fault, expected).await;
    }
    provider.chat.heal();
    suffer(&world, &Fault::NoSpace, Answer).await;
}

async fn what_the_house_knows_is_answered_without_a_provider(shape: Shape) {
    let provider = FakeOpenAi::start(openai::Options::default()).await;
    let world = World::start(shape, &impatient("fallback").with_openai(&provider)).await;
    let _evidence = world.evidence();
    for fault in [Fault::Status(500), Fault::Hang, Fault::Empty] {
        provider.chat.set(fault.clone());
        let alice = world.client().visitor(&fresh("alice"));
        let answer = alice.chat(KNOWN).await.expect_ok();
        assert!(answer.read::<String>("/message").contains("公里"), "{fault:?}: {}", answer.text);
        assert!(answer.json()["sources"][0]["title"].is_string(), "{fault:?}: {}", answer.text);
        assert_eq!(alice.detail().await.status, "bot_active", "{fault:?}");
    }
}

async fn a_provider_that_keeps_failing_is_left_alone(shape: Shape) {
    let provider = FakeOpenAi::start(openai::Options::default()).await;
    let settings = Settings::new("breaker")
        .with_openai(&provider)
        .set("model.breaker.consecutive_failures", "3")
        .set("model.breaker.first_backoff", "1s");
    let world = World::start(shape, &settings).await;
    let _evidence = world.evidence();
    let ask = async || world.client().visitor(&fresh("alice")).chat(KNOWN).await.expect_ok();
    let model = async || world.client().get("/api/health").await.read::<bool>("/checks/model/ok");
    assert!(model().await);
    provider.chat.set(Fault::Status(500));
    for _ in 0..8 {
        ask().await;
    }
    let asked = provider.calls().requests.len();
    assert!(asked <= 3, "asked {asked} times");
    eventually("health tells", async || (!model().await).then_some(())).await;
    provider.chat.heal();
    let whole = format!("收到：{KNOWN}");
    eventually("the provider is tried again", async || {
        (ask().await.read::<String>("/message") == whole).then_some(())
    })
    .await;
    eventually("health tells", async || model().await.then_some(())).await;
}

/// In the mesh only: in one process the regulator lives as long as whoever asks it.
#[test]
fn without_the_regulator_doubt_goes_to_a_human() {
    switchboard_tests::runtime::run(async {
        let provider = FakeOpenAi::start(openai::Options::default()).await;
        let settings = Settings::new("no-regulator").with_openai(&provider);
        let world = World::start(Shape::Mesh, &settings).await;
        let _evidence = world.evidence();
        // The status afterwards, and whether the turn on record says that others decided.
        let ask = async |text: &str| {
            let customer = world.client().visitor(&fresh("alice"));
            customer.chat(text).await.expect_ok();
            let status: String = customer.read().await.read("/data/session/status");
            let log = customer.log().await;
            let end = log.iter().rfind(|entry| entry["type"] == "turn").unwrap();
            (status, end["degraded"].as_bool().unwrap_or_default())
        };
        let told = |status: &str, degraded: bool| (status.to_owned(), degraded);
        let doubtful = "很抱歉，这个我不太清楚";
        provider.set_answer(Some(doubtful));
        assert_eq!(
            ask(QUESTION).await,
            told("bot_active", false),
            "one failure is not enough for the regulator"
        );
        world.kill_part(ServiceName::Regulator);
        assert_eq!(ask(QUESTION).await, told("pending_manual", true));
        assert_eq!(ask("我要转人工").await, told("pending_manual", true));
        provider.set_answer(Some("可以跑 80 公里"));
        assert_eq!(ask(KNOWN).await, told("bot_active", true));
        world.start_part(ServiceName::Regulator).await;
        eventually("the regulator decides again", async || {
            (ask(KNOWN).await == told("bot_active", false)).then_some(())
        })
        .await;
    });
}
