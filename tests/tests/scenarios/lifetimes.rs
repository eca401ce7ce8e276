//! Stopping in order, and coming back with everything.

use crate::shared::{SLOW, fresh};
use std::time::Duration;
use switchboard_domain::ServiceName;
use switchboard_tests::{
    client::Message,
    fakes::{FakeOpenAi, Fault, openai},
    patience::eventually,
    settings::Settings,
    sse::answer,
    world::{Shape, World},
};

in_both_shapes!(a_stop_while_an_answer_is_written, everything_is_there_after_a_restart);

/// `node.drain_timeout` and a little more.
const DRAIN: Duration = Duration::from_secs(25);

async fn a_stop_while_an_answer_is_written(shape: Shape) {
    let provider = FakeOpenAi::start(openai::Options::default()).await;
    provider.chat.set(Fault::SlowDeltas(SLOW));
    let world = World::start(shape, &Settings::new("stop").with_openai(&provider)).await;
    let _evidence = world.evidence();
    let client = world.client();
    let (alice, bob) = (client.visitor(&fresh("alice")), client.visitor(&fresh("bob")));
    bob.chat("你好").await.expect_ok();
    let mut events = bob.events(None).await.frames();
    events.until(|frame| frame.seq().is_some()).await;
    let question = "一二三四".repeat(28);
    let mut told = alice.stream(question.as_str()).await.frames();
    let mut seen = told.until(|frame| frame.kind() == "message").await;

    let (stopped, rest, events) = tokio::join!(world.stop(DRAIN), told.rest(), events.rest());
    assert_eq!(stopped.len(), if shape == Shape::Mesh { 6 } else { 1 });
    seen.extend(rest);
    let last = seen.last().unwrap();
    assert_eq!(last.kind(), "done", "the answer is finished: {}", last.raw);
    let text = answer(&seen);
    assert_eq!(text, format!("收到：{question}"));
    let bye = events.last().unwrap();
    assert!(bye.kind() == "bye" && bye.retry.is_some(), "{}", bye.raw);
    assert!(client.try_get("/readyz").await.is_none(), "nobody listens any more");

    world.restart().await;
    let detail = alice.detail().await;
    assert_eq!(detail.said_by("assistant")[0].content, text);
    assert_eq!((detail.running_turn, detail.status.as_str()), (None, "bot_active"));
}

async fn everything_is_there_after_a_restart(shape: Shape) {
    let world = World::start(shape, &Settings::new("restart")).await;
    let _evidence = world.evidence();
    let client = world.client();
    let (alice, bob) = (client.visitor(&fresh("alice")), client.visitor(&fresh("bob")));
    let message = Message::new("City 充满一次电可以跑多远？").id("before-the-restart");
    let answer = alice.chat(&message).await.expect_ok();
    bob.chat("转人工").await.expect_ok();
    let (log, cursor) = (alice.log().await, alice.detail().await.cursor);

    world.kill9();
    world.restart().await;
    assert_eq!(alice.log().await, log, "the token counts, the log is the same, also in its epoch");
    assert_eq!(alice.detail().await.cursor, cursor);
    let again = alice.chat(&message).await.expect_ok();
    assert_eq!(again.json()["message_id"], answer.json()["message_id"]);
    assert_eq!(bob.chat("你好").await.status, 409);
    bob.say_to_human("还在").await.expect_ok();
    let mut events = alice.events(Some(&cursor)).await.frames();
    alice.chat("Fold 多少钱？").await.expect_ok();
    events.until(|frame| frame.data["role"] == "assistant").await;
}

/// `docker compose down`: nobody waits for anybody.
#[test]
fn a_mesh_that_is_stopped_all_at_once_goes_on_where_it_was() {
    switchboard_tests::runtime::run(async {
        let provider = FakeOpenAi::start(openai::Options::default()).await;
        provider.chat.set(Fault::SlowDeltas(SLOW));
        let settings = Settings::new("down")
            .with_openai(&provider)
            .set("session.turn_lease", "1s")
            .set("node.drain_timeout", "5s")
            .set("gateway.drain.finish", "3s");
        let world = World::start(Shape::Mesh, &settings).await;
        let _evidence = world.evidence();
        let alice = world.client().visitor(&fresh("alice"));
        let question = "一二三四".repeat(28);
        let mut told = alice.stream(question.as_str()).await.frames();
        told.until(|frame| frame.kind() == "message").await;
        let (stopped, _) = tokio::join!(world.stop_at_once(DRAIN), told.rest());
        for (name, how) in stopped {
            assert!(how.took < Duration::from_secs(8), "{name}: {:?}", how.took);
        }
        world.restart().await;
        let detail = eventually("the turn comes to an end", async || {
            let detail = alice.detail().await;
            detail.running_turn.is_none().then_some(detail)
        })
        .await;
        assert_eq!(detail.said_by("user").len(), 1, "{detail:?}");
        let said = &detail.said_by("assistant")[0];
        let whole = format!("收到：{question}");
        assert!(said.content == whole || said.interrupted && whole.starts_with(&said.content), "{detail:?}");
    });
}

