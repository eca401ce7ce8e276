//! Tags: what there are, and which sessions have them. A session's tags stand in its row, and once more in a table that
//! is searched by tag; both change in one transaction under the session's lock.

use super::{Repeatable, Store, traceparent, unit::Unit};
use crate::{desk::Denied, error::SessionError};
use serde_json::{Value, json};
use switchboard_db::{
    Engine, Tx,
    audit::{self, NewRecord, digest},
    sql,
};
use switchboard_domain::{AgentId, SessionName, TagId};

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    /// `tag_…`; empty for one that is to be made.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) color: String,
    pub(crate) icon: String,
    pub(crate) built_in: bool,
}

/// A row of `tag`.
#[derive(sqlx::FromRow)]
struct TagRow {
    id: String,
    name: String,
    color: String,
    icon: String,
    built_in: i64,
}

impl From<TagRow> for Tag {
    fn from(row: TagRow) -> Self {
        let TagRow { id, name, color, icon, built_in } = row;
        Self { id, name, color, icon, built_in: built_in > 0 }
    }
}

/// Sessions that lose a deleted tag before the next look.
const BATCH: i64 = 100;

impl Store {
    /// All tags, built-in ones first, the shop's own by name.
    pub(crate) async fn tags(&self) -> Result<Vec<Tag>, SessionError> {
        const LIST: &str = "SELECT id, name, color, icon, built_in FROM tag \
                            ORDER BY CASE WHEN built_in = 0 THEN 1 ELSE 0 END, built_in, name, id";
        let rows: Vec<TagRow> = self.db.fetch_all(sql(LIST)).await?;
        Ok(rows.into_iter().map(Tag::from).collect())
    }

    /// Makes a tag, once for each key, or changes one.
    pub(crate) async fn put_tag(
        &self,
        tag: Tag,
        by: AgentId,
        key: Option<Repeatable>,
        record: NewRecord,
    ) -> Result<Tag, SessionError> {
        let (store, engine) = (self.clone(), self.db.engine());
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let before = if tag.id.is_empty() {
                        None
                    } else {
                        let found = held(tx, engine, &tag.id).await?;
                        Some(found.ok_or_else(|| Denied::TagNotFound(tag.id.clone()))?)
                    };
                    let mint = || TagId::mint(&*store.clock, &*store.rng).to_string();
                    let tag = Tag {
                        id: before.as_ref().map_or_else(mint, |before| before.id.clone()),
                        built_in: before.as_ref().is_some_and(|before| before.built_in),
                        ..tag
                    };
                    let made = key.as_ref().filter(|_| before.is_none()).map(|key| (by, key));
                    if !write(tx, &tag, before.is_none(), made, store.settings.tags_max).await? {
                        return made_before(tx, made).await?.ok_or_else(|| Denied::TagExists.into());
                    }
                    audit::append(tx, recorded(record, before.as_ref(), Some(&tag))).await?;
                    Ok(tag)
                })
            })
            .await
    }

    /// Takes a tag off every session, then deletes it. Whoever is interrupted repeats it.
    pub(crate) async fn delete_tag(&self, id: String, record: NewRecord) -> Result<(), SessionError> {
        const SESSIONS: &str = "SELECT session FROM session_tag WHERE tag = $1 LIMIT $2";
        if !self.is_deletable(id.clone(), record.clone()).await? {
            return Ok(());
        }
        loop {
            let tagged: Vec<(String,)> =
                self.db.fetch_all(sql(SESSIONS).bind(id.as_str()).bind(BATCH)).await?;
            for (session,) in &tagged {
                let off = std::slice::from_ref(&id);
                self.change_tags(SessionName::parse(session)?, &[], off, None).await?;
            }
            if tagged.is_empty() && self.remove_tag(id.clone(), record.clone()).await? {
                return Ok(());
            }
        }
    }

    /// False: a session has got it in the meantime.
    async fn remove_tag(&self, id: String, record: NewRecord) -> Result<bool, SessionError> {
        let engine = self.db.engine();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    const USED: &str = "SELECT session FROM session_tag WHERE tag = $1 LIMIT 1";
                    const DELETE: &str = "DELETE FROM tag WHERE id = $1";
                    let tag = held(tx, engine, &id).await?.ok_or_else(|| Denied::TagNotFound(id.clone()))?;
                    if tag.built_in {
                        return Err(Denied::TagBuiltIn.into());
                    }
                    if tx.fetch_optional::<(String,)>(sql(USED).bind(id.as_str())).await?.is_some() {
                        return Ok(false);
                    }
                    tx.execute(sql(DELETE).bind(id)).await?;
                    audit::append(tx, recorded(record, Some(&tag), None)).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Whether there is anything left to delete, and it may be deleted at all. Whoever has deleted a tag may say so again.
    async fn is_deletable(&self, id: String, record: NewRecord) -> Result<bool, SessionError> {
        const GET: &str = "SELECT built_in FROM tag WHERE id = $1";
        match self.db.fetch_optional::<(i64,)>(sql(GET).bind(id.as_str())).await? {
            Some((0,)) => return Ok(true),
            Some(_) => return Err(Denied::TagBuiltIn.into()),
            None => {}
        }
        let done = self.db.transaction(move |tx| {
            Box::pin(async move { Ok::<_, SessionError>(audit::done_before(tx, &record, "").await?) })
        });
        if done.await? { Ok(false) } else { Err(Denied::TagNotFound(id).into()) }
    }

    /// Puts tags on a session and takes others off; gives what it has then. Without a record nobody asked for it.
    pub(crate) async fn change_tags(
        &self,
        name: SessionName,
        add: &[String],
        remove: &[String],
        record: Option<NewRecord>,
    ) -> Result<Vec<String>, SessionError> {
        let (store, trace) = (self.clone(), traceparent());
        let (add, remove) = (add.to_vec(), remove.to_vec());
        let (tags, committed) = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let unit = Unit::open(tx, store, &name, trace).await?;
                    change(unit, &add, &remove, record).await
                })
            })
            .await?;
        if let Some(committed) = committed {
            self.announce(&committed);
            self.hub.floor_changed();
        }
        Ok(tags)
    }
}

