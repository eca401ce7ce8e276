//! One unit of work on one session: read it under lock, add entries, write it back with its new head. Everything that
//! the log ever gets goes through here, so there is one place that gives out sequence numbers.

use super::{
    Repeatable,
    feed::{self, Telling},
    rows::{SessionRow, insert_entry, insert_session, json, session_columns, update_session},
    tally::Ledger,
};
use crate::{error::SessionError, store::Store};
use serde_json::Value;
use switchboard_db::{
    Engine, Tx,
    audit::{self, NewRecord},
    sql,
};
use switchboard_domain::{
    AgentId, ClientMessageId, Entry, EntryBody, EventId, Message, MessageId, Sender, Seq, Session,
    SessionName, Status, Timestamp, TurnId,
    entry::TurnChange,
    session::{Change, Effect, Step, Version},
    turn::TurnState,
};

/// What was committed. Handlers answer with this and with nothing else, so nothing is acknowledged before.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) session: Session,
    pub(crate) entries: Vec<Entry>,
    /// The outbox has something new.
    pub(crate) effects: bool,
    /// New places in agents' logs.
    pub(crate) told: Vec<(AgentId, i64)>,
    /// An offer was made or has ended.
    pub(crate) offers: bool,
    /// Another number of customers waits, or somebody else serves this one.
    pub(crate) floor: bool,
}

/// What of a session everybody at the desk sees; of what was heard, how much.
type Floor = (Status, Option<AgentId>, Option<Timestamp>, [usize; 2]);

fn floor(session: &Session) -> Floor {
    let desk = &session.desk;
    let heard = [desk.urgent.len(), desk.needs.len()];
    (session.status, session.agent.as_ref().map(|agent| agent.id), desk.due_at, heard)
}

/// A session under lock inside a transaction.
pub(crate) struct Unit<'t> {
    pub(crate) tx: &'t mut Tx,
    pub(crate) store: Store,
    pub(crate) session: Session,
    pub(crate) created: bool,
    pub(crate) opened_key: Option<String>,
    pub(crate) now: Timestamp,
    pub(crate) entries: Vec<Entry>,
    /// The turn whose end is being written: what the customer is told belongs to it.
    pub(crate) ending: Option<TurnId>,
    /// The agent who acts; what he does himself he need not be told.
    pub(crate) actor: Option<AgentId>,
    /// What an agent says to the offer that this commit answers.
    pub(crate) answer_note: String,
    /// An offer was made or has ended.
    pub(crate) offers_changed: bool,
    /// Not a sign of life: the session keeps its place among the recently updated ones.
    pub(crate) quiet: bool,
    /// What the audit log gets, last of all.
    pub(crate) record: Option<NewRecord>,
    pub(super) ledger: Ledger,
    tellings: Vec<Telling>,
    floor: Floor,
    read: Version,
    traceparent: String,
    effects: Vec<(Effect, Seq)>,
}

const LOCK_POSTGRES: &str =
    concat!("SELECT ", session_columns!(), " FROM session WHERE name = $1 FOR UPDATE");
/// The writer's transaction holds the whole database already.
const LOCK_SQLITE: &str = concat!("SELECT ", session_columns!(), " FROM session WHERE name = $1");

impl<'t> Unit<'t> {
    /// Reads a session that exists.
    pub(crate) async fn open(
        tx: &'t mut Tx,
        store: Store,
        name: &SessionName,
        traceparent: String,
    ) -> Result<Self, SessionError> {
        let row = locked(tx, &store, name).await?.ok_or(SessionError::NotFound)?;
        Self::from_row(tx, store, row, false, traceparent)
    }

    /// Reads a session, or makes it.
    pub(crate) async fn open_or_create(
        tx: &'t mut Tx,
        store: Store,
        name: &SessionName,
        key: Option<&ClientMessageId>,
        traceparent: String,
    ) -> Result<Self, SessionError> {
        if let Some(row) = locked(tx, &store, name).await? {
            return Self::from_row(tx, store, row, false, traceparent);
        }
        let session = Session::new(name.clone(), store.clock.now());
        let made = tx.execute(insert_session(&session, key.map(ClientMessageId::as_str))).await? == 1;
        // Somebody else made it in between (Postgres): then it is there now.
        let row = locked(tx, &store, name).await?.ok_or(SessionError::NotFound)?;
        Self::from_row(tx, store, row, made, traceparent)
    }

