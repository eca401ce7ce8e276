//! The rules that call humans: written, tried on the past, put beside the ones in force, published.

use crate::shared::{fresh, shop};
use serde_json::{Value, json};
use switchboard_domain::Clock as _;
use switchboard_tests::{
    client::Agent,
    clock::RealClock,
    patience::eventually,
    settings::Settings,
    world::{Shape, World},
};

in_both_shapes!(a_mistake_is_told_and_changes_nothing, from_a_draft_to_what_decides);

const REFUNDS: &str = "# refunds are for humans\nrules:\n  keyword:\n    phrases: [退款, refund]\n";
const WISH: &str = "我要退款";

async fn supervisor(world: &World) -> Agent {
    world.client().admin().await.hire(&fresh("boss"), "主管", "supervisor").await
}

async fn a_mistake_is_told_and_changes_nothing(shape: Shape) {
    let shop = shop(shape).await;
    let _evidence = shop.world.evidence();
    let boss = supervisor(&shop.world).await;
    let before = boss.get("/api/v1/rules").await.expect_ok().json();
    for (document, line, reason) in [
        ("rules:\n  keyword:\n    phrases: [a, ' ']\n", 3, "rules.keyword.phrases[1] is empty"),
        ("rules:\n  vip: {enabled: maybe}\n", 2, "bool"),
        ("rules:\n\n  ai_failures: {}\n", 3, "ai_failures"),
        ("rules: [", 1, ""),
    ] {
        let kept = boss.post("/api/v1/rules/versions", &json!({ "document": document })).await;
        let tried = json!({ "document": document, "since": 1 });
        let tried = boss.post("/api/v1/rules/what-if", &tried).await;
        for refused in [kept, tried] {
            assert_eq!(refused.problem(), (422, "INVALID_RULES".to_owned()), "{document}: {}", refused.text);
            let told = refused.json();
            assert_eq!(told["line"], line, "{document}: {told}");
            assert!(told["reason"].as_str().unwrap().contains(reason), "{document}: {told}");
            assert_eq!(told["errors"][0]["loc"][2], line.to_string(), "{told}");
            assert_eq!(told["errors"][0]["msg"], told["reason"], "{told}");
        }
        let check = boss.post("/api/v1/rules/check", &json!({ "document": document })).await.expect_ok();
        let told = &check.json()["data"];
        assert_eq!((&told["valid"], &told["problems"][0]["line"]), (&json!(false), &json!(line)), "{told}");
    }
    let good = boss.post("/api/v1/rules/check", &json!({ "document": REFUNDS })).await.expect_ok();
    assert_eq!(good.json()["data"]["rules"]["rules"]["keyword"]["phrases"], json!(["退款", "refund"]));
    let publish = json!({ "expected_version": 1 });
    for path in ["/api/v1/rules/versions/999", "/api/v1/rules/versions/x"] {
        assert_eq!(boss.get(path).await.problem(), (404, "RULES_NOT_FOUND".to_owned()));
        let published = boss.post(&format!("{path}/publish"), &publish).await;
        assert_eq!(published.problem(), (404, "RULES_NOT_FOUND".to_owned()));
    }
    let itself = boss.put("/api/v1/rules/shadow", &json!({ "version": 1 })).await;
    assert_eq!(itself.problem(), (409, "RULES_IN_FORCE".to_owned()));
    assert_eq!(boss.get("/api/v1/rules").await.expect_ok().json(), before, "nothing has changed");
    let versions = boss.get("/api/v1/rules/versions").await.expect_ok();
    assert_eq!(versions.json()["data"]["items"].as_array().unwrap().len(), 1, "{}", versions.text);
}

