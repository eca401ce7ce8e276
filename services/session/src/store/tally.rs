//! What the numbers of the floor rest on, kept in step with the log: how many sessions there are of each kind, and the
//! stretches that a session spent waiting or with an agent. Written by [`Unit::save`] and by nobody else.

use super::{rows::EntryRow, unit::Unit};
use crate::error::SessionError;
use switchboard_db::{Statement, sql};
use switchboard_domain::{
    Sender, Seq, Session, Status, Timestamp,
    entry::{AgentRef, StatusChange},
    routing::Heard,
};

/// Rows of `tally`: so many units can move a count at once.
const SHARDS: u32 = 16;
/// Ranks of the list.
pub(crate) const RANKS: usize = 10;

/// The place of a kind of session in the list: VIPs, then waiting, live, bot, after hours, closed. Greater comes first.
pub(crate) fn rank(status: Status, vip: bool) -> i64 {
    let rank = match status {
        Status::PendingManual => 4,
        Status::ManualLive => 3,
        Status::BotActive => 2,
        Status::AfterHoursEmail => 1,
        Status::Closed => 0,
    };
    if vip { rank + 5 } else { rank }
}

/// Whether the customer used an urgent word or had to call before.
pub(crate) fn pressing(session: &Session) -> bool {
    session.desk.repeats > 0 || !session.desk.urgent.is_empty()
}

/// What a unit found, and what it moved since.
#[derive(Debug)]
pub(super) struct Ledger {
    /// `None`: it was not there.
    rank: Option<i64>,
    moves: Vec<Move>,
}

/// One status entry.
#[derive(Debug)]
struct Move {
    seq: Seq,
    from: Status,
    to: Status,
    reason: Option<String>,
    agent: Option<AgentRef>,
    /// Since when the customer was due before it.
    due_at: Option<Timestamp>,
}

impl Ledger {
    pub(super) fn of(session: &Session, created: bool) -> Self {
        Self { rank: (!created).then(|| rank(session.status, session.profile.vip)), moves: Vec::new() }
    }

    /// Notes a status entry; `due_at` is what it was before.
    pub(super) fn note(&mut self, seq: Seq, change: &StatusChange, due_at: Option<Timestamp>) {
        let (reason, agent) = (change.reason.clone(), change.agent.clone());
        self.moves.push(Move { seq, from: change.from, to: change.to, reason, agent, due_at });
    }

    /// Whether the last status entry calls a human.
    pub(super) fn calls(&self) -> bool {
        self.moves.last().is_some_and(Move::calls)
    }
}

impl Move {
    fn calls(&self) -> bool {
        matches!(self.from, Status::BotActive | Status::Closed)
            && matches!(self.to, Status::PendingManual | Status::AfterHoursEmail)
    }

    fn outcome(&self) -> &str {
        match (self.from, self.to, self.reason.as_deref()) {
            (Status::ManualLive, Status::ManualLive, None) => "taken_away",
            (_, Status::ManualLive, None) => "taken",
            (_, _, Some(reason)) => reason,
            (_, to, None) => to.as_str(),
        }
    }

    fn kind(&self) -> Option<&'static str> {
        stretch_kind(self.to)
    }

    fn waited(&self, now: Timestamp) -> Option<i64> {
        let waiting = matches!(self.from, Status::PendingManual | Status::AfterHoursEmail);
        let due_at = self.due_at.filter(|_| waiting && self.to == Status::ManualLive)?;
        Some(now.millis().saturating_sub(due_at.millis()).max(0))
    }
}

fn stretch_kind(status: Status) -> Option<&'static str> {
    match status {
        Status::PendingManual => Some("wait"),
        Status::AfterHoursEmail => Some("after_hours"),
        Status::ManualLive => Some("service"),
        Status::BotActive | Status::Closed => None,
    }
}

