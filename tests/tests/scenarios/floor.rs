//! The workbench's other half: who waits, the numbers, the feed of an agent, and the tools at hand.

use crate::shared::{fresh, shop};
use serde_json::{Value, json};
use switchboard_tests::{
    client::{Agent, Answer, Client, Visitor},
    sse::Frame,
    world::{Shape, World},
};

in_both_shapes!(
    an_agents_feed_goes_on_where_it_was,
    a_command_that_is_sent_twice_is_done_once,
    the_floor_shows_who_waits_and_who_serves,
    quick_replies_are_filled_in_and_counted,
    a_colleague_is_asked_for_advice,
    tags_and_profiles_are_kept_with_the_session,
);

/// An agent of this story's own who is there.
async fn hire(world: &World, name: &str, role: &str) -> Agent {
    let agent = world.client().admin().await.hire(&fresh("desk"), name, role).await;
    agent.be("online").await.expect_ok();
    agent
}

/// A customer who waits for a human.
async fn waiting(world: &World, about: &str) -> Visitor {
    let customer = world.client().visitor(&fresh(about));
    customer.chat("请转人工").await.expect_ok();
    assert_eq!(customer.detail().await.status, "pending_manual");
    customer
}

/// Posts with `Idempotency-Key`.
async fn once(agent: &Agent, key: &str, path: &str, body: &Value) -> Answer {
    Client::send(agent.request("POST", path).header("idempotency-key", key).json(body)).await
}

fn is(kind: &'static str) -> impl FnMut(&Frame) -> bool {
    move |frame| frame.kind() == kind
}

async fn an_agents_feed_goes_on_where_it_was(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let (lin, mei) = (hire(world, "小林", "agent").await, hire(world, "小梅", "agent").await);
    let customer = waiting(world, "feed").await;
    lin.take_over(&customer.session).await.expect_ok();
    let note = async |text: &str| {
        let body = json!({ "content": text, "mentions": [mei.username] });
        lin.post(&format!("/api/v1/sessions/{}/notes", customer.session), &body).await.expect_ok();
    };
    let mut feed = mei.events(None).await.frames();
    let greeting = feed.until(is("connected")).await.pop().unwrap();
    assert!(greeting.id.is_some(), "{}", greeting.raw);
    note("one").await;
    let first = feed.until(is("mention")).await.pop().unwrap();
    drop(feed);
    // What happens while nobody listens is told to who comes back: all of it, in order, nothing twice.
    note("two").await;
    note("three").await;
    let mut all = vec![first.clone()];
    let mut feed = mei.events(first.id.as_deref()).await.frames();
    assert_eq!(feed.until(is("connected")).await.pop().unwrap().id, first.id);
    for _ in 0..2 {
        let told = feed.until(|frame| frame.seq().is_some()).await.pop().unwrap();
        assert_eq!(told.kind(), "mention", "{}", told.raw);
        all.push(told);
    }
    drop(feed);
    let numbers: Vec<i64> = all.iter().filter_map(Frame::seq).collect();
    assert_eq!(numbers, [numbers[0], numbers[0] + 1, numbers[0] + 2], "{all:#?}");
    // From the first greeting on it is the same again.
    let mut feed = mei.events(greeting.id.as_deref()).await.frames();
    for told in &all {
        let again = feed.until(|frame| frame.seq().is_some()).await.pop().unwrap();
        assert_eq!(again.raw, told.raw);
    }
    // A position of a log that never was: everything is to be read anew.
    let reset = mei.events(Some("1.999999")).await.frames().until(is("reset")).await.pop().unwrap();
    assert_eq!(reset.id, all[2].id, "{}", reset.raw);
}

async fn a_command_that_is_sent_twice_is_done_once(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let (lin, mei) = (hire(world, "小林", "agent").await, hire(world, "小梅", "agent").await);
    let customer = waiting(world, "twice").await;
    let path = |what: &str| format!("/api/v1/sessions/{}/{what}", customer.session);
    let take = async || once(&lin, "take", &path("takeover"), &json!({})).await.expect_ok().json();
    assert_eq!(take().await["data"]["status"], "manual_live");
    assert_eq!(take().await["data"]["status"], "manual_live");
    let other = once(&mei, "take", &path("takeover"), &json!({})).await;
    assert_eq!(other.problem(), (409, "ALREADY_TAKEN".to_owned()), "a key is its owner's");
    let say =
        async |key: &str, text: &str| once(&lin, key, &path("messages"), &json!({ "content": text })).await;
    let first = say("k1", "您好").await.expect_ok();
    let again = say("k1", "您好").await.expect_ok();
    assert_eq!(again.json()["data"]["seq"], first.json()["data"]["seq"], "{} {}", first.text, again.text);
    assert_eq!(say("k1", "再见").await.problem(), (422, "IDEMPOTENCY_MISMATCH".to_owned()));
    say("k2", "您好").await.expect_ok();
    let give = async || once(&lin, "give", &path("release"), &json!({})).await.expect_ok().json();
    assert_eq!(give().await["data"]["status"], "bot_active");
    assert_eq!(give().await["data"]["status"], "bot_active");
    let log = customer.log().await;
    let count = |test: &dyn Fn(&Value) -> bool| log.iter().filter(|event| test(event)).count();
    assert_eq!(count(&|event| event["role"] == "agent" && event["content"] == "您好"), 2, "{log:#?}");
    assert_eq!(count(&|event| event["type"] == "status_change" && event["status"] == "manual_live"), 1);
    assert_eq!(count(&|event| event["reason"] == "released"), 1);
}

