//! Peers in memory: they keep a log per session and know whose it is, as the real ones do; what the bot says is scripted.

use super::{START_MS, log, token::Key};
use futures::{StreamExt as _, stream::BoxStream};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use switchboard_domain::{
    Entry, EntryBody, ErrorKind, Failure, Principal, Seq, Session, SessionName, Status as SessionStatus,
    TurnId, turn::TurnState,
};
use switchboard_mesh::{CallContext, status::to_status};
use switchboard_proto::{
    agentauth::v1 as auth,
    chat::v1::{self as chat, turn_event},
    common::v1::Escalation,
    convert::entries_to_wire,
    session::v1::{self as wire, subscribe_response},
};
use tokio::sync::broadcast;
use tonic::{Request, Response, Status};

type Stream<T> = BoxStream<'static, Result<T, Status>>;

/// What the bot does with the next message.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// Says this, piece by piece.
    Say(Vec<&'static str>),
    /// Calls a human.
    HandOver,
    /// Says this, and breaks off.
    Break(&'static str),
    /// Says this, and then nothing until it is dropped.
    Hang(&'static str),
    /// Refuses the message.
    Refuse(Failure),
    /// Panics.
    Panic,
}

/// All sessions, and what was asked.
pub(crate) struct World {
    pub(crate) sessions: Mutex<BTreeMap<String, Kept>>,
    pub(crate) script: Mutex<Script>,
    pub(crate) key: Mutex<Arc<Key>>,
    /// On whose behalf the tokens were asked for.
    pub(crate) issued: Mutex<Vec<Principal>>,
    pub(crate) jwks_asked: Mutex<u32>,
    pub(crate) auth_is_away: Mutex<bool>,
    pub(crate) last_send: Mutex<Option<chat::SendRequest>>,
    pub(crate) requests: Mutex<Vec<CallContext>>,
    entries: broadcast::Sender<Entry>,
}

/// One session.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) session: Session,
    pub(crate) log: Vec<Entry>,
    pub(crate) opened_with: String,
}

pub(crate) const EPOCH: i64 = 1;

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            sessions: Mutex::default(),
            script: Mutex::new(Script::Say(vec!["您", "好"])),
            key: Mutex::new(Arc::new(Key::generate("k1"))),
            issued: Mutex::default(),
            jwks_asked: Mutex::default(),
            auth_is_away: Mutex::default(),
            last_send: Mutex::default(),
            requests: Mutex::default(),
            entries: broadcast::channel(1000).0,
        })
    }

    /// Makes a session that belongs to its visitor.
    pub(crate) fn add(&self, name: &str) {
        let kept = Kept { session: log::session(name, 0), log: Vec::new(), opened_with: String::new() };
        self.sessions.lock().insert(name.to_owned(), kept);
    }

    /// Writes into the log of a session.
    pub(crate) fn write(&self, name: &str, body: EntryBody) -> Entry {
        let mut sessions = self.sessions.lock();
        let kept = sessions.get_mut(name).unwrap();
        let seq = kept.session.head.next();
        let mut entry = log::entry(seq.get(), body);
        entry.session = SessionName::parse(name).unwrap();
        kept.session.head = seq;
        match &entry.body {
            EntryBody::Status(change) => kept.session.status = change.to,
            EntryBody::Turn(change) => kept.session.turn = (!change.state.is_final()).then_some(change.turn),
            EntryBody::Message(_) | EntryBody::Conversation(_) => {}
        }
        kept.log.push(entry.clone());
        let _ = self.entries.send(entry.clone());
        entry
    }

    /// Lets in whose session it is; makes it for whoever comes first. Returns whether it was made.
    fn admit(&self, name: &str, key: &str) -> Result<bool, Status> {
        let context = CallContext::current().unwrap();
        self.requests.lock().push(context.clone());
        let known = self.sessions.lock().get(name).cloned();
        match (known, context.principal) {
            (None, Principal::Anonymous | Principal::Visitor(_)) => {
                self.add(name);
                self.sessions.lock().get_mut(name).unwrap().opened_with = key.to_owned();
                Ok(true)
            }
            (Some(_), Principal::Visitor(visitor)) if visitor.as_str() == name => Ok(false),
            (Some(kept), Principal::Anonymous) if !key.is_empty() && kept.opened_with == key => Ok(true),
            (Some(_), Principal::Anonymous) => {
                Err(refuse(ErrorKind::Unauthenticated, "TOKEN_REQUIRED", "the session exists"))
            }
            _ => {
                Err(refuse(ErrorKind::Forbidden, "NOT_YOUR_SESSION", "the session belongs to somebody else"))
            }
        }
    }

    fn own(&self, name: &str) -> Result<Kept, Status> {
        let context = CallContext::current().unwrap();
        let kept = self.sessions.lock().get(name).cloned();
        match context.principal {
            Principal::Visitor(visitor) if visitor.as_str() == name => {
                kept.ok_or_else(|| refuse(ErrorKind::NotFound, "SESSION_NOT_FOUND", "Session not found"))
            }
            Principal::Anonymous
            | Principal::Visitor(_)
            | Principal::Agent { .. }
            | Principal::Service(_) => {
                Err(refuse(ErrorKind::Forbidden, "NOT_YOUR_SESSION", "the session belongs to somebody else"))
            }
        }
    }

    pub(crate) fn kept(&self, name: &str) -> Kept {
        self.sessions.lock()[name].clone()
    }

    fn say(&self, name: &str, text: &str, key: &str) -> Entry {
        let EntryBody::Message(mut message) = log::customer(1, text).body else { unreachable!() };
        message.id = log::message_id(self.kept(name).session.head.get() + 1);
        message.client_message_id = (!key.is_empty()).then(|| key.to_owned());
        self.write(name, EntryBody::Message(message))
    }
}

