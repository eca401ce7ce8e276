//! Commands that are not part of a turn.

use super::{
    Store,
    desk::{audited, changed},
    say::may_have_token,
    traceparent,
    unit::Unit,
};
use crate::{error::SessionError, hours::Published, store::Committed};
use serde_json::json;
use std::sync::Arc;
use switchboard_db::sql;
use switchboard_domain::{
    AgentId, ClientMessageId, Entry, EntryBody, Principal, Seq, Session, SessionName,
    notice::Notice,
    session::{Escalation, Event, Profile, apply},
};
use switchboard_mesh::CallContext;

/// What makes a command repeatable.
#[derive(Debug, Clone)]
pub(crate) struct Repeatable {
    pub(crate) key: ClientMessageId,
    pub(crate) fingerprint: String,
    /// Whose key it is: another's says nothing.
    pub(crate) by: Principal,
}

impl Repeatable {
    /// The key as its session keeps it. Keys have no spaces, so nobody can name another's. The session's own customer is
    /// the only visitor it has.
    pub(super) fn kept(&self) -> String {
        match &self.by {
            Principal::Agent { id, .. } => of_agent(*id, self.key.as_str()),
            Principal::Service(part) => format!("{} {}", part.snake(), self.key.as_str()),
            Principal::Visitor(_) | Principal::Anonymous => self.key.as_str().to_owned(),
        }
    }
}

/// An agent's key beside those of others.
pub(super) fn of_agent(agent: AgentId, key: &str) -> String {
    format!("{agent} {key}")
}

impl Store {
    /// Makes a session, or finds it. The flag says whether the caller may have its visitor token.
    pub(crate) async fn open_session(
        &self,
        name: SessionName,
        profile: Option<Profile>,
        key: Option<ClientMessageId>,
        principal: Principal,
    ) -> Result<(Session, bool), SessionError> {
        let (store, trace) = (self.clone(), traceparent());
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open_or_create(tx, store, &name, key.as_ref(), trace).await?;
                    let created = may_have_token(&unit, &principal, key.as_ref())?;
                    if !unit.created {
                        return Ok((unit.session, created));
                    }
                    unit.session.profile = profile.unwrap_or_default();
                    Ok::<_, SessionError>((unit.save().await?.session, created))
                })
            })
            .await
    }

    /// Lets `event` happen to a session. With a key that was used before, tells what the first call wrote.
    pub(crate) async fn command(
        &self,
        method: &'static str,
        name: SessionName,
        event: Event,
        repeatable: Option<Repeatable>,
    ) -> Result<(Session, Vec<Entry>, bool), SessionError> {
        self.once(method, name, repeatable, Change::Event(Box::new(event))).await
    }

    /// Calls a human, now or when the session's queue opens.
    pub(crate) async fn escalate(
        &self,
        name: SessionName,
        escalation: Escalation,
        repeatable: Option<Repeatable>,
    ) -> Result<(Session, Vec<Entry>, bool), SessionError> {
        let hours = self.hours.current().await?;
        self.once("escalate", name, repeatable, Change::Escalate(Box::new(escalation), hours)).await
    }

    /// Notes a new upstream conversation: the bot's memory starts after the entry that tells of it.
    pub(crate) async fn set_conversation(
        &self,
        name: SessionName,
        conversation: String,
        repeatable: Option<Repeatable>,
    ) -> Result<(Session, Vec<Entry>, bool), SessionError> {
        self.once("set_conversation", name, repeatable, Change::Conversation(conversation)).await
    }

    async fn once(
        &self,
        method: &'static str,
        name: SessionName,
        repeatable: Option<Repeatable>,
        change: Change,
    ) -> Result<(Session, Vec<Entry>, bool), SessionError> {
        let (store, trace, session) = (self.clone(), traceparent(), name.clone());
        let actor = CallContext::current().and_then(|context| context.principal.agent());
        // What a customer does stands in the log; what an agent does for him is on record as well.
        let record = actor.map(|_| self.record(&format!("session.{method}"), name.as_str()));
        let outcome = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &name, trace).await?;
                    unit.actor = actor;
                    if let Some(repeatable) = &repeatable
                        && let Some(first) = first_answer(&mut unit, method, repeatable).await?
                    {
                        return Ok(Outcome::Before((first.from, first.to), Box::new(unit.session)));
                    }
                    let before = audited(&unit.session);
                    happen(&mut unit, change).await?;
                    if let Some(repeatable) = &repeatable {
                        unit.remember(method, repeatable, "").await?;
                    }
                    unit.record =
                        record.map(|record| changed(record, before, audited(&unit.session), json!({})));
                    Ok::<_, SessionError>(Outcome::Now(Box::new(unit.save().await?)))
                })
            })
            .await?;
        match outcome {
            Outcome::Now(committed) => {
                self.announce(&committed);
                Ok((committed.session, committed.entries, false))
            }
            Outcome::Before((from, to), current) => {
                Ok((*current, self.range(&session, from, to).await?, true))
            }
        }
    }
}

async fn happen(unit: &mut Unit<'_>, change: Change) -> Result<(), SessionError> {
    match change {
        Change::Event(event) => {
            let step = apply(&unit.session, *event, unit.now)?;
            unit.take(step).await
        }
        Change::Escalate(escalation, hours) => {
            let (session, notice) = (&unit.session, Notice::Waiting);
            let shop = hours.shop(&session.desk.queue, unit.now, session.language());
            let escalation = Escalation { at: unit.now, ..*escalation };
            let step = apply(session, Event::Escalated { escalation, shop, notice }, unit.now)?;
            unit.take(step).await
        }
        Change::Conversation(conversation) => {
            unit.session.conversation = Some(conversation.clone());
            unit.session.ai_failures = 0;
            unit.session.memory_from = unit.write(EntryBody::Conversation(conversation));
            Ok(())
        }
    }
}

enum Change {
    Event(Box<Event>),
    Escalate(Box<Escalation>, Arc<Published>),
    Conversation(String),
}

enum Outcome {
    Now(Box<Committed>),
    Before((Seq, Seq), Box<Session>),
}

/// The first answer to a repeatable command.
pub(super) struct First {
    pub(super) from: Seq,
    pub(super) to: Seq,
    /// What it answered with beside entries.
    pub(super) object: String,
}

pub(super) async fn first_answer(
    unit: &mut Unit<'_>,
    method: &str,
    repeatable: &Repeatable,
) -> Result<Option<First>, SessionError> {
    const FIND: &str = "SELECT fingerprint, from_seq, to_seq, object FROM replay \
                        WHERE session = $1 AND method = $2 AND key = $3";
    let find = sql(FIND).bind(unit.session.name.as_str()).bind(method).bind(repeatable.kept());
    let found: Option<(String, i64, i64, String)> = unit.tx.fetch_optional(find).await?;
    match found {
        Some((fingerprint, from, to, object)) if fingerprint == repeatable.fingerprint => {
            Ok(Some(First { from: Seq::new(from), to: Seq::new(to), object }))
        }
        Some(_) => Err(SessionError::KeyReused),
        None => Ok(None),
    }
}
