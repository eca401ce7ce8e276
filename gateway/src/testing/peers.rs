//! Peers in memory: they keep a log per session and know whose it is, as the real ones do; what the bot says is scripted.

mod accounts;
mod audit;
mod auth;
mod chat;
mod desk;
mod floor;
mod hours;
pub(crate) mod login;
mod notifier;
mod regulator;
mod session;

pub(crate) use hours::FakeHours;

use super::{log, token::Key};
use futures::stream::BoxStream;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use switchboard_domain::{
    Entry, EntryBody, ErrorKind, Failure, Principal, ServiceName, Session, SessionName,
};
use switchboard_mesh::{CallContext, status::to_status};
use switchboard_proto::{
    agentauth::v1::IssueEventTicketRequest, audit::v1::Record, chat::v1::SendRequest, session::v1::AgentEntry,
};
use tokio::sync::broadcast;
use tonic::Status;

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
    /// The tickets that nobody has used yet.
    pub(crate) tickets: Mutex<BTreeMap<String, IssueEventTicketRequest>>,
    pub(crate) last_send: Mutex<Option<SendRequest>>,
    pub(crate) requests: Mutex<Vec<CallContext>>,
    /// What agent-auth knows of agents.
    pub(crate) accounts: Mutex<login::Accounts>,
    /// The chains of the parts that keep one, oldest first.
    pub(crate) audit: Mutex<BTreeMap<ServiceName, Vec<Record>>>,
    /// What the agent of the tests has to know, from 1 on.
    pub(crate) agent_log: Mutex<Vec<AgentEntry>>,
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
            tickets: Mutex::default(),
            last_send: Mutex::default(),
            requests: Mutex::default(),
            accounts: Mutex::default(),
            audit: Mutex::default(),
            agent_log: Mutex::default(),
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

pub(crate) struct FakeSession(pub(crate) Arc<World>);
pub(crate) struct FakeChat(pub(crate) Arc<World>);
pub(crate) struct FakeAuth(pub(crate) Arc<World>);
pub(crate) struct FakeLogin(pub(crate) Arc<World>);
pub(crate) struct FakeAccounts(pub(crate) Arc<World>);
pub(crate) struct FakeDesk(pub(crate) Arc<World>);
pub(crate) struct FakeFloor(pub(crate) Arc<World>);
pub(crate) struct FakeRegulator(pub(crate) Arc<World>);
pub(crate) struct FakeNotifier(pub(crate) Arc<World>);
pub(crate) struct FakeAudit(pub(crate) Arc<World>, pub(crate) ServiceName);
