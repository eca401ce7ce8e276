//! Agents at their desks: who they are, and what they do with sessions.

use crate::{
    words::{ask, escalate},
    world::{Line, Place, World},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use std::time::Duration;
use switchboard_domain::{AgentId, BuiltinRole, Failure, Principal, ServiceName};
use switchboard_mesh::{Channel, Mounted};
use switchboard_proto::{
    audit::v1::{self as audit, audit_service_client::AuditServiceClient},
    common::v1::{AgentRef, Idempotency},
    session::v1::{
        self as wire,
        desk_service_client::DeskServiceClient,
        signal_service_client::SignalServiceClient,
        subscribe_agent_response::{Event, Opened},
    },
};
use tokio_stream::StreamExt as _;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// An agent at work.
#[derive(Debug, Clone)]
pub(crate) struct Hand {
    pub(crate) line: Line,
    pub(crate) me: AgentRef,
    desk: DeskServiceClient<Channel>,
    signals: SignalServiceClient<Channel>,
}

/// The n-th agent.
pub(crate) fn agent(n: u32) -> AgentRef {
    AgentRef { id: format!("agt_0192f0c1a2b37c4d8e5f6071829{n:05}"), name: format!("Agent {n}") }
}

/// The n-th agent at work.
pub(crate) fn hand(world: &World, n: u32) -> Hand {
    let me = principal(n, BuiltinRole::Agent);
    Hand::on(world.line(ServiceName::Gateway, me), n)
}

/// The same with a supervisor's permissions.
pub(crate) fn boss(world: &World, n: u32) -> Hand {
    Hand::on(world.line(ServiceName::Gateway, principal(n, BuiltinRole::Supervisor)), n)
}

/// An agent at some replica.
pub(crate) fn hand_at(world: &World, replica: &Mounted, n: u32, role: BuiltinRole) -> Hand {
    Hand::on(world.line_to(replica, ServiceName::Gateway, principal(n, role)), n)
}

fn principal(n: u32, role: BuiltinRole) -> Principal {
    Principal::Agent { id: AgentId::parse(&agent(n).id).unwrap(), permissions: role.permissions() }
}

macro_rules! calls {
    ($client:ident: $($name:ident: $request:ident => $answer:ident;)+) => {
        impl Hand {
            $(pub(crate) async fn $name(&self, request: wire::$request) -> Result<wire::$answer, Failure> {
                let mut client = self.$client.clone();
                self.line.ask(async move { client.$name(request).await }).await
            })+
        }
    };
}

calls! { desk:
    take_over: TakeOverRequest => CommandResponse;
    post: PostRequest => CommandResponse;
    release: ReleaseRequest => CommandResponse;
    close: CloseRequest => CommandResponse;
    transfer: TransferRequest => TransferResponse;
    answer_offer: AnswerOfferRequest => AnswerOfferResponse;
    list_offers: ListOffersRequest => ListOffersResponse;
    add_note: AddNoteRequest => NoteResponse;
    edit_note: EditNoteRequest => NoteResponse;
    delete_note: DeleteNoteRequest => DeleteNoteResponse;
    list_notes: ListNotesRequest => ListNotesResponse;
    list_tags: ListTagsRequest => ListTagsResponse;
    put_tag: PutTagRequest => TagResponse;
    delete_tag: DeleteTagRequest => DeleteTagResponse;
    tag_session: TagSessionRequest => TagSessionResponse;
}

calls! { signals:
    r#type: TypeRequest => TypeResponse;
    acknowledge: AcknowledgeRequest => AcknowledgeResponse;
}

impl Hand {
    /// Somebody on a line, with the name of the n-th agent.
    pub(crate) fn on(line: Line, n: u32) -> Self {
        let (desk, signals) =
            (DeskServiceClient::new(line.channel()), SignalServiceClient::new(line.channel()));
        Self { line, me: agent(n), desk, signals }
    }

    pub(crate) fn taking(&self, session: &str) -> wire::TakeOverRequest {
        let agent = Some(self.me.clone());
        wire::TakeOverRequest { session: session.into(), agent, barge_in: false, idempotency: None }
    }

    pub(crate) async fn take(&self, session: &str) -> Result<wire::CommandResponse, Failure> {
        self.take_over(self.taking(session)).await
    }

    pub(crate) async fn barge_in(&self, session: &str) -> Result<wire::CommandResponse, Failure> {
        self.take_over(wire::TakeOverRequest { barge_in: true, ..self.taking(session) }).await
    }

    pub(crate) fn posting(&self, session: &str, text: &str, key: &str) -> wire::PostRequest {
        let (agent, client_message_id) = (Some(self.me.clone()), key.into());
        wire::PostRequest { session: session.into(), agent, text: text.into(), client_message_id }
    }

    pub(crate) async fn let_go(&self, session: &str) -> Result<wire::CommandResponse, Failure> {
        let (reason, idempotency) = ("resolved".into(), None);
        self.release(wire::ReleaseRequest { session: session.into(), reason, idempotency }).await
    }

    pub(crate) async fn shut(&self, session: &str) -> Result<wire::CommandResponse, Failure> {
        let (reason, idempotency) = ("done".into(), None);
        self.close(wire::CloseRequest { session: session.into(), reason, idempotency }).await
    }

    pub(crate) fn handing(&self, session: &str, to: u32) -> wire::TransferRequest {
        wire::TransferRequest {
            session: session.into(),
            from: Some(self.me.clone()),
            to: agent(to).id,
            reason: "knows better".into(),
            note: "likes tea".into(),
            immediate: false,
            idempotency: None,
        }
    }

    pub(crate) fn answering(&self, offer: &str, accept: bool) -> wire::AnswerOfferRequest {
        let (offer, agent) = (offer.into(), Some(self.me.clone()));
        wire::AnswerOfferRequest { offer, agent, accept, note: "well".into(), idempotency: None }
    }

    /// Opens the agent's own log. `None`: from now on.
    pub(crate) async fn feed(&self, after: Option<(i64, i64)>) -> Result<AgentFeed, Failure> {
        let mut client = self.desk.clone();
        let after = after.map(|(epoch, seq)| wire::Position { epoch, seq });
        let request = wire::SubscribeAgentRequest { after };
        let stream = self.line.ask(async move { client.subscribe_agent(request).await }).await?;
        let mut feed = AgentFeed { stream, opened: Opened::default() };
        match feed.next().await {
            Some(Event::Opened(opened)) => feed.opened = opened,
            other => panic!("the stream begins with its head: {other:?}"),
        }
        Ok(feed)
    }

    /// Everything that the agent was ever told, as (kind, payload).
    pub(crate) async fn told(&self) -> Vec<(String, Value)> {
        let epoch = self.feed(None).await.unwrap().opened.epoch;
        let mut feed = self.feed(Some((epoch, 0))).await.unwrap();
        let mut told = Vec::new();
        for seq in 1..=feed.opened.head {
            let entry = feed.entry().await;
            assert_eq!(entry.seq, seq);
            told.push((entry.kind, serde_json::from_str(&entry.payload_json).unwrap()));
        }
        told
    }

    /// The kinds of it alone.
    pub(crate) async fn heard(&self) -> Vec<String> {
        self.told().await.into_iter().map(|(kind, _)| kind).collect()
    }
}

/// An agent's own log, read with patience.
pub(crate) struct AgentFeed {
    stream: tonic::Streaming<wire::SubscribeAgentResponse>,
    pub(crate) opened: Opened,
}

impl AgentFeed {
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let next =
            tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("something happens in time");
        next.map(|event| event.unwrap().event.unwrap())
    }

    /// The next entry, whatever hints come before it.
    pub(crate) async fn entry(&mut self) -> wire::AgentEntry {
        loop {
            match self.next().await {
                Some(Event::Entry(entry)) => return entry,
                Some(Event::Floor(_)) => {}
                other => panic!("an entry was expected: {other:?}"),
            }
        }
    }

    /// The next hint, whatever entries come before it.
    pub(crate) async fn hint(&mut self) -> wire::FloorChanged {
        loop {
            match self.next().await {
                Some(Event::Floor(hint)) => return hint,
                Some(Event::Entry(_)) => {}
                other => panic!("a hint was expected: {other:?}"),
            }
        }
    }
}