pub(crate) fn refuse(kind: ErrorKind, code: &'static str, text: &str) -> Status {
    to_status(&Failure::new(kind, code, text))
}

fn unused<T>() -> Result<T, Status> {
    Err(Status::unimplemented("the edge does not call this"))
}

pub(crate) struct FakeSession(pub(crate) Arc<World>);
pub(crate) struct FakeChat(pub(crate) Arc<World>);
pub(crate) struct FakeAuth(pub(crate) Arc<World>);

#[tonic::async_trait]
impl wire::session_service_server::SessionService for FakeSession {
    type SubscribeStream = Stream<wire::SubscribeResponse>;

    async fn open(
        &self,
        request: Request<wire::OpenRequest>,
    ) -> Result<Response<wire::OpenResponse>, Status> {
        let request = request.into_inner();
        let key = request.idempotency.map(|idempotency| idempotency.key).unwrap_or_default();
        let created = self.0.admit(&request.session, &key)?;
        let session = Some((&self.0.kept(&request.session).session).into());
        Ok(Response::new(wire::OpenResponse { session, epoch: EPOCH, created }))
    }

    async fn say(&self, request: Request<wire::SayRequest>) -> Result<Response<wire::SayResponse>, Status> {
        let request = request.into_inner();
        let kept = self.0.own(&request.session)?;
        if kept.session.status == SessionStatus::BotActive {
            return Err(refuse(
                ErrorKind::Conflict,
                "INVALID_STATUS",
                "当前状态为bot_active，无法发送人工消息",
            ));
        }
        let entry = self.0.say(&request.session, &request.text, &request.client_message_id);
        Ok(Response::new(wire::SayResponse {
            entries: vec![(&entry).into()],
            epoch: EPOCH,
            ..Default::default()
        }))
    }

