//! What happens to a session when something happens. Pure: the caller persists [`Step::next`] and [`Step::changes`] in
//! one transaction and then sees to [`Step::effects`].

use super::{AgentRef, Escalation, Fence, Seq, Session, Shop, Status};
use crate::{
    AgentId, ErrorKind, Failure, Timestamp,
    entry::StatusChange,
    notice::Notice,
    regulation::{Reason, Severity},
    turn::TurnState,
};

/// By which way a customer's message came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The chat, where the bot answers.
    Chat,
    /// The way to a human; open while one is waited for or talks.
    Manual,
}

/// What can happen to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The customer wrote.
    CustomerSaid(Via),
    /// An agent wrote.
    AgentSaid(AgentRef),
    /// A human is wanted.
    Escalated {
        /// Why.
        escalation: Escalation,
        /// Whether somebody can come.
        shop: Shop,
        /// What the customer is told if so.
        notice: Notice,
    },
    /// The customer, or an agent for him, gave up waiting.
    WaitCancelled,
    /// The shop shut while the customer waited.
    HoursEnded {
        /// When it opens next, if it does.
        opens: Option<Timestamp>,
        /// The same in the customer's words.
        promise: Option<String>,
    },
    /// The shop opened: a request that came while it was shut is due.
    HoursBegan,
    /// The agent who owns it has gone without giving it back: it waits for another one.
    OwnerLost,
    /// An agent took it. `barge_in`: a supervisor takes it from the bot or from a colleague.
    TakenOver {
        /// Who.
        agent: AgentRef,
        /// Whether it may be taken from anybody.
        barge_in: bool,
    },
    /// The owner, or a supervisor (`by` is `None`), gave it to another agent.
    Transferred {
        /// The agent who gives; `None` for a supervisor.
        by: Option<AgentId>,
        /// The agent who gets it.
        to: AgentRef,
    },
    /// The owner, or a supervisor (`None`), gave it back to the bot.
    Released(Option<AgentId>),
    /// The owner, or a supervisor (`None`), closed it.
    Closed(Option<AgentId>),
}

/// Who answers what the customer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// A turn begins now.
    Bot,
    /// A turn runs already; the next one covers this message.
    NextTurn,
    /// A human.
    Human,
    /// Nobody has to.
    None,
}

/// One thing to be written into the log, in this order, after what caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Status or owner changed.
    Status(StatusChange),
    /// The customer is told.
    Notice(Notice),
    /// The running turn ends without an answer of its own.
    TurnEnds(crate::TurnId, TurnState),
}

/// Something to be done outside, once the step is committed: an outbox row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Tell the team that a customer waits.
    CustomerWaits,
    /// Send the request as an e-mail.
    AfterHoursRequest,
    /// A request that came while the shop was shut is due.
    FollowUpDue,
    /// Tell the workbench that the owner changed.
    OwnerChanged,
    /// The session is over.
    SessionClosed,
}

impl Effect {
    /// The event's type in the outbox.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CustomerWaits => "session.customer_waits",
            Self::AfterHoursRequest => "session.after_hours_request",
            Self::FollowUpDue => "session.follow_up_due",
            Self::OwnerChanged => "session.owner_changed",
            Self::SessionClosed => "session.closed",
        }
    }
}

/// The outcome of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The session afterwards. `head`, `version` and `updated_at` are the store's to move.
    pub next: Session,
    /// What goes into the log.
    pub changes: Vec<Change>,
    /// What is to be done outside.
    pub effects: Vec<Effect>,
    /// Who answers.
    pub reply: Reply,
}

/// Why an event is refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The chat is closed to the customer while a human is waited for or talks.
    #[error("a human is in charge of the session")]
    InManualMode(Status),
    /// A human is there already.
    #[error("a human is already talking")]
    ManualInProgress,
    /// Another agent has it.
    #[error("another agent has the session")]
    AlreadyTaken(AgentRef),
    /// The status does not allow it.
    #[error("the status does not allow it")]
    InvalidStatus {
        /// The status.
        status: Status,
        /// What was tried, in the words of the contract.
        action: &'static str,
    },
    /// Only the owner may.
    #[error("only the agent who owns the session may")]
    NotOwner,
    /// Given to oneself.
    #[error("the session is already with this agent")]
    SameAgent,
    /// The right to speak has passed on since the turn began.
    #[error("the right to speak has passed on")]
    Fenced,
}