async fn the_floor_shows_who_waits_and_who_serves(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let (lin, boss) = (hire(world, "小林", "agent").await, hire(world, "主管", "supervisor").await);
    let (ann, ben) = (waiting(world, "floor").await, waiting(world, "floor").await);
    lin.take_over(&ben.session).await.expect_ok();
    let names = async |query: &str| {
        let page = lin.get(&format!("/api/v1/sessions?{query}")).await.expect_ok().json();
        let sessions = page["data"]["sessions"].as_array().unwrap();
        let name = |session: &Value| session["session_name"].as_str().unwrap().to_owned();
        sessions.iter().map(name).collect::<Vec<String>>()
    };
    for query in ["agent=mine".to_owned(), format!("agent={}", lin.id), format!("agent={}", lin.username)] {
        assert_eq!(names(&query).await, std::slice::from_ref(&ben.session), "{query}");
    }
    let of = |status: &str| format!("status={status}&keyword={}", ann.session);
    assert_eq!(names(&of("pending_manual")).await, std::slice::from_ref(&ann.session));
    assert_eq!(names(&of("manual_live")).await, Vec::<String>::new());
    assert_eq!(names("limit=1&sort=newest").await.len(), 1);
    for (query, status, code) in [
        ("agent=nobody-of-this-name", 404, "AGENT_NOT_FOUND"),
        ("status=bad", 400, "INVALID_STATUS"),
        ("limit=0", 422, "VALIDATION_ERROR"),
        ("sort=sideways", 422, "VALIDATION_ERROR"),
    ] {
        let told = lin.get(&format!("/api/v1/sessions?{query}")).await;
        assert_eq!(told.problem(), (status, code.to_owned()), "{query}");
    }
    let queue = lin.get("/api/v1/sessions/queue").await.expect_ok().json();
    let places = queue["data"]["queue"].as_array().unwrap();
    let place = places.iter().find(|place| place["session_name"] == ann.session.as_str()).unwrap();
    assert_eq!((&place["status"], &place["is_vip"]), (&json!("pending_manual"), &json!(false)), "{place}");
    assert!(place["last_message"].as_str().is_some_and(|text| !text.is_empty()), "{place}");
    assert!(places.iter().all(|place| place["session_name"] != ben.session.as_str()), "{queue}");
    let positions: Vec<i64> = places.iter().filter_map(|place| place["position"].as_i64()).collect();
    assert!(positions.iter().copied().eq((1..).take(places.len())), "{positions:?}");
    let stats = boss.get("/api/v1/sessions/stats").await.expect_ok().json()["data"].clone();
    let count = |status: &str| stats["by_status"][status].as_i64().unwrap();
    let all = ["bot_active", "pending_manual", "manual_live", "after_hours_email", "closed"].map(count);
    assert!(all[1] >= 1 && all[2] >= 1, "{stats}");
    assert_eq!(stats["total_sessions"], all.iter().sum::<i64>(), "{stats}");
    assert_eq!(stats["active_sessions"], all.iter().sum::<i64>() - all[4], "{stats}");
    lin.close(&ben.session).await.expect_ok();
    assert_eq!(names("agent=mine").await, Vec::<String>::new());
}

async fn quick_replies_are_filled_in_and_counted(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let (lin, mei) = (hire(world, "小林", "agent").await, hire(world, "小梅", "agent").await);
    let (base, word) = ("/api/v1/quick-replies", fresh("greeting"));
    let new = json!({ "title": word, "content": "您好 {customer_name}，我是{agent_name}{?}", "category": "greeting",
        "is_shared": true });
    let made = once(&lin, "new", base, &new).await.expect_ok();
    let id: String = made.read("/data/id");
    assert_eq!(once(&lin, "new", base, &new).await.expect_ok().read::<String>("/data/id"), id);
    assert_eq!(made.json()["data"]["variables"], json!(["customer_name", "agent_name"]), "{}", made.text);
    let odd = json!({ "title": "x", "content": "x", "category": "odd" });
    assert_eq!(lin.post(base, &odd).await.problem(), (400, "INVALID_CATEGORY".to_owned()));
    // A colleague sees and uses what is shared, and changes nothing.
    let found = mei.get(&format!("{base}?keyword={word}")).await.expect_ok().json();
    assert_eq!((&found["data"]["total"], &found["data"]["items"][0]["id"]), (&json!(1), &json!(id)));
    let one = format!("{base}/{id}");
    assert_eq!(mei.put(&one, &json!({ "title": "x" })).await.status, 403);
    assert_eq!(mei.delete(&one).await.status, 403);
    let values =
        json!({ "session_data": { "customer_name": "爱丽丝" }, "agent_data": { "agent_name": "小梅" } });
    for _ in 0..2 {
        let used = once(&mei, "use", &format!("{one}/use"), &values).await.expect_ok().json();
        assert_eq!(used["data"]["replaced_content"], "您好 爱丽丝，我是小梅{?}", "{used}");
    }
    let shown = lin.get(&one).await.expect_ok().json();
    assert_eq!((&shown["data"]["usage_count"], &shown["data"]["created_by"]), (&json!(1), &json!(lin.id)));
    let changed = lin.put(&one, &json!({ "title": "Hello" })).await.expect_ok().json();
    assert_eq!(changed["data"]["content"], new["content"], "what is absent stays");
    lin.delete(&one).await.expect_ok();
    assert_eq!(lin.get(&one).await.problem(), (404, "QUICK_REPLY_NOT_FOUND".to_owned()));
}