    async fn escalate(
        &self,
        request: Request<wire::EscalateRequest>,
    ) -> Result<Response<wire::CommandResponse>, Status> {
        let request = request.into_inner();
        let Some(Escalation { .. }) = request.escalation else { return unused() };
        let kept = self.0.own(&request.session)?;
        if kept.session.status == SessionStatus::ManualLive {
            return Err(refuse(ErrorKind::Conflict, "MANUAL_IN_PROGRESS", "人工客服正在为您服务"));
        }
        let entry = self.0.write(
            &request.session,
            log::status(1, SessionStatus::BotActive, SessionStatus::PendingManual).body,
        );
        let session = Some((&self.0.kept(&request.session).session).into());
        let entries = vec![(&entry).into()];
        Ok(Response::new(wire::CommandResponse { session, epoch: EPOCH, entries, replayed: false }))
    }

    async fn get(&self, request: Request<wire::GetRequest>) -> Result<Response<wire::GetResponse>, Status> {
        let kept = self.0.own(&request.into_inner().session)?;
        let tail: Vec<Entry> = kept.log.into_iter().filter(|entry| entry.message().is_some()).collect();
        let session = Some((&kept.session).into());
        Ok(Response::new(wire::GetResponse { session, epoch: EPOCH, tail: entries_to_wire(&tail) }))
    }

    async fn list_entries(
        &self,
        request: Request<wire::ListEntriesRequest>,
    ) -> Result<Response<wire::ListEntriesResponse>, Status> {
        let request = request.into_inner();
        let kept = self.0.own(&request.session)?;
        let (before, after) = (request.before.unwrap_or(i64::MAX), request.after.unwrap_or(0));
        let limit = usize::try_from(request.limit).unwrap();
        let fits =
            |entry: &Entry| entry.message().is_some() && (after + 1..before).contains(&entry.seq.get());
        let mut found: Vec<Entry> = kept.log.into_iter().filter(fits).collect();
        let has_more = found.len() > limit;
        if request.after.is_some() {
            found.truncate(limit);
        } else {
            found.drain(..found.len().saturating_sub(limit));
        }
        Ok(Response::new(wire::ListEntriesResponse {
            entries: entries_to_wire(&found),
            has_more,
            epoch: EPOCH,
        }))
    }

    async fn subscribe(
        &self,
        request: Request<wire::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let request = request.into_inner();
        let live = self.0.entries.subscribe();
        let kept = self.0.own(&request.session)?;
        let head = kept.session.head;
        let after = request.after.unwrap_or(wire::Position { epoch: EPOCH, seq: 0 });
        let reset = after.epoch != EPOCH || after.seq > head.get();
        let from = if reset { head } else { Seq::new(after.seq) };
        let messages: Vec<Entry> =
            kept.log.iter().filter(|entry| entry.message().is_some()).cloned().collect();
        let opened = subscribe_response::Opened {
            session: Some((&kept.session).into()),
            epoch: EPOCH,
            reset,
            tail: if reset { entries_to_wire(&messages) } else { Vec::new() },
        };
        let turn = kept.session.turn.map(|turn| turn.to_string());
        let caught_up = subscribe_response::CaughtUp { seq: head.get(), turn };
        let mut first = vec![subscribe_response::Event::Opened(opened)];
        let old = kept.log.iter().filter(|entry| entry.seq > from);
        first.extend(old.map(|entry| subscribe_response::Event::Entry(entry.into())));
        first.push(subscribe_response::Event::CaughtUp(caught_up));
        let live = futures::stream::unfold(live, |mut live| async {
            let entry = live.recv().await.ok()?;
            Some((entry, live))
        });
        let live = live.filter_map(move |entry| {
            let mine = entry.session.as_str() == request.session && entry.seq > head;
            std::future::ready(mine.then(|| subscribe_response::Event::Entry((&entry).into())))
        });
        let all = futures::stream::iter(first).chain(live);
        Ok(Response::new(all.map(|event| Ok(wire::SubscribeResponse { event: Some(event) })).boxed()))
    }