impl Refused {
    /// The failure as clients know it.
    pub fn failure(&self) -> Failure {
        match self {
            Self::InManualMode(status) => {
                Failure::new(ErrorKind::Conflict, "SESSION_IN_MANUAL_MODE", status.as_str())
                    .with("status", status)
            }
            Self::ManualInProgress => {
                Failure::new(ErrorKind::Conflict, "MANUAL_IN_PROGRESS", "人工客服正在为您服务")
            }
            Self::AlreadyTaken(agent) => Failure::new(
                ErrorKind::Conflict,
                "ALREADY_TAKEN",
                format!("会话已被坐席【{}】接入", agent.name),
            )
            .with("agent_id", agent.id)
            .with("agent_name", &agent.name),
            Self::InvalidStatus { status, action } => Failure::new(
                ErrorKind::Conflict,
                "INVALID_STATUS",
                format!("当前状态为{status}，无法{action}"),
            )
            .with("status", status),
            Self::NotOwner => {
                Failure::new(ErrorKind::Forbidden, "NOT_OWNER", "只有当前服务的坐席才能操作会话")
            }
            Self::SameAgent => Failure::new(ErrorKind::Invalid, "SAME_AGENT", "不能转接给自己"),
            Self::Fenced => Failure::new(ErrorKind::Conflict, "FENCED", "the right to speak has passed on"),
        }
    }
}

/// What happens to `session` when `event` arrives at `now`.
///
/// # Errors
/// [`Refused`] when the contract does not allow the event in this status; the session stays as it is.
pub fn apply(session: &Session, event: Event, now: Timestamp) -> Result<Step, Refused> {
    match event {
        Event::CustomerSaid(via) => customer_said(session, via),
        Event::AgentSaid(agent) => agent_said(session, &agent),
        Event::Escalated { escalation, shop, notice } => escalated(session, escalation, shop, notice),
        Event::WaitCancelled => wait_cancelled(session),
        Event::HoursEnded { opens, promise } => hours_ended(session, opens, promise),
        Event::HoursBegan => hours_began(session, now),
        Event::OwnerLost => owner_lost(session, now),
        Event::TakenOver { agent, barge_in } => taken_over(session, agent, barge_in, now),
        Event::Transferred { by, to } => transferred(session, by, to, now),
        Event::Released(by) => released(session, by, now),
        Event::Closed(by) => closed(session, by, now),
    }
}

/// Ends the running turn with an answer of its own: the bot may still speak, or it is [`Refused::Fenced`].
/// `answer_failed` is what the failure counter counts; `None` leaves it.
///
/// # Errors
/// [`Refused::Fenced`] when the right to speak has passed on since `fence`, or another turn runs.
pub fn finish_turn(
    session: &Session,
    turn: crate::TurnId,
    fence: Fence,
    answer_failed: Option<bool>,
) -> Result<Step, Refused> {
    if session.fence != fence || session.turn != Some(turn) || !session.bot_answers() {
        return Err(Refused::Fenced);
    }
    let mut step = Step::stay(session);
    step.next.turn = None;
    step.next.ai_failures = match answer_failed {
        Some(true) => session.ai_failures.saturating_add(1),
        Some(false) => 0,
        None => session.ai_failures,
    };
    Ok(step)
}

fn customer_said(session: &Session, via: Via) -> Result<Step, Refused> {
    match (session.status, via) {
        (Status::PendingManual | Status::ManualLive, Via::Chat) => Err(Refused::InManualMode(session.status)),
        (Status::PendingManual | Status::ManualLive, Via::Manual) => {
            Ok(Step { reply: Reply::Human, ..Step::stay(session) })
        }
        (Status::BotActive | Status::AfterHoursEmail | Status::Closed, Via::Manual) => {
            Err(Refused::InvalidStatus { status: session.status, action: "发送人工消息" })
        }
        (Status::BotActive | Status::AfterHoursEmail, Via::Chat) => Ok(ask_bot(Step::stay(session))),
        (Status::Closed, Via::Chat) => {
            Ok(ask_bot(Step::stay(session).go(Status::BotActive, Some("reopened"))))
        }
    }
}

fn ask_bot(mut step: Step) -> Step {
    step.reply = if step.next.turn.is_some() { Reply::NextTurn } else { Reply::Bot };
    step
}

fn agent_said(session: &Session, agent: &AgentRef) -> Result<Step, Refused> {
    if session.status != Status::ManualLive {
        return Err(Refused::InvalidStatus { status: session.status, action: "发送消息" });
    }
    owned_by(session, Some(agent.id))?;
    Ok(Step::stay(session))
}

