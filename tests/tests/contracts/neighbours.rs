//! The other services, built as in production on both engines, each asked for what it is there for.

use crate::{
    words::{ask, assert_refused, escalate},
    world::World,
};
use std::time::Duration;
use switchboard_domain::{ErrorKind, Failure, Principal, ServiceName};
use switchboard_mesh::{Mounted, status::from_status};
use switchboard_proto::{
    agentauth::v1::{
        GetJwksRequest, IssueVisitorTokenRequest, agent_auth_service_client::AgentAuthServiceClient,
    },
    notifier::v1::{
        ListReceivedRequest, ListReceivedResponse, notifier_service_client::NotifierServiceClient,
    },
    regulator::v1::{
        DecideRequest, GetRulesRequest, Phase, regulator_service_client::RegulatorServiceClient,
    },
};

crate::on_both_engines!(
    a_visitor_token_is_signed_with_a_published_key,
    events_of_the_session_service_arrive_once,
    who_may_see_the_inbox,
    a_human_is_called_when_the_customer_says_so,
);

async fn a_visitor_token_is_signed_with_a_published_key(world: &World) {
    let build = |config, deps| Box::pin(switchboard_agent_auth::build(config, deps)) as _;
    let server = world.part(ServiceName::AgentAuth, build).await;
    assert_eq!(server.announcements.len(), 1, "the first start tells the first admin's password");
    let mounted = server.mounted.unwrap();
    let mut client = AgentAuthServiceClient::new(world.channel(ServiceName::Gateway, &mounted));
    let gateway = Principal::Service(ServiceName::Gateway);
    let request = IssueVisitorTokenRequest { session: "s".into(), vip: true, ..Default::default() };
    let issued =
        world.acting(gateway.clone(), client.issue_visitor_token(request)).await.unwrap().into_inner();
    let published = world.acting(gateway, client.get_jwks(GetJwksRequest {})).await.unwrap().into_inner();

    let header = jsonwebtoken::decode_header(&issued.token).unwrap();
    let keys: serde_json::Value = serde_json::from_str(&published.jwks_json).unwrap();
    let ids: Vec<_> = keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str()).collect();
    assert!(ids.contains(&header.kid.as_deref()), "{header:?} {ids:?}");
    assert!(!published.jwks_json.contains("\"d\""), "the private half stays");

    let stranger = world.acting(Principal::Anonymous, client.get_jwks(GetJwksRequest {})).await;
    let refused = stranger.map_err(|status| from_status(&status));
    assert_refused(refused, ErrorKind::Unauthenticated, "TOKEN_REQUIRED");

    // A second replica on the same data has the same keys and makes no second admin.
    let build = |config, deps| Box::pin(switchboard_agent_auth::build(config, deps)) as _;
    let second = world.part(ServiceName::AgentAuth, build).await;
    assert_eq!(second.announcements, Vec::<String>::new());
    let mut client =
        AgentAuthServiceClient::new(world.channel(ServiceName::Gateway, &second.mounted.unwrap()));
    let gateway = Principal::Service(ServiceName::Gateway);
    let same = world.acting(gateway, client.get_jwks(GetJwksRequest {})).await.unwrap().into_inner();
    assert_eq!(same.jwks_json, published.jwks_json);
}

async fn notifier(world: &World) -> Mounted {
    let build = |config, deps| Box::pin(switchboard_notifier::build(config, deps)) as _;
    let server = world.part(ServiceName::Notifier, build).await;
    for task in server.tasks {
        world.life.spawn(task.name, task.work);
    }
    server.mounted.unwrap()
}

async fn received(
    world: &World,
    notifier: &Mounted,
    principal: Principal,
) -> Result<ListReceivedResponse, Failure> {
    let mut client = NotifierServiceClient::new(world.channel(ServiceName::Gateway, notifier));
    let answer = world.acting(principal, client.list_received(ListReceivedRequest { limit: 10 })).await;
    answer.map(tonic::Response::into_inner).map_err(|status| from_status(&status))
}

async fn events_of_the_session_service_arrive_once(world: &World) {
    let notifier = notifier(world).await;
    for name in ["a", "b"] {
        ask(world, name, "hello").await;
        world.visitor(name).escalate(escalate(name, None)).await.unwrap();
    }
    let gateway = Principal::Service(ServiceName::Gateway);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    let mut inbox = received(world, &notifier, gateway.clone()).await.unwrap();
    while inbox.events.len() < 2 {
        assert!(tokio::time::Instant::now() < deadline, "{inbox:?}");
        tokio::task::yield_now().await;
        inbox = received(world, &notifier, gateway.clone()).await.unwrap();
    }
    let mut sessions: Vec<_> =
        inbox.events.iter().map(|event| (event.session.as_str(), event.kind.as_str(), event.seq)).collect();
    sessions.sort_unstable();
    assert_eq!(received(world, &notifier, gateway).await.unwrap().total, 2);
    assert_eq!(sessions, [("a", "session.customer_waits", 5), ("b", "session.customer_waits", 5)]);
}

async fn who_may_see_the_inbox(world: &World) {
    let notifier = notifier(world).await;
    for (principal, kind) in [
        (Principal::Anonymous, ErrorKind::Unauthenticated),
        (world.visitor("s").principal(), ErrorKind::Forbidden),
        (world.staff(switchboard_domain::BuiltinRole::Agent).principal(), ErrorKind::Forbidden),
    ] {
        assert_eq!(received(world, &notifier, principal).await.unwrap_err().kind, kind);
    }
    let admin = world.staff(switchboard_domain::BuiltinRole::Admin).principal();
    assert_eq!(received(world, &notifier, admin).await.unwrap().total, 0);
}

async fn a_human_is_called_when_the_customer_says_so(world: &World) {
    let build = |config, deps| Box::pin(switchboard_regulator::build(config, deps)) as _;
    let mounted = world.part(ServiceName::Regulator, build).await.mounted.unwrap();
    let mut client = RegulatorServiceClient::new(world.channel(ServiceName::ChatGateway, &mounted));
    let worker = Principal::Service(ServiceName::ChatGateway);
    let says = |text: &str| DecideRequest {
        phase: Phase::BeforeModel.into(),
        customer_text: text.into(),
        ..Default::default()
    };
    let mut decide = async |text: &str| {
        world.acting(worker.clone(), client.decide(says(text))).await.unwrap().into_inner()
    };
    let human = decide("我要转人工").await;
    assert_eq!(human.escalation.unwrap().reason, "keyword");
    let bot = decide("电池续航多久?").await;
    assert_eq!((bot.escalation, bot.rule.as_str()), (None, ""));

    let mut client = RegulatorServiceClient::new(world.channel(ServiceName::ChatGateway, &mounted));
    let rules = world.acting(worker, client.get_rules(GetRulesRequest {})).await.unwrap().into_inner();
    assert_eq!(rules.version, human.rules_version);
}
