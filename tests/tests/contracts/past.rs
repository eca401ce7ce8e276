//! What customers and the bot said in the past, as the regulator reads it, and what a draft would have done with it.

use crate::{
    rules::{Desk, REFUNDS, regulator},
    words::{answer, ask, assert_refused, begin, chat, escalate, exchange, manual},
    world::World,
};
use std::time::Duration;
use switchboard_db::sql;
use switchboard_domain::{BuiltinRole, ErrorKind, Principal, ServiceName};
use switchboard_mesh::{Mounted, status::from_status};
use switchboard_proto::{
    common::v1::Escalation,
    regulator::v1::{self as wire, what_if_request::Candidate},
    session::v1::{
        self as session, ScanEpisodesRequest, Transcript, archive_service_client::ArchiveServiceClient,
    },
};

crate::on_both_engines!(
    a_past_is_cut_into_what_the_bot_answered,
    of_a_long_past_the_span_is_given,
    the_past_is_read_in_pages_and_by_the_regulator_only,
    a_draft_is_tried_on_the_past,
);

/// What a rule found, for the end of a turn.
fn found(rule: &str) -> Escalation {
    Escalation { reason: "keyword".into(), severity: "high".into(), rule: rule.into(), ..Default::default() }
}

/// A turn that ends with a hand-over.
async fn hand_over(world: &World, name: &str, question: &str) {
    let turn = ask(world, name, question).await;
    let finish = session::FinishTurnRequest {
        state: session::TurnState::HandedOver.into(),
        escalation: Some(found("keyword")),
        ..answer(&turn, "")
    };
    world.worker().finish_turn(finish).await.unwrap();
}

async fn scan(world: &World, at: &Mounted, request: ScanEpisodesRequest) -> Vec<Transcript> {
    let channel = world.channel(ServiceName::Regulator, at);
    let call = async move { ArchiveServiceClient::new(channel).scan_episodes(request).await };
    let regulator = Principal::Service(ServiceName::Regulator);
    let mut stream = world.acting(regulator, call).await.unwrap().into_inner();
    let mut transcripts = Vec::new();
    while let Some(transcript) = stream.message().await.unwrap() {
        transcripts.push(transcript);
    }
    transcripts
}

async fn a_past_is_cut_into_what_the_bot_answered(world: &World) {
    let at = world.replica(&[]).await;
    let line = world.visitor("s");
    exchange(world, "s", "one", "first answer").await;
    let turn = ask(world, "s", "two").await;
    line.say(chat("s", "three, while two is answered")).await.unwrap();
    world.worker().finish_turn(answer(&turn, "second answer")).await.unwrap();
    world.worker().begin_turn(begin("s")).await.unwrap();
    line.escalate(escalate("s", None)).await.unwrap();
    line.say(manual("s", "to a human")).await.unwrap();
    hand_over(world, "other", "转人工").await;

    let transcripts = scan(world, &at, ScanEpisodesRequest::default()).await;
    let of = |name: &str| transcripts.iter().find(|transcript| transcript.session == name).unwrap();
    let lines = |transcript: &Transcript| -> Vec<Vec<(String, u32)>> {
        let episodes = transcript.episodes.iter();
        episodes
            .map(|episode| episode.lines.iter().map(|line| (line.text.clone(), line.turn)).collect())
            .collect()
    };
    let expected = [
        ("one", 1),
        ("first answer", 1),
        ("two", 2),
        ("three, while two is answered", 3),
        ("second answer", 2),
    ];
    assert_eq!(lines(of("s")), [expected.map(|(text, turn)| (text.to_owned(), turn))]);
    assert_eq!(of("s").episodes[0].ended_by, "manual");
    assert_eq!(lines(of("other")), [[("转人工".to_owned(), 1)]]);
    assert_eq!(of("other").episodes[0].ended_by, "keyword");
    assert!(of("other").episodes[0].lines[0].turn_at_ms > 0 && !of("other").cut);
}

/// Of a log that never ends, what is asked about is what was said lately.
async fn of_a_long_past_the_span_is_given(world: &World) {
    let at = world.replica(&[]).await;
    exchange(world, "s", "long ago", "old answer").await;
    world.clock.advance(Duration::from_hours(24));
    const YEARS: &str = "INSERT INTO entry (session, seq, at, kind, sender, client_message_id, body) \
                         SELECT 's', seq + $1, at + 1000, kind, sender, NULL, body FROM entry WHERE session = 's'";
    const HEAD: &str =
        "UPDATE session SET head = (SELECT MAX(seq) FROM entry WHERE session = 's') WHERE name = 's'";
    let db = world.database().await;
    // 4, 8 … 4096 entries.
    for doubled in 0..10 {
        let more = 4_i64 << doubled;
        db.transaction(move |tx| {
            Box::pin(async move {
                tx.execute(sql(YEARS).bind(more)).await?;
                tx.execute(sql(HEAD)).await
            })
        })
        .await
        .unwrap();
    }
    exchange(world, "s", "today", "new answer").await;
    let today = crate::world::START + 24 * 3_600_000;
    let texts = |transcript: &Transcript| -> Vec<String> {
        let lines = transcript.episodes.iter().flat_map(|episode| &episode.lines);
        lines.map(|line| line.text.clone()).collect()
    };
    let lately = scan(world, &at, ScanEpisodesRequest { since_ms: today, ..Default::default() }).await;
    assert_eq!(texts(&lately[0]), ["today", "new answer"]);
    assert_eq!((lately[0].cut, lately[0].episodes[0].lines[0].turn), (false, 1));
    // Of more than can be given: the newest part.
    let all = scan(world, &at, ScanEpisodesRequest::default()).await;
    assert!(all[0].cut && texts(&all[0]).ends_with(&["today".to_owned(), "new answer".to_owned()]));
}

