//! A customer asks for a human and gets one.

use crate::shared::{fresh, slow};
use serde_json::json;
use switchboard_tests::{client::Agent, sse::Frames, world::Shape};

in_both_shapes!(
    seven_steps,
    a_stranger_may_nothing,
    one_of_many_wins,
    a_colleague_takes_over_by_request,
    a_supervisor_needs_no_request,
    giving_up_and_closing,
    notes_stay_inside,
);

/// The shop with a slow provider, and two agents of this story's own.
async fn staffed(shape: Shape) -> (&'static crate::shared::Slow, Agent, Agent) {
    let shop = slow(shape).await;
    let admin = shop.world.client().admin().await;
    let (one, two) = (fresh("lin"), fresh("mei"));
    let (lin, mei) = tokio::join!(admin.hire(&one, "小林", "agent"), admin.hire(&two, "小梅", "agent"));
    for agent in [&lin, &mei] {
        agent.be("online").await.expect_ok();
    }
    (shop, lin, mei)
}

async fn told(frames: &mut Frames, kind: &str, content: &str) -> serde_json::Value {
    let seen = frames.until(|frame| frame.kind() == kind && frame.data.to_string().contains(content)).await;
    seen.last().unwrap().data.clone()
}

/// Chat, ask for a human, be refused in the chat, be taken over, talk both ways in real time, be released, and the bot
/// goes on with the human stretch in its context.
async fn seven_steps(shape: Shape) {
    let (shop, lin, _) = staffed(shape).await;
    let _evidence = shop.world.evidence();
    let alice = shop.world.client().visitor(&fresh("alice"));
    // 1. The bot answers.
    alice.chat("你好，我叫爱丽丝").await.expect_ok();
    // 2. A human is asked for.
    alice.chat("请转人工").await.expect_ok();
    assert_eq!(alice.detail().await.status, "pending_manual");
    // 3. The chat is closed meanwhile.
    assert_eq!(alice.chat("在吗？").await.problem(), (409, "SESSION_IN_MANUAL_MODE".to_owned()));
    let mut customer = alice.events(None).await.frames();
    // 4. An agent takes over; the customer learns of it.
    let taken = lin.take_over(&alice.session).await.expect_ok();
    assert_eq!(taken.json()["data"]["status"], "manual_live", "{}", taken.text);
    assert_eq!(
        taken.json()["data"]["assigned_agent"],
        json!({ "id": lin.id, "name": "小林" }),
        "{}",
        taken.text
    );
    let change = told(&mut customer, "status_change", "manual_live").await;
    assert_eq!(change["agent_info"]["agent_name"], "小林", "{change}");
    told(&mut customer, "manual_message", "客服【小林】已接入，正在为您服务").await;
    // 5. Both talk, each sees it at once.
    let mut desk = lin.follow(&alice.session).await.frames();
    lin.say(&alice.session, "您好，请问订单号是多少？").await.expect_ok();
    let heard = told(&mut customer, "manual_message", "订单号是多少").await;
    assert_eq!((&heard["role"], &heard["agent_name"]), (&json!("agent"), &json!("小林")), "{heard}");
    alice.say_to_human("ORD-20261123").await.expect_ok();
    let heard = told(&mut desk, "manual_message", "ORD-20261123").await;
    assert_eq!(heard["role"], "user", "{heard}");
    // 6. The agent gives it back.
    let released = lin.release(&alice.session).await.expect_ok();
    assert_eq!(released.json()["data"]["status"], "bot_active");
    assert_eq!(released.json()["data"]["assigned_agent"], json!(null));
    told(&mut customer, "manual_message", "人工服务已结束，AI 助手已接管对话").await;
    let change = told(&mut customer, "status_change", "bot_active").await;
    assert_eq!(change["reason"], "released", "{change}");
    // 7. The bot answers again and knows what was said.
    alice.chat("我的订单号是多少？").await.expect_ok();
    let asked = shop.provider.calls().requests;
    let last = asked.iter().rev().find(|request| request.to_string().contains("我的订单号是多少")).unwrap();
    for said in ["请问订单号是多少", "ORD-20261123", "爱丽丝"] {
        assert!(last.to_string().contains(said), "{said} is missing in {last:#}");
    }
}

