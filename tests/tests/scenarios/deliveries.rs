//! What goes out of the house, as those who look after it see it: mails out of hours, tests, webhook endpoints.

use crate::shared::fresh;
use serde_json::{Value, json};
use switchboard_domain::Clock as _;
use switchboard_tests::{
    client::Agent,
    clock::RealClock,
    fakes::{
        FakeSmtp,
        smtp::{Options, SmtpFault, Step},
    },
    patience::eventually,
    settings::Settings,
    world::{Shape, World},
};

in_both_shapes!(mails_and_webhooks_are_looked_after);

/// A shop that opens in two hours, for one.
fn shut(settings: Settings) -> Settings {
    let minutes = RealClock.now().seconds() / 60;
    let clock = |later: i64| {
        let at = (minutes + later) % (24 * 60);
        format!("{:02}:{:02}", at / 60, at % 60)
    };
    settings
        .set("hours.time_zone", "UTC")
        .set("hours.shift_start", &clock(120))
        .set("hours.shift_end", &clock(180))
}

async fn mails_and_webhooks_are_looked_after(shape: Shape) {
    let smtp = FakeSmtp::start(Options::default()).await;
    let settings = shut(Settings::new("deliveries"))
        .set("notifier.mail.host", "localhost")
        .set("notifier.mail.port", &smtp.port().to_string())
        .set("notifier.mail.tls", "none")
        .set("notifier.mail.recipients", "team@larkway.example")
        .set("notifier.mail.from_address", "bot@larkway.example")
        .set("notifier.delivery.permanent_attempts", "1")
        .set("notifier.breaker.consecutive_failures", "1000")
        .set("notifier.breaker.min_calls", "1000");
    let world = World::start(shape, &settings).await;
    let _evidence = world.evidence();
    let admin = world.client().admin().await;
    mails(&world, &admin, &smtp).await;
    webhooks(&admin).await;
}

/// The mail to the team about a session, once it is in this state.
async fn delivery(admin: &Agent, session: &str, state: &str) -> Value {
    let path = format!("/api/v1/deliveries?session={session}&channel=mail_team&state={state}");
    eventually(format_args!("a delivery of {session} is {state}"), async || {
        admin.get(&path).await.expect_ok().json()["data"]["items"].get(0).cloned()
    })
    .await
}

async fn mails(world: &World, admin: &Agent, smtp: &FakeSmtp) {
    let customer = world.client().visitor(&fresh("alice"));
    smtp.fault.set(SmtpFault::Reply(Step::Mail, 550));
    customer.chat("转人工").await.expect_ok();
    assert_eq!(customer.detail().await.status, "after_hours_email");
    let dead = delivery(admin, &customer.session, "dead").await;
    assert_eq!((&dead["channel"], &dead["attempts"]), (&json!("mail_team"), &json!(1)), "{dead}");
    let path = format!("/api/v1/deliveries/{}", dead["id"].as_str().unwrap());
    let told = admin.get(&path).await.expect_ok().json();
    let attempt = &told["data"]["attempt_log"][0];
    assert_eq!((&attempt["outcome"], &attempt["code"]), (&json!("refused"), &json!(550)), "{told}");
    let inbox = admin.get("/api/v1/deliveries/received").await.expect_ok().json();
    let events = inbox["data"]["items"].as_array().unwrap();
    assert!(events.iter().any(|event| event["event_id"] == dead["event_id"]), "{inbox}");

    // Tried again by hand when the mail server is well; then there is nothing left to try or to give up.
    smtp.fault.heal();
    let again = admin.post(&format!("{path}/redrive"), &json!({})).await.expect_ok().json();
    assert_eq!(again["data"]["redriven"], 1);
    let done = delivery(admin, &customer.session, "done").await;
    let mail = smtp.wait_for(1).await.remove(0);
    assert_eq!(done["message_id"], mail.id());
    assert!(mail.header("Subject").contains(&customer.session), "{}", mail.data);
    let none = admin.post("/api/v1/deliveries/redrive", &json!({ "channel": "mail_team" })).await.expect_ok();
    assert_eq!(none.json()["data"]["redriven"], 0);
    let redrive = admin.post(&format!("{path}/redrive"), &json!({})).await;
    assert_eq!(redrive.problem(), (409, "NOT_REDRIVABLE".to_owned()), "{}", redrive.text);
    let cancel = admin.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!(cancel.problem(), (409, "DELIVERY_DONE".to_owned()), "{}", cancel.text);

    // A test mail is a delivery, too; and pages are told each once.
    let test = admin.post("/api/v1/deliveries/test-mail", &json!({})).await.expect_ok();
    let id: String = test.read("/data/delivery_id");
    eventually("the test mail is delivered", async || {
        let told = admin.get(&format!("/api/v1/deliveries/{id}")).await.expect_ok().json();
        (told["data"]["state"] == "done").then_some(())
    })
    .await;
    assert_eq!(smtp.wait_for(2).await.len(), 2);
    let first = admin.get("/api/v1/deliveries?channel=mail_team&limit=1").await.expect_ok().json();
    assert_eq!((&first["data"]["items"][0]["id"], &first["data"]["has_more"]), (&json!(id), &json!(true)));
    let cursor = first["data"]["next_cursor"].as_str().unwrap();
    let second = admin
        .get(&format!("/api/v1/deliveries?channel=mail_team&limit=1&cursor={cursor}"))
        .await
        .expect_ok()
        .json();
    assert_eq!(second["data"]["items"][0]["id"], dead["id"]);
    assert_eq!(admin.get("/api/v1/deliveries/nothing").await.problem(), (404, "UNKNOWN_DELIVERY".to_owned()));
}

