//! The conductor: what happens in a turn, in order. It runs in a task of its own; whoever asked may leave.
//!
//! ```text
//! kept ─▶ may the bot answer? ─▶ who can? ─▶ deltas … ─▶ was it an answer? ─▶ recorded ─▶ told
//!              │ no                 │ nobody      │ broke off
//!              └──────────── a human is called, the customer is told ──────────┘
//! ```

use crate::{
    coalesce::Coalescer,
    config::{Bot, Config, Settings},
    error::ChatError,
    finish::Outcome,
    ladder::{Answering, Ladder},
    live::{Live, Stage, Watcher},
    peers::{Peers, as_myself},
    verdict,
};
use futures::StreamExt as _;
use std::{sync::Arc, time::Duration};
use switchboard_boot::{BuildError, Deps, Lifecycle};
use switchboard_domain::{
    Clock, Entry, Language, Rng, Sender, SessionName, Timestamp, TurnId,
    regulation::{Episode, Phase, Reason, Rules, Severity},
    session::Escalation,
    turn::TurnState,
};
use switchboard_mesh::{CallContext, Fail as _, reply::chain};
use switchboard_model::{Delta, Exchange, ModelError, Prompt, Speaker};
use switchboard_proto::{
    chat::v1::turn_event::Ended,
    convert::WireError,
    session::v1::{self as wire, begin_turn_response, finish_turn_request::HandOverNotice},
};
use tokio::time::Instant;
use tracing::Instrument as _;

/// What a client gave beside its text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters(pub(crate) serde_json::Map<String, serde_json::Value>);

/// Conversation ids that we made because the provider could not: the provider does not know them.
pub(crate) const LOCAL_CONVERSATION: &str = "local_";

/// Everything that a turn needs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Conductor {
    pub(crate) settings: Arc<Settings>,
    pub(crate) peers: Peers,
    pub(crate) ladder: Arc<Ladder>,
    pub(crate) live: Arc<Live>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) bot: Arc<Bot>,
    pub(crate) tasks: Lifecycle,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) workflow: Arc<(String, String)>,
    total: Duration,
}

/// How the answering part of a turn went.
enum Answer {
    Whole {
        conversation: Option<String>,
    },
    BrokeOff {
        conversation: Option<String>,
    },
    /// Somebody else has the turn, or it has ended.
    Lost,
}

impl Conductor {
    pub(crate) fn new(config: &Config, deps: &Deps, ladder: Ladder) -> Result<Self, BuildError> {
        let rules =
            Rules::builtin().map_err(|error| BuildError::new("the built-in rules cannot be read", error))?;
        let coze = &config.model.coze;
        Ok(Self {
            settings: Arc::new(config.chat_gateway.clone()),
            peers: Peers::new(deps)?,
            ladder: Arc::new(ladder),
            live: Arc::default(),
            rules: Arc::new(rules),
            bot: Arc::new(config.bot.clone()),
            tasks: deps.tasks.clone(),
            clock: Arc::clone(&deps.clock),
            rng: Arc::clone(&deps.rng),
            workflow: Arc::new((coze.workflow_id.clone(), coze.app_id.clone())),
            total: config.model.timers.total,
        })
    }

    /// Starts working on a turn, and on those that follow from it, in a task of its own. Gives one who watches it.
    pub(crate) fn start(&self, turn: wire::Turn, parameters: Parameters) -> Result<Watcher, ChatError> {
        let stage = self.stage(&turn)?;
        let watcher = stage.watch();
        let context = CallContext::current()
            .unwrap_or_else(|| CallContext::background(crate::NAME, &*self.clock, &*self.rng))
            .detached(crate::NAME);
        let span = tracing::info_span!("chat.turn", turn.id = turn.id, turn.attempt = turn.attempt);
        let this = self.clone();
        let work = async move { this.run(turn, stage, parameters).await };
        self.tasks.spawn("chat.turn", context.scope(work).instrument(span));
        Ok(watcher)
    }

    fn stage(&self, turn: &wire::Turn) -> Result<Stage, ChatError> {
        let id = TurnId::parse(&turn.id).map_err(|_| WireError::new("turn.id"))?;
        Ok(self.live.begin(id, SessionName::parse(&turn.session)?))
    }

    async fn run(self, mut turn: wire::Turn, mut stage: Stage, mut parameters: Parameters) {
        loop {
            let more = match self.play(&turn, stage, &parameters).await {
                Ok(more) => more,
                Err(error) => {
                    // The turn stays begun; after its lease it is found and taken up.
                    let code = error.failure().code;
                    return tracing::error!(turn.id = turn.id, %code, error = chain(&error), "turn not recorded");
                }
            };
            if !more {
                return;
            }
            parameters = Parameters::default();
            match self.next(&turn.session).await {
                Ok(Some(next)) => turn = next,
                Ok(None) => return,
                Err(error) => return tracing::warn!(error = chain(&error), "next turn not begun"),
            }
            stage = match self.stage(&turn) {
                Ok(stage) => stage,
                Err(error) => return tracing::error!(error = chain(&error), "next turn cannot be read"),
            };
        }
    }

