//! A session put before an agent: by assignment, or by a colleague who hands it over. An offer locks nobody out: whoever
//! takes the session first has it, and the offer ends.
//!
//! ```text
//! open ─┬─▶ accepted    the agent took the session
//!       ├─▶ declined    the agent does not want it
//!       ├─▶ expired     nobody answered in time
//!       └─▶ withdrawn   somebody else took the session, the wait ended, or the agent left
//! ```

use crate::{
    AgentId, ErrorKind, Failure, OfferId, SessionName, Timestamp,
    session::{AgentRef, Fence, Session, Status},
};
use std::{fmt, str::FromStr};

/// Who found the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OfferKind {
    /// Switchboard.
    Assignment,
    /// A colleague.
    Transfer,
}

/// What an offer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OfferState {
    /// Waits for its answer.
    Open,
    /// The agent took the session.
    Accepted,
    /// The agent does not want it.
    Declined,
    /// Nobody answered in time.
    Expired,
    /// There is nothing left to give, or nobody to give it to.
    Withdrawn,
}

macro_rules! names {
    ($type:ident, $unknown:ident, $told:literal: $($name:ident = $text:literal),+) => {
        impl $type {
            /// The name on the wire and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = $unknown;
            fn from_str(text: &str) -> Result<Self, $unknown> {
                match text {
                    $($text => Ok(Self::$name),)+
                    _ => Err($unknown),
                }
            }
        }

        #[doc = concat!("A text names no ", $told, ".")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error("no {} of this name", $told)]
        pub struct $unknown;
    };
}

names!(OfferKind, UnknownOfferKind, "kind of offer": Assignment = "assignment", Transfer = "transfer");
names!(OfferState, UnknownOfferState, "state of an offer":
    Open = "open", Accepted = "accepted", Declined = "declined", Expired = "expired", Withdrawn = "withdrawn");

/// An offer as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// What is offered.
    pub session: SessionName,
    /// Who found the agent.
    pub kind: OfferKind,
    /// What it is.
    pub state: OfferState,
    /// Whose answer is awaited.
    pub to: AgentRef,
    /// Who asks, unless it is an assignment.
    pub from: Option<AgentRef>,
    /// Why the colleague asks.
    pub reason: String,
    /// What the colleague has to say.
    pub note: String,
    /// Why this agent, as JSON; empty for a colleague's.
    pub explanation: String,
    /// The session's fence when it was made.
    pub fence: Fence,
    /// When it was made.
    pub made_at: Timestamp,
    /// From when on it counts as expired.
    pub expires_at: Timestamp,
    /// When it ended.
    pub answered_at: Option<Timestamp>,
    /// What the agent had to say.
    pub answer_note: String,
}

/// Why an offer cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// There is none of this id.
    #[error("there is no such offer")]
    Unknown,
    /// It was made to somebody else.
    #[error("the offer was made to somebody else")]
    NotYours,
    /// It has ended like this; how the session stands now.
    #[error("the offer is no longer open")]
    Gone(OfferState, Status),
}

impl Unanswerable {
    /// The failure as clients know it.
    pub fn failure(self) -> Failure {
        match self {
            Self::Unknown => Failure::new(ErrorKind::NotFound, "OFFER_GONE", "请求不存在或已失效"),
            Self::NotYours => {
                Failure::new(ErrorKind::Forbidden, "NOT_YOUR_OFFER", "只有被请求的坐席才能响应")
            }
            Self::Gone(state, session) => {
                Failure::new(ErrorKind::Conflict, "OFFER_GONE", "请求不存在或已失效")
                    .with("state", state)
                    .with("session_status", session)
            }
        }
    }
}

impl Offer {
    /// Whether `agent` may answer it now.
    ///
    /// # Errors
    /// [`Unanswerable`] when it was made to somebody else, or has ended, or its time is up, or the right to speak has
    /// passed on since.
    pub fn answerable(&self, agent: AgentId, session: &Session, now: Timestamp) -> Result<(), Unanswerable> {
        if self.to.id != agent {
            return Err(Unanswerable::NotYours);
        }
        if self.state != OfferState::Open {
            return Err(Unanswerable::Gone(self.state, session.status));
        }
        if self.is_due(now) {
            return Err(Unanswerable::Gone(OfferState::Expired, session.status));
        }
        if self.fence != session.fence {
            return Err(Unanswerable::Gone(OfferState::Withdrawn, session.status));
        }
        Ok(())
    }