async fn webhooks(admin: &Agent) {
    for (url, code) in [
        ("https://10.0.0.1/hook", "PRIVATE_ADDRESS"),
        ("https://127.0.0.1/hook", "PRIVATE_ADDRESS"),
        ("https://[::1]/hook", "PRIVATE_ADDRESS"),
        ("https://169.254.169.254/latest/meta-data", "PRIVATE_ADDRESS"),
        ("http://example.com/hook", "INVALID_URL"),
        ("hook", "INVALID_URL"),
    ] {
        let refused = admin.post("/api/v1/webhooks", &json!({ "url": url })).await;
        assert_eq!(refused.problem(), (400, code.to_owned()), "{url}: {}", refused.text);
        let told = if code == "PRIVATE_ADDRESS" { "private" } else { "https" };
        assert!(refused.json()["detail"].as_str().unwrap().contains(told), "{url}: {}", refused.text);
    }
    let odd = json!({ "url": "https://example.com/hook", "kinds": ["everything!"] });
    let odd = admin.post("/api/v1/webhooks", &odd).await;
    assert_eq!(odd.problem(), (400, "INVALID_EVENT_KIND".to_owned()), "{}", odd.text);
    assert_eq!(admin.get("/api/v1/webhooks").await.expect_ok().json()["data"]["total"], 0);

    let new =
        json!({ "url": "https://example.com/hook", "description": "orders", "kinds": ["session.closed"] });
    let made = admin.post("/api/v1/webhooks", &new).await.expect_ok();
    let (id, secret): (String, String) = (made.read("/data/id"), made.read("/secret"));
    assert!(secret.starts_with("whsec_"));
    let path = format!("/api/v1/webhooks/{id}");
    let inside = admin.put(&path, &json!({ "url": "https://192.168.0.1/" })).await;
    assert_eq!(inside.problem(), (400, "PRIVATE_ADDRESS".to_owned()), "{}", inside.text);
    let off = admin.put(&path, &json!({ "enabled": false })).await.expect_ok().json();
    assert_eq!((&off["data"]["enabled"], &off["data"]["disabled_reason"]), (&json!(false), &json!("manual")));
    let test = admin.post(&format!("{path}/test"), &json!({})).await;
    assert_eq!(test.problem(), (409, "ENDPOINT_DISABLED".to_owned()), "{}", test.text);
    let on = admin.put(&path, &json!({ "enabled": true })).await.expect_ok().json();
    assert_eq!((&on["data"]["enabled"], &on["data"]["disabled_reason"]), (&json!(true), &Value::Null));
    assert_eq!((&on["data"]["url"], &on["data"]["kinds"]), (&new["url"], &new["kinds"]), "the rest stays");
    let rotated = admin.post(&format!("{path}/rotate-secret"), &json!({})).await.expect_ok();
    assert_ne!(rotated.read::<String>("/secret"), secret);
    let shown = admin.get(&path).await.expect_ok();
    assert_eq!(shown.json()["data"]["secrets"].as_array().unwrap().len(), 2, "{}", shown.text);
    assert!(!shown.text.contains("whsec"), "a secret is told once: {}", shown.text);
    admin.delete(&path).await.expect_ok();
    assert_eq!(admin.get(&path).await.problem(), (404, "UNKNOWN_ENDPOINT".to_owned()));
    let actions = admin.get(&format!("/api/v1/audit?object={id}")).await.expect_ok().text;
    for action in ["endpoint.create", "endpoint.update", "endpoint.rotate", "endpoint.delete"] {
        assert!(actions.contains(action), "{action}: {actions}");
    }
}