    fn from_row(
        tx: &'t mut Tx,
        store: Store,
        mut row: SessionRow,
        created: bool,
        traceparent: String,
    ) -> Result<Self, SessionError> {
        let opened_key = row.opened_key.take();
        let session = row.into_session()?;
        let now = store.clock.now();
        Ok(Self {
            tx,
            store,
            read: session.version,
            floor: floor(&session),
            ledger: Ledger::of(&session, created),
            session,
            created,
            opened_key,
            now,
            entries: Vec::new(),
            ending: None,
            actor: None,
            answer_note: String::new(),
            offers_changed: false,
            quiet: false,
            record: None,
            tellings: Vec::new(),
            traceparent,
            effects: Vec::new(),
        })
    }

    /// Adds an entry; gives its place.
    pub(crate) fn write(&mut self, body: EntryBody) -> Seq {
        let seq = self.session.head.next();
        self.session.head = seq;
        self.entries.push(Entry { session: self.session.name.clone(), seq, at: self.now, body });
        seq
    }

    /// Takes over what the state machine decided: the session's next state and the entries that tell of it. `head` is
    /// this unit's to move.
    pub(crate) async fn take(&mut self, step: Step) -> Result<(), SessionError> {
        let head = self.session.head;
        let (fence, former) = (self.session.fence, self.session.agent.clone());
        let (due_at, mut reason) = (self.session.desk.due_at, None);
        self.session = Session { head, ..step.next };
        for change in step.changes {
            match change {
                Change::Status(change) => {
                    reason.clone_from(&change.reason);
                    let seq = self.session.head.next();
                    self.ledger.note(seq, &change, due_at);
                    self.write(EntryBody::Status(change));
                }
                Change::Notice(notice) => {
                    let text = notice.text(self.session.language());
                    self.write_notice(text);
                }
                Change::TurnEnds(turn, state) => {
                    self.end_turn(turn, state, false, self.session.head.next()).await?;
                }
            }
        }
        let at = self.session.head;
        self.effects.extend(step.effects.into_iter().map(|effect| (effect, at)));
        if self.session.fence == fence {
            return Ok(());
        }
        if self.ledger.calls() {
            self.hear().await?;
        }
        self.passed_on(former, reason).await
    }

    /// Tells an agent of something with the commit.
    pub(crate) fn tell(&mut self, agent: AgentId, kind: &'static str, payload: Value) {
        self.tellings.push(Telling { agent, kind, payload });
    }

    fn write_notice(&mut self, text: String) {
        let id = MessageId::mint(&*self.store.clock, &*self.store.rng);
        self.write(EntryBody::Message(Message {
            id,
            sender: Sender::System,
            text,
            agent: None,
            client_message_id: None,
            turn: self.ending,
            sources: Vec::new(),
            interrupted: false,
        }));
    }

    /// Records that a turn has ended. `from` is the first entry of its end.
    pub(crate) async fn end_turn(
        &mut self,
        turn: TurnId,
        state: TurnState,
        degraded: bool,
        from: Seq,
    ) -> Result<(), SessionError> {
        let to = self.write(EntryBody::Turn(TurnChange { turn, state, covers: Vec::new(), degraded }));
        const END: &str = "UPDATE turn SET state = $2, finished_at = $3, ended_from = $4, ended_to = $5, \
                           partial = '' WHERE id = $1 AND state = 'accepted'";
        let end = sql(END)
            .bind(turn.to_string())
            .bind(state.as_str())
            .bind(self.now.millis())
            .bind(from.get())
            .bind(to.get());
        self.tx.execute(end).await?;
        Ok(())
    }