fn escalated(session: &Session, escalation: Escalation, shop: Shop, notice: Notice) -> Result<Step, Refused> {
    let start = match session.status {
        Status::ManualLive => return Err(Refused::ManualInProgress),
        // Waiting already: the place in the queue and the reason stay.
        Status::PendingManual => return Ok(Step::stay(session)),
        Status::AfterHoursEmail if shop != Shop::Open => return Ok(Step::stay(session)),
        Status::AfterHoursEmail | Status::Closed => {
            Step::stay(session).go(Status::BotActive, Some("reopened"))
        }
        Status::BotActive => Step::stay(session),
    };
    let reason = escalation.reason.as_str();
    let (to, due_at, notice, effect) = match shop {
        Shop::Open => (Status::PendingManual, Some(escalation.at), notice, Effect::CustomerWaits),
        Shop::Shut { opens, promise } => {
            (Status::AfterHoursEmail, opens, Notice::AfterHours { promise }, Effect::AfterHoursRequest)
        }
    };
    let mut step = start.go(to, Some(reason)).say(notice);
    step.next.desk.due_at = due_at;
    if session.escalation.is_some() {
        step.next.desk.repeats = session.desk.repeats.saturating_add(1);
    }
    step.next.escalation = Some(escalation);
    step.effects.push(effect);
    Ok(step)
}

fn wait_cancelled(session: &Session) -> Result<Step, Refused> {
    match session.status {
        Status::PendingManual | Status::AfterHoursEmail => {
            Ok(Step::stay(session).go(Status::BotActive, Some("cancelled")).say(Notice::WaitCancelled))
        }
        Status::BotActive | Status::ManualLive | Status::Closed => {
            Err(Refused::InvalidStatus { status: session.status, action: "取消等待" })
        }
    }
}

fn hours_ended(
    session: &Session,
    opens: Option<Timestamp>,
    promise: Option<String>,
) -> Result<Step, Refused> {
    match session.status {
        Status::PendingManual => {
            let mut step = Step::stay(session)
                .go(Status::AfterHoursEmail, Some("hours_ended"))
                .say(Notice::AfterHours { promise });
            step.next.desk.due_at = opens;
            step.effects.push(Effect::AfterHoursRequest);
            Ok(step)
        }
        Status::BotActive | Status::ManualLive | Status::AfterHoursEmail | Status::Closed => {
            Err(Refused::InvalidStatus { status: session.status, action: "转为邮件" })
        }
    }
}

/// Nobody is told in the log: the promise stands there. The session is due now at the latest.
fn hours_began(session: &Session, now: Timestamp) -> Result<Step, Refused> {
    match session.status {
        Status::AfterHoursEmail => {
            let mut step = Step::stay(session);
            step.next.desk.due_at = Some(session.desk.due_at.map_or(now, |due| due.min(now)));
            step.effects.push(Effect::FollowUpDue);
            Ok(step)
        }
        Status::BotActive | Status::PendingManual | Status::ManualLive | Status::Closed => {
            Err(Refused::InvalidStatus { status: session.status, action: "跟进" })
        }
    }
}

/// The customer waits anew, ahead of those who call for the first time: it counts as a repeated call.
fn owner_lost(session: &Session, now: Timestamp) -> Result<Step, Refused> {
    if session.status != Status::ManualLive {
        return Err(Refused::InvalidStatus { status: session.status, action: "重新排队" });
    }
    let mut step = Step::stay(session).go(Status::PendingManual, Some("owner_lost")).say(Notice::OwnerLost);
    step.next.desk.due_at = Some(now);
    step.next.desk.repeats = session.desk.repeats.saturating_add(1);
    step.next.manual_ended_at = Some(now);
    // A session that a supervisor took from the bot has none.
    let details = || Escalation::asked(Reason::Manual, Severity::High, "owner_lost".into(), now);
    step.next.escalation.get_or_insert_with(details);
    step.effects.extend([Effect::OwnerChanged, Effect::CustomerWaits]);
    Ok(step)
}

