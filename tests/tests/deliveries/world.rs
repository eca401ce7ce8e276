//! A session service whose shop is shut, and notifiers that can be killed.

use futures::future::join_all;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use switchboard_boot::{
    Configured, Deps, Lifecycle, NodeConfig, Server, Sources, Tree,
    system::{SystemClock, SystemRng},
};
use switchboard_domain::{
    AgentId, BuiltinRole, Clock as _, ErrorKind, Failure, Principal, ServiceName, SessionName,
};
use switchboard_mesh::{CallContext, Channel, Directory, Mounted, loopback, status};
use switchboard_proto::{
    common::v1::{Escalation, Idempotency},
    notifier::v1::{self as wire, notifier_service_client::NotifierServiceClient},
    session::v1::{
        EscalateRequest, OpenRequest, Profile, SayRequest, say_request::Via,
        session_service_client::SessionServiceClient,
    },
};
use switchboard_tests::{fakes::FakeSmtp, patience::eventually, postgres::fresh_database};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::{Response, Status};
use tower::{Service as _, ServiceExt as _, util::BoxCloneSyncService};

/// Longest time until everything has ended.
const END: Duration = Duration::from_secs(30);

/// Patient with a slow machine, impatient with everything that is only waited for.
const SETTINGS: [(&str, &str); 14] = [
    ("database.acquire_timeout", "60s"),
    ("database.statement_timeout", "60s"),
    ("database.lock_timeout", "60s"),
    ("database.idle_in_transaction_timeout", "60s"),
    ("database.transaction_timeout", "60s"),
    ("database.durability_check", "off"),
    ("mesh.call_timeout", "60s"),
    ("session.outbox_lease", "1s"),
    ("notifier.retry_min", "10ms"),
    ("notifier.delivery.retries", "50ms, 50ms, 50ms, 50ms, 50ms, 50ms"),
    ("notifier.delivery.poll_interval", "100ms"),
    ("notifier.breaker.consecutive_failures", "1000"),
    ("notifier.breaker.min_calls", "1000"),
    ("notifier.mail.shop_name", "Larkway"),
];

type Keys = Vec<(String, String)>;

/// A session service whose shop is shut.
pub(crate) struct World {
    pub(crate) session: Mounted,
    /// So many acknowledgements are lost on the way back.
    pub(crate) lost_acks: Arc<AtomicU32>,
    life: Lifecycle,
    place: Keys,
    _folder: TempDir,
}

