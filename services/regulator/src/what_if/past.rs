//! A stored session as the replay reads it.

use sha2::{Digest as _, Sha256};
use switchboard_proto::{
    convert::WireError,
    session::v1::{Sender, Transcript, transcript},
};

/// A stored session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) session: String,
    pub(crate) vip: bool,
    /// The stretches in which the bot answered, oldest first.
    pub(crate) episodes: Vec<Stretch>,
    /// Times in which a human served, in milliseconds.
    pub(crate) served: Vec<i64>,
    /// Whether only the beginning is here.
    pub(crate) cut: bool,
}

/// From the moment that the bot may answer to the moment that it may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) lines: Vec<Line>,
    /// Why a human was called; empty: none was.
    pub(crate) ended_by: String,
    pub(crate) ended_at: i64,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) who: Who,
    pub(crate) text: String,
    pub(crate) at: i64,
    /// The turn that covers or wrote it, from 1; 0: none.
    pub(crate) turn: u32,
    /// When that turn began.
    pub(crate) turn_at: i64,
    pub(crate) interrupted: bool,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Customer,
    Assistant,
    Agent,
}

impl TryFrom<Transcript> for Past {
    type Error = WireError;
    fn try_from(value: Transcript) -> Result<Self, WireError> {
        let episodes: Result<_, WireError> = value.episodes.into_iter().map(Stretch::try_from).collect();
        Ok(Self {
            session: value.session,
            vip: value.vip,
            episodes: episodes?,
            served: value.served_ms,
            cut: value.cut,
        })
    }
}

impl TryFrom<transcript::Episode> for Stretch {
    type Error = WireError;
    fn try_from(value: transcript::Episode) -> Result<Self, WireError> {
        let lines: Result<_, WireError> = value.lines.into_iter().map(Line::try_from).collect();
        Ok(Self { lines: lines?, ended_by: value.ended_by, ended_at: value.ended_at_ms })
    }
}

impl TryFrom<transcript::Line> for Line {
    type Error = WireError;
    fn try_from(value: transcript::Line) -> Result<Self, WireError> {
        let who = match value.sender() {
            Sender::Customer => Who::Customer,
            Sender::Assistant => Who::Assistant,
            Sender::Agent => Who::Agent,
            Sender::System | Sender::Unspecified => return Err(WireError::new("sender")),
        };
        Ok(Self {
            who,
            text: value.text,
            at: value.at_ms,
            turn: value.turn,
            turn_at: value.turn_at_ms,
            interrupted: value.interrupted,
        })
    }
}

impl Past {
    /// SHA-256 of everything in it, every field with its length before it.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(bytes);
        };
        field(self.session.as_bytes());
        field(&[u8::from(self.vip), u8::from(self.cut)]);
        for served in &self.served {
            field(&served.to_be_bytes());
        }
        for episode in &self.episodes {
            field(episode.ended_by.as_bytes());
            field(&episode.ended_at.to_be_bytes());
            for line in &episode.lines {
                field(&[line.who as u8, u8::from(line.interrupted)]);
                field(line.text.as_bytes());
                field(&line.at.to_be_bytes());
                field(&line.turn.to_be_bytes());
                field(&line.turn_at.to_be_bytes());
            }
        }
        hasher.finalize().into()
    }
}