    async fn begin_turn(
        &self,
        _: Request<wire::BeginTurnRequest>,
    ) -> Result<Response<wire::BeginTurnResponse>, Status> {
        unused()
    }
    async fn renew_turn(
        &self,
        _: Request<wire::RenewTurnRequest>,
    ) -> Result<Response<wire::RenewTurnResponse>, Status> {
        unused()
    }
    async fn finish_turn(
        &self,
        _: Request<wire::FinishTurnRequest>,
    ) -> Result<Response<wire::FinishTurnResponse>, Status> {
        unused()
    }
    async fn claim_turns(
        &self,
        _: Request<wire::ClaimTurnsRequest>,
    ) -> Result<Response<wire::ClaimTurnsResponse>, Status> {
        unused()
    }
    async fn get_turn(
        &self,
        _: Request<wire::GetTurnRequest>,
    ) -> Result<Response<wire::GetTurnResponse>, Status> {
        unused()
    }
    async fn set_conversation(
        &self,
        _: Request<wire::SetConversationRequest>,
    ) -> Result<Response<wire::CommandResponse>, Status> {
        unused()
    }
    async fn list(&self, _: Request<wire::ListRequest>) -> Result<Response<wire::ListResponse>, Status> {
        unused()
    }
    async fn lease_events(
        &self,
        _: Request<wire::LeaseEventsRequest>,
    ) -> Result<Response<wire::LeaseEventsResponse>, Status> {
        unused()
    }
    async fn ack_events(
        &self,
        _: Request<wire::AckEventsRequest>,
    ) -> Result<Response<wire::AckEventsResponse>, Status> {
        unused()
    }
}

impl FakeChat {
    /// The pieces and the end of a turn, as the script has it.
    fn play(&self, name: &str, turn: TurnId, script: Script) -> Vec<Result<turn_event::Event, Status>> {
        let delta = |(chunk, text): (usize, &str)| {
            let chunk = u32::try_from(chunk).unwrap();
            let (turn, text) = (turn.to_string(), text.to_owned());
            Ok(turn_event::Event::Delta(turn_event::Delta { turn, from_chunk: chunk, chunk, text }))
        };
        let one = Some(turn);
        match script {
            Script::Say(pieces) => {
                let mut events: Vec<_> = pieces.iter().copied().enumerate().map(delta).collect();
                let answer = self.0.write(name, log::assistant(1, &pieces.concat(), one).body);
                let done = self.0.write(name, log::turn_change(1, turn, TurnState::Done).body);
                events.push(Ok(self.ended(name, turn, TurnState::Done, &[answer, done])));
                events
            }
            Script::HandOver => {
                let over = self.0.write(name, log::turn_change(1, turn, TurnState::HandedOver).body);
                let (bot, pending) = (SessionStatus::BotActive, SessionStatus::PendingManual);
                let change = self.0.write(name, log::status(1, bot, pending).body);
                let notice = self.0.write(name, log::notice(1, "已为您转接人工客服", one).body);
                vec![Ok(self.ended(name, turn, TurnState::HandedOver, &[over, change, notice]))]
            }
            Script::Break(text) => {
                vec![delta((0, text)), Err(refuse(ErrorKind::Unavailable, "UNAVAILABLE", "gone"))]
            }
            Script::Hang(text) => vec![delta((0, text))],
            Script::Refuse(_) | Script::Panic => Vec::new(),
        }
    }

    fn ended(&self, name: &str, turn: TurnId, state: TurnState, entries: &[Entry]) -> turn_event::Event {
        turn_event::Event::Ended(turn_event::Ended {
            turn: turn.to_string(),
            state: wire::TurnState::from(state).into(),
            entries: entries_to_wire(entries),
            session: Some((&self.0.kept(name).session).into()),
        })
    }
}

#[tonic::async_trait]
impl chat::chat_service_server::ChatService for FakeChat {
    type SendStream = Stream<chat::TurnEvent>;
    type FollowStream = Stream<chat::TurnEvent>;