/// The worker of a turn dies in the middle of the answer, and the one who takes the turn up answers in other words.
#[test]
fn a_worker_dies_in_the_middle_of_an_answer() {
    switchboard_tests::runtime::run(async {
        let provider = FakeOpenAi::start(openai::Options::default()).await;
        provider.chat.set(Fault::SlowDeltas(SLOW));
        provider.set_answer(Some(&"甲乙丙丁".repeat(20)));
        let settings = Settings::new("worker").with_openai(&provider).set("session.turn_lease", "2s");
        let world = World::start(Shape::Mesh, &settings).await;
        let _evidence = world.evidence();
        let alice = world.client().visitor(&fresh("alice"));
        let message = Message::new("请告诉我").id("a-message-whose-worker-dies");
        let mut told = alice.stream(&message).await.frames();
        let mut seen = told.until(|frame| frame.kind() == "message").await;
        let mut events = alice.events(None).await.frames();
        world.kill_part(ServiceName::ChatGateway);
        provider.set_answer(Some(&"子丑寅卯".repeat(5)));
        let (rest, ()) = tokio::join!(told.rest(), world.start_part(ServiceName::ChatGateway));
        seen.extend(rest);
        events.until(|frame| frame.kind() == "turn" && frame.data["state"] != "accepted").await;
        let detail = alice.detail().await;
        let kept = detail.said_by("assistant")[0];
        // Only an answer that was told as it is kept may look finished.
        let is_finished =
            seen.last().is_some_and(|last| last.kind() == "done" && last.data["interrupted"] == false);
        assert_eq!(is_finished, answer(&seen) == kept.content && !kept.interrupted, "{seen:#?} {kept:?}");
        let again = alice.stream(&message).await.rest().await;
        assert_eq!(answer(&again), kept.content, "a repeat is told what is kept");
        assert_eq!(detail.said_by("user").len(), 1);
    });
}

/// Parts of the mesh that are away for a while.
#[test]
fn a_part_that_is_away_costs_what_it_does_and_no_more() {
    switchboard_tests::runtime::run(async {
        let world = World::mesh("away").await;
        let _evidence = world.evidence();
        let client = world.client();
        let alice = client.visitor(&fresh("alice"));
        alice.chat("你好").await.expect_ok();

        world.kill_part(ServiceName::Regulator);
        let bob = client.visitor(&fresh("bob"));
        bob.chat("转人工").await.expect_ok();
        assert_eq!(bob.detail().await.status, "pending_manual", "a call for a human is never overheard");
        let health = client.get("/api/health").await;
        assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("degraded")));

        world.kill_part(ServiceName::Session);
        let refused = alice.chat(Message::new("City 能跑多远？").id("while-session-is-away")).await;
        assert!(matches!(refused.status, 503 | 504), "{} {}", refused.status, refused.text);
        assert!(!refused.header("retry-after").is_empty(), "{}", refused.text);
        eventually("health tells", async || {
            let health = client.get("/api/health").await;
            (health.status == 503 && health.json()["status"] == "unhealthy").then_some(())
        })
        .await;
        assert_eq!(client.get("/readyz").await.status, 200, "the edge itself is well");

        world.restart().await;
        let message = Message::new("City 能跑多远？").id("while-session-is-away");
        assert_eq!(alice.chat_surely(&message).await.status, 200);
        let kept = alice.detail().await;
        assert_eq!(kept.said_by("user").len(), 2, "{kept:?}");
        eventually("health tells", async || {
            (client.get("/api/health").await.json()["status"] == "healthy").then_some(())
        })
        .await;
    });
}
