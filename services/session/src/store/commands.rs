//! Commands that are not part of a turn.

use super::{Store, say::may_have_token, traceparent, unit::Unit};
use crate::{error::SessionError, store::Committed};
use switchboard_db::sql;
use switchboard_domain::{
    ClientMessageId, Entry, EntryBody, Principal, Seq, Session, SessionName,
    session::{Event, Profile, apply},
};

/// What makes a command repeatable.
#[derive(Debug, Clone)]
pub(crate) struct Repeatable {
    pub(crate) key: ClientMessageId,
    pub(crate) fingerprint: String,
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
        let outcome = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &name, trace).await?;
                    if let Some(repeatable) = &repeatable
                        && let Some(range) = first_answer(&mut unit, method, repeatable).await?
                    {
                        return Ok(Outcome::Before(range, Box::new(unit.session)));
                    }
                    match change {
                        Change::Event(event) => {
                            let step = apply(&unit.session, *event, unit.now)?;
                            unit.take(step).await?;
                        }
                        Change::Conversation(conversation) => {
                            unit.session.conversation = Some(conversation.clone());
                            unit.session.ai_failures = 0;
                            unit.session.memory_from = unit.write(EntryBody::Conversation(conversation));
                        }
                    }
                    if let Some(repeatable) = &repeatable {
                        unit.remember(method, repeatable.key.as_str(), &repeatable.fingerprint).await?;
                    }
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

enum Change {
    Event(Box<Event>),
    Conversation(String),
}

enum Outcome {
    Now(Box<Committed>),
    Before((Seq, Seq), Box<Session>),
}

async fn first_answer(
    unit: &mut Unit<'_>,
    method: &str,
    repeatable: &Repeatable,
) -> Result<Option<(Seq, Seq)>, SessionError> {
    const FIND: &str =
        "SELECT fingerprint, from_seq, to_seq FROM replay WHERE session = $1 AND method = $2 AND key = $3";
    let find = sql(FIND).bind(unit.session.name.as_str()).bind(method).bind(repeatable.key.as_str());
    let found: Option<(String, i64, i64)> = unit.tx.fetch_optional(find).await?;
    match found {
        Some((fingerprint, from, to)) if fingerprint == repeatable.fingerprint => {
            Ok(Some((Seq::new(from), Seq::new(to))))
        }
        Some(_) => Err(SessionError::KeyReused),
        None => Ok(None),
    }
}