/// A rule is written, tried on the past, decides in the shadow, and then for everybody; each step says the same of it.
async fn from_a_draft_to_what_decides(shape: Shape) {
    let world = World::start(shape, &Settings::new("rules")).await;
    let _evidence = world.evidence();
    let boss = supervisor(&world).await;
    let asks = async || {
        let customer = world.client().visitor(&fresh("customer"));
        customer.chat(WISH).await.expect_ok();
        (customer.session.clone(), customer.detail().await)
    };
    let (alice, detail) = asks().await;
    assert_eq!(detail.status, "bot_active");

    let body = json!({ "document": REFUNDS, "note": "refunds" });
    let draft = boss.post("/api/v1/rules/versions", &body).await.expect_ok().json()["data"].take();
    assert_eq!((&draft["ordinal"], &draft["state"]), (&json!(2), &json!("draft")), "{draft}");
    let again = boss.post("/api/v1/rules/versions", &body).await.expect_ok().json();
    assert_eq!((&draft["created"], &again["data"]["created"]), (&json!(true), &json!(false)));
    tried(&boss, &alice).await;

    let shadow = boss.put("/api/v1/rules/shadow", &json!({ "version": 2 })).await.expect_ok().json();
    assert_eq!(shadow["data"]["shadow"], true, "{shadow}");
    assert_eq!(boss.get("/api/v1/rules").await.expect_ok().json()["data"]["shadow"], 2);
    let (bob, detail) = asks().await;
    assert_eq!(detail.status, "bot_active", "the shadow changes nothing");
    shadowed(&boss, &bob, &draft["version"]).await;

    let publish = "/api/v1/rules/versions/2/publish";
    let stale = boss.post(publish, &json!({ "expected_version": 7 })).await;
    assert_eq!(stale.problem(), (404, "RULES_NOT_FOUND".to_owned()), "{}", stale.text);
    let published = boss.post(publish, &json!({ "expected_version": 1 })).await.expect_ok().json();
    assert_eq!(published["data"]["state"], "published", "{published}");
    let late = boss.post("/api/v1/rules/versions/1/publish", &json!({ "expected_version": 1 })).await;
    assert_eq!(late.problem(), (409, "RULES_MOVED".to_owned()), "{}", late.text);
    assert_eq!(late.json()["published"], 2);

    let (carol, detail) = asks().await;
    assert_eq!(detail.status, "pending_manual");
    assert_eq!(detail.escalation.unwrap()["reason"], "keyword");
    let made = decided(&boss, &format!("session={carol}&escalated=true")).await;
    assert_eq!((&made["rule"], &made["rules_version"]), (&json!("keyword"), &draft["version"]), "{made}");
    assert_eq!((&made["evidence"], &made["phase"]), (&json!(["退款"]), &json!("before_model")), "{made}");
    let version = draft["version"].as_str().unwrap();
    let same = decided(&boss, &format!("version={version}&rule=keyword&limit=1")).await;
    assert_eq!(same["id"], made["id"]);
    let none = boss.get(&format!("/api/v1/rules/decisions?version={version}&rule=vip")).await.expect_ok();
    assert_eq!(none.json()["data"], json!({ "items": [], "has_more": false, "next_cursor": null }));
    // What was published is no shadow any more.
    assert_eq!(boss.get("/api/v1/rules/shadow").await.expect_ok().json()["data"], Value::Null);
    boss.delete("/api/v1/rules/shadow").await.expect_ok();
}

/// What-if before publishing: the customer would have been handed over, and one more would wait.
async fn tried(boss: &Agent, customer: &str) {
    // A span that has an end: the same question about the same past.
    let until = f64::from(i32::try_from(RealClock.now().seconds()).unwrap()) + 1.0;
    let ask = json!({ "version": 2, "since": 1, "until": until, "agents": 1 });
    let report = boss.post("/api/v1/rules/what-if", &ask).await.expect_ok();
    let again = boss.post("/api/v1/rules/what-if", &ask).await.expect_ok();
    assert_eq!(report.text, again.text, "bit for bit");
    let told = &report.json()["data"];
    assert_eq!(
        (&told["newly_escalated"]["count"], &told["no_longer_escalated"]["count"]),
        (&json!(1), &json!(0))
    );
    let case = &told["newly_escalated"]["cases"][0];
    assert_eq!((&case["session"], &case["draft"]["rule"]), (&json!(customer), &json!("keyword")), "{told}");
    assert_eq!(case["draft"]["evidence"], json!(["退款"]));
    assert!(case["draft"]["excerpt"].as_str().unwrap().contains(WISH), "{case}");
    let arrivals = |which: &str| told["queue"][which]["arrivals"].as_u64().unwrap();
    assert_eq!((arrivals("base"), arrivals("draft")), (0, 1), "{told}");
    for member in ["turns", "cut", "limited", "by_rule", "earlier", "later", "input_digest", "report_digest"]
    {
        assert!(!told[member].is_null(), "{member}: {told}");
    }
    // As a document that nobody has kept it means the same.
    let ask = json!({ "document": REFUNDS, "since": 1, "until": until });
    let report = boss.post("/api/v1/rules/what-if", &ask).await.expect_ok().json();
    assert_eq!(report["data"]["newly_escalated"], told["newly_escalated"]);
}

/// The report of the shadow says what it would have done.
async fn shadowed(boss: &Agent, customer: &str, version: &Value) {
    let report = eventually("the shadow's decision is recorded", async || {
        let report = boss.get("/api/v1/rules/shadow").await.expect_ok().json()["data"].take();
        (report["only_shadow"] == 1).then_some(report)
    })
    .await;
    assert_eq!((&report["version"], &report["only_published"]), (&json!(2), &json!(0)), "{report}");
    let differing = &report["differing"][0];
    assert_eq!((&differing["session_name"], &differing["escalated"]), (&json!(customer), &json!(false)));
    let wanted =
        json!({ "rules_version": version, "rule": "keyword", "escalated": true, "evidence": ["退款"] });
    assert_eq!(differing["shadow"], wanted, "{report}");
}

/// The newest decision that a query finds.
async fn decided(boss: &Agent, query: &str) -> Value {
    eventually(format_args!("a decision with {query}"), async || {
        let page = boss.get(&format!("/api/v1/rules/decisions?{query}")).await.expect_ok().json();
        page["data"]["items"].get(0).cloned()
    })
    .await
}
