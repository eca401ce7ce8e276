//! What browsers see: JSON types of the edge's own, made from domain values. Times are seconds since the Unix epoch,
//! rounded to milliseconds.

mod agent;
mod customer;

pub(crate) use agent::{AccountView, SkillView, time};
use customer::UserProfile;
pub(crate) use customer::{PriorityView, nickname};

use crate::sse::Cursor;
use serde::Serialize;
use switchboard_domain::{
    Entry, EntryBody, Message, Sender, Session, Status, Timestamp,
    entry::{AgentRef, Source, StatusChange},
    session::{Escalation, LogEpoch},
};
use switchboard_proto::{common::v1::AgentRef as AgentRefWire, session::v1 as wire};
use utoipa::ToSchema;

/// Seconds since the Unix epoch, with milliseconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this era have 41 bits")]
pub(crate) fn seconds(at: Timestamp) -> f64 {
    at.millis() as f64 / 1000.0
}

/// A span of milliseconds as seconds with two decimals.
#[expect(clippy::cast_precision_loss, reason = "spans of time have far less than 53 bits")]
pub(crate) fn span(ms: i64) -> f64 {
    (ms as f64 / 10.0).round() / 100.0
}

/// The instant that JSON tells in seconds since the Unix epoch; `None` for what is none.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
pub(crate) fn from_seconds(seconds: f64) -> Option<Timestamp> {
    let is_instant = seconds.is_finite() && (0.0..1e11).contains(&seconds);
    is_instant.then(|| Timestamp::from_millis((seconds * 1000.0).round() as i64))
}

/// A session, as `GET /sessions/{session}` and every command answer it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionState {
    session_name: String,
    /// `bot_active`, `pending_manual`, `manual_live`, `after_hours_email` or `closed`.
    status: &'static str,
    conversation_id: Option<String>,
    user_profile: UserProfile,
    /// The last 50 messages, oldest first.
    history: Vec<MessageView>,
    escalation: Option<EscalationView>,
    assigned_agent: Option<AgentView>,
    priority: PriorityView,
    /// Always null: mails are sent, and reported, by the notifier.
    mail: Option<String>,
    created_at: f64,
    updated_at: f64,
    last_manual_end_at: Option<f64>,
    manual_start_at: Option<f64>,
    ai_fail_count: u32,
    /// Number of the last entry of the log.
    head: i64,
    /// Where an event stream goes on after this state: `Last-Event-ID`.
    cursor: String,
    /// The turn that is being answered.
    running_turn: Option<String>,
}

/// One message of the log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MessageView {
    /// `user`, `assistant`, `agent` or `system`.
    pub(crate) role: &'static str,
    pub(crate) content: String,
    pub(crate) timestamp: f64,
    pub(crate) message_id: String,
    pub(crate) seq: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) turn_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent_name: Option<String>,
    /// What the answer rests on.
    pub(crate) sources: Vec<SourceView>,
    /// The answer stopped in the middle.
    pub(crate) interrupted: bool,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SourceView {
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    article: Option<String>,
}

/// Why a human was called.
#[derive(Debug, Serialize, ToSchema)]
struct EscalationView {
    reason: &'static str,
    details: String,
    severity: &'static str,
    trigger_at: f64,
}

/// The agent who has the session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentView {
    id: String,
    name: String,
}

/// The agent in an event.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AgentInfo {
    agent_id: String,
    agent_name: String,
}

/// What an event stream says. `seq` is there for what is on record.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The customer or the bot wrote.
    Message(MessageView),
    /// A human wrote, or Switchboard itself did.
    ManualMessage(MessageView),
    /// Status or owner changed.
    StatusChange {
        status: &'static str,
        /// Whole seconds.
        timestamp: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        agent_info: Option<AgentInfo>,
        seq: i64,
    },
    /// A turn began or ended.
    Turn {
        turn_id: String,
        state: &'static str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        covers: Vec<String>,
        /// Built-in rules decided in place of the regulator, which could not be asked.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        degraded: bool,
        seq: i64,
    },
    /// A piece of an answer that is being written.
    Delta { turn_id: String, from_chunk: u32, chunk: u32, content: String },
    /// Somebody is writing, for the next few seconds.
    Typing {
        /// `user` or `agent`.
        role: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        agent_info: Option<AgentInfo>,
    },
    /// How far one side has come.
    Receipt {
        /// `user` or `agent`.
        role: &'static str,
        delivered: i64,
        read: i64,
    },
    /// Where the waiting customer stands.
    QueuePosition {
        /// 1 is next; 0: no longer waiting.
        position: u32,
        /// Seconds; null when nothing is known.
        estimated_wait: Option<i64>,
        total: u32,
    },
    /// The bot began a new conversation and has forgotten the old one.
    Conversation { conversation_id: String, seq: i64 },
    /// The position asked for is no longer there: here is everything as it stands.
    Reset { session: Box<SessionState> },
}