async fn a_stranger_may_nothing(shape: Shape) {
    let (shop, lin, mei) = staffed(shape).await;
    let _evidence = shop.world.evidence();
    let bob = shop.world.client().visitor(&fresh("bob"));
    bob.chat("转人工").await.expect_ok();
    // Not the customer's token, not another's name, not without any token.
    let body = json!({ "agent_id": lin.username, "agent_name": lin.name });
    let path = format!("/api/v1/sessions/{}/takeover", bob.session);
    let nobody = shop.world.client().post(&path, &body).await;
    assert_eq!(nobody.status, 401, "{}", nobody.text);
    assert!(nobody.header("www-authenticate").starts_with("Bearer"), "{:?}", nobody.headers);
    let customer = bob.send(bob.request("POST", &path).json(&body)).await;
    assert_eq!(customer.status, 401, "{}", customer.text);
    let posing = mei.post(&path, &body).await;
    assert_eq!(posing.problem(), (403, "IDENTITY_MISMATCH".to_owned()));
    lin.take_over(&bob.session).await.expect_ok();
    // A colleague who does not own it may not write, release or hand over.
    assert_eq!(mei.say(&bob.session, "hi").await.status, 403);
    assert_eq!(mei.release(&bob.session).await.status, 403);
    assert_eq!(mei.transfer(&bob.session, &lin, "x").await.status, 403);
    assert_eq!(mei.take_over(&bob.session).await.problem(), (409, "ALREADY_TAKEN".to_owned()));
    // Every command has its states.
    lin.release(&bob.session).await.expect_ok();
    assert_eq!(lin.release(&bob.session).await.problem(), (409, "INVALID_STATUS".to_owned()));
    assert_eq!(lin.say(&bob.session, "hi").await.problem(), (409, "INVALID_STATUS".to_owned()));
    assert_eq!(lin.take_over(&bob.session).await.problem(), (409, "INVALID_STATUS".to_owned()));
    assert_eq!(lin.take_over("nobody-was-here").await.status, 404);
}

async fn one_of_many_wins(shape: Shape) {
    let (shop, lin, mei) = staffed(shape).await;
    let _evidence = shop.world.evidence();
    for _ in 0..5 {
        let carol = shop.world.client().visitor(&fresh("carol"));
        carol.chat("转人工").await.expect_ok();
        let race = (0..16).map(|at| if at % 2 == 0 { &lin } else { &mei });
        let answers = futures::future::join_all(race.map(|agent| agent.take_over(&carol.session))).await;
        let winners = answers.iter().filter(|answer| answer.status == 200).count();
        let losers =
            answers.iter().filter(|answer| answer.problem() == (409, "ALREADY_TAKEN".to_owned())).count();
        assert_eq!((winners, losers), (1, 15), "{answers:#?}");
    }
}

