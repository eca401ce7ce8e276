//! The whole edge in front of peers in memory, without a socket.

use super::{
    CountingRng, ManualClock,
    peers::{
        FakeAccounts, FakeAudit, FakeAuth, FakeChat, FakeDesk, FakeFloor, FakeHours, FakeLogin, FakeNotifier,
        FakeRegulator, FakeSession, World,
    },
    settings,
};
use crate::{
    config::Settings,
    routes,
    state::{App, Peers},
};
use axum::{
    Router,
    body::{Body, BodyDataStream},
    response::Response,
};
use futures::StreamExt as _;
use http::{Method, Request, StatusCode, request::Builder};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use switchboard_boot::Lifecycle;
use switchboard_coord::Coord;
use switchboard_domain::{Clock, Permissions, Rng, ServiceName};
use switchboard_mesh::{Channel, Mounted, ServerStack, Services, loopback, mount};
use switchboard_proto::{
    ACCESS, FILE_DESCRIPTOR_SET,
    agentauth::v1::{
        accounts_service_server::AccountsServiceServer, agent_auth_service_server::AgentAuthServiceServer,
        login_service_server::LoginServiceServer,
    },
    audit::v1::audit_service_server::AuditServiceServer,
    chat::v1::chat_service_server::ChatServiceServer,
    notifier::v1::notifier_service_server::NotifierServiceServer,
    regulator::v1::regulator_service_server::RegulatorServiceServer,
    session::v1::{
        desk_service_server::DeskServiceServer, floor_service_server::FloorServiceServer,
        hours_service_server::HoursServiceServer, session_service_server::SessionServiceServer,
    },
};
use tower::ServiceExt as _;

/// Longest wait for a peer in memory.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// The edge and what stands behind it.
pub(crate) struct Edge {
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) world: Arc<World>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) tasks: Lifecycle,
    /// Switches the health of the session service.
    pub(crate) session_peer: Mounted,
}

/// An edge with the default settings.
pub(crate) fn edge() -> Edge {
    edge_with(|_| {})
}

/// An edge with changed settings.
pub(crate) fn edge_with(change: impl FnOnce(&mut Settings)) -> Edge {
    let mut settings = settings();
    change(&mut settings);
    let clock = Arc::new(ManualClock::default());
    let rng: Arc<dyn Rng> = Arc::new(CountingRng::default());
    let world = World::new();
    let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let stack = |name| ServerStack::new(name, ACCESS, Arc::clone(&shared), Arc::clone(&rng));
    let descriptors = FILE_DESCRIPTOR_SET;
    let session = SessionServiceServer::new(FakeSession(Arc::clone(&world)));
    let hours = HoursServiceServer::new(FakeHours(Arc::clone(&shared)));
    let audit = |part| AuditServiceServer::new(FakeAudit(Arc::clone(&world), part));
    let floor = FloorServiceServer::new(FakeFloor(Arc::clone(&world)));
    let desk = DeskServiceServer::new(FakeDesk(Arc::clone(&world)));
    let session = Services::of(session).and(desk).and(hours).and(floor).and(audit(ServiceName::Session));
    let session = mount(stack(ServiceName::Session), session, descriptors).unwrap();
    let chat = ChatServiceServer::new(FakeChat(Arc::clone(&world)));
    let chat = mount(stack(ServiceName::ChatGateway), Services::of(chat), descriptors).unwrap();
    let auth = AgentAuthServiceServer::new(FakeAuth(Arc::clone(&world)));
    let auth = Services::of(auth)
        .and(LoginServiceServer::new(FakeLogin(Arc::clone(&world))))
        .and(AccountsServiceServer::new(FakeAccounts(Arc::clone(&world))))
        .and(audit(ServiceName::AgentAuth));
    let auth = mount(stack(ServiceName::AgentAuth), auth, descriptors).unwrap();
    let regulator = RegulatorServiceServer::new(FakeRegulator(Arc::clone(&world)));
    let regulator = mount(stack(ServiceName::Regulator), Services::of(regulator), descriptors).unwrap();
    let notifier = NotifierServiceServer::new(FakeNotifier(Arc::clone(&world)));
    let notifier = mount(stack(ServiceName::Notifier), Services::of(notifier), descriptors).unwrap();
    let channel = |mounted: &Mounted| loopback(ServiceName::Gateway, CALL_TIMEOUT, mounted.guarded.clone());
    let all: Vec<(ServiceName, Channel)> = vec![
        (ServiceName::Session, channel(&session)),
        (ServiceName::ChatGateway, channel(&chat)),
        (ServiceName::AgentAuth, channel(&auth)),
    ];
    let peers = Peers {
        session: channel(&session),
        chat: channel(&chat),
        auth: channel(&auth),
        regulator: channel(&regulator),
        notifier: channel(&notifier),
        all,
    };
    let tasks = Lifecycle::new();
    let app = App::new(settings, shared, rng, tasks.clone(), peers, &Coord::alone()).unwrap();
    let router = routes::router(&app);
    Edge { app, router, world, clock, tasks, session_peer: session }
}