fn taken_over(session: &Session, agent: AgentRef, barge_in: bool, now: Timestamp) -> Result<Step, Refused> {
    match session.status {
        Status::ManualLive => {
            if let Some(owner) = &session.agent
                && (!barge_in || owner.id == agent.id)
            {
                return Err(Refused::AlreadyTaken(owner.clone()));
            }
        }
        Status::PendingManual | Status::AfterHoursEmail => {}
        Status::BotActive if barge_in => {}
        Status::BotActive | Status::Closed => {
            return Err(Refused::InvalidStatus { status: session.status, action: "接入" });
        }
    }
    let notice = Notice::TakenOver { agent: agent.name.clone() };
    let mut step = Step::stay(session).give(agent, None, now).say(notice);
    step.effects.push(Effect::OwnerChanged);
    Ok(step)
}

fn transferred(
    session: &Session,
    by: Option<AgentId>,
    to: AgentRef,
    now: Timestamp,
) -> Result<Step, Refused> {
    if session.status != Status::ManualLive {
        return Err(Refused::InvalidStatus { status: session.status, action: "转接" });
    }
    owned_by(session, by)?;
    let from = session.agent.as_ref().map(|agent| agent.name.clone()).unwrap_or_default();
    if session.agent.as_ref().is_some_and(|owner| owner.id == to.id) {
        return Err(Refused::SameAgent);
    }
    let notice = Notice::Transferred { from, to: to.name.clone() };
    let mut step = Step::stay(session).say(notice).give(to, Some("transferred"), now);
    step.effects.push(Effect::OwnerChanged);
    Ok(step)
}

fn released(session: &Session, by: Option<AgentId>, now: Timestamp) -> Result<Step, Refused> {
    if session.status != Status::ManualLive {
        return Err(Refused::InvalidStatus { status: session.status, action: "释放" });
    }
    owned_by(session, by)?;
    let mut step = Step::stay(session).say(Notice::Released).go(Status::BotActive, Some("released"));
    step.next.manual_ended_at = Some(now);
    step.effects.push(Effect::OwnerChanged);
    Ok(step)
}

fn closed(session: &Session, by: Option<AgentId>, now: Timestamp) -> Result<Step, Refused> {
    match session.status {
        Status::ManualLive => owned_by(session, by)?,
        Status::AfterHoursEmail => {}
        Status::BotActive | Status::PendingManual | Status::Closed => {
            return Err(Refused::InvalidStatus { status: session.status, action: "关闭" });
        }
    }
    let was_live = session.status == Status::ManualLive;
    let mut step = Step::stay(session).say(Notice::Closed).go(Status::Closed, Some("closed"));
    if was_live {
        step.next.manual_ended_at = Some(now);
    }
    step.effects.push(Effect::SessionClosed);
    Ok(step)
}

fn owned_by(session: &Session, by: Option<AgentId>) -> Result<(), Refused> {
    match (by, &session.agent) {
        (None, _) => Ok(()),
        (Some(by), Some(owner)) if owner.id == by => Ok(()),
        (Some(_), _) => Err(Refused::NotOwner),
    }
}

// === impl Step ===

impl Step {
    fn stay(session: &Session) -> Self {
        Self { next: session.clone(), changes: Vec::new(), effects: Vec::new(), reply: Reply::None }
    }

    fn say(mut self, notice: Notice) -> Self {
        self.changes.push(Change::Notice(notice));
        self
    }

    /// Goes to a status in which no agent owns the session.
    fn go(mut self, to: Status, reason: Option<&str>) -> Self {
        let from = self.next.status;
        self.next.status = to;
        self.next.desk.due_at = None;
        if let Some(agent) = self.next.agent.take() {
            self.next.desk.last_agent = Some(agent);
        }
        self.next.manual_since = None;
        self.pass_on(from, reason)
    }

    /// Gives the session to an agent.
    fn give(mut self, agent: AgentRef, reason: Option<&str>, now: Timestamp) -> Self {
        let from = self.next.status;
        self.next.status = Status::ManualLive;
        self.next.desk.due_at = None;
        self.next.agent = Some(agent);
        self.next.manual_since = Some(now);
        self.pass_on(from, reason)
    }

    /// The right to speak passes on: the fence moves, a running turn ends, and whoever speaks next has read all.
    fn pass_on(mut self, from: Status, reason: Option<&str>) -> Self {
        self.next.fence = self.next.fence.next();
        if let Some(turn) = self.next.turn.take() {
            self.changes.push(Change::TurnEnds(turn, TurnState::HandedOver));
        }
        self.next.covered = Seq::new(self.next.head.get());
        self.next.uncovered = 0;
        self.changes.push(Change::Status(StatusChange {
            from,
            to: self.next.status,
            reason: reason.map(str::to_owned),
            agent: self.next.agent.clone(),
            fence: self.next.fence,
        }));
        self
    }
}
