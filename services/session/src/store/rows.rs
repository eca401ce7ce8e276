//! Rows of the database to domain values and back. The JSON in here is the store's own: entities of the domain do not
//! derive serde, so that a renamed field cannot change what is on disk.

mod turn;

pub(crate) use turn::TurnRow;

use super::{commands::of_agent, tally};
use crate::error::SessionError;
use serde::{Deserialize, Serialize};
use switchboard_db::{Statement, sql};
use switchboard_domain::{
    AgentId, Entry, EntryBody, Language, Message, MessageId, Sender, Seq, Session, SessionName, Source,
    Status, Timestamp, TurnId,
    entry::{AgentRef, StatusChange, TurnChange},
    regulation::{Reason, Severity},
    session::{Desk, Escalation, Fence, Profile, Version},
    turn::TurnState,
};

/// The columns of [`SessionRow`], for every statement that reads one.
macro_rules! session_columns {
    () => {
        "name, status, fence, version, head, agent_id, agent_name, escalation, profile, conversation, memory_from, \
         covered, uncovered, ai_failures, turn_id, created_at, updated_at, manual_since, manual_ended_at, queue, due_at, \
         desk, opened_key"
    };
}
pub(crate) use session_columns;

/// A row of `session`.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct SessionRow {
    name: String,
    status: String,
    fence: i64,
    version: i64,
    head: i64,
    agent_id: Option<String>,
    agent_name: Option<String>,
    escalation: Option<String>,
    profile: String,
    conversation: Option<String>,
    memory_from: i64,
    covered: i64,
    uncovered: i64,
    ai_failures: i64,
    turn_id: Option<String>,
    created_at: i64,
    updated_at: i64,
    manual_since: Option<i64>,
    manual_ended_at: Option<i64>,
    queue: String,
    due_at: Option<i64>,
    desk: String,
    pub(crate) opened_key: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredEscalation {
    reason: Reason,
    severity: Severity,
    details: String,
    at: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rule: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rules_version: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<String>,
}

/// What of a [`Desk`] no statement asks for; the rest has columns of its own.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct StoredDesk {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) needs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) urgent: Vec<String>,
    #[serde(default)]
    pub(super) repeats: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_agent: Option<AgentRef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct StoredProfile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nickname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default)]
    vip: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<Language>,
}

const SESSION: SessionError = SessionError::Corrupt { table: "session" };
const ENTRY: SessionError = SessionError::Corrupt { table: "entry" };

impl StoredDesk {
    pub(super) fn read(text: &str) -> Result<Self, SessionError> {
        serde_json::from_str(text).map_err(|_| SESSION)
    }
}

/// The customer's name in a stored profile.
pub(super) fn nickname_in(profile: &str) -> Result<Option<String>, SessionError> {
    let profile: StoredProfile = serde_json::from_str(profile).map_err(|_| SESSION)?;
    Ok(profile.nickname)
}

impl SessionRow {
    pub(crate) fn into_session(self) -> Result<Session, SessionError> {
        let agent = match (self.agent_id, self.agent_name) {
            (Some(id), Some(name)) => Some(AgentRef { id: AgentId::parse(&id).map_err(|_| SESSION)?, name }),
            _ => None,
        };
        let escalation: Option<StoredEscalation> =
            self.escalation.as_deref().map(serde_json::from_str).transpose().map_err(|_| SESSION)?;
        let profile: StoredProfile = serde_json::from_str(&self.profile).map_err(|_| SESSION)?;
        let desk = StoredDesk::read(&self.desk)?;
        Ok(Session {
            name: SessionName::parse(&self.name).map_err(|_| SESSION)?,
            status: self.status.parse().map_err(|_| SESSION)?,
            fence: Fence::new(self.fence),
            version: Version::new(self.version),
            head: Seq::new(self.head),
            agent,
            escalation: escalation.map(|stored| Escalation {
                reason: stored.reason,
                severity: stored.severity,
                details: stored.details,
                at: Timestamp::from_millis(stored.at),
                rule: stored.rule,
                rules_version: stored.rules_version,
                evidence: stored.evidence,
            }),
            profile: Profile {
                nickname: profile.nickname,
                email: profile.email,
                vip: profile.vip,
                language: profile.language,
            },
            desk: Desk {
                queue: self.queue,
                due_at: self.due_at.map(Timestamp::from_millis),
                needs: desk.needs,
                urgent: desk.urgent,
                repeats: desk.repeats,
                last_agent: desk.last_agent,
                tags: desk.tags,
            },
            conversation: self.conversation,
            memory_from: Seq::new(self.memory_from),
            covered: Seq::new(self.covered),
            uncovered: u32::try_from(self.uncovered).map_err(|_| SESSION)?,
            ai_failures: u32::try_from(self.ai_failures).map_err(|_| SESSION)?,
            turn: self.turn_id.as_deref().map(TurnId::parse).transpose().map_err(|_| SESSION)?,
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
            manual_since: self.manual_since.map(Timestamp::from_millis),
            manual_ended_at: self.manual_ended_at.map(Timestamp::from_millis),
        })
    }
}