async fn a_colleague_is_asked_for_advice(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let (lin, mei) = (hire(world, "小林", "agent").await, hire(world, "小梅", "agent").await);
    let customer = waiting(world, "assist").await;
    lin.take_over(&customer.session).await.expect_ok();
    let base = "/api/v1/assist-requests";
    let ask =
        |whom: &str| json!({ "session_name": customer.session, "assistant": whom, "question": "保修多久？" });
    assert_eq!(lin.post(base, &ask("nobody")).await.problem(), (404, "ASSISTANT_NOT_FOUND".to_owned()));
    let mut feed = mei.events(None).await.frames();
    feed.until(is("connected")).await;
    let id: String = lin.post(base, &ask(&mei.username)).await.expect_ok().read("/data/id");
    let told = feed.until(is("assist_request")).await.pop().unwrap();
    assert!(told.raw.contains(&id) && told.raw.contains(&customer.session), "{}", told.raw);
    let pending = mei.get(&format!("{base}?status=pending")).await.expect_ok().json();
    assert_eq!(pending["data"]["received"][0]["question"], "保修多久？", "{pending}");
    assert_eq!(pending["count"]["received_pending"], 1, "{pending}");
    let (path, answer) = (format!("{base}/{id}/answer"), json!({ "answer": "两年" }));
    assert_eq!(lin.post(&path, &answer).await.status, 403, "only who was asked answers");
    mei.post(&path, &answer).await.expect_ok();
    let again = mei.post(&path, &json!({ "answer": "三年" })).await;
    assert_eq!(again.problem(), (400, "ALREADY_ANSWERED".to_owned()));
    let sent = lin.get(base).await.expect_ok().json();
    assert_eq!(sent["data"]["sent"][0]["answer"], "两年", "{sent}");
}

async fn tags_and_profiles_are_kept_with_the_session(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let (lin, admin) = (hire(world, "小林", "agent").await, world.client().admin().await);
    let customer = waiting(world, "tagged").await;
    let new = json!({ "name": fresh("tag"), "color": "#00ff00" });
    assert_eq!(lin.post("/api/v1/tags", &new).await.problem(), (403, "PERMISSION_REQUIRED".to_owned()));
    let tag: String = admin.post("/api/v1/tags", &new).await.expect_ok().read("/data/tag/id");
    let all = lin.get("/api/v1/tags").await.expect_ok().json();
    assert!(all["data"]["custom_tags"].to_string().contains(&tag), "{all}");
    assert!(!all["data"]["system_tags"].as_array().unwrap().is_empty(), "{all}");
    let path = format!("/api/v1/sessions/{}/tags", customer.session);
    lin.post(&path, &json!({ "tag_id": tag })).await.expect_ok();
    let tagged = lin.get(&format!("/api/v1/sessions?tag={tag}")).await.expect_ok().json();
    assert_eq!(tagged["data"]["total"], 1, "{tagged}");
    assert_eq!(tagged["data"]["sessions"][0]["session_name"], customer.session.as_str());
    lin.delete(&format!("{path}/{tag}")).await.expect_ok();
    let tagged = lin.get(&format!("/api/v1/sessions?tag={tag}")).await.expect_ok().json();
    assert_eq!(tagged["data"]["total"], 0, "{tagged}");
    let path = format!("/api/v1/customers/{}/profile", customer.session);
    let edit = json!({ "remark": "喜欢蓝色", "attributes": { "country": "DE" } });
    lin.put(&path, &edit).await.expect_ok();
    let after = lin.get(&path).await.expect_ok().json()["data"].clone();
    assert_eq!((&after["remark"], &after["country"]), (&json!("喜欢蓝色"), &json!("DE")), "{after}");
    let edit = |remark: &str| json!({ "remark": remark, "version": after["version"] });
    lin.put(&path, &edit("喜欢红色")).await.expect_ok();
    // What is there already may be said again; anything else was meant for what was there before.
    lin.put(&path, &edit("喜欢红色")).await.expect_ok();
    let late = lin.put(&path, &edit("喜欢绿色")).await;
    assert_eq!(late.problem(), (409, "PROFILE_CHANGED".to_owned()));
    assert_eq!(lin.get("/api/v1/customers/no-such-thing/profile").await.status, 404);
}
