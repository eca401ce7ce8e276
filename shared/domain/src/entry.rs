//! The ordered log of a session: what one entry can say.

use crate::{
    AgentId, MessageId, Seq, SessionName, Status, Timestamp, TurnId, session::Fence, turn::TurnState,
};
use serde::{Deserialize, Serialize};

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sender {
    /// The customer. On the wire `user`.
    #[serde(rename = "user")]
    Customer,
    /// The bot.
    Assistant,
    /// A human agent.
    Agent,
    /// Switchboard itself: notices.
    System,
}

impl Sender {
    /// The `role` of the wire contract.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Customer => "user",
            Self::Assistant => "assistant",
            Self::Agent => "agent",
            Self::System => "system",
        }
    }

    /// Reads a `role` of the wire contract.
    pub fn from_role(role: &str) -> Option<Self> {
        [Self::Customer, Self::Assistant, Self::Agent, Self::System]
            .into_iter()
            .find(|sender| sender.role() == role)
    }
}

/// An agent as the log names him: the id that stays and the name that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRef {
    /// The account.
    pub id: AgentId,
    /// The display name at that time.
    pub name: String,
}

/// Where an answer comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What to show, `Warranty › Battery`.
    pub title: String,
    /// Where to read on, if it can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The article's id in the knowledge folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<String>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Who wrote it.
    pub sender: Sender,
    /// What it says.
    pub text: String,
    /// Which agent, for [`Sender::Agent`].
    pub agent: Option<AgentRef>,
    /// The client's own id, if it gave one.
    pub client_message_id: Option<String>,
    /// The turn that it began (customer) or that produced it (assistant, notices of a turn).
    pub turn: Option<TurnId>,
    /// What the answer rests on.
    pub sources: Vec<Source>,
    /// The answer stopped in the middle: `text` is what had arrived.
    pub interrupted: bool,
}

/// The session went from one status to another, or its owner changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// Before.
    pub from: Status,
    /// After. Equal to `from` for a transfer.
    pub to: Status,
    /// Why, as the wire names it: `keyword`, `released`, `transferred` …
    pub reason: Option<String>,
    /// The agent who owns it now.
    pub agent: Option<AgentRef>,
    /// The fence from here on.
    pub fence: Fence,
}

/// A turn began or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnChange {
    /// Which turn.
    pub turn: TurnId,
    /// What it is now.
    pub state: TurnState,
    /// The customer's messages that this turn has seen. Told when it begins.
    pub covers: Vec<MessageId>,
    /// Whether built-in rules decided in place of the regulator, which could not be asked. Told when it ends.
    pub degraded: bool,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryBody {
    /// Somebody wrote.
    Message(Message),
    /// Status or owner changed.
    Status(StatusChange),
    /// A turn began or ended.
    Turn(TurnChange),
    /// A new upstream conversation began: the bot's memory starts after this entry.
    Conversation(String),
}

/// One entry of a session's log. `seq` is 1, 2, 3 … without a gap, given in the transaction that writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose log.
    pub session: SessionName,
    /// Its place.
    pub seq: Seq,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub body: EntryBody,
}

impl Entry {
    /// The message, if the entry is one.
    pub fn message(&self) -> Option<&Message> {
        match &self.body {
            EntryBody::Message(message) => Some(message),
            EntryBody::Status(_) | EntryBody::Turn(_) | EntryBody::Conversation(_) => None,
        }
    }
}
