//! Every fault, both providers: the class of the error, whether something was shown before, and in what time.

use crate::rig::{Outcome, Rig, ask, config, eventually, prompt};
use futures::{StreamExt as _, future::join_all};
use std::time::Duration;
use switchboard_model::{Delta, Model, ModelError, Phase, Timers};
use switchboard_tests::fakes::{FakeOpenAi, Fault, openai, refused_address};
use tokio::{net::TcpListener, time::Instant};

const QUESTION: &str = "我的电池什么时候到？🔋 and my order";

/// What a fault must become.
#[derive(Debug, Clone)]
enum Expected {
    /// The whole answer, as if nothing had been.
    Whole,
    /// An error before anything was shown.
    AtOnce(ModelError),
    /// An error after a part of the answer.
    Later(ModelError),
}

use Expected::{AtOnce, Later, Whole};

const fn refused(status: u16, vendor_code: Option<i64>) -> ModelError {
    ModelError::Refused { status, vendor_code }
}

const fn busy(vendor_code: Option<i64>) -> ModelError {
    ModelError::Busy { vendor_code }
}

/// Faults that mean the same to both providers.
fn common() -> Vec<(Fault, Expected)> {
    const MIB: usize = 1024 * 1024;
    vec![
        (Fault::Status(401), AtOnce(ModelError::Unauthorized)),
        (Fault::Status(429), AtOnce(busy(None))),
        (Fault::Status(500), AtOnce(refused(500, None))),
        (Fault::Status(302), AtOnce(refused(302, None))),
        (Fault::Page, AtOnce(ModelError::BadReply)),
        (Fault::ErrorEvent(None), AtOnce(refused(200, None))),
        (Fault::ErrorEventLater(None), Later(refused(200, None))),
        (Fault::Cut, Later(ModelError::Interrupted)),
        (Fault::EndEarly, Later(ModelError::Interrupted)),
        (Fault::Garbage, AtOnce(ModelError::BadReply)),
        (Fault::BrokenJson, Later(ModelError::BadReply)),
        (Fault::Flood(10 * MIB), Later(ModelError::BadReply)),
        (Fault::FloodLine(10 * MIB), AtOnce(ModelError::BadReply)),
        (Fault::FloodIgnored(10 * MIB), AtOnce(ModelError::BadReply)),
        (Fault::Empty, AtOnce(ModelError::Empty)),
        (Fault::SplitUtf8, Whole),
        (Fault::ControlCharacters, Whole),
        (Fault::NoSpace, Whole),
    ]
}

fn of_coze() -> Vec<(Fault, Expected)> {
    let unpublished = ModelError::Misconfigured { hint: "the Coze workflow is unknown or unpublished" };
    let mut table = common();
    table.extend([
        (Fault::JsonError(4000), AtOnce(refused(200, Some(4000)))),
        (Fault::JsonError(4009), AtOnce(busy(Some(4009)))),
        (Fault::JsonError(4016), AtOnce(busy(Some(4016)))),
        (Fault::JsonError(4020), AtOnce(busy(Some(4020)))),
        (Fault::JsonError(4100), AtOnce(ModelError::Unauthorized)),
        (Fault::JsonError(4200), AtOnce(unpublished)),
        (Fault::JsonError(700_012_006), AtOnce(ModelError::Unauthorized)),
        (Fault::Failed(5000), AtOnce(refused(200, Some(5000)))),
        (Fault::ErrorEvent(Some(4016)), AtOnce(busy(Some(4016)))),
        (Fault::ErrorEventLater(Some(4013)), Later(refused(200, Some(4013)))),
        (Fault::RequiresAction, AtOnce(refused(200, None))),
        (Fault::Canceled, Later(ModelError::Interrupted)),
        (Fault::NoDeltas, Whole),
        (Fault::Nameless, Whole),
    ]);
    table
}

fn of_openai() -> Vec<(Fault, Expected)> {
    let unknown = ModelError::Misconfigured { hint: "the server knows no such model or address" };
    let mut table = common();
    table.extend([
        (Fault::Status(404), AtOnce(unknown)),
        (Fault::JsonError(503), AtOnce(refused(503, Some(503)))),
        (Fault::ErrorEvent(Some(429)), AtOnce(busy(Some(429)))),
        (Fault::ErrorEventLater(Some(502)), Later(refused(502, Some(502)))),
        (Fault::RequiresAction, AtOnce(ModelError::BadReply)),
        (Fault::Canceled, Later(refused(200, Some(400)))),
    ]);
    table
}

fn check(fault: &Fault, expected: &Expected, outcome: &Outcome) {
    let whole = format!("收到：{QUESTION}");
    match expected {
        Whole => {
            assert_eq!(outcome.error, None, "{fault:?}");
            assert_eq!(outcome.text, whole, "{fault:?}");
        }
        AtOnce(error) => {
            assert_eq!(outcome.error.as_ref(), Some(error), "{fault:?}");
            assert!(!outcome.began, "{fault:?}");
        }
        Later(error) => {
            assert_eq!(outcome.error.as_ref(), Some(error), "{fault:?}");
            assert!(outcome.began && !outcome.text.is_empty(), "{fault:?}");
            assert!(outcome.text.len() <= config().limits.answer_bytes, "{fault:?}");
        }
    }
    let told = outcome.error.as_ref().map(|error| format!("{error} {error:?}")).unwrap_or_default();
    assert!(!told.contains("the vendor's own words") && !told.contains(QUESTION), "{told}");
}