    async fn next(&self, session: &str) -> Result<Option<wire::Turn>, ChatError> {
        let request = wire::BeginTurnRequest {
            session: session.to_owned(),
            context_limit: self.settings.context_messages,
        };
        let begun = as_myself(self.peers.session.clone().begin_turn(request)).await?;
        Ok(match begun.next {
            Some(begin_turn_response::Next::Turn(turn)) => Some(turn),
            Some(begin_turn_response::Next::Running(_) | begin_turn_response::Next::Idle(_)) | None => None,
        })
    }

    /// Plays one turn to its recorded end; says whether messages wait for the next one.
    async fn play(
        &self,
        turn: &wire::Turn,
        stage: Stage,
        parameters: &Parameters,
    ) -> Result<bool, ChatError> {
        let outcome = self.outcome(turn, &stage, parameters).await?;
        let Some(outcome) = outcome else {
            // Lost: whoever has it now tells how it ends.
            return Ok(false);
        };
        let recorded = self.record(turn, outcome).await?;
        tracing::info!(turn.id = turn.id, turn.state = recorded.state().as_str_name(), "turn ended");
        metrics::counter!("switchboard_turns_total", "state" => recorded.state().as_str_name()).increment(1);
        stage.end(Ended {
            turn: turn.id.clone(),
            state: recorded.state,
            entries: recorded.entries,
            session: recorded.session,
        });
        Ok(recorded.more)
    }

    async fn outcome(
        &self,
        turn: &wire::Turn,
        stage: &Stage,
        parameters: &Parameters,
    ) -> Result<Option<Outcome>, ChatError> {
        if let Some(outcome) = self.given_up(turn) {
            return Ok(Some(outcome));
        }
        let question = turn.questions.join("\n");
        let context = turn.context.iter().cloned().map(Entry::try_from).collect::<Result<Vec<_>, _>>()?;
        let earlier = verdict::earlier(&context);
        let vip_parameter = parameters.0.get("vip").is_some_and(is_truthy);
        let episode = Episode {
            phase: Phase::BeforeModel,
            customer_text: &question,
            answer: None,
            answer_failed_hard: false,
            ai_failures: turn.ai_failures,
            vip: turn.vip,
            vip_parameter,
            earlier: &earlier,
            now: Timestamp::default(), // set when it is asked
        };
        let verdict = self.judge(turn, episode).await;
        let degraded = verdict.degraded;
        if let Some(escalation) = verdict.escalation {
            let outcome = Outcome { degraded, ..Outcome::silent(TurnState::HandedOver) };
            return Ok(Some(outcome.with_hand_over(escalation, HandOverNotice::Waiting)));
        }
        let until = Instant::now() + self.settings.answer_deadline;
        let Some(mut answering) =
            self.ladder.answer(prompt(turn, &context, &question, parameters)?, until).await
        else {
            let outcome =
                Outcome { answer_failed: Some(true), degraded, ..Outcome::silent(TurnState::HandedOver) };
            return Ok(Some(outcome.with_hand_over(no_answer(), HandOverNotice::AiUnavailable)));
        };
        let answer = self.speak(turn, stage, &mut answering).await;
        let text = stage.text();
        let (sources, state, conversation) = match answer {
            Answer::Lost => return Ok(None),
            Answer::Whole { conversation } => (answering.sources, TurnState::Done, conversation),
            Answer::BrokeOff { conversation } => (Vec::new(), TurnState::Interrupted, conversation),
        };
        if state == TurnState::Interrupted {
            let outcome = Outcome {
                text,
                conversation,
                answer_failed: Some(true),
                degraded,
                ..Outcome::silent(TurnState::Interrupted)
            };
            return Ok(Some(outcome.with_hand_over(no_answer(), HandOverNotice::AnswerBrokeOff)));
        }
        let episode = Episode { phase: Phase::AfterAnswer, answer: Some(&text), ..episode };
        let verdict = self.judge(turn, episode).await;
        let hand_over = verdict.escalation.map(|escalation| (escalation, HandOverNotice::Waiting));
        let answer_failed = Some(verdict.answer_failed);
        let degraded = degraded || verdict.degraded;
        Ok(Some(Outcome { state, text, sources, answer_failed, conversation, hand_over, degraded }))
    }

    /// A turn that was taken over from a dead worker: what had been shown stays as it was shown, and what keeps killing
    /// workers is not tried for ever.
    fn given_up(&self, turn: &wire::Turn) -> Option<Outcome> {
        if !turn.partial.is_empty() {
            let outcome = Outcome { text: turn.partial.clone(), ..Outcome::silent(TurnState::Interrupted) };
            return Some(outcome.with_hand_over(no_answer(), HandOverNotice::AnswerBrokeOff));
        }
        (turn.attempt > self.settings.max_attempts).then(|| {
            Outcome::silent(TurnState::Failed).with_hand_over(no_answer(), HandOverNotice::AiUnavailable)
        })
    }

