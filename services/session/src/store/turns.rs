//! Turns: begun with a message, kept by a lease, ended with an answer.

use super::{Store, say::uncovered, traceparent, unit::Unit};
use crate::{
    error::SessionError,
    hours::Published,
    store::rows::{EntryRow, TurnRow},
};
use switchboard_db::{Tx, sql};
use switchboard_domain::{
    Entry, EntryBody, Message, MessageId, Sender, Seq, Session, SessionName, Source, TurnId,
    notice::Notice,
    session::{Escalation, Event, Fence, Refused, apply, finish_turn},
    turn::TurnState,
};

/// The columns of [`TurnRow`].
macro_rules! turn_columns {
    () => {
        "id, session, state, fence, attempt, covers, partial, begun_seq, ended_from, ended_to"
    };
}

/// A turn in the hands of a worker.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) id: TurnId,
    pub(crate) session: Session,
    pub(crate) fence: Fence,
    pub(crate) attempt: i64,
    pub(crate) covers: Vec<MessageId>,
    /// What the covered messages say.
    pub(crate) questions: Vec<String>,
    /// Messages before them, oldest first.
    pub(crate) context: Vec<Entry>,
    pub(crate) partial: String,
}

/// What asking for the next turn gave.
#[derive(Debug)]
pub(crate) enum Begun {
    Turn(Box<Held>, Vec<Entry>),
    Running(TurnId),
    Idle,
}

/// How a turn ends.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    pub(crate) turn: TurnId,
    pub(crate) session: SessionName,
    pub(crate) fence: Fence,
    pub(crate) attempt: i64,
    pub(crate) state: TurnState,
    pub(crate) text: String,
    pub(crate) sources: Vec<Source>,
    pub(crate) answer_failed: Option<bool>,
    pub(crate) conversation: Option<String>,
    pub(crate) hand_over: Option<(Escalation, Notice)>,
    /// Built-in rules decided in place of the regulator.
    pub(crate) degraded: bool,
}

/// How a turn ended, as it is on record.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    pub(crate) state: TurnState,
    pub(crate) entries: Vec<Entry>,
    pub(crate) session: Session,
    pub(crate) begun: Seq,
}

impl Store {
    /// A turn with everything that its worker needs.
    pub(crate) async fn held(
        &self,
        id: TurnId,
        session: Session,
        context: u32,
    ) -> Result<Held, SessionError> {
        let row = self.turn_row(id).await?;
        self.held_from(row, session, context).await
    }

    async fn held_from(&self, row: TurnRow, session: Session, limit: u32) -> Result<Held, SessionError> {
        let covers = row.covers()?;
        let begun = Seq::new(row.begun_seq);
        let covered = self.covered(&session.name, begun, covers.len()).await?;
        let questions = covered.iter().filter_map(|entry| Some(entry.message()?.text.clone())).collect();
        let context = self.context(&session, begun, limit, &covers).await?;
        Ok(Held {
            id: row.id()?,
            fence: Fence::new(row.fence),
            attempt: row.attempt,
            covers,
            questions,
            context,
            partial: row.partial,
            session,
        })
    }

    /// The messages that a turn covers: the customer's last ones before its beginning, whatever came between them.
    async fn covered(
        &self,
        name: &SessionName,
        begun: Seq,
        count: usize,
    ) -> Result<Vec<Entry>, SessionError> {
        const COVERED: &str = "SELECT seq, at, body FROM entry WHERE session = $1 AND kind = 'message' \
                               AND sender = 'user' AND seq < $2 ORDER BY seq DESC LIMIT $3";
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let covered = sql(COVERED).bind(name.as_str()).bind(begun.get()).bind(count);
        let rows: Vec<EntryRow> = self.db.fetch_all(covered).await?;
        rows.into_iter().rev().map(|row| row.into_entry(name)).collect()
    }

    /// Up to `limit` messages before a turn's beginning that it does not cover, as far as the bot's memory reaches.
    async fn context(
        &self,
        session: &Session,
        begun: Seq,
        limit: u32,
        covers: &[MessageId],
    ) -> Result<Vec<Entry>, SessionError> {
        // Nothing stands before a first question: the common case needs no look.
        if limit == 0 || begun.get() <= session.memory_from.get() + 2 {
            return Ok(Vec::new());
        }
        const BEFORE: &str = "SELECT seq, at, body FROM entry WHERE session = $1 AND kind = 'message' AND seq < $2 \
                              AND seq > $3 ORDER BY seq DESC LIMIT $4";
        let count = i64::from(limit) + i64::try_from(covers.len()).unwrap_or(i64::MAX);
        let before = sql(BEFORE)
            .bind(session.name.as_str())
            .bind(begun.get())
            .bind(session.memory_from.get())
            .bind(count);
        let rows: Vec<EntryRow> = self.db.fetch_all(before).await?;
        let mut context = Vec::with_capacity(rows.len());
        for row in rows {
            let entry = row.into_entry(&session.name)?;
            if entry.message().is_some_and(|message| !covers.contains(&message.id)) {
                context.push(entry);
            }
        }
        context.truncate(limit as usize);
        context.reverse();
        Ok(context)
    }