    /// Whether nobody has answered in time.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == OfferState::Open && now >= self.expires_at
    }

    /// How it ends when the right to speak passes on to `owner`, or to nobody of the shop.
    pub fn fate(&self, owner: Option<AgentId>) -> OfferState {
        if self.state != OfferState::Open {
            return self.state;
        }
        if owner == Some(self.to.id) { OfferState::Accepted } else { OfferState::Withdrawn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [OfferState; 5] = [
        OfferState::Open,
        OfferState::Accepted,
        OfferState::Declined,
        OfferState::Expired,
        OfferState::Withdrawn,
    ];

    fn agent(digit: char) -> AgentRef {
        let id = format!("agt_0192f0c1a2b37c4d8e5f60718293a4b{digit}");
        AgentRef { id: AgentId::parse(&id).unwrap(), name: digit.to_string() }
    }

    fn offer(state: OfferState) -> Offer {
        Offer {
            id: OfferId::parse("ofr_0192f0c1a2b37c4d8e5f60718293a4b5").unwrap(),
            session: SessionName::parse("s").unwrap(),
            kind: OfferKind::Transfer,
            state,
            to: agent('1'),
            from: Some(agent('2')),
            reason: "r".into(),
            note: String::new(),
            explanation: String::new(),
            fence: Fence::new(1),
            made_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(30_000),
            answered_at: None,
            answer_note: String::new(),
        }
    }

    #[test]
    fn names_round_trip() {
        for state in STATES {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for kind in [OfferKind::Assignment, OfferKind::Transfer] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("OPEN".parse::<OfferState>(), Err(UnknownOfferState));
        assert_eq!("".parse::<OfferKind>(), Err(UnknownOfferKind));
    }

    #[test]
    fn only_the_addressee_answers_and_only_in_time_and_only_while_nothing_has_passed_on() {
        let session = Session::new(SessionName::parse("s").unwrap(), Timestamp::from_millis(0));
        let passed = Session { fence: Fence::new(2), ..session.clone() };
        let (yes, other) = (agent('1').id, agent('2').id);
        let table = [
            (OfferState::Open, yes, 0, &session, Ok(())),
            (OfferState::Open, yes, 29_999, &session, Ok(())),
            (
                OfferState::Open,
                yes,
                30_000,
                &session,
                Err(Unanswerable::Gone(OfferState::Expired, session.status)),
            ),
            (
                OfferState::Open,
                yes,
                0,
                &passed,
                Err(Unanswerable::Gone(OfferState::Withdrawn, session.status)),
            ),
            (OfferState::Open, other, 0, &session, Err(Unanswerable::NotYours)),
            (OfferState::Accepted, other, 0, &session, Err(Unanswerable::NotYours)),
            (
                OfferState::Accepted,
                yes,
                0,
                &session,
                Err(Unanswerable::Gone(OfferState::Accepted, session.status)),
            ),
            (
                OfferState::Declined,
                yes,
                0,
                &session,
                Err(Unanswerable::Gone(OfferState::Declined, session.status)),
            ),
            (
                OfferState::Expired,
                yes,
                0,
                &session,
                Err(Unanswerable::Gone(OfferState::Expired, session.status)),
            ),
            (
                OfferState::Withdrawn,
                yes,
                40_000,
                &passed,
                Err(Unanswerable::Gone(OfferState::Withdrawn, session.status)),
            ),
        ];
        for (state, who, at, session, expected) in table {
            let outcome = offer(state).answerable(who, session, Timestamp::from_millis(at));
            assert_eq!(outcome, expected, "{state} by {who} at {at}");
        }
    }

    #[test]
    fn what_has_ended_stays_ended() {
        for state in STATES {
            let (mine, others, nobody) = (
                offer(state).fate(Some(agent('1').id)),
                offer(state).fate(Some(agent('3').id)),
                offer(state).fate(None),
            );
            if state == OfferState::Open {
                let ends = (OfferState::Accepted, OfferState::Withdrawn, OfferState::Withdrawn);
                assert_eq!((mine, others, nobody), ends);
            } else {
                assert_eq!((mine, others, nobody), (state, state, state));
                assert!(!offer(state).is_due(Timestamp::from_millis(i64::MAX)));
            }
        }
    }

    #[test]
    fn clients_are_told_why() {
        let told = |why: Unanswerable| (why.failure().kind, why.failure().code);
        assert_eq!(told(Unanswerable::Unknown), (ErrorKind::NotFound, "OFFER_GONE".into()));
        assert_eq!(told(Unanswerable::NotYours), (ErrorKind::Forbidden, "NOT_YOUR_OFFER".into()));
        let gone = Unanswerable::Gone(OfferState::Expired, Status::ManualLive);
        assert_eq!(told(gone), (ErrorKind::Conflict, "OFFER_GONE".into()));
        assert_eq!(gone.failure().facts["state"], "expired");
    }
}