async fn change(
    mut unit: Unit<'_>,
    add: &[String],
    remove: &[String],
    record: Option<NewRecord>,
) -> Result<(Vec<String>, Option<super::Committed>), SessionError> {
    const ON: &str =
        "INSERT INTO session_tag (tag, session) VALUES ($1, $2) ON CONFLICT (tag, session) DO NOTHING";
    const OFF: &str = "DELETE FROM session_tag WHERE tag = $1 AND session = $2";
    let before = unit.session.desk.tags.clone();
    let mut tags = before.clone();
    tags.retain(|tag| !remove.contains(tag));
    for tag in add {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    let max = unit.store.settings.session_tags_max;
    if tags.len() > max && tags.len() > before.len() {
        return Err(Denied::TooMany { what: "tags of a session", max }.into());
    }
    if tags == before {
        return Ok((tags, None));
    }
    let name = unit.session.name.to_string();
    let mut fresh: Vec<_> = tags.iter().filter(|tag| !before.contains(tag)).cloned().collect();
    // One order for all, as everywhere where several rows are locked.
    fresh.sort();
    for tag in fresh {
        if !shared(unit.tx, unit.store.db.engine(), &tag).await? {
            return Err(Denied::TagNotFound(tag).into());
        }
        unit.tx.execute(sql(ON).bind(tag).bind(name.as_str())).await?;
    }
    for tag in before.iter().filter(|tag| !tags.contains(tag)) {
        unit.tx.execute(sql(OFF).bind(tag.as_str()).bind(name.as_str())).await?;
    }
    unit.session.desk.tags.clone_from(&tags);
    unit.quiet = true;
    unit.record = record.map(|record| NewRecord {
        before_digest: digest(&Value::from(before.clone()).to_string()),
        after_digest: digest(&Value::from(tags.clone()).to_string()),
        detail: json!({ "before": before, "after": tags }).to_string(),
        ..record
    });
    Ok((tags, Some(unit.save().await?)))
}

/// False: the name is taken, or the key was used before.
async fn write(
    tx: &mut Tx,
    tag: &Tag,
    is_new: bool,
    made: Option<(AgentId, &Repeatable)>,
    max: usize,
) -> Result<bool, SessionError> {
    const OTHER: &str = "SELECT id FROM tag WHERE name = $1 AND id <> $2";
    const COUNT: &str = "SELECT COUNT(*) FROM tag";
    const ADD: &str = "INSERT INTO tag (id, name, color, icon, built_in, made_by, made_key, made_fingerprint) \
                       VALUES ($1, $2, $3, $4, 0, $5, $6, $7) ON CONFLICT DO NOTHING";
    const CHANGE: &str = "UPDATE tag SET name = $2, color = $3, icon = $4 WHERE id = $1";
    let other = sql(OTHER).bind(tag.name.as_str()).bind(tag.id.as_str());
    if tx.fetch_optional::<(String,)>(other).await?.is_some() {
        return Ok(false);
    }
    let with_values = |text: &'static str| {
        sql(text)
            .bind(tag.id.as_str())
            .bind(tag.name.as_str())
            .bind(tag.color.as_str())
            .bind(tag.icon.as_str())
    };
    if !is_new {
        return Ok(tx.execute(with_values(CHANGE)).await? == 1);
    }
    let add = with_values(ADD)
        .bind(made.map(|(by, _)| by.to_string()))
        .bind(made.map(|(_, key)| key.key.as_str().to_owned()))
        .bind(made.map(|(_, key)| key.fingerprint.clone()));
    let is_added = tx.execute(add).await? == 1;
    let (count,): (i64,) = tx.fetch_one(sql(COUNT)).await?;
    if is_added && usize::try_from(count).unwrap_or(usize::MAX) > max {
        return Err(Denied::TooMany { what: "tags", max }.into());
    }
    Ok(is_added)
}