    /// Passes the answer on, chunk by chunk, and keeps the lease while it lasts.
    async fn speak(&self, turn: &wire::Turn, stage: &Stage, answering: &mut Answering) -> Answer {
        let mut coalescer = Coalescer::new(self.settings.coalesce_for, self.settings.coalesce_bytes);
        let lease = Duration::from_millis(u64::try_from(turn.lease_ms).unwrap_or(0));
        // What the customer has seen is on record at most this late, should this worker die.
        let renew_every = (lease / 3).min(self.settings.checkpoint_every);
        let mut renewal = Instant::now() + renew_every;
        let until = Instant::now() + self.total;
        let mut conversation = None;
        let failed = loop {
            let due = coalescer.due();
            let wake = due.unwrap_or(renewal).min(renewal).min(until);
            let delta = tokio::select! {
                delta = answering.deltas.next() => delta,
                () = tokio::time::sleep_until(wake) => {
                    let now = Instant::now();
                    if due.is_some_and(|due| due <= now) && let Some(chunk) = coalescer.flush(now) {
                        stage.say(&chunk);
                    }
                    if renewal <= now {
                        if !self.renew(turn, stage).await {
                            return Answer::Lost;
                        }
                        renewal = Instant::now() + renew_every;
                    }
                    if until <= now {
                        break Some(ModelError::Timeout { phase: switchboard_model::Phase::Total });
                    }
                    continue;
                }
            };
            match delta {
                Some(Ok(Delta::Text(text))) => {
                    if let Some(chunk) = coalescer.push(&text, Instant::now()) {
                        stage.say(&chunk);
                    }
                }
                Some(Ok(Delta::Conversation(id))) => conversation = Some(id),
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        if let Some(chunk) = coalescer.flush(Instant::now()) {
            stage.say(&chunk);
        }
        let failed = failed.or_else(|| stage.is_silent().then_some(ModelError::Empty));
        answering.ended(failed.as_ref().map_or(Ok(()), Err));
        if failed.is_some() { Answer::BrokeOff { conversation } } else { Answer::Whole { conversation } }
    }

    /// Keeps the lease. A session service that is away takes nothing from us: recording will tell.
    async fn renew(&self, turn: &wire::Turn, stage: &Stage) -> bool {
        let request =
            wire::RenewTurnRequest { turn: turn.id.clone(), attempt: turn.attempt, partial: stage.text() };
        match as_myself(self.peers.session.clone().renew_turn(request)).await {
            Ok(renewed) => renewed.held,
            Err(error) => {
                tracing::warn!(error = chain(&error), "lease not renewed");
                true
            }
        }
    }
}

fn prompt(
    turn: &wire::Turn,
    context: &[Entry],
    question: &str,
    parameters: &Parameters,
) -> Result<Prompt, ChatError> {
    Ok(Prompt {
        session: SessionName::parse(&turn.session)?,
        question: question.to_owned(),
        history: history(context),
        conversation: turn.conversation.clone().filter(|id| !id.starts_with(LOCAL_CONVERSATION)),
        language: Language::from_tag(&turn.language).unwrap_or_default(),
        parameters: parameters.0.clone(),
    })
}

/// Why a human is called when no provider answers.
fn no_answer() -> Escalation {
    Escalation {
        reason: Reason::FailLoop,
        severity: Severity::High,
        details: "AI 服务暂时不可用，未能完成回答".to_owned(),
        at: Timestamp::default(), // the session service stamps it when it is written
        rule: String::new(),
        rules_version: String::new(),
        evidence: Vec::new(),
    }
}

fn is_truthy(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => false,
        serde_json::Value::Bool(flag) => *flag,
        serde_json::Value::Number(number) => number.as_f64() != Some(0.0),
        serde_json::Value::String(text) => !matches!(text.trim(), "" | "0" | "false"),
        serde_json::Value::Array(list) => !list.is_empty(),
        serde_json::Value::Object(map) => !map.is_empty(),
    }
}

/// What was said before. A provider that keeps a memory has not seen the stretches in which an agent talked.
fn history(context: &[Entry]) -> Vec<Exchange> {
    let messages: Vec<_> = context.iter().filter_map(Entry::message).collect();
    let beside_agent = |at: usize| {
        let is_human = |sender: Option<Sender>| sender == Some(Sender::Agent);
        let before = messages[..at]
            .iter()
            .rev()
            .map(|m| m.sender)
            .find(|s| matches!(s, Sender::Agent | Sender::Assistant));
        let after =
            messages[at..].iter().map(|m| m.sender).find(|s| matches!(s, Sender::Agent | Sender::Assistant));
        is_human(before) || is_human(after)
    };
    let exchange = |(at, message): (usize, &&switchboard_domain::Message)| {
        let (speaker, unseen_by_vendor) = match message.sender {
            Sender::Customer => (Speaker::User, message.turn.is_none() && beside_agent(at)),
            Sender::Assistant => (Speaker::Assistant, false),
            Sender::Agent => (Speaker::Agent, true),
            Sender::System => return None, // notices of the house are no part of the conversation
        };
        Some(Exchange { speaker, text: message.text.clone(), unseen_by_vendor })
    };
    messages.iter().enumerate().filter_map(exchange).collect()
}