    async fn turn_row(&self, id: TurnId) -> Result<TurnRow, SessionError> {
        const TURN: &str = concat!("SELECT ", turn_columns!(), " FROM turn WHERE id = $1");
        self.db.fetch_optional(sql(TURN).bind(id.to_string())).await?.ok_or(SessionError::TurnNotFound)
    }

    /// Begins the turn for messages that waited behind another one.
    pub(crate) async fn begin_next(&self, name: SessionName, context: u32) -> Result<Begun, SessionError> {
        let (store, trace) = (self.clone(), traceparent());
        let outcome = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &name, trace).await?;
                    if let Some(running) = unit.session.turn {
                        return Ok(Err(Begun::Running(running)));
                    }
                    if unit.session.uncovered == 0 || !unit.session.bot_answers() {
                        return Ok(Err(Begun::Idle));
                    }
                    let id = TurnId::mint(&*unit.store.clock, &*unit.store.rng);
                    let covers = uncovered(unit.tx, &unit.session).await?;
                    unit.begin_turn(id, covers).await?;
                    Ok::<_, SessionError>(Ok((id, unit.save().await?)))
                })
            })
            .await?;
        match outcome {
            Err(begun) => Ok(begun),
            Ok((id, committed)) => {
                self.announce(&committed);
                let held = self.held(id, committed.session, context).await?;
                Ok(Begun::Turn(Box::new(held), committed.entries))
            }
        }
    }

    /// Keeps a lease and the text so far. False: the turn has ended, or somebody else has it.
    pub(crate) async fn renew(
        &self,
        id: TurnId,
        attempt: i64,
        partial: String,
    ) -> Result<bool, SessionError> {
        let until = self.clock.now().plus(self.settings.turn_lease);
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    const RENEW: &str = "UPDATE turn SET lease_until = $3, partial = $4 \
                                         WHERE id = $1 AND attempt = $2 AND state = 'accepted'";
                    let renew =
                        sql(RENEW).bind(id.to_string()).bind(attempt).bind(until.millis()).bind(partial);
                    Ok(tx.execute(renew).await? == 1)
                })
            })
            .await
    }

    /// Ends a turn: one commit with its answer and the hand-over that it asks for. A turn that has ended before tells
    /// how.
    pub(crate) async fn finish(&self, finish: Finish) -> Result<Finished, SessionError> {
        let (id, name) = (finish.turn, finish.session.clone());
        let (store, trace) = (self.clone(), traceparent());
        let hours = self.hours.current().await?;
        let committed = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &finish.session, trace).await?;
                    if !is_ours(unit.tx, &finish).await? {
                        return Ok(None);
                    }
                    end(&mut unit, finish, &hours).await?;
                    Ok::<_, SessionError>(Some(unit.save().await?))
                })
            })
            .await?;
        if let Some(committed) = &committed {
            self.announce(committed);
        }
        self.turn(id, &name).await
    }

    /// How a turn stands, with what its end wrote.
    pub(crate) async fn turn(&self, id: TurnId, name: &SessionName) -> Result<Finished, SessionError> {
        let row = self.turn_row(id).await?;
        if row.session != name.as_str() {
            return Err(SessionError::TurnNotFound);
        }
        let entries = match (row.ended_from, row.ended_to) {
            (Some(from), Some(to)) => self.range(name, Seq::new(from), Seq::new(to)).await?,
            _ => Vec::new(),
        };
        let session = self.session(name).await?;
        Ok(Finished { state: row.state()?, entries, session, begun: Seq::new(row.begun_seq) })
    }

    /// Gives up to `limit` turns whose lease has run out to the caller, and begins those that nobody began.
    pub(crate) async fn claim(&self, limit: u32, context: u32) -> Result<Vec<Held>, SessionError> {
        let now = self.clock.now();
        const EXPIRED: &str = "SELECT id, session FROM turn WHERE state = 'accepted' AND lease_until < $1 \
                               ORDER BY lease_until LIMIT $2";
        let expired: Vec<(String, String)> =
            self.db.fetch_all(sql(EXPIRED).bind(now.millis()).bind(i64::from(limit))).await?;
        let mut held = Vec::new();
        for (id, name) in expired {
            let until = now.plus(self.settings.turn_lease);
            let row = self
                .db
                .transaction(move |tx| Box::pin(async move { take(tx, id, now, until).await }))
                .await?;
            if let Some(row) = row {
                let name = SessionName::parse(&name)?;
                held.push(self.held_from(row, self.session(&name).await?, context).await?);
            }
        }
        const FORGOTTEN: &str = "SELECT name FROM session WHERE uncovered > 0 AND turn_id IS NULL \
                                 AND status IN ('bot_active', 'after_hours_email') AND updated_at < $1 LIMIT $2";
        let since = now.millis() - i64::try_from(self.settings.turn_lease.as_millis()).unwrap_or(i64::MAX);
        let forgotten: Vec<(String,)> =
            self.db.fetch_all(sql(FORGOTTEN).bind(since).bind(i64::from(limit))).await?;
        for (name,) in forgotten {
            if let Begun::Turn(turn, _) = self.begin_next(SessionName::parse(&name)?, context).await? {
                held.push(*turn);
            }
        }
        Ok(held)
    }
}

