//! Event streams for browsers that can send neither headers nor cookies: a ticket in the address.

use crate::shared::{fresh, shop};
use reqwest::RequestBuilder;
use serde_json::json;
use switchboard_tests::{
    client::{Answer, Client, Stream, Visitor},
    settings::Settings,
    world::{Shape, World},
};

in_both_shapes!(
    a_page_of_another_site_follows_its_session,
    a_ticket_is_worth_nothing_twice_later_or_elsewhere,
    agents_follow_with_tickets_too,
);

const SHOP: &str = "https://shop.example.com";

async fn ticket(request: RequestBuilder, origin: &str) -> String {
    Client::send(request.header("origin", origin)).await.expect_ok().read("/data/ticket")
}

async fn own_ticket(customer: &Visitor) -> String {
    ticket(customer.request("POST", "/api/v1/events/ticket").json(&json!({})), SHOP).await
}

/// Opens a stream as an `EventSource` does: nothing but the address, and the origin of its page.
fn source(client: &Client, path: &str, ticket: &str, origin: &str) -> RequestBuilder {
    client.request("GET", &format!("{path}?ticket={ticket}")).header("origin", origin)
}

fn events(customer: &Visitor) -> String {
    format!("/api/v1/sessions/{}/events", customer.session)
}

async fn a_page_of_another_site_follows_its_session(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let (client, alice) = (world.client(), world.client().visitor(&fresh("ticket")));
    alice.create().await.expect_ok();
    let made = own_ticket(&alice).await;
    let mut frames = Stream::open(source(&client, &events(&alice), &made, SHOP)).await.frames();
    alice.chat("City 充满一次电可以跑多远？").await.expect_ok();
    let told = frames.until(|frame| frame.data["role"] == "assistant").await;
    let last = told.iter().rev().find_map(|frame| frame.id.clone()).unwrap();
    drop(frames);
    // A browser comes back to the same address, which is worth nothing by now: its page asks for another ticket.
    assert_eq!(refusal(&client, &events(&alice), &made, SHOP).await, refused());
    let path = format!("{}&last_event_id={last}", own_ticket(&alice).await);
    alice.chat("谢谢").await.expect_ok();
    let mut frames = Stream::open(source(&client, &events(&alice), &path, SHOP)).await.frames();
    let next = frames.until(|frame| frame.data["role"] == "user").await.pop().unwrap();
    assert_eq!(next.content(), "谢谢");
}

async fn a_ticket_is_worth_nothing_twice_later_or_elsewhere(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let client = world.client();
    let (alice, bob) = (client.visitor(&fresh("ticket")), client.visitor(&fresh("ticket")));
    alice.create().await.expect_ok();
    bob.create().await.expect_ok();
    for (path, origin) in [
        (events(&alice), "https://evil.example.com"),
        (events(&bob), SHOP),
        ("/api/v1/agent/events".to_owned(), SHOP),
    ] {
        let made = own_ticket(&alice).await;
        assert_eq!(refusal(&client, &path, &made, origin).await, refused(), "{path} {origin}");
        // Who has tried it has used it up.
        assert_eq!(refusal(&client, &events(&alice), &made, SHOP).await, refused(), "{path} {origin}");
    }
    let for_bob =
        alice.request("POST", "/api/v1/events/ticket").json(&json!({ "session_name": bob.session }));
    assert_eq!(Client::send(for_bob).await.problem(), (403, "NOT_YOUR_SESSION".to_owned()));

    // A shop where tickets are too old at once.
    let settings = Settings::new("tickets").set("agent_auth.event_ticket_life", "0s");
    let world = World::start(shape, &settings).await;
    let _evidence = world.evidence();
    let (client, alice) = (world.client(), world.client().visitor(&fresh("ticket")));
    alice.create().await.expect_ok();
    let made = own_ticket(&alice).await;
    assert_eq!(refusal(&client, &events(&alice), &made, SHOP).await, refused());
}

async fn agents_follow_with_tickets_too(shape: Shape) {
    let world = &shop(shape).await.world;
    let _evidence = world.evidence();
    let (client, alice) = (world.client(), world.client().visitor(&fresh("ticket")));
    alice.chat("City 充满一次电可以跑多远？").await.expect_ok();
    let mei = client.admin().await.hire(&fresh("mei"), "小美", "agent").await;
    let ask = |body| mei.request("POST", "/api/v1/events/ticket").json(&body);
    let own = ticket(ask(json!({})), SHOP).await;
    let mut feed = Stream::open(source(&client, "/api/v1/agent/events", &own, SHOP)).await.frames();
    feed.until(|frame| frame.kind() == "floor").await;
    let session = ticket(ask(json!({ "session_name": alice.session })), SHOP).await;
    let mut frames = Stream::open(source(&client, &events(&alice), &session, SHOP)).await.frames();
    frames.until(|frame| frame.data["role"] == "assistant").await;
}

async fn open(client: &Client, path: &str, ticket: &str, origin: &str) -> Answer {
    Client::head(source(client, path, ticket, origin)).await
}

async fn refusal(client: &Client, path: &str, ticket: &str, origin: &str) -> (u16, String) {
    open(client, path, ticket, origin).await.problem()
}

fn refused() -> (u16, String) {
    (401, "INVALID_TICKET".to_owned())
}