impl SessionState {
    /// A session with its last messages, and what people of the shop see beside it.
    pub(crate) fn new(
        session: &Session,
        epoch: LogEpoch,
        tail: &[Entry],
        insight: Option<&wire::Insight>,
    ) -> Self {
        Self {
            session_name: session.name.to_string(),
            status: session.status.as_str(),
            conversation_id: session.conversation.clone(),
            user_profile: UserProfile::new(session, insight),
            history: tail.iter().filter_map(MessageView::of).collect(),
            escalation: session.escalation.as_ref().map(EscalationView::new),
            assigned_agent: session.agent.as_ref().map(AgentView::new),
            priority: insight
                .and_then(|insight| insight.priority.clone())
                .map_or_else(|| PriorityView::unhurried(session), Into::into),
            mail: None,
            created_at: seconds(session.created_at),
            updated_at: seconds(session.updated_at),
            last_manual_end_at: session.manual_ended_at.map(seconds),
            manual_start_at: session.manual_since.map(seconds),
            ai_fail_count: session.ai_failures,
            head: session.head.get(),
            cursor: Cursor { epoch, seq: session.head }.to_string(),
            running_turn: session.turn.map(|turn| turn.to_string()),
        }
    }
}

impl MessageView {
    /// The message of an entry, if it is one.
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        entry.message().map(|message| Self::new(entry, message))
    }

    fn new(entry: &Entry, message: &Message) -> Self {
        Self {
            role: message.sender.role(),
            content: message.text.clone(),
            timestamp: seconds(entry.at),
            message_id: message.id.to_string(),
            seq: entry.seq.get(),
            client_message_id: message.client_message_id.clone(),
            turn_id: message.turn.map(|turn| turn.to_string()),
            agent_id: message.agent.as_ref().map(|agent| agent.id.to_string()),
            agent_name: message.agent.as_ref().map(|agent| agent.name.clone()),
            sources: sources(&message.sources),
            interrupted: message.interrupted,
        }
    }
}

/// Sources of an answer.
pub(crate) fn sources(sources: &[Source]) -> Vec<SourceView> {
    let view = |source: &Source| SourceView {
        title: source.title.clone(),
        url: source.url.clone(),
        article: source.article.clone(),
    };
    sources.iter().map(view).collect()
}

impl EscalationView {
    fn new(escalation: &Escalation) -> Self {
        Self {
            reason: escalation.reason.as_str(),
            details: escalation.details.clone(),
            severity: escalation.severity.as_str(),
            trigger_at: seconds(escalation.at),
        }
    }
}

impl AgentView {
    /// An agent of the log.
    pub(crate) fn new(agent: &AgentRef) -> Self {
        Self::named(agent.id.to_string(), agent.name.clone())
    }

    /// An agent as the wire names him.
    pub(crate) fn named(id: String, name: String) -> Self {
        Self { id, name }
    }
}

/// One of the two sides of a conversation, by the name of its messages.
pub(crate) fn role(party: wire::Party) -> &'static str {
    match party {
        wire::Party::Agent => Sender::Agent.role(),
        wire::Party::Customer | wire::Party::Unspecified => Sender::Customer.role(),
    }
}

impl Event {
    /// Somebody is writing.
    pub(crate) fn typing(typing: &wire::Typing) -> Self {
        let info =
            |agent: &AgentRefWire| AgentInfo { agent_id: agent.id.clone(), agent_name: agent.name.clone() };
        Self::Typing { role: role(typing.party()), agent_info: typing.agent.as_ref().map(info) }
    }