    /// Begins a turn for everything that no turn has covered yet.
    pub(crate) async fn begin_turn(
        &mut self,
        id: TurnId,
        covers: Vec<MessageId>,
    ) -> Result<(), SessionError> {
        let (lease, fence) = (self.now.plus(self.store.settings.turn_lease), self.session.fence);
        self.session.covered = self.session.head;
        self.session.uncovered = 0;
        self.session.turn = Some(id);
        let stored = json(&covers);
        let begun = self.write(EntryBody::Turn(TurnChange {
            turn: id,
            state: TurnState::Accepted,
            covers,
            degraded: false,
        }));
        const BEGIN: &str = "INSERT INTO turn (id, session, state, fence, attempt, covers, partial, lease_until, \
                             started_at, begun_seq) VALUES ($1, $2, 'accepted', $3, 1, $4, '', $5, $6, $7)";
        let begin = sql(BEGIN)
            .bind(id.to_string())
            .bind(self.session.name.as_str())
            .bind(fence.get())
            .bind(stored)
            .bind(lease.millis())
            .bind(self.now.millis())
            .bind(begun.get());
        self.tx.execute(begin).await?;
        Ok(())
    }

    /// Notes the first answer to a repeatable command; `object` is what it answers with beside entries.
    pub(crate) async fn remember(
        &mut self,
        method: &str,
        repeatable: &Repeatable,
        object: &str,
    ) -> Result<(), SessionError> {
        const REMEMBER: &str = "INSERT INTO replay (session, method, key, fingerprint, from_seq, to_seq, at, object) \
                                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let from = self.entries.first().map_or(self.session.head.next(), |entry| entry.seq);
        let remember = sql(REMEMBER)
            .bind(self.session.name.as_str())
            .bind(method)
            .bind(repeatable.kept())
            .bind(repeatable.fingerprint.as_str())
            .bind(from.get())
            .bind(self.session.head.get())
            .bind(self.now.millis())
            .bind(object);
        self.tx.execute(remember).await?;
        Ok(())
    }

    /// Writes everything. The transaction around it commits.
    pub(crate) async fn save(mut self) -> Result<Committed, SessionError> {
        self.session.version = self.read.next();
        if !self.quiet {
            self.session.updated_at = self.now;
        }
        for entry in &self.entries {
            self.tx.execute(insert_entry(entry)).await?;
        }
        const ADD: &str = "INSERT INTO outbox (event_id, session, seq, kind, at, traceparent, attempts, leased_until) \
                           VALUES ($1, $2, $3, $4, $5, $6, 0, 0)";
        for (effect, seq) in &self.effects {
            let add = sql(ADD)
                .bind(EventId::mint(&*self.store.clock, &*self.store.rng).to_string())
                .bind(self.session.name.as_str())
                .bind(seq.get())
                .bind(effect.as_str())
                .bind(self.now.millis())
                .bind(self.traceparent.as_str());
            self.tx.execute(add).await?;
        }
        if self.tx.execute(update_session(&self.session, self.read)).await? != 1 {
            // The row was locked: only a broken invariant gets here.
            return Err(SessionError::Corrupt { table: "session" });
        }
        self.settle().await?;
        self.conclude().await
    }

    /// Writes what goes with a session that itself stays as it is: offers and notes, what agents are told, the audit
    /// log.
    pub(crate) async fn save_beside(self) -> Result<Committed, SessionError> {
        if self.session.version != self.read || !self.entries.is_empty() || !self.effects.is_empty() {
            return Err(SessionError::Corrupt { table: "session" });
        }
        self.conclude().await
    }

    /// Agents' logs in the order of their ids, then the audit log: the same everywhere, so that nobody waits in a ring.
    async fn conclude(mut self) -> Result<Committed, SessionError> {
        self.tellings.sort_by_key(|telling| telling.agent);
        let mut told = Vec::with_capacity(self.tellings.len());
        for telling in &self.tellings {
            let (name, payload) = (self.session.name.as_str(), telling.payload.to_string());
            let place = feed::tell(self.tx, telling.agent, telling.kind, name, &payload, self.now).await?;
            told.push((telling.agent, place));
        }
        if let Some(record) = self.record.take() {
            audit::append(self.tx, record).await?;
        }
        Ok(Committed {
            floor: self.created || floor(&self.session) != self.floor,
            session: self.session,
            entries: self.entries,
            effects: !self.effects.is_empty(),
            told,
            offers: self.offers_changed,
        })
    }
}

async fn locked(tx: &mut Tx, store: &Store, name: &SessionName) -> Result<Option<SessionRow>, SessionError> {
    let text = match store.db.engine() {
        Engine::Postgres => LOCK_POSTGRES,
        Engine::Sqlite => LOCK_SQLITE,
    };
    Ok(tx.fetch_optional(sql(text).bind(name.as_str())).await?)
}