#[tokio::test]
async fn every_fault_of_coze_has_its_class() {
    let rows = of_coze().into_iter().map(async |(fault, expected)| {
        let rig = Rig::start().await;
        rig.coze.chat.set(fault.clone());
        check(&fault, &expected, &ask(&rig.coze_model(), &prompt("s1", QUESTION)).await);
        rig.coze.chat.heal();
        check(&fault, &Whole, &ask(&rig.coze_model(), &prompt("s2", QUESTION)).await);
    });
    join_all(rows).await;
}

#[tokio::test]
async fn every_fault_of_openai_has_its_class() {
    let rows = of_openai().into_iter().map(async |(fault, expected)| {
        let rig = Rig::start().await;
        rig.openai.chat.set(fault.clone());
        check(&fault, &expected, &ask(&rig.openai_model(), &prompt("s1", QUESTION)).await);
        rig.openai.chat.heal();
        check(&fault, &Whole, &ask(&rig.openai_model(), &prompt("s2", QUESTION)).await);
    });
    join_all(rows).await;
}

/// Shortens one timer, breaks the chat, and looks which timer ended the call and when.
async fn times_out(fault: &Fault, shorten: impl Fn(&mut Timers), expected: Phase, began: &[bool]) {
    for provider in 0..2 {
        let mut rig = Rig::start().await;
        shorten(&mut rig.config.timers);
        rig.coze.chat.set(fault.clone());
        rig.openai.chat.set(fault.clone());
        rig.coze.set_answer(Some(&"长".repeat(4000)));
        rig.openai.set_answer(Some(&"长".repeat(4000)));
        let start = Instant::now();
        let outcome = ask(&rig.models()[provider], &prompt("s", QUESTION)).await;
        assert_eq!(outcome.error, Some(ModelError::Timeout { phase: expected }), "{fault:?}");
        assert!(began.contains(&outcome.began), "{fault:?}");
        assert!(start.elapsed() < Duration::from_secs(8), "{fault:?}: {:?}", start.elapsed());
    }
}

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_mins(5);

#[tokio::test]
async fn a_provider_that_never_answers_or_starts_late_runs_into_the_first_timer() {
    times_out(&Fault::Hang, |timers| timers.first_token = SHORT, Phase::FirstToken, &[false]).await;
    times_out(&Fault::SlowFirst(LONG), |timers| timers.first_token = SHORT, Phase::FirstToken, &[false])
        .await;
}

#[tokio::test]
async fn a_stall_runs_into_the_timer_between_tokens() {
    times_out(&Fault::Stall, |timers| timers.between_tokens = SHORT, Phase::BetweenTokens, &[true]).await;
}

#[tokio::test]
async fn a_dribble_runs_into_the_total_timer() {
    let dribble = Fault::SlowDeltas(Duration::from_millis(20));
    let shorten = |timers: &mut Timers| timers.total = Duration::from_secs(1);
    times_out(&dribble, shorten, Phase::Total, &[true, false]).await;
}

#[tokio::test]
async fn the_grant_and_the_conversation_draw_on_the_first_timer_too() {
    for broken in ["grant", "conversation"] {
        let mut rig = Rig::start().await;
        rig.config.timers.first_token = SHORT;
        if broken == "grant" { &rig.coze.grant } else { &rig.coze.conversation }.set(Fault::Hang);
        let outcome = ask(&rig.coze_model(), &prompt("s", QUESTION)).await;
        assert_eq!(outcome.error, Some(ModelError::Timeout { phase: Phase::FirstToken }), "{broken}");
    }
}

#[tokio::test]
async fn nobody_listens() {
    let mut rig = Rig::start().await;
    rig.config.coze.base_url = format!("http://{}", refused_address().await);
    rig.config.openai.base_url = format!("http://{}/v1", refused_address().await);
    for model in rig.models() {
        let outcome = ask(&model, &prompt("s", QUESTION)).await;
        assert_eq!(outcome.error, Some(ModelError::Unreachable), "{}", model.name());
    }
}

#[tokio::test]
async fn a_provider_that_comes_back_in_the_pause_is_asked_once_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut rig = Rig::start().await;
    rig.config.openai.base_url = format!("http://{address}/v1");
    rig.config.retry.unreachable_pause = Duration::from_secs(2);
    let model = rig.openai_model();
    let provider = async {
        drop(listener.accept().await.unwrap()); // the connection breaks before a response
        drop(listener);
        FakeOpenAi::start(openai::Options { address, ..openai::Options::default() }).await
    };
    let asked = prompt("s", QUESTION);
    let (outcome, provider) = tokio::join!(ask(&model, &asked), provider);
    check(&Fault::Hang, &Whole, &outcome);
    assert_eq!(provider.calls().requests.len(), 1);
}

/// The first text has come; what the customer does not wait for is not paid for.
async fn first_text(model: &Model) -> switchboard_model::DeltaStream {
    let mut deltas = model.stream(&prompt("s", QUESTION)).await.unwrap();
    while !matches!(deltas.next().await.unwrap().unwrap(), Delta::Text(_)) {}
    deltas
}

#[tokio::test]
async fn dropping_the_stream_stops_the_vendors_work() {
    let rig = Rig::start().await;
    let [coze, openai] = rig.models();
    rig.coze.chat.set(Fault::Stall);
    rig.openai.chat.set(Fault::Stall);
    drop((first_text(&coze).await, first_text(&openai).await));
    eventually("coze stops", || rig.coze.calls().abandoned == 1).await;
    eventually("openai stops", || rig.openai.calls().abandoned == 1).await;
}