/// Writes a session back, if nobody did since it was read: bind order `$1`-`$25`, then `$26` is the version read.
pub(crate) fn update_session(session: &Session, read: Version) -> Statement {
    bind_session(
        sql("UPDATE session SET status = $2, fence = $3, version = $4, head = $5, agent_id = $6, agent_name = $7, \
             escalation = $8, profile = $9, conversation = $10, memory_from = $11, covered = $12, uncovered = $13, \
             ai_failures = $14, turn_id = $15, created_at = $16, updated_at = $17, manual_since = $18, \
             manual_ended_at = $19, queue = $20, due_at = $21, vip = $22, desk = $23, list_rank = $24, pressing = $25 \
             WHERE name = $1 AND version = $26"),
        session,
    )
    .bind(read.get())
}

/// Makes a session, unless somebody was faster.
pub(crate) fn insert_session(session: &Session, opened_key: Option<&str>) -> Statement {
    bind_session(
        sql("INSERT INTO session (name, status, fence, version, head, agent_id, agent_name, escalation, profile, \
             conversation, memory_from, covered, uncovered, ai_failures, turn_id, created_at, updated_at, \
             manual_since, manual_ended_at, queue, due_at, vip, desk, list_rank, pressing, opened_key) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
             $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26) ON CONFLICT (name) DO NOTHING"),
        session,
    )
    .bind(opened_key)
}

fn bind_session(statement: Statement, session: &Session) -> Statement {
    let escalation = session.escalation.as_ref().map(|escalation| {
        json(&StoredEscalation {
            reason: escalation.reason,
            severity: escalation.severity,
            details: escalation.details.clone(),
            at: escalation.at.millis(),
            rule: escalation.rule.clone(),
            rules_version: escalation.rules_version.clone(),
            evidence: escalation.evidence.clone(),
        })
    });
    let profile = json(&StoredProfile {
        nickname: session.profile.nickname.clone(),
        email: session.profile.email.clone(),
        vip: session.profile.vip,
        language: session.profile.language,
    });
    let desk = json(&StoredDesk {
        needs: session.desk.needs.clone(),
        urgent: session.desk.urgent.clone(),
        repeats: session.desk.repeats,
        last_agent: session.desk.last_agent.clone(),
        tags: session.desk.tags.clone(),
    });
    statement
        .bind(session.name.as_str())
        .bind(session.status.as_str())
        .bind(session.fence.get())
        .bind(session.version.get())
        .bind(session.head.get())
        .bind(session.agent.as_ref().map(|agent| agent.id.to_string()))
        .bind(session.agent.as_ref().map(|agent| agent.name.clone()))
        .bind(escalation)
        .bind(profile)
        .bind(session.conversation.clone())
        .bind(session.memory_from.get())
        .bind(session.covered.get())
        .bind(i64::from(session.uncovered))
        .bind(i64::from(session.ai_failures))
        .bind(session.turn.map(|turn| turn.to_string()))
        .bind(session.created_at.millis())
        .bind(session.updated_at.millis())
        .bind(session.manual_since.map(Timestamp::millis))
        .bind(session.manual_ended_at.map(Timestamp::millis))
        .bind(session.desk.queue.as_str())
        .bind(session.desk.due_at.map(Timestamp::millis))
        .bind(session.profile.vip)
        .bind(desk)
        .bind(tally::rank(session.status, session.profile.vip))
        .bind(tally::pressing(session))
}

