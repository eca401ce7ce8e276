//! Internal notes: what agents write beside a session. A table of their own, read by no RPC that a customer may call.

use super::{Repeatable, Store, commands::first_answer, offers::seconds, roster, traceparent, unit::Unit};
use crate::{desk::Denied, error::SessionError, store::desk::Actor};
use serde_json::json;
use switchboard_db::{
    Tx,
    audit::{self, NewRecord, digest},
    sql,
};
use switchboard_domain::{AgentId, NoteId, SessionName, Timestamp, entry::AgentRef};

/// How much of a note a mentioned colleague is told, in characters.
const PREVIEW: usize = 120;

/// A note as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) id: NoteId,
    pub(crate) session: SessionName,
    pub(crate) author: AgentRef,
    pub(crate) text: String,
    pub(crate) mentions: Vec<AgentId>,
    pub(crate) created_at: Timestamp,
    pub(crate) edited_at: Option<Timestamp>,
}

/// What a note is to say.
#[derive(Debug, Clone)]
pub(crate) struct Wording {
    pub(crate) text: String,
    /// Ids or usernames.
    pub(crate) mentions: Vec<String>,
}

/// A row of `note`.
#[derive(Debug, sqlx::FromRow)]
struct NoteRow {
    id: String,
    session: String,
    author_id: String,
    author_name: String,
    body: String,
    mentions: String,
    created_at: i64,
    edited_at: Option<i64>,
}

const GET: &str = "SELECT id, session, author_id, author_name, body, mentions, created_at, edited_at FROM note \
                   WHERE session = $1 AND id = $2";

impl Store {
    /// Adds a note and tells those whom it mentions, once for each key.
    pub(crate) async fn add_note(
        &self,
        session: SessionName,
        author: AgentRef,
        wording: Wording,
        repeatable: Option<Repeatable>,
        record: NewRecord,
    ) -> Result<Note, SessionError> {
        let (store, trace) = (self.clone(), traceparent());
        let (note, committed) = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &session, trace).await?;
                    if let Some(repeatable) = &repeatable
                        && let Some(first) = first_answer(&mut unit, "add_note", repeatable).await?
                    {
                        let note = found(unit.tx, &session, &first.object).await?;
                        return Ok((note, None));
                    }
                    let note = add(&mut unit, author, wording).await?;
                    if let Some(repeatable) = &repeatable {
                        unit.remember("add_note", repeatable, &note.id.to_string()).await?;
                    }
                    unit.record = Some(recorded(record, None, Some(&note)));
                    Ok::<_, SessionError>((note, Some(unit.save_beside().await?)))
                })
            })
            .await?;
        if let Some(committed) = committed {
            self.announce(&committed);
        }
        Ok(note)
    }

    /// Changes a note: its author, or a supervisor. Who is mentioned anew is told.
    pub(crate) async fn edit_note(
        &self,
        session: SessionName,
        id: NoteId,
        by: Actor,
        wording: Wording,
        record: NewRecord,
    ) -> Result<Note, SessionError> {
        let (store, trace) = (self.clone(), traceparent());
        let (note, committed) = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &session, trace).await?;
                    let before = editable(unit.tx, &session, id, by).await?;
                    let mentions = mentioned(unit.tx, &wording.mentions).await?;
                    if before.text == wording.text && before.mentions == mentions {
                        return Ok((before, None));
                    }
                    let edited_at = Some(unit.now);
                    let note = Note { text: wording.text, mentions, edited_at, ..before.clone() };
                    rewrite(unit.tx, &note).await?;
                    tell(&mut unit, &note, &before.mentions);
                    unit.record = Some(recorded(record, Some(&before), Some(&note)));
                    Ok::<_, SessionError>((note, Some(unit.save_beside().await?)))
                })
            })
            .await?;
        if let Some(committed) = committed {
            self.announce(&committed);
        }
        Ok(note)
    }

    /// Deletes a note: its author, or a supervisor. Whoever has deleted it may say so again.
    pub(crate) async fn delete_note(
        &self,
        session: SessionName,
        id: NoteId,
        by: Actor,
        record: NewRecord,
    ) -> Result<(), SessionError> {
        let (store, trace) = (self.clone(), traceparent());
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    const DELETE: &str = "DELETE FROM note WHERE id = $1";
                    let mut unit = Unit::open(tx, store, &session, trace).await?;
                    let before = match editable(unit.tx, &session, id, by).await {
                        Ok(before) => before,
                        // The same call again.
                        Err(_) if audit::done_before(unit.tx, &record, &id.to_string()).await? => {
                            return Ok(());
                        }
                        Err(error) => return Err(error),
                    };
                    unit.tx.execute(sql(DELETE).bind(id.to_string())).await?;
                    unit.record = Some(recorded(record, Some(&before), None));
                    unit.save_beside().await?;
                    Ok(())
                })
            })
            .await
    }

    /// Notes of a session, newest first, how many there are, and whether there are older ones.
    pub(crate) async fn notes(
        &self,
        session: &SessionName,
        before: Option<NoteId>,
        limit: usize,
    ) -> Result<(Vec<Note>, i64, bool), SessionError> {
        const LIST: &str = "SELECT id, session, author_id, author_name, body, mentions, created_at, edited_at \
                            FROM note WHERE session = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
        const TOTAL: &str = "SELECT COUNT(*) FROM note WHERE session = $1";
        self.session(session).await?;
        let (total,): (i64,) = self.db.fetch_one(sql(TOTAL).bind(session.as_str())).await?;
        // Ids begin with their time, so their order is that of the notes; `~` comes after all of them.
        let before = before.map_or_else(|| "~".to_owned(), |id| id.to_string());
        let count = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let mut rows: Vec<NoteRow> =
            self.db.fetch_all(sql(LIST).bind(session.as_str()).bind(before).bind(count)).await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let notes: Result<Vec<_>, _> = rows.into_iter().map(NoteRow::into_note).collect();
        Ok((notes?, total, has_more))
    }
}