impl Edge {
    /// The token of a session's visitor.
    pub(crate) fn token(&self, session: &str) -> String {
        self.world.key.lock().token(session)
    }

    /// Makes a session and gives its token.
    pub(crate) fn session(&self, name: &str) -> String {
        self.world.add(name);
        self.token(name)
    }

    /// An access token of the tests' agent.
    pub(crate) fn access(&self, permissions: Permissions) -> String {
        self.world.key.lock().access(permissions)
    }

    /// Sends JSON with a method of its own.
    pub(crate) async fn call(&self, method: &Method, path: &str, token: &str, body: &Value) -> Response {
        let builder = Request::builder().method(method).uri(path).header("content-type", "application/json");
        self.send(bearer(builder, token).body(body.to_string().into()).unwrap()).await
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends JSON, with a Bearer token if there is one.
    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        self.send(post(path, token).body(body.to_string().into()).unwrap()).await
    }

    /// Reads, with a Bearer token if there is one.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        self.send(get(path, token).body(Body::empty()).unwrap()).await
    }
}

/// A POST of JSON.
pub(crate) fn post(path: &str, token: &str) -> Builder {
    bearer(Request::post(path).header("content-type", "application/json"), token)
}

/// A GET.
pub(crate) fn get(path: &str, token: &str) -> Builder {
    bearer(Request::get(path), token)
}

fn bearer(builder: Builder, token: &str) -> Builder {
    if token.is_empty() { builder } else { builder.header("authorization", format!("Bearer {token}")) }
}

/// Status and JSON of an answer.
pub(crate) async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (
        status,
        serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into()),
    )
}

/// Status and code of a refusal.
pub(crate) async fn refusal(response: Response) -> (u16, String) {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let (status, body) = read(response).await;
    assert_eq!(body["status"], status.as_u16());
    (status.as_u16(), body["code"].as_str().unwrap().to_owned())
}

/// The frames of an event stream, one by one.
pub(crate) struct Frames {
    body: BodyDataStream,
    buffer: String,
}

impl Frames {
    pub(crate) fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Self { body: response.into_body().into_data_stream(), buffer: String::new() }
    }

    /// The next frame without its end; `None` when the stream has ended.
    pub(crate) async fn raw(&mut self) -> Option<String> {
        loop {
            if let Some((frame, rest)) = self.buffer.split_once("\n\n") {
                let frame = frame.to_owned();
                self.buffer = rest.to_owned();
                return Some(frame);
            }
            let bytes =
                tokio::time::timeout(Duration::from_secs(20), self.body.next()).await.unwrap()?.unwrap();
            self.buffer.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The id and the JSON of the next frame with data.
    pub(crate) async fn next(&mut self) -> Option<(Option<String>, Value)> {
        loop {
            let frame = self.raw().await?;
            let Some(data) = frame.lines().find_map(|line| line.strip_prefix("data: ")) else { continue };
            let id = frame.lines().find_map(|line| line.strip_prefix("id: ")).map(str::to_owned);
            return Some((id, serde_json::from_str(data).unwrap()));
        }
    }

    /// The types of all frames up to the end.
    pub(crate) async fn types(mut self) -> Vec<String> {
        let mut types = Vec::new();
        while let Some((_, event)) = self.next().await {
            types.push(event["type"].as_str().unwrap().to_owned());
        }
        types
    }
}
