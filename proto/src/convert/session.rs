//! A session as it stands.

use super::{WireError, parsed, required};
use crate::session::v1 as wire;
use switchboard_domain::{
    Language, Sender, Seq, Session, SessionName, Status, Timestamp, TurnId,
    session::{Desk, Fence, Profile, Version},
    turn::TurnState,
};

impl From<Status> for wire::Status {
    fn from(value: Status) -> Self {
        match value {
            Status::BotActive => Self::BotActive,
            Status::PendingManual => Self::PendingManual,
            Status::ManualLive => Self::ManualLive,
            Status::AfterHoursEmail => Self::AfterHoursEmail,
            Status::Closed => Self::Closed,
        }
    }
}

/// Reads a status.
///
/// # Errors
/// [`WireError`] for an unknown or unspecified number.
pub fn status_from_wire(number: i32, field: &'static str) -> Result<Status, WireError> {
    match parsed(wire::Status::try_from(number), field)? {
        wire::Status::Unspecified => Err(WireError::new(field)),
        wire::Status::BotActive => Ok(Status::BotActive),
        wire::Status::PendingManual => Ok(Status::PendingManual),
        wire::Status::ManualLive => Ok(Status::ManualLive),
        wire::Status::AfterHoursEmail => Ok(Status::AfterHoursEmail),
        wire::Status::Closed => Ok(Status::Closed),
    }
}

impl From<Sender> for wire::Sender {
    fn from(value: Sender) -> Self {
        match value {
            Sender::Customer => Self::Customer,
            Sender::Assistant => Self::Assistant,
            Sender::Agent => Self::Agent,
            Sender::System => Self::System,
        }
    }
}

impl TryFrom<wire::Sender> for Sender {
    type Error = WireError;
    fn try_from(value: wire::Sender) -> Result<Self, WireError> {
        match value {
            wire::Sender::Unspecified => Err(WireError::new("sender")),
            wire::Sender::Customer => Ok(Self::Customer),
            wire::Sender::Assistant => Ok(Self::Assistant),
            wire::Sender::Agent => Ok(Self::Agent),
            wire::Sender::System => Ok(Self::System),
        }
    }
}

impl From<TurnState> for wire::TurnState {
    fn from(value: TurnState) -> Self {
        match value {
            TurnState::Accepted => Self::Accepted,
            TurnState::Done => Self::Done,
            TurnState::Interrupted => Self::Interrupted,
            TurnState::HandedOver => Self::HandedOver,
            TurnState::Failed => Self::Failed,
        }
    }
}

impl TryFrom<wire::TurnState> for TurnState {
    type Error = WireError;
    fn try_from(value: wire::TurnState) -> Result<Self, WireError> {
        match value {
            wire::TurnState::Unspecified => Err(WireError::new("turn_state")),
            wire::TurnState::Accepted => Ok(Self::Accepted),
            wire::TurnState::Done => Ok(Self::Done),
            wire::TurnState::Interrupted => Ok(Self::Interrupted),
            wire::TurnState::HandedOver => Ok(Self::HandedOver),
            wire::TurnState::Failed => Ok(Self::Failed),
        }
    }
}

impl From<&Profile> for wire::Profile {
    fn from(value: &Profile) -> Self {
        Self {
            nickname: value.nickname.clone(),
            email: value.email.clone(),
            vip: value.vip,
            language: value.language.map(|language| language.tag().to_owned()).unwrap_or_default(),
        }
    }
}

impl From<wire::Profile> for Profile {
    fn from(value: wire::Profile) -> Self {
        Self {
            nickname: value.nickname,
            email: value.email,
            vip: value.vip,
            language: Language::from_tag(&value.language),
        }
    }
}

impl From<&Desk> for wire::Desk {
    fn from(value: &Desk) -> Self {
        Self {
            queue: value.queue.clone(),
            due_at_ms: value.due_at.map(Timestamp::millis),
            needs: value.needs.clone(),
            urgent: value.urgent.clone(),
            repeats: value.repeats,
            last_agent: value.last_agent.as_ref().map(Into::into),
            tags: value.tags.clone(),
        }
    }
}

impl TryFrom<wire::Desk> for Desk {
    type Error = WireError;
    fn try_from(value: wire::Desk) -> Result<Self, WireError> {
        Ok(Self {
            queue: value.queue,
            due_at: value.due_at_ms.map(Timestamp::from_millis),
            needs: value.needs,
            urgent: value.urgent,
            repeats: value.repeats,
            last_agent: value.last_agent.map(TryInto::try_into).transpose()?,
            tags: value.tags,
        })
    }
}

impl From<&Session> for wire::Session {
    fn from(value: &Session) -> Self {
        Self {
            name: value.name.to_string(),
            status: wire::Status::from(value.status).into(),
            fence: value.fence.get(),
            version: value.version.get(),
            head: value.head.get(),
            agent: value.agent.as_ref().map(Into::into),
            escalation: value.escalation.as_ref().map(Into::into),
            profile: Some((&value.profile).into()),
            conversation: value.conversation.clone(),
            memory_from: value.memory_from.get(),
            covered: value.covered.get(),
            uncovered: value.uncovered,
            ai_failures: value.ai_failures,
            turn: value.turn.map(|turn| turn.to_string()),
            created_at_ms: value.created_at.millis(),
            updated_at_ms: value.updated_at.millis(),
            manual_since_ms: value.manual_since.map(Timestamp::millis),
            manual_ended_at_ms: value.manual_ended_at.map(Timestamp::millis),
            desk: Some((&value.desk).into()),
        }
    }
}

impl TryFrom<wire::Session> for Session {
    type Error = WireError;
    fn try_from(value: wire::Session) -> Result<Self, WireError> {
        let turn = value.turn.as_deref().map(TurnId::parse).transpose();
        Ok(Self {
            name: parsed(SessionName::parse(&value.name), "session.name")?,
            status: status_from_wire(value.status, "session.status")?,
            fence: Fence::new(value.fence),
            version: Version::new(value.version),
            head: Seq::new(value.head),
            agent: value.agent.map(TryInto::try_into).transpose()?,
            escalation: value.escalation.map(TryInto::try_into).transpose()?,
            profile: required(value.profile, "session.profile")?.into(),
            desk: value.desk.map(TryInto::try_into).transpose()?.unwrap_or_default(),
            conversation: value.conversation,
            memory_from: Seq::new(value.memory_from),
            covered: Seq::new(value.covered),
            uncovered: value.uncovered,
            ai_failures: value.ai_failures,
            turn: parsed(turn, "session.turn")?,
            created_at: Timestamp::from_millis(value.created_at_ms),
            updated_at: Timestamp::from_millis(value.updated_at_ms),
            manual_since: value.manual_since_ms.map(Timestamp::from_millis),
            manual_ended_at: value.manual_ended_at_ms.map(Timestamp::from_millis),
        })
    }
}
