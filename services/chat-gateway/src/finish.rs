//! Recording how a turn ended. What is recorded is what watchers are told, so `ended` never comes before the commit.

use crate::{error::ChatError, peers::as_myself, turn::Conductor};
use switchboard_domain::{ErrorKind, Source, session::Escalation, turn::TurnState};
use switchboard_mesh::Fail as _;
use switchboard_proto::session::v1::{self as wire, finish_turn_request::HandOverNotice};
use tokio::time::Instant;

/// First pause before recording is tried again; doubles up to a second.
const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
const LONGEST_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// How a turn ended, before it is recorded.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) state: TurnState,
    pub(crate) text: String,
    pub(crate) sources: Vec<Source>,
    pub(crate) answer_failed: Option<bool>,
    pub(crate) conversation: Option<String>,
    pub(crate) hand_over: Option<(Escalation, HandOverNotice)>,
    /// Built-in rules decided in place of the regulator.
    pub(crate) degraded: bool,
}

impl Outcome {
    /// An ending without words of the bot.
    pub(crate) fn silent(state: TurnState) -> Self {
        Self {
            state,
            text: String::new(),
            sources: Vec::new(),
            answer_failed: None,
            conversation: None,
            hand_over: None,
            degraded: false,
        }
    }

    pub(crate) fn with_hand_over(mut self, escalation: Escalation, notice: HandOverNotice) -> Self {
        self.hand_over = Some((escalation, notice));
        self
    }
}

impl Conductor {
    /// Records an ending. Tries again while the session service is away: the answer exists only here.
    pub(crate) async fn record(
        &self,
        turn: &wire::Turn,
        outcome: Outcome,
    ) -> Result<wire::FinishTurnResponse, ChatError> {
        let (escalation, notice) = match &outcome.hand_over {
            Some((escalation, notice)) => (Some(escalation.into()), *notice),
            None => (None, HandOverNotice::Unspecified),
        };
        let request = wire::FinishTurnRequest {
            turn: turn.id.clone(),
            session: turn.session.clone(),
            fence: turn.fence,
            attempt: turn.attempt,
            state: wire::TurnState::from(outcome.state).into(),
            text: outcome.text,
            sources: outcome.sources.iter().map(Into::into).collect(),
            answer_failed: outcome.answer_failed,
            conversation: outcome.conversation,
            escalation,
            notice: notice.into(),
            degraded: outcome.degraded,
        };
        let until = Instant::now() + self.settings.record_for;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut session = self.peers.session.clone();
            let error = match as_myself(session.finish_turn(request.clone())).await {
                Ok(recorded) => return Ok(recorded),
                Err(error) => error,
            };
            let again = matches!(error.failure().kind, ErrorKind::Unavailable | ErrorKind::Timeout);
            if !again || Instant::now() + pause >= until {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
