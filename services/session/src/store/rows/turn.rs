//! A turn as it is kept.

use crate::error::SessionError;
use switchboard_domain::{MessageId, TurnId, turn::TurnState};

/// A row of `turn`.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct TurnRow {
    pub(crate) id: String,
    pub(crate) session: String,
    pub(crate) state: String,
    pub(crate) fence: i64,
    pub(crate) attempt: i64,
    pub(crate) covers: String,
    pub(crate) partial: String,
    pub(crate) begun_seq: i64,
    pub(crate) ended_from: Option<i64>,
    pub(crate) ended_to: Option<i64>,
}

const TURN: SessionError = SessionError::Corrupt { table: "turn" };

impl TurnRow {
    pub(crate) fn id(&self) -> Result<TurnId, SessionError> {
        TurnId::parse(&self.id).map_err(|_| TURN)
    }

    pub(crate) fn state(&self) -> Result<TurnState, SessionError> {
        self.state.parse().map_err(|_| TURN)
    }

    pub(crate) fn covers(&self) -> Result<Vec<MessageId>, SessionError> {
        serde_json::from_str(&self.covers).map_err(|_| TURN)
    }
}