async fn a_colleague_takes_over_by_request(shape: Shape) {
    let (shop, lin, mei) = staffed(shape).await;
    let _evidence = shop.world.evidence();
    let dora = shop.world.client().visitor(&fresh("dora"));
    dora.chat("转人工").await.expect_ok();
    lin.take_over(&dora.session).await.expect_ok();
    let mut feed = mei.events(None).await.frames();
    assert_eq!(lin.transfer(&dora.session, &lin, "self").await.problem(), (400, "SAME_AGENT".to_owned()));
    assert_eq!(lin.transfer(&dora.session, &mei, "  ").await.problem(), (400, "REASON_REQUIRED".to_owned()));
    let offered = lin.transfer(&dora.session, &mei, "懂技术").await.expect_ok();
    assert_eq!(offered.json()["data"]["status"], "pending", "{}", offered.text);
    assert_eq!(dora.detail().await.status, "manual_live", "nothing has changed yet");
    let request = told(&mut feed, "transfer_request", &dora.session).await;
    assert_eq!(request["data"]["from_agent_name"], "小林", "{request}");
    let id = request["data"]["id"].as_str().unwrap().to_owned();
    // Only the one who was asked may answer.
    let path = format!("/api/v1/transfer-requests/{id}/respond");
    let accept = json!({ "action": "accept" });
    assert_eq!(lin.post(&path, &accept).await.status, 403);
    let pending = mei.get("/api/v1/transfer-requests/pending").await.expect_ok();
    assert!(pending.text.contains(&id), "{}", pending.text);
    mei.post(&path, &accept).await.expect_ok();
    mei.say(&dora.session, "我是小梅").await.expect_ok();
    assert_eq!(lin.say(&dora.session, "again").await.status, 403);
    // Declined: it stays where it is.
    mei.transfer(&dora.session, &lin, "午休").await.expect_ok();
    let pending = lin.get("/api/v1/transfer-requests/pending").await.expect_ok();
    let id: String = pending.read("/data/items/0/id");
    lin.post(&format!("/api/v1/transfer-requests/{id}/respond"), &json!({ "action": "decline" }))
        .await
        .expect_ok();
    mei.say(&dora.session, "我还在").await.expect_ok();
    let history = mei.get(&format!("/api/v1/sessions/{}/transfer-history", dora.session)).await.expect_ok();
    let decisions: Vec<String> = history.json()["data"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["decision"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(decisions, ["declined", "accepted"], "{}", history.text);
    // Somebody who is not there is not asked.
    lin.be("offline").await.expect_ok();
    assert_eq!(mei.transfer(&dora.session, &lin, "x").await.problem(), (409, "AGENT_OFFLINE".to_owned()));
}

async fn a_supervisor_needs_no_request(shape: Shape) {
    let (shop, lin, mei) = staffed(shape).await;
    let _evidence = shop.world.evidence();
    let boss = shop.world.client().admin().await.hire(&fresh("boss"), "主管", "supervisor").await;
    boss.be("online").await.expect_ok();
    let erin = shop.world.client().visitor(&fresh("erin"));
    erin.chat("你好").await.expect_ok();
    let path = format!("/api/v1/sessions/{}/takeover", erin.session);
    let barge =
        |agent: &Agent| json!({ "agent_id": agent.username, "agent_name": agent.name, "barge_in": true });
    assert_eq!(lin.post(&path, &barge(&lin)).await.status, 403);
    boss.post(&path, &barge(&boss)).await.expect_ok();
    let body = json!({
        "from_agent_id": boss.username, "to_agent_id": lin.username, "to_agent_name": lin.name, "reason": "交给你",
        "immediate": true,
    });
    boss.post(&format!("/api/v1/sessions/{}/transfer", erin.session), &body).await.expect_ok();
    lin.say(&erin.session, "您好").await.expect_ok();
    // From one agent to another, over his head.
    boss.post(&path, &barge(&boss)).await.expect_ok();
    assert_eq!(lin.say(&erin.session, "again").await.status, 403);
    boss.release(&erin.session).await.expect_ok();
    drop(mei);
}

async fn giving_up_and_closing(shape: Shape) {
    let (shop, lin, _) = staffed(shape).await;
    let _evidence = shop.world.evidence();
    let finn = shop.world.client().visitor(&fresh("finn"));
    finn.chat("转人工").await.expect_ok();
    let cancel = format!("/api/v1/sessions/{}/cancel", finn.session);
    finn.send(finn.request("POST", &cancel).json(&json!({}))).await.expect_ok();
    assert_eq!(finn.detail().await.status, "bot_active");
    finn.chat("转人工").await.expect_ok();
    lin.take_over(&finn.session).await.expect_ok();
    lin.close(&finn.session).await.expect_ok();
    assert_eq!(finn.detail().await.status, "closed");
    assert_eq!(finn.say_to_human("hallo?").await.problem(), (409, "INVALID_STATUS".to_owned()));
    finn.chat("我还有一个问题").await.expect_ok();
    assert_eq!(finn.detail().await.status, "bot_active", "a customer's message opens it again");
}

async fn notes_stay_inside(shape: Shape) {
    let (shop, lin, mei) = staffed(shape).await;
    let _evidence = shop.world.evidence();
    let gina = shop.world.client().visitor(&fresh("gina"));
    gina.chat("转人工").await.expect_ok();
    lin.take_over(&gina.session).await.expect_ok();
    let mut feed = mei.events(None).await.frames();
    let path = format!("/api/v1/sessions/{}/notes", gina.session);
    let note = json!({ "content": "客户很着急 zq-secret", "mentions": [mei.username] });
    let written = lin.post(&path, &note).await.expect_ok();
    let mention = told(&mut feed, "mention", &gina.session).await;
    assert_eq!(
        (&mention["source"], &mention["from_agent"]),
        (&json!("session_note"), &json!(lin.id)),
        "{mention}"
    );
    let id: String = written.read("/data/id");
    assert_eq!(mei.put(&format!("{path}/{id}"), &json!({ "content": "x" })).await.status, 403);
    lin.put(&format!("{path}/{id}"), &json!({ "content": "客户很着急，已安抚 zq-secret" })).await.expect_ok();
    assert!(mei.get(&path).await.expect_ok().text.contains("已安抚"));
    // The customer sees none of it, anywhere.
    assert_eq!(gina.send(gina.request("GET", &path)).await.status, 401);
    let seen = format!("{} {:?}", gina.read().await.text, gina.log().await);
    assert!(!seen.contains("zq-secret"), "{seen}");
    lin.delete(&format!("{path}/{id}")).await.expect_ok();
    assert!(!mei.get(&path).await.expect_ok().text.contains("zq-secret"));
}