impl Unit<'_> {
    /// Brings the numbers in step with what is being written. After the entries, before the agents' logs: a row of
    /// `tally` is shared with other sessions, and everybody takes it at this place.
    pub(super) async fn settle(&mut self) -> Result<(), SessionError> {
        for step in std::mem::take(&mut self.ledger.moves) {
            self.move_on(&step).await?;
        }
        if self.agent_spoke() {
            const ANSWERED: &str = "UPDATE stretch SET answered_at = $2 WHERE session = $1 AND to_at IS NULL \
                                    AND kind = 'service' AND answered_at IS NULL";
            let answered = sql(ANSWERED).bind(self.session.name.as_str()).bind(self.now.millis());
            self.tx.execute(answered).await?;
        }
        let rank = rank(self.session.status, self.session.profile.vip);
        if self.ledger.rank != Some(rank) {
            self.tx.execute(tally(self.session.name.as_str(), self.ledger.rank, rank)).await?;
        }
        Ok(())
    }

    fn agent_spoke(&self) -> bool {
        let by_agent = |entry: &switchboard_domain::Entry| {
            entry.message().is_some_and(|message| message.sender == Sender::Agent)
        };
        self.entries.iter().any(by_agent)
    }

    async fn move_on(&mut self, step: &Move) -> Result<(), SessionError> {
        if stretch_kind(step.from).is_some() {
            const END: &str = "UPDATE stretch SET to_at = $2, to_seq = $3, outcome = $4 \
                               WHERE session = $1 AND to_at IS NULL";
            let end = sql(END)
                .bind(self.session.name.as_str())
                .bind(self.now.millis())
                .bind(step.seq.get())
                .bind(step.outcome());
            self.tx.execute(end).await?;
        }
        let Some(kind) = step.kind() else { return Ok(()) };
        let messages = if step.calls() { Some(self.messages_until(step.seq).await?) } else { None };
        let uncalled = step.from == Status::BotActive && step.to == Status::ManualLive;
        let escalation = self.session.escalation.as_ref().filter(|_| !uncalled);
        const BEGIN: &str = "INSERT INTO stretch (session, seq, kind, agent_id, reason, called, messages, waited, from_at) \
                             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let begin = sql(BEGIN)
            .bind(self.session.name.as_str())
            .bind(step.seq.get())
            .bind(kind)
            .bind(step.agent.as_ref().map(|agent| agent.id.to_string()))
            .bind(escalation.map_or("", |escalation| escalation.reason.as_str()))
            .bind(step.calls())
            .bind(messages)
            .bind(step.waited(self.now))
            .bind(self.now.millis());
        self.tx.execute(begin).await?;
        Ok(())
    }

    /// The customer's messages before an entry, since the last stretch.
    async fn messages_until(&mut self, seq: Seq) -> Result<i64, SessionError> {
        const COUNT: &str = "SELECT COUNT(*) FROM entry WHERE session = $1 AND kind = 'message' AND sender = 'user' \
                             AND seq < $2 AND seq > COALESCE((SELECT MAX(to_seq) FROM stretch WHERE session = $1), 0)";
        let (count,): (i64,) =
            self.tx.fetch_one(sql(COUNT).bind(self.session.name.as_str()).bind(seq.get())).await?;
        Ok(count)
    }

    /// Hears what the customer wrote lately, for the agent who will come.
    pub(super) async fn hear(&mut self) -> Result<(), SessionError> {
        let heard = self.listen().await?;
        self.session.desk.needs = heard.needs;
        self.session.desk.urgent = heard.urgent;
        Ok(())
    }

    /// Hears what a customer adds who waits already. What he said before stays said.
    pub(super) async fn hear_more(&mut self) -> Result<(), SessionError> {
        let heard = self.listen().await?;
        let desk = &mut self.session.desk;
        for (known, words) in [(&mut desk.needs, heard.needs), (&mut desk.urgent, heard.urgent)] {
            for word in words {
                if !known.contains(&word) {
                    known.push(word);
                }
            }
        }
        Ok(())
    }

    async fn listen(&mut self) -> Result<Heard, SessionError> {
        const RECENT: &str = "SELECT seq, at, body FROM entry WHERE session = $1 AND kind = 'message' \
                              AND sender = 'user' ORDER BY seq DESC LIMIT $2";
        let limit = i64::from(self.store.settings.routing.heard_messages);
        let recent = sql(RECENT).bind(self.session.name.as_str()).bind(limit);
        let rows: Vec<EntryRow> = self.tx.fetch_all(recent).await?;
        let mut texts = Vec::with_capacity(rows.len());
        for row in rows.into_iter().rev() {
            texts.extend(row.into_entry(&self.session.name)?.message().map(|message| message.text.clone()));
        }
        // What this unit writes stands nowhere yet.
        let new = self.entries.iter().filter_map(|entry| entry.message());
        let new = new.filter(|message| message.sender == Sender::Customer);
        texts.extend(new.map(|message| message.text.clone()));
        let language = self.session.profile.language;
        Ok(self.store.book.hear(texts.iter().map(String::as_str), language))
    }
}

/// Moves a session from one rank to another: one row.
fn tally(name: &str, from: Option<i64>, to: i64) -> Statement {
    const MOVE: &str = "UPDATE tally SET n0 = n0 + $2, n1 = n1 + $3, n2 = n2 + $4, n3 = n3 + $5, n4 = n4 + $6, \
                        n5 = n5 + $7, n6 = n6 + $8, n7 = n7 + $9, n8 = n8 + $10, n9 = n9 + $11 WHERE shard = $1";
    let mut statement = sql(MOVE).bind(shard(name));
    for rank in 0..RANKS {
        let rank = i64::try_from(rank).unwrap_or_default();
        statement = statement.bind(i64::from(rank == to) - i64::from(Some(rank) == from));
    }
    statement
}

/// FNV-1a: the same in every version of the program, or counts would drift apart between shards. The sum would not.
fn shard(name: &str) -> u32 {
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % SHARDS
}