    async fn send(&self, request: Request<chat::SendRequest>) -> Result<Response<Self::SendStream>, Status> {
        let request = request.into_inner();
        *self.0.last_send.lock() = Some(request.clone());
        let script = self.0.script.lock().clone();
        match &script {
            Script::Refuse(failure) => return Err(to_status(failure)),
            Script::Panic => panic!("as the script has it"),
            Script::Say(_) | Script::HandOver | Script::Break(_) | Script::Hang(_) => {}
        }
        let name = &request.session;
        let created = self.0.admit(name, &request.client_message_id)?;
        let message = self.0.say(name, &request.text, &request.client_message_id);
        let turn = log::turn(u32::try_from(message.seq.get()).unwrap());
        let begun = self.0.write(name, log::turn_change(1, turn, TurnState::Accepted).body);
        let accepted = turn_event::Accepted {
            turn: Some(turn.to_string()),
            epoch: EPOCH,
            created,
            replayed: false,
            entries: entries_to_wire(&[message, begun]),
            session: Some((&self.0.kept(name).session).into()),
        };
        let hangs = matches!(script, Script::Hang(_));
        let mut events = vec![Ok(turn_event::Event::Accepted(accepted))];
        events.extend(self.play(name, turn, script));
        let events = futures::stream::iter(events)
            .map(|event| event.map(|event| chat::TurnEvent { event: Some(event) }));
        let events = if hangs { events.chain(futures::stream::pending()).boxed() } else { events.boxed() };
        Ok(Response::new(events))
    }

    async fn follow(
        &self,
        request: Request<chat::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let request = request.into_inner();
        self.0.own(&request.session)?;
        let delta = turn_event::Delta { turn: request.turn, from_chunk: 0, chunk: 3, text: "so far".into() };
        let event = chat::TurnEvent { event: Some(turn_event::Event::Delta(delta)) };
        Ok(Response::new(futures::stream::iter([Ok(event)]).chain(futures::stream::pending()).boxed()))
    }

    async fn new_conversation(
        &self,
        request: Request<chat::NewConversationRequest>,
    ) -> Result<Response<chat::NewConversationResponse>, Status> {
        let request = request.into_inner();
        self.0.own(&request.session)?;
        Ok(Response::new(chat::NewConversationResponse { conversation: "cnv_1".into() }))
    }

    async fn get_bot(
        &self,
        _: Request<chat::GetBotRequest>,
    ) -> Result<Response<chat::GetBotResponse>, Status> {
        let profile =
            chat::BotProfile { name: "客服".into(), welcome: "您好！".into(), ..Default::default() };
        Ok(Response::new(chat::GetBotResponse {
            provider: "coze".into(),
            healthy: true,
            workflow_id: "wf".into(),
            app_id: "app".into(),
            profile: Some(profile),
            ..Default::default()
        }))
    }
}

#[tonic::async_trait]
impl auth::agent_auth_service_server::AgentAuthService for FakeAuth {
    async fn get_jwks(
        &self,
        _: Request<auth::GetJwksRequest>,
    ) -> Result<Response<auth::GetJwksResponse>, Status> {
        *self.0.jwks_asked.lock() += 1;
        if *self.0.auth_is_away.lock() {
            return Err(refuse(ErrorKind::Unavailable, "UNAVAILABLE", "away"));
        }
        let jwks_json = serde_json::json!({ "keys": [self.0.key.lock().jwk()] }).to_string();
        Ok(Response::new(auth::GetJwksResponse { jwks_json, max_age_ms: 300_000 }))
    }

    async fn issue_visitor_token(
        &self,
        request: Request<auth::IssueVisitorTokenRequest>,
    ) -> Result<Response<auth::IssueVisitorTokenResponse>, Status> {
        if *self.0.auth_is_away.lock() {
            return Err(refuse(ErrorKind::Unavailable, "UNAVAILABLE", "away"));
        }
        self.0.issued.lock().push(CallContext::current().unwrap().principal);
        let token = self.0.key.lock().token(&request.into_inner().session);
        let expires_at_ms = START_MS + 7 * 24 * 3_600_000;
        Ok(Response::new(auth::IssueVisitorTokenResponse { token, expires_at_ms }))
    }
}