async fn add(unit: &mut Unit<'_>, author: AgentRef, wording: Wording) -> Result<Note, SessionError> {
    const ADD: &str = "INSERT INTO note (id, session, author_id, author_name, body, mentions, created_at, edited_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)";
    let note = Note {
        id: NoteId::mint(&*unit.store.clock, &*unit.store.rng),
        session: unit.session.name.clone(),
        mentions: mentioned(unit.tx, &wording.mentions).await?,
        author,
        text: wording.text,
        created_at: unit.now,
        edited_at: None,
    };
    let add = sql(ADD)
        .bind(note.id.to_string())
        .bind(note.session.as_str())
        .bind(note.author.id.to_string())
        .bind(note.author.name.as_str())
        .bind(note.text.as_str())
        .bind(super::rows::json(&note.mentions))
        .bind(note.created_at.millis());
    unit.tx.execute(add).await?;
    tell(unit, &note, &[]);
    Ok(note)
}

async fn rewrite(tx: &mut Tx, note: &Note) -> Result<(), SessionError> {
    const EDIT: &str = "UPDATE note SET body = $2, mentions = $3, edited_at = $4 WHERE id = $1";
    let edit = sql(EDIT)
        .bind(note.id.to_string())
        .bind(note.text.as_str())
        .bind(super::rows::json(&note.mentions))
        .bind(note.edited_at.map(Timestamp::millis));
    tx.execute(edit).await?;
    Ok(())
}

/// Tells those whom a note mentions and who were not told before; nobody of his own note.
fn tell(unit: &mut Unit<'_>, note: &Note, told: &[AgentId]) {
    let content: String = note.text.chars().take(PREVIEW).collect();
    for agent in &note.mentions {
        if *agent == note.author.id || told.contains(agent) {
            continue;
        }
        let mention = json!({
            "source": "session_note",
            "session_name": note.session.as_str(),
            "note_id": note.id.to_string(),
            "from_agent": note.author.id.to_string(),
            "from_agent_name": note.author.name,
            "content": content,
            "created_at": seconds(note.edited_at.unwrap_or(note.created_at)),
        });
        unit.tell(*agent, "mention", mention);
    }
}

/// The agents of these ids or usernames, each once, in the order in which they are named.
async fn mentioned(tx: &mut Tx, names: &[String]) -> Result<Vec<AgentId>, SessionError> {
    let mut agents = Vec::with_capacity(names.len());
    for name in names {
        let line = roster::find(tx, name).await?;
        let id = line.ok_or_else(|| Denied::UnknownMention(name.clone()))?.agent.id;
        if !agents.contains(&id) {
            agents.push(id);
        }
    }
    Ok(agents)
}

async fn found(tx: &mut Tx, session: &SessionName, id: &str) -> Result<Note, SessionError> {
    let row: Option<NoteRow> = tx.fetch_optional(sql(GET).bind(session.as_str()).bind(id)).await?;
    row.ok_or(Denied::NoteNotFound)?.into_note()
}

async fn editable(tx: &mut Tx, session: &SessionName, id: NoteId, by: Actor) -> Result<Note, SessionError> {
    let note = found(tx, session, &id.to_string()).await?;
    if note.author.id == by.id || by.supervises { Ok(note) } else { Err(Denied::NotAuthor.into()) }
}

/// Digests, never the text.
fn recorded(record: NewRecord, before: Option<&Note>, after: Option<&Note>) -> NewRecord {
    let texts = |note: Option<&Note>| note.map(|note| digest(&note.text)).unwrap_or_default();
    let id = after.or(before).map(|note| note.id.to_string()).unwrap_or_default();
    let author = after.or(before).map(|note| note.author.id.to_string());
    NewRecord {
        before_digest: texts(before),
        after_digest: texts(after),
        detail: json!({ "note": id, "author": author }).to_string(),
        ..record
    }
}

impl NoteRow {
    fn into_note(self) -> Result<Note, SessionError> {
        const NOTE: SessionError = SessionError::Corrupt { table: "note" };
        let author = AgentId::parse(&self.author_id).map_err(|_| NOTE)?;
        Ok(Note {
            id: NoteId::parse(&self.id).map_err(|_| NOTE)?,
            session: SessionName::parse(&self.session).map_err(|_| NOTE)?,
            author: AgentRef { id: author, name: self.author_name },
            text: self.body,
            mentions: serde_json::from_str(&self.mentions).map_err(|_| NOTE)?,
            created_at: Timestamp::from_millis(self.created_at),
            edited_at: self.edited_at.map(Timestamp::from_millis),
        })
    }
}
