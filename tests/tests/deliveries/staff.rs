//! What people of the shop can see and do, and that it is written down.

use crate::world::{Notifier, World, acting, admin};
use switchboard_domain::{ErrorKind, Failure};
use switchboard_proto::{
    audit::v1::{ListRequest, audit_service_client::AuditServiceClient},
    notifier::v1::{
        CancelRequest, CreateEndpointRequest, DeleteEndpointRequest, DeliveryFilter, DeliveryState,
        EventKinds, GetDeliveryRequest, ListDeliveriesRequest, RedriveRequest, RotateEndpointSecretRequest,
        SendTestMailRequest, TestEndpointRequest, UpdateEndpointRequest, redrive_request::What,
    },
};
use switchboard_tests::fakes::{
    FakeSmtp, FakeWebhook,
    smtp::{Options, SmtpFault, Step},
};

const NOBODY: &str = "whk_0192f0c1a2b37c4d8e5f60718293a4b5";
const NOTHING: &str = "dlv_0192f0c1a2b37c4d8e5f60718293a4b5";

fn code<T: std::fmt::Debug>(answer: Result<T, Failure>) -> String {
    answer.unwrap_err().code.into_owned()
}

async fn actions(notifier: &Notifier) -> Vec<String> {
    let mut client = AuditServiceClient::new(notifier.channel.clone());
    let request = ListRequest { limit: 100, ..Default::default() };
    let listed = acting(admin(), client.list(request)).await.unwrap().into_inner();
    assert!(listed.records.iter().all(|record| record.actor == "agent:agt_0192f0c1a2b37c4d8e5f60718293a4b5"));
    assert!(listed.records.iter().all(|record| !record.detail_json.contains("whsec")));
    listed.records.into_iter().rev().map(|record| record.action).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_life_of_an_endpoint_is_written_down_on_sqlite() {
    life(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_life_of_an_endpoint_is_written_down_on_postgres() {
    life(World::postgres().await).await;
}

async fn life(world: World) {
    let hook = FakeWebhook::start().await;
    let notifier =
        world.notifier(&[("webhooks.allow_private", "true"), ("webhooks.allow_http", "true")]).await;
    let (id, secret) = notifier.endpoint(&hook.url("/"), &["session.closed"]).await;
    assert!(secret.starts_with("whsec_"));
    let made = notifier.endpoint_of(&id).await;
    assert_eq!((made.enabled, made.kinds, made.secrets.len()), (true, vec!["session.closed".to_owned()], 1));
    assert_eq!(made.created_by, "agent:agt_0192f0c1a2b37c4d8e5f60718293a4b5");

    let edit = UpdateEndpointRequest {
        endpoint: id.clone(),
        description: Some("orders".into()),
        kinds: Some(EventKinds { kinds: Vec::new() }),
        ..Default::default()
    };
    let edited = notifier.update_endpoint(edit.clone()).await.unwrap().endpoint.unwrap();
    assert_eq!((edited.description.as_str(), edited.kinds.len(), edited.url), ("orders", 0, hook.url("/")));
    let rotated =
        notifier.rotate_endpoint_secret(RotateEndpointSecretRequest { endpoint: id.clone() }).await.unwrap();
    assert_ne!(rotated.secret, secret);
    notifier.test_endpoint(TestEndpointRequest { endpoint: id.clone() }).await.unwrap();
    notifier.settled(1).await;
    for _ in 0..2 {
        notifier.delete_endpoint(DeleteEndpointRequest { endpoint: id.clone() }).await.unwrap(); // again: it is done
    }
    assert_eq!(code(notifier.update_endpoint(edit).await), "UNKNOWN_ENDPOINT");
    assert_eq!(
        actions(&notifier).await,
        ["endpoint.create", "endpoint.update", "endpoint.rotate", "endpoint.test", "endpoint.delete"]
    );
    notifier.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_told() {
    let world = World::sqlite().await;
    let notifier = world.notifier(&[("webhooks.max_endpoints", "1")]).await;
    let create = |url: &str, kinds: &[&str], description: &str| {
        let kinds = kinds.iter().map(ToString::to_string).collect();
        notifier.create_endpoint(CreateEndpointRequest {
            url: url.into(),
            description: description.into(),
            kinds,
        })
    };
    for url in ["", "example.com", "http://example.com", "https://a:b@example.com", "ftp://example.com"] {
        assert_eq!(code(create(url, &[], "").await), "INVALID_URL", "{url}");
    }
    for url in ["https://127.0.0.1/", "https://10.1.2.3/", "https://[::ffff:10.0.0.1]/", "https://localhost/"]
    {
        assert_eq!(code(create(url, &[], "").await), "PRIVATE_ADDRESS", "{url}");
    }
    let kind = create("https://example.com/", &["session.*", "Bad Kind"], "").await.unwrap_err();
    assert_eq!((&*kind.code, kind.facts["kind"].as_str()), ("INVALID_EVENT_KIND", "Bad Kind"));
    let long = create("https://example.com/", &[], &"x".repeat(201)).await.unwrap_err();
    assert_eq!((&*long.code, long.facts["actual_length"].as_str()), ("DESCRIPTION_TOO_LONG", "201"));
    create("https://example.com/", &[], "").await.unwrap();
    assert_eq!(code(create("https://example.com/", &[], "").await), "TOO_MANY_ENDPOINTS");

    for endpoint in [NOBODY, "nobody"] {
        let endpoint = endpoint.to_owned();
        let test = notifier.test_endpoint(TestEndpointRequest { endpoint: endpoint.clone() }).await;
        assert_eq!(code(test), "UNKNOWN_ENDPOINT");
        assert_eq!(
            code(notifier.delete_endpoint(DeleteEndpointRequest { endpoint }).await),
            "UNKNOWN_ENDPOINT"
        );
    }
    let unknown = notifier.get_delivery(GetDeliveryRequest { delivery: NOTHING.into() }).await.unwrap_err();
    assert_eq!((unknown.kind, &*unknown.code), (ErrorKind::NotFound, "UNKNOWN_DELIVERY"));
    let one = RedriveRequest { what: Some(What::Delivery(NOTHING.into())), limit: 0 };
    assert_eq!(code(notifier.redrive(one).await), "UNKNOWN_DELIVERY");
    assert_eq!(code(notifier.cancel(CancelRequest { delivery: NOTHING.into() }).await), "UNKNOWN_DELIVERY");
    let many = RedriveRequest { what: Some(What::Filter(DeliveryFilter::default())), limit: 1001 };
    assert_eq!(code(notifier.redrive(many).await), "INVALID_LIMIT");
    assert_eq!(code(notifier.redrive(RedriveRequest::default()).await), "MALFORMED_MESSAGE");
    assert_eq!(code(notifier.send_test_mail(SendTestMailRequest {}).await), "MAIL_NOT_CONFIGURED");
    notifier.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_are_found_by_pages_redriven_and_cancelled_on_sqlite() {
    found(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_are_found_by_pages_redriven_and_cancelled_on_postgres() {
    found(World::postgres().await).await;
}

async fn found(world: World) {
    let smtp = FakeSmtp::start(Options::default()).await;
    smtp.fault.set(SmtpFault::Reply(Step::Mail, 550));
    let notifier = world.mailing(&smtp, &[("delivery.permanent_attempts", "1")]).await;
    world.many_ask(5).await;
    let settled = notifier.settled(10).await;

    let filter = |channel: &str, state| DeliveryFilter {
        channel: channel.into(),
        state: Some(DeliveryState::into(state)),
        session: String::new(),
    };
    let mut pages = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListDeliveriesRequest {
            filter: Some(filter("mail_team", DeliveryState::Dead)),
            limit: 2,
            page_token: token,
        };
        let page = notifier.list_deliveries(request).await.unwrap();
        pages.push(page.deliveries);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    let ids: Vec<String> = pages.concat().into_iter().map(|delivery| delivery.id).collect();
    let expected: Vec<String> =
        settled.iter().filter(|one| one.channel == "mail_team").map(|one| one.id.clone()).collect();
    assert_eq!(ids, expected);

    let cancelled = notifier.cancel(CancelRequest { delivery: ids[0].clone() }).await.unwrap();
    assert_eq!(cancelled.delivery.unwrap().state(), DeliveryState::Cancelled);
    smtp.fault.heal();
    let redrive =
        |limit| RedriveRequest { what: Some(What::Filter(filter("mail_team", DeliveryState::Dead))), limit };
    assert_eq!(notifier.redrive(redrive(3)).await.unwrap().redriven, 3);
    assert_eq!(notifier.redrive(redrive(1000)).await.unwrap().redriven, 1);
    smtp.wait_for(4).await;
    let done = notifier.settled(10).await;
    let state = |id: &String| done.iter().find(|one| one.id == *id).unwrap().state();
    assert!(ids[1..].iter().all(|id| state(id) == DeliveryState::Done), "{done:#?}");
    assert_eq!(state(&ids[0]), DeliveryState::Cancelled);
    assert_eq!(code(notifier.cancel(CancelRequest { delivery: ids[1].clone() }).await), "DELIVERY_DONE");
    assert_eq!(actions(&notifier).await, ["delivery.cancel", "delivery.redrive", "delivery.redrive"]);
    notifier.stop().await;
    assert_eq!(smtp.accepted().len(), 4);
    world.stop().await;
}