/// The tag that an earlier call with this key made, as it is now.
async fn made_before(tx: &mut Tx, made: Option<(AgentId, &Repeatable)>) -> Result<Option<Tag>, SessionError> {
    const MADE: &str = "SELECT id, name, color, icon, built_in FROM tag WHERE made_by = $1 AND made_key = $2 \
                        AND made_fingerprint = $3";
    const USED: &str = "SELECT id FROM tag WHERE made_by = $1 AND made_key = $2";
    let Some((by, key)) = made else { return Ok(None) };
    let asked = |text: &'static str| sql(text).bind(by.to_string()).bind(key.key.as_str());
    let found: Option<TagRow> = tx.fetch_optional(asked(MADE).bind(key.fingerprint.as_str())).await?;
    if found.is_none() && tx.fetch_optional::<(String,)>(asked(USED)).await?.is_some() {
        return Err(SessionError::KeyReused);
    }
    Ok(found.map(Tag::from))
}

/// A tag that nobody else changes until the commit, and nobody puts on a session.
async fn held(tx: &mut Tx, engine: Engine, id: &str) -> Result<Option<Tag>, SessionError> {
    const POSTGRES: &str = "SELECT id, name, color, icon, built_in FROM tag WHERE id = $1 FOR UPDATE";
    const SQLITE: &str = "SELECT id, name, color, icon, built_in FROM tag WHERE id = $1";
    let text = match engine {
        Engine::Postgres => POSTGRES,
        Engine::Sqlite => SQLITE,
    };
    let row: Option<TagRow> = tx.fetch_optional(sql(text).bind(id)).await?;
    Ok(row.map(Tag::from))
}

/// Whether there is such a tag; it stays until the commit.
async fn shared(tx: &mut Tx, engine: Engine, id: &str) -> Result<bool, SessionError> {
    const POSTGRES: &str = "SELECT id FROM tag WHERE id = $1 FOR KEY SHARE";
    const SQLITE: &str = "SELECT id FROM tag WHERE id = $1";
    let text = match engine {
        Engine::Postgres => POSTGRES,
        Engine::Sqlite => SQLITE,
    };
    Ok(tx.fetch_optional::<(String,)>(sql(text).bind(id)).await?.is_some())
}

fn recorded(record: NewRecord, before: Option<&Tag>, after: Option<&Tag>) -> NewRecord {
    let told = |tag: &Tag| json!({ "id": tag.id, "name": tag.name, "color": tag.color, "icon": tag.icon });
    let digested = |tag: Option<&Tag>| tag.map(|tag| digest(&told(tag).to_string())).unwrap_or_default();
    NewRecord {
        object: after.or(before).map(|tag| tag.id.clone()).unwrap_or_default(),
        before_digest: digested(before),
        after_digest: digested(after),
        detail: json!({ "before": before.map(told), "after": after.map(told) }).to_string(),
        ..record
    }
}