async fn the_past_is_read_in_pages_and_by_the_regulator_only(world: &World) {
    let at = world.replica(&[]).await;
    let mut names = Vec::new();
    for n in 0..105 {
        let name = format!("s{n:03}");
        ask(world, &name, "hello").await;
        names.push(name);
        if n % 20 == 0 {
            world.clock.advance(Duration::from_secs(1)); // some share their moment, some do not
        }
    }
    let all = scan(world, &at, ScanEpisodesRequest::default()).await;
    let mut seen: Vec<String> = all.iter().map(|transcript| transcript.session.clone()).collect();
    let times: Vec<i64> = all.iter().map(|transcript| transcript.updated_at_ms).collect();
    assert!(times.is_sorted_by(|one, next| one >= next), "newest first");
    seen.sort();
    assert_eq!(seen, names);
    let middle = times[50];
    let since = ScanEpisodesRequest { since_ms: middle, ..Default::default() };
    let until = ScanEpisodesRequest { until_ms: middle, ..Default::default() };
    let (since, until) = (scan(world, &at, since).await.len(), scan(world, &at, until).await.len());
    assert!(since + until == 105 && since > 0 && until > 0, "{since} {until}");
    let few = ScanEpisodesRequest { limit: 7, ..Default::default() };
    assert_eq!(scan(world, &at, few).await.len(), 7);

    for (from, principal) in [
        (ServiceName::Gateway, world.staff(BuiltinRole::Admin).principal()),
        (ServiceName::ChatGateway, Principal::Service(ServiceName::ChatGateway)),
        (ServiceName::Regulator, world.staff(BuiltinRole::Admin).principal()),
    ] {
        let channel = world.channel(from, &at);
        let call = async move {
            ArchiveServiceClient::new(channel).scan_episodes(ScanEpisodesRequest::default()).await
        };
        let refused = world.acting(principal, call).await.map(drop).map_err(|status| from_status(&status));
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Forbidden);
    }
}

async fn a_draft_is_tried_on_the_past(world: &World) {
    let mounted = regulator(world).await;
    let desk = Desk::of(world, &mounted);
    exchange(world, "new", "我要退款", "好的").await;
    exchange(world, "nothing", "你好", "您好").await;
    hand_over(world, "gone", "转人工").await;
    exchange(world, "asked", "你好", "您好").await;
    world.visitor("asked").escalate(escalate("asked", None)).await.unwrap();
    world.clock.advance(Duration::from_mins(1));

    let draft = desk.draft(REFUNDS).await;
    let try_out = |candidate| wire::WhatIfRequest {
        candidate: Some(candidate),
        since_ms: 1,
        agents: 2,
        ..Default::default()
    };
    let first = desk.report(try_out(Candidate::Ordinal(draft))).await.unwrap();
    let again = desk.report(try_out(Candidate::Ordinal(draft))).await.unwrap();
    assert_eq!(first, again, "bit for bit");
    let report: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(report["sessions"], 4);
    assert_eq!(report["escalated"], serde_json::json!({ "base": 1, "draft": 1, "on_record": 2 }));
    let case = &report["newly_escalated"]["cases"][0];
    assert_eq!(
        (case["session"].as_str(), case["draft"]["excerpt"].as_str()),
        (Some("new"), Some("我要退款"))
    );
    assert_eq!(case["draft"]["evidence"], serde_json::json!(["退款"]));
    assert_eq!(report["no_longer_escalated"]["cases"][0]["session"], "gone");
    assert_eq!((&report["queue"]["agents"], &report["queue"]["draft"]["arrivals"]), (&2.into(), &2.into()));

    // A document that nobody kept is as good.
    let unkept = desk.report(try_out(Candidate::Document(REFUNDS.into()))).await.unwrap();
    let unkept: serde_json::Value = serde_json::from_str(&unkept).unwrap();
    assert_eq!(unkept["newly_escalated"], report["newly_escalated"]);
    assert!(unkept["draft"]["version"].as_str().unwrap().starts_with("draft-"));
    let back = wire::WhatIfRequest { base: draft, ..try_out(Candidate::Ordinal(1)) };
    let back: serde_json::Value = serde_json::from_str(&desk.report(back).await.unwrap()).unwrap();
    assert_eq!(back["no_longer_escalated"]["cases"][0]["session"], "new");

    for nonsense in [
        wire::WhatIfRequest { since_ms: 0, ..try_out(Candidate::Ordinal(draft)) },
        wire::WhatIfRequest { candidate: None, ..try_out(Candidate::Ordinal(draft)) },
    ] {
        assert_refused(desk.report(nonsense).await, ErrorKind::Invalid, "MALFORMED_MESSAGE");
    }
    let agent = Desk { role: BuiltinRole::Agent, ..Desk::of(world, &mounted) };
    assert_refused(
        agent.report(try_out(Candidate::Ordinal(draft))).await,
        ErrorKind::Forbidden,
        "PERMISSION_REQUIRED",
    );
}