/// A session whose customer waits.
pub(crate) async fn waiting(world: &World, session: &str) {
    ask(world, session, "hello").await;
    world.visitor(session).escalate(escalate(session, None)).await.unwrap();
}

/// A session that the n-th agent owns.
pub(crate) async fn owned(world: &World, session: &str, n: u32) -> Hand {
    waiting(world, session).await;
    let hand = hand(world, n);
    hand.take(session).await.unwrap();
    hand
}

/// The same request again under this key is a repeat.
pub(crate) fn once(key: &str) -> Idempotency {
    crate::words::once(key, "f")
}

/// What the audit log says, oldest first: actor, action, object. Its chain is whole.
pub(crate) async fn audited(world: &World) -> Vec<(String, String, String)> {
    let line = world.line(ServiceName::Gateway, principal(99, BuiltinRole::Admin));
    let mut listing = AuditServiceClient::new(line.channel());
    let mut verifying = listing.clone();
    let request = audit::ListRequest { limit: 200, ..audit::ListRequest::default() };
    let listed = line.ask(async move { listing.list(request).await }).await.unwrap();
    let all = audit::VerifyRequest::default();
    let verdict = line.ask(async move { verifying.verify(all).await }).await.unwrap();
    assert_eq!(verdict.broken_seq, None);
    let mut records = listed.records;
    records.reverse();
    records.into_iter().map(|record| (record.actor, record.action, record.object)).collect()
}

/// Lets the first `count` agents be there, with user names `user1`, `user2` …
pub(crate) async fn roster(world: &World, count: u32) {
    let until = crate::world::START + 3_600_000;
    for n in 1..=count {
        enrol(world, n, "online", until).await;
    }
}

/// Writes one agent's line.
pub(crate) async fn enrol(world: &World, n: u32, status: &str, lease_until: i64) {
    let AgentRef { id, name } = agent(n);
    let line = format!(
        "INSERT INTO roster (agent_id, username, name, status, max_sessions, skills, lease_until, version, serves, \
         deleted) VALUES ('{id}', 'user{n}', '{name}', '{status}', 5, '[]', {lease_until}, 1, 1, 0)"
    );
    match &world.place {
        Place::Folder(folder) => {
            let file = folder.path().join("session.db");
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
            let mut connection = options.busy_timeout(PATIENCE).connect().await.unwrap();
            connection.execute(AssertSqlSafe(line)).await.unwrap();
            connection.close().await.unwrap();
        }
        Place::Database(url) => {
            let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
            let mut connection = options.options([("search_path", "session")]).connect().await.unwrap();
            connection.execute(AssertSqlSafe(line)).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}
