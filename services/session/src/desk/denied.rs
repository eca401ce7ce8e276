//! What agents may not do, or not like this.

use switchboard_domain::{ErrorKind, Failure};

/// Why the desk refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Somebody acts in another's name.
    #[error("the agent named is not the caller")]
    IdentityMismatch,
    /// Taking from the bot or a colleague is a supervisor's.
    #[error("barging in needs a supervisor")]
    BargeIn,
    /// Giving without asking is a supervisor's.
    #[error("an immediate transfer needs a supervisor")]
    Immediate,
    /// A transfer without a reason.
    #[error("a transfer needs a reason")]
    ReasonRequired,
    /// Nobody of this id or name works here.
    #[error("there is no such agent")]
    UnknownAgent,
    /// The agent is not there.
    #[error("the agent is not there")]
    AgentOffline,
    /// The agent may not serve sessions.
    #[error("the agent may not serve sessions")]
    CannotServe,
    /// The session is offered to somebody already.
    #[error("a transfer is under way")]
    TransferPending,
    /// There is no such note.
    #[error("there is no such note")]
    NoteNotFound,
    /// The note is somebody else's.
    #[error("the note is somebody else's")]
    NotAuthor,
    /// A note mentions nobody who works here.
    #[error("a mentioned agent does not exist")]
    UnknownMention(String),
    /// There is no such tag.
    #[error("there is no such tag")]
    TagNotFound(String),
    /// Another tag has the name.
    #[error("another tag has this name")]
    TagExists,
    /// A built-in tag cannot be deleted.
    #[error("the tag is built in")]
    TagBuiltIn,
    /// A color is not `#RRGGBB`.
    #[error("the color cannot be read")]
    InvalidColor,
    /// A text has the wrong length.
    #[error("a text has the wrong length")]
    Length {
        /// Which.
        field: &'static str,
        /// Longest, in characters.
        max: usize,
        /// What it has.
        actual: usize,
    },
    /// More than there may be.
    #[error("there are too many of them")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
}

impl Denied {
    /// The failure as clients know it.
    pub fn failure(&self) -> Failure {
        let new = Failure::new;
        match self {
            Self::IdentityMismatch => {
                new(ErrorKind::Forbidden, "IDENTITY_MISMATCH", "the agent named is not the caller")
            }
            Self::BargeIn => new(ErrorKind::Forbidden, "BARGE_IN_NOT_ALLOWED", "只有主管可以强行接入会话"),
            Self::Immediate => new(ErrorKind::Forbidden, "IMMEDIATE_NOT_ALLOWED", "只有主管可以直接转接会话"),
            Self::ReasonRequired => new(ErrorKind::Invalid, "REASON_REQUIRED", "转接原因不能为空"),
            Self::UnknownAgent => new(ErrorKind::NotFound, "UNKNOWN_AGENT", "目标坐席不存在"),
            Self::AgentOffline => new(ErrorKind::Conflict, "AGENT_OFFLINE", "目标坐席不在线"),
            Self::CannotServe => new(ErrorKind::Conflict, "AGENT_CANNOT_SERVE", "目标坐席没有接待会话的权限"),
            Self::TransferPending => new(ErrorKind::Conflict, "TRANSFER_PENDING", "会话已有待确认的转接请求"),
            Self::NoteNotFound => new(ErrorKind::NotFound, "NOTE_NOT_FOUND", "备注不存在"),
            Self::NotAuthor => new(ErrorKind::Forbidden, "NOT_AUTHOR", "只有作者或主管可以修改备注"),
            Self::UnknownMention(who) => {
                Failure::new(ErrorKind::Invalid, "UNKNOWN_MENTION", format!("被提及的坐席不存在：{who}"))
                    .with("mention", who)
            }
            Self::TagNotFound(tag) => {
                new(ErrorKind::NotFound, "TAG_NOT_FOUND", "标签不存在").with("tag", tag)
            }
            Self::TagExists => new(ErrorKind::Conflict, "TAG_EXISTS", "已有同名标签"),
            Self::TagBuiltIn => new(ErrorKind::Conflict, "TAG_BUILT_IN", "系统标签不能删除"),
            Self::InvalidColor => new(ErrorKind::Invalid, "INVALID_COLOR", "the color must be #RRGGBB"),
            Self::Length { field, max, actual } => Failure::new(
                ErrorKind::Invalid,
                "INVALID_LENGTH",
                format!("{field} has {actual} characters, up to {max} are allowed"),
            )
            .with("field", field)
            .with("max_length", max)
            .with("actual_length", actual),
            Self::TooMany { what, max } => {
                Failure::new(ErrorKind::Conflict, "TOO_MANY", format!("at most {max} {what}"))
                    .with("max", max)
            }
        }
    }
}