    /// How far one side has come.
    pub(crate) fn receipt(receipt: &wire::Receipt) -> Self {
        Self::Receipt { role: role(receipt.party()), delivered: receipt.delivered, read: receipt.read }
    }

    /// Where the waiting customer stands.
    pub(crate) fn queue_position(place: &wire::QueuePosition) -> Self {
        let estimated_wait = place.estimated_wait_ms.map(|ms| ms.div_euclid(1000));
        Self::QueuePosition { position: place.position, estimated_wait, total: place.total }
    }

    /// An entry of the log as an event. `manual`: a human is waited for or talks, so what the customer writes goes there.
    pub(crate) fn of(entry: &Entry, manual: bool) -> Self {
        match &entry.body {
            EntryBody::Message(message) => {
                let view = MessageView::new(entry, message);
                match message.sender {
                    Sender::Agent | Sender::System => Self::ManualMessage(view),
                    Sender::Customer if manual => Self::ManualMessage(view),
                    Sender::Customer | Sender::Assistant => Self::Message(view),
                }
            }
            EntryBody::Status(change) => Self::status(entry, change),
            EntryBody::Turn(change) => Self::Turn {
                turn_id: change.turn.to_string(),
                state: change.state.as_str(),
                covers: change.covers.iter().map(ToString::to_string).collect(),
                degraded: change.degraded,
                seq: entry.seq.get(),
            },
            EntryBody::Conversation(id) => {
                Self::Conversation { conversation_id: id.clone(), seq: entry.seq.get() }
            }
        }
    }

    fn status(entry: &Entry, change: &StatusChange) -> Self {
        let info =
            |agent: &AgentRef| AgentInfo { agent_id: agent.id.to_string(), agent_name: agent.name.clone() };
        Self::StatusChange {
            status: change.to.as_str(),
            timestamp: entry.at.seconds(),
            reason: change.reason.clone(),
            agent_info: change.agent.as_ref().map(info),
            seq: entry.seq.get(),
        }
    }
}

/// Whether a human is waited for or talks.
pub(crate) fn is_manual(status: Status) -> bool {
    match status {
        Status::PendingManual | Status::ManualLive => true,
        Status::BotActive | Status::AfterHoursEmail | Status::Closed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::log;

    #[test]
    fn times_keep_their_milliseconds() {
        assert_eq!(
            serde_json::to_string(&seconds(Timestamp::from_millis(1_795_383_375_023))).unwrap(),
            "1795383375.023"
        );
    }

    #[test]
    fn a_session_has_the_fields_that_clients_of_the_original_read() {
        let session = log::session("alice", 3);
        let tail = [log::customer(1, "你好"), log::assistant(2, "您好", None)];
        let state = serde_json::to_value(SessionState::new(&session, LogEpoch::new(1), &tail, None)).unwrap();
        for field in ["conversation_id", "escalation", "assigned_agent", "mail", "last_manual_end_at"] {
            assert!(state[field].is_null(), "{field}");
        }
        assert_eq!(state["status"], "bot_active");
        assert_eq!(state["user_profile"]["nickname"], "访客");
        assert_eq!(state["history"][0]["role"], "user");
        assert_eq!(state["history"][1]["content"], "您好");
        assert_eq!((&state["head"], &state["cursor"]), (&3.into(), &"1.3".into()));
        let profile = &state["user_profile"];
        assert_eq!(
            (&profile["gdpr_consent"], &profile["marketing_subscribed"]),
            (&false.into(), &false.into())
        );
        assert_eq!((&profile["country"], &profile["currency"]), (&"".into(), &"USD".into()));
        assert_eq!(profile["metadata"], serde_json::json!({}));
        assert_eq!(state["priority"]["level"], "normal");
    }

    #[test]
    fn who_wrote_decides_the_kind_of_event() {
        let kind =
            |entry: &Entry, manual| serde_json::to_value(Event::of(entry, manual)).unwrap()["type"].clone();
        assert_eq!(kind(&log::customer(1, "a"), false), "message");
        assert_eq!(kind(&log::customer(1, "a"), true), "manual_message");
        assert_eq!(kind(&log::assistant(1, "a", None), false), "message");
        assert_eq!(kind(&log::notice(1, "a", None), false), "manual_message");
        assert_eq!(kind(&log::agent(1, "a"), true), "manual_message");
    }
}