/// Takes an expired turn, unless somebody was faster or it has ended.
async fn take(
    tx: &mut Tx,
    id: String,
    now: switchboard_domain::Timestamp,
    until: switchboard_domain::Timestamp,
) -> Result<Option<TurnRow>, SessionError> {
    const TAKE: &str = concat!(
        "UPDATE turn SET attempt = attempt + 1, lease_until = $2 WHERE id = $1 AND state = 'accepted' \
         AND lease_until < $3 RETURNING ",
        turn_columns!()
    );
    Ok(tx.fetch_optional(sql(TAKE).bind(id).bind(until.millis()).bind(now.millis())).await?)
}

/// Whether the turn still runs, in the caller's hands.
async fn is_ours(tx: &mut Tx, finish: &Finish) -> Result<bool, SessionError> {
    const STATE: &str = "SELECT state, attempt FROM turn WHERE id = $1 AND session = $2";
    let found: Option<(String, i64)> =
        tx.fetch_optional(sql(STATE).bind(finish.turn.to_string()).bind(finish.session.as_str())).await?;
    let (state, attempt) = found.ok_or(SessionError::TurnNotFound)?;
    if state != TurnState::Accepted.as_str() {
        return Ok(false);
    }
    if attempt != finish.attempt {
        return Err(SessionError::TurnLost);
    }
    Ok(true)
}

async fn end(unit: &mut Unit<'_>, finish: Finish, hours: &Published) -> Result<(), SessionError> {
    let from = unit.session.head.next();
    let step = match finish_turn(&unit.session, finish.turn, finish.fence, finish.answer_failed) {
        Ok(step) => step,
        // Whoever moved the fence has ended the turn already; this one is an orphan of a broken invariant.
        Err(Refused::Fenced) => {
            return unit.end_turn(finish.turn, TurnState::HandedOver, finish.degraded, from).await;
        }
        Err(refused) => return Err(refused.into()),
    };
    unit.ending = Some(finish.turn);
    unit.take(step).await?;
    if let Some(conversation) = finish.conversation
        && unit.session.conversation.as_deref() != Some(conversation.as_str())
    {
        unit.session.conversation = Some(conversation.clone());
        unit.write(EntryBody::Conversation(conversation));
    }
    if !finish.text.is_empty() {
        let id = MessageId::mint(&*unit.store.clock, &*unit.store.rng);
        unit.write(EntryBody::Message(Message {
            id,
            sender: Sender::Assistant,
            text: finish.text,
            agent: None,
            client_message_id: None,
            turn: Some(finish.turn),
            sources: finish.sources,
            interrupted: finish.state == TurnState::Interrupted,
        }));
    }
    if let Some((escalation, notice)) = finish.hand_over {
        let escalation = Escalation { at: unit.now, ..escalation };
        let shop = hours.shop(&unit.session.desk.queue, unit.now, unit.session.language());
        let step = apply(&unit.session, Event::Escalated { escalation, shop, notice }, unit.now)?;
        unit.take(step).await?;
    }
    unit.end_turn(finish.turn, finish.state, finish.degraded, from).await
}