impl World {
    /// Kept in SQLite.
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = vec![("database.data_dir".to_owned(), folder.path().display().to_string())];
        Self::at(folder, place).await
    }

    /// Kept in Postgres.
    pub(crate) async fn postgres() -> Self {
        let place = vec![("database.url".to_owned(), fresh_database().await)];
        Self::at(tempfile::tempdir().unwrap(), place).await
    }

    async fn at(folder: TempDir, mut place: Keys) -> Self {
        place.extend(SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned())));
        place.extend(shut());
        let life = Lifecycle::new();
        let deps = deps(ServiceName::Session, Directory::new(ServiceName::Session), &life, &place);
        let server = switchboard_session::build(extract(&place), deps).await.unwrap();
        let (session, _) = start(server, &life);
        Self { session, lost_acks: Arc::default(), life, place, _folder: folder }
    }

    /// A notifier with these settings.
    pub(crate) async fn notifier(&self, settings: &[(&str, &str)]) -> Notifier {
        let mut keys = self.place.clone();
        keys.extend(settings.iter().map(|(key, value)| (format!("notifier.{key}"), (*value).to_owned())));
        let mut peers = Directory::new(ServiceName::Notifier);
        let node: NodeConfig = extract(&keys);
        let channel = loopback(ServiceName::Notifier, node.mesh.call_timeout, self.session.guarded.clone());
        peers.add(ServiceName::Session, losing(channel, &self.lost_acks)).unwrap();
        let life = Lifecycle::new();
        let deps = deps(ServiceName::Notifier, peers, &life, &keys);
        let server = switchboard_notifier::build(extract(&keys), deps).await.unwrap();
        let (mounted, tasks) = start(server, &life);
        let channel = loopback(ServiceName::Gateway, node.mesh.call_timeout, mounted.guarded.clone());
        Notifier { client: NotifierServiceClient::new(channel.clone()), channel, life, tasks }
    }

    /// A notifier that writes to this mail server.
    pub(crate) async fn mailing(&self, smtp: &FakeSmtp, settings: &[(&str, &str)]) -> Notifier {
        let port = smtp.port().to_string();
        let mut all = vec![
            ("mail.host", "localhost"),
            ("mail.port", &port),
            ("mail.tls", "none"),
            ("mail.recipients", "team@larkway.example, boss@larkway.example"),
            ("mail.from_address", "bot@larkway.example"),
            ("mail.from_name", "Larkway客服系统"),
        ];
        all.extend_from_slice(settings);
        self.notifier(&all).await
    }

    /// A customer writes something and asks for a human, who is not there.
    pub(crate) async fn ask_out_of_hours(&self, session: &str, said: &str, profile: Profile) {
        let node: NodeConfig = extract(&self.place);
        let channel = loopback(ServiceName::Gateway, node.mesh.call_timeout, self.session.guarded.clone());
        let mut client = SessionServiceClient::new(channel);
        let open = OpenRequest { session: session.into(), profile: Some(profile), idempotency: None };
        acting(Principal::Anonymous, client.open(open)).await.unwrap();
        let visitor = Principal::Visitor(SessionName::parse(session).unwrap());
        let say = SayRequest {
            session: session.into(),
            text: said.into(),
            via: Via::Chat.into(),
            ..SayRequest::default()
        };
        acting(visitor.clone(), client.say(say)).await.unwrap();
        let escalation =
            Escalation { reason: "manual".into(), severity: "medium".into(), ..Escalation::default() };
        let idempotency = Idempotency { key: format!("{session}-human"), fingerprint: "f".into() };
        let escalate = EscalateRequest {
            session: session.into(),
            escalation: Some(escalation),
            idempotency: Some(idempotency),
        };
        let answer = acting(visitor, client.escalate(escalate)).await.unwrap();
        let status = answer.into_inner().session.unwrap().status();
        assert_eq!(status, switchboard_proto::session::v1::Status::AfterHoursEmail);
    }

    /// The same for so many customers at once.
    pub(crate) async fn many_ask(&self, count: usize) {
        let names: Vec<String> = (0..count).map(|number| format!("s{number}")).collect();
        join_all(names.iter().map(|name| self.ask_out_of_hours(name, "hello", Profile::default()))).await;
    }

    /// Stops the session service in order.
    pub(crate) async fn stop(self) {
        assert!(self.life.stop(END).await, "everything ends when it is told to");
    }
}

