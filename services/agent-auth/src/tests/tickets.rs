//! Tickets for event streams.

use super::world::{Part, World};
use futures::future::join_all;
use std::time::Duration;
use switchboard_boot::system::{SystemClock, SystemRng};
use switchboard_domain::ServiceName;
use switchboard_mesh::{CallContext, status::from_status};
use switchboard_proto::agentauth::v1::{IssueEventTicketRequest, RedeemEventTicketRequest};

/// As set, and just not over.
const LIFE: Duration = Duration::from_secs(30);
const ALMOST: Duration = Duration::from_millis(29_999);
const SHOP: &str = "https://shop.example.com";
const HOLDER: &str = r#"{"who":"alice"}"#;
const REFUSED: &str = "INVALID_TICKET";

async fn as_edge<T>(call: impl Future<Output = T>) -> T {
    CallContext::background(ServiceName::Gateway, &SystemClock, &SystemRng).scope(call).await
}

async fn issue(part: &Part) -> String {
    let request =
        IssueEventTicketRequest { session: "alice".into(), origin: SHOP.into(), holder_json: HOLDER.into() };
    let mut client = part.client(ServiceName::Gateway);
    let made = as_edge(client.issue_event_ticket(request)).await;
    let ticket = made.unwrap().into_inner().ticket;
    assert_eq!(ticket.len(), 43, "256 bits in base64url: {ticket}");
    ticket
}

/// The holder, or the code of the refusal.
async fn redeem(part: &Part, ticket: &str, session: &str, origin: &str) -> String {
    let request = RedeemEventTicketRequest {
        ticket: ticket.to_owned(),
        session: session.to_owned(),
        origin: origin.to_owned(),
    };
    let mut client = part.client(ServiceName::Gateway);
    match as_edge(client.redeem_event_ticket(request)).await {
        Ok(answer) => answer.into_inner().holder_json,
        Err(status) => from_status(&status).code.into_owned(),
    }
}

#[tokio::test]
async fn of_many_who_come_with_a_ticket_one_is_let_in() {
    for world in World::each().await {
        // Two replicas.
        let (one, other) = (world.build().await, world.build().await);
        let ticket = issue(&one).await;
        let calls = (0..8).map(|at| redeem(if at % 2 == 0 { &one } else { &other }, &ticket, "alice", SHOP));
        let mut told = join_all(calls).await;
        told.sort_unstable();
        assert_eq!(told.pop().as_deref(), Some(HOLDER));
        assert_eq!(told, [REFUSED; 7]);
        one.stop().await;
        other.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn what_is_late_or_for_something_else_is_refused_and_used_up() {
    for world in World::each().await {
        let part = world.build().await;
        for (session, origin) in [("bob", SHOP), ("", SHOP), ("alice", ""), ("alice", "null")] {
            let ticket = issue(&part).await;
            assert_eq!(redeem(&part, &ticket, session, origin).await, REFUSED, "{session} {origin}");
            assert_eq!(redeem(&part, &ticket, "alice", SHOP).await, REFUSED, "{session} {origin}");
        }
        let (late, timely) = (issue(&part).await, issue(&part).await);
        world.clock.pass(ALMOST);
        assert_eq!(redeem(&part, &timely, "alice", SHOP).await, HOLDER);
        world.clock.pass(Duration::from_millis(1));
        assert_eq!(redeem(&part, &late, "alice", SHOP).await, REFUSED);
        let ticket = issue(&part).await;
        for wrong in ["", "a", "' OR 1=1 --", &ticket[1..], &ticket.to_uppercase()] {
            assert_eq!(redeem(&part, wrong, "alice", SHOP).await, REFUSED, "{wrong}");
        }
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn only_a_hash_is_kept_and_not_for_long() {
    for world in World::each().await {
        let part = world.build().await;
        let ticket = issue(&part).await;
        let digest = crate::secret::fingerprint(&ticket);
        let db = world.db().await;
        let kept: Vec<(String,)> =
            db.fetch_all(switchboard_db::sql("SELECT digest FROM event_ticket")).await.unwrap();
        assert_eq!(kept, [(digest,)]);
        world.clock.pass(LIFE);
        crate::cleanup::run(&world.store().await, &super::settings(), world.now()).await.unwrap();
        assert_eq!(world.count("SELECT COUNT(*) FROM event_ticket").await, 0);
        part.stop().await;
        world.close().await;
    }
}
