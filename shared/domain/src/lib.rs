//! The core: ids, values, state machines and policies of Switchboard. Pure: nothing in here reads a clock, a socket, a
//! file or an environment variable; time and chance arrive as arguments ([`Clock`], [`Rng`]).
//!
//! To add a conversation state: extend [`session::Status`], follow the compiler through [`session::apply`], then add
//! the row to the table test beside it.

pub mod access;
pub mod backoff;
pub mod document;
pub mod entry;
pub mod error;
pub mod hours;
pub mod id;
pub mod language;
pub mod limits;
pub mod notice;
pub mod offer;
pub mod permission;
pub mod principal;
pub mod quick_reply;
pub mod regulation;
pub mod routing;
pub mod session;
pub mod text;
pub mod time;
pub mod turn;

pub use access::{Access, RateClass, ServiceName};
pub use backoff::backoff;
pub use entry::{Entry, EntryBody, Message, Sender, Source};
pub use error::{ErrorKind, Failure};
pub use id::{
    AgentId, ApiKeyId, AssistId, DeliveryId, EventId, LoginId, MessageId, NoteId, OfferId, ReplyId,
    RequestId, TagId, TurnId, WebhookId,
};
pub use language::Language;
pub use permission::{BuiltinRole, Permission, Permissions};
pub use principal::{Principal, Role};
pub use session::{Fence, Seq, Session, Status};
pub use text::{ClientMessageId, MessageText, SessionName};
pub use time::{Clock, Rng, Timestamp};