/// Opens in two hours, for one.
fn shut() -> Keys {
    let minutes = SystemClock.now().seconds() / 60 % (24 * 60);
    let clock = |later: i64| {
        let at = (minutes + later) % (24 * 60);
        format!("{:02}:{:02}", at / 60, at % 60)
    };
    [
        ("hours.time_zone", "UTC".to_owned()),
        ("hours.weekends_disabled", "false".to_owned()),
        ("hours.shift_start", clock(120)),
        ("hours.shift_end", clock(180)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

/// A running notifier.
pub(crate) struct Notifier {
    client: NotifierServiceClient<Channel>,
    pub(crate) channel: Channel,
    life: Lifecycle,
    tasks: Vec<JoinHandle<()>>,
}

macro_rules! calls {
    ($($name:ident: $request:ident => $answer:ident;)+) => {
        impl Notifier {
            $(pub(crate) async fn $name(&self, request: wire::$request) -> Result<wire::$answer, Failure> {
                let mut client = self.client.clone();
                answered(acting(admin(), client.$name(request)).await)
            })+
        }
    };
}

calls! {
    list_received: ListReceivedRequest => ListReceivedResponse;
    list_deliveries: ListDeliveriesRequest => ListDeliveriesResponse;
    get_delivery: GetDeliveryRequest => GetDeliveryResponse;
    redrive: RedriveRequest => RedriveResponse;
    cancel: CancelRequest => CancelResponse;
    create_endpoint: CreateEndpointRequest => CreateEndpointResponse;
    list_endpoints: ListEndpointsRequest => ListEndpointsResponse;
    update_endpoint: UpdateEndpointRequest => UpdateEndpointResponse;
    delete_endpoint: DeleteEndpointRequest => DeleteEndpointResponse;
    rotate_endpoint_secret: RotateEndpointSecretRequest => RotateEndpointSecretResponse;
    test_endpoint: TestEndpointRequest => TestEndpointResponse;
    send_test_mail: SendTestMailRequest => SendTestMailResponse;
}

impl Notifier {
    /// All deliveries, newest first.
    pub(crate) async fn deliveries(&self) -> Vec<wire::Delivery> {
        let request = wire::ListDeliveriesRequest { limit: 200, ..Default::default() };
        self.list_deliveries(request).await.unwrap().deliveries
    }

    /// Waits until there are so many deliveries and none of them is open.
    pub(crate) async fn settled(&self, count: usize) -> Vec<wire::Delivery> {
        eventually(format_args!("{count} deliveries are settled"), async || {
            let all = self.deliveries().await;
            let settled = all.iter().all(|delivery| delivery.done_at_ms.is_some());
            (all.len() == count && settled).then_some(all)
        })
        .await
    }

    /// One delivery with its attempts.
    pub(crate) async fn look_at(&self, delivery: &str) -> (wire::Delivery, Vec<wire::Attempt>) {
        let got = self.get_delivery(wire::GetDeliveryRequest { delivery: delivery.into() }).await.unwrap();
        (got.delivery.unwrap(), got.attempts)
    }

    /// Adds an endpoint for these kinds; gives its id and its secret.
    pub(crate) async fn endpoint(&self, url: &str, kinds: &[&str]) -> (String, String) {
        let kinds = kinds.iter().map(ToString::to_string).collect();
        let request = wire::CreateEndpointRequest { url: url.into(), description: String::new(), kinds };
        let made = self.create_endpoint(request).await.unwrap();
        (made.endpoint.unwrap().id, made.secret)
    }

    /// One endpoint as it stands.
    pub(crate) async fn endpoint_of(&self, id: &str) -> wire::Endpoint {
        let all = self.list_endpoints(wire::ListEndpointsRequest {}).await.unwrap().endpoints;
        all.into_iter().find(|endpoint| endpoint.id == id).unwrap()
    }

    /// Asks for the inbox on somebody's behalf.
    pub(crate) async fn received_as(&self, principal: Principal) -> Result<i64, Failure> {
        let mut client = self.client.clone();
        let request = wire::ListReceivedRequest { limit: 1 };
        answered(acting(principal, client.list_received(request)).await).map(|answer| answer.total)
    }

    /// Cuts everything off where it stands, like a kill.
    pub(crate) async fn kill(self) {
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks {
            let _ = task.await;
        }
        // Closes the database, so that the next one may open the file.
        self.life.stop(END).await;
    }

    /// Stops in order.
    pub(crate) async fn stop(self) {
        assert!(self.life.stop(END).await, "everything ends when it is told to");
    }
}

fn answered<T>(answer: Result<Response<T>, Status>) -> Result<T, Failure> {
    answer.map(Response::into_inner).map_err(|refused| status::from_status(&refused))
}

/// Somebody who may.
pub(crate) fn admin() -> Principal {
    staff(BuiltinRole::Admin)
}

/// Somebody of the shop.
pub(crate) fn staff(role: BuiltinRole) -> Principal {
    let id = AgentId::parse("agt_0192f0c1a2b37c4d8e5f60718293a4b5").unwrap();
    Principal::Agent { id, permissions: role.permissions() }
}

/// Runs a call of the edge on somebody's behalf.
pub(crate) fn acting<W: Future>(principal: Principal, work: W) -> impl Future<Output = W::Output> {
    CallContext::background(ServiceName::Gateway, &SystemClock, &SystemRng).acting_as(principal).scope(work)
}

fn start(server: Server, life: &Lifecycle) -> (Mounted, Vec<JoinHandle<()>>) {
    let tasks = server.tasks.into_iter().map(|task| life.spawn(task.name, task.work)).collect();
    (server.mounted.unwrap(), tasks)
}

fn deps(name: ServiceName, peers: Directory, life: &Lifecycle, keys: &Keys) -> Deps {
    let node = Arc::new(extract(keys));
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    Deps { name, clock, rng, coord: switchboard_coord::Coord::alone(), peers, tasks: life.clone(), node }
}

fn extract<C: Configured>(keys: &Keys) -> C {
    let mut problems = Vec::new();
    let tree = Tree::load(&Sources { flags: keys.clone(), ..Sources::default() }, &mut problems);
    let config = tree.extract(&mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    config.unwrap()
}

/// A line on which acknowledgements are carried out and their answers lost.
fn losing(channel: Channel, lost: &Arc<AtomicU32>) -> Channel {
    let lost = Arc::clone(lost);
    BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<tonic::body::Body>| {
        let (mut channel, lost) = (channel.clone(), Arc::clone(&lost));
        async move {
            let less = |left: u32| left.checked_sub(1);
            let meddle = request.uri().path().ends_with("/AckEvents")
                && lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok();
            if meddle {
                let failure = Failure::new(ErrorKind::Unavailable, "UNAVAILABLE", "lost on the way");
                return Err(status::to_status(&failure));
            }
            channel.ready().await?.call(request).await
        }
    }))
}