/// A row of `entry`.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct EntryRow {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) body: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum StoredBody {
    Message {
        id: MessageId,
        sender: Sender,
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<AgentRef>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_message_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<TurnId>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sources: Vec<Source>,
        #[serde(default)]
        interrupted: bool,
    },
    Status {
        from: Status,
        to: Status,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<AgentRef>,
        fence: Fence,
    },
    Turn {
        turn: TurnId,
        state: TurnState,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        covers: Vec<MessageId>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        degraded: bool,
    },
    Conversation {
        conversation: String,
    },
}

impl EntryRow {
    pub(crate) fn into_entry(self, session: &SessionName) -> Result<Entry, SessionError> {
        let stored: StoredBody = serde_json::from_str(&self.body).map_err(|_| ENTRY)?;
        let body = match stored {
            StoredBody::Message {
                id,
                sender,
                text,
                agent,
                client_message_id,
                turn,
                sources,
                interrupted,
            } => EntryBody::Message(Message {
                id,
                sender,
                text,
                agent,
                client_message_id,
                turn,
                sources,
                interrupted,
            }),
            StoredBody::Status { from, to, reason, agent, fence } => {
                EntryBody::Status(StatusChange { from, to, reason, agent, fence })
            }
            StoredBody::Turn { turn, state, covers, degraded } => {
                EntryBody::Turn(TurnChange { turn, state, covers, degraded })
            }
            StoredBody::Conversation { conversation } => EntryBody::Conversation(conversation),
        };
        Ok(Entry {
            session: session.clone(),
            seq: Seq::new(self.seq),
            at: Timestamp::from_millis(self.at),
            body,
        })
    }
}

/// Writes one entry. The column of its id tells agents' ids apart: each counts for himself.
pub(crate) fn insert_entry(entry: &Entry) -> Statement {
    let message = entry.message();
    let id = message.and_then(|message| {
        let key = message.client_message_id.as_ref()?;
        Some(message.agent.as_ref().map_or_else(|| key.clone(), |agent| of_agent(agent.id, key)))
    });
    sql("INSERT INTO entry (session, seq, at, kind, sender, client_message_id, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind(entry.session.as_str())
    .bind(entry.seq.get())
    .bind(entry.at.millis())
    .bind(kind(&entry.body))
    .bind(message.map(|message| message.sender.role()))
    .bind(id)
    .bind(stored(&entry.body))
}

fn kind(body: &EntryBody) -> &'static str {
    match body {
        EntryBody::Message(_) => "message",
        EntryBody::Status(_) => "status",
        EntryBody::Turn(_) => "turn",
        EntryBody::Conversation(_) => "conversation",
    }
}

fn stored(body: &EntryBody) -> String {
    json(&match body.clone() {
        EntryBody::Message(message) => StoredBody::Message {
            id: message.id,
            sender: message.sender,
            text: message.text,
            agent: message.agent,
            client_message_id: message.client_message_id,
            turn: message.turn,
            sources: message.sources,
            interrupted: message.interrupted,
        },
        EntryBody::Status(change) => StoredBody::Status {
            from: change.from,
            to: change.to,
            reason: change.reason,
            agent: change.agent,
            fence: change.fence,
        },
        EntryBody::Turn(change) => StoredBody::Turn {
            turn: change.turn,
            state: change.state,
            covers: change.covers,
            degraded: change.degraded,
        },
        EntryBody::Conversation(conversation) => StoredBody::Conversation { conversation },
    })
}

/// JSON of a value that cannot fail to be written: no maps with odd keys, no floats.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
