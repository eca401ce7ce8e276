//! Quick replies: an agent's own and shared ones.

use super::Store;
use crate::error::SessionError;
use serde_json::json;
use switchboard_boot::audit::record;
use switchboard_db::{Tx, audit, sql};
use switchboard_domain::{AgentId, ErrorKind, Failure, ReplyId, entry::AgentRef, quick_reply::Category};

/// A row of `quick_reply`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct ReplyRow {
    pub(crate) id: String,
    pub(crate) owner_id: String,
    pub(crate) owner_name: String,
    pub(crate) title: String,
    pub(crate) content: String,
    pub(crate) category: String,
    pub(crate) shortcut: String,
    pub(crate) shared: i64,
    pub(crate) used: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) last_used_at: Option<i64>,
    made_fingerprint: Option<String>,
}

macro_rules! columns {
    () => {
        "id, owner_id, owner_name, title, content, category, shortcut, shared, used, created_at, updated_at, \
         last_used_at, made_fingerprint"
    };
}

/// What a quick reply is to say; `None` leaves what is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplyEdit {
    pub(crate) title: Option<String>,
    pub(crate) content: Option<String>,
    pub(crate) category: Option<Category>,
    pub(crate) shortcut: Option<String>,
    pub(crate) shared: Option<bool>,
}

/// Which quick replies.
#[derive(Debug, Clone)]
pub(crate) struct ReplyFilter {
    pub(crate) reader: AgentId,
    /// Also what others have not shared.
    pub(crate) all: bool,
    pub(crate) category: Option<Category>,
    pub(crate) owner: Option<AgentId>,
    pub(crate) include_shared: bool,
    pub(crate) keyword: String,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

/// How quick replies are used.
#[derive(Debug, Clone)]
pub(crate) struct ReplyStats {
    pub(crate) total: i64,
    pub(crate) used: i64,
    pub(crate) by_category: Vec<(String, i64)>,
    pub(crate) most_used: Vec<ReplyRow>,
}

fn not_found() -> SessionError {
    Failure::new(ErrorKind::NotFound, "QUICK_REPLY_NOT_FOUND", "快捷回复不存在").into()
}

fn not_yours() -> SessionError {
    Failure::new(ErrorKind::Forbidden, "PERMISSION_DENIED", "只有创建者可以修改此快捷回复").into()
}

impl Store {
    /// Makes a quick reply, once for each key.
    pub(crate) async fn make_reply(
        &self,
        owner: AgentRef,
        edit: ReplyEdit,
        key: Option<super::Repeatable>,
    ) -> Result<ReplyRow, SessionError> {
        const ADD: &str = "INSERT INTO quick_reply (id, owner_id, owner_name, title, content, category, shortcut, \
                           shared, used, created_at, updated_at, made_key, made_fingerprint) \
                           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $9, $10, $11) ON CONFLICT DO NOTHING";
        let id = ReplyId::mint(&*self.clock, &*self.rng).to_string();
        let now = self.clock.now();
        let log = record(&*self.clock, "quick_reply.create", &id, None, None, &json!({}));
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let category = edit.category.unwrap_or(Category::Custom);
                    let add = sql(ADD)
                        .bind(id.as_str())
                        .bind(owner.id.to_string())
                        .bind(owner.name)
                        .bind(edit.title.unwrap_or_default())
                        .bind(edit.content.unwrap_or_default())
                        .bind(category.as_str())
                        .bind(edit.shortcut.unwrap_or_default())
                        .bind(edit.shared.unwrap_or_default())
                        .bind(now.millis())
                        .bind(key.as_ref().map(|key| key.key.as_str().to_owned()))
                        .bind(key.as_ref().map(|key| key.fingerprint.clone()));
                    if tx.execute(add).await? == 1 {
                        let made = row(tx, &id).await?;
                        audit::append(tx, audit::NewRecord { after_digest: digest(&made), ..log }).await?;
                        return Ok(made);
                    }
                    made_before(tx, owner.id, key).await
                })
            })
            .await
    }

    /// Changes a quick reply; `any` lets others than its owner.
    pub(crate) async fn edit_reply(
        &self,
        id: ReplyId,
        by: AgentId,
        any: bool,
        edit: ReplyEdit,
    ) -> Result<ReplyRow, SessionError> {
        const EDIT: &str = "UPDATE quick_reply SET title = COALESCE($2, title), content = COALESCE($3, content), \
                            category = COALESCE($4, category), shortcut = COALESCE($5, shortcut), \
                            shared = COALESCE($6, shared), updated_at = $7 WHERE id = $1";
        const TAKEN: &str = "SELECT id FROM quick_reply WHERE owner_id = $1 AND shortcut = $2 AND id <> $3 AND shortcut <> ''";
        let now = self.clock.now();
        let log = record(&*self.clock, "quick_reply.edit", &id.to_string(), None, None, &json!({}));
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let id = id.to_string();
                    let before = row(tx, &id).await?;
                    own(&before, by, any)?;
                    if let Some(shortcut) = &edit.shortcut {
                        let taken = sql(TAKEN)
                            .bind(before.owner_id.as_str())
                            .bind(shortcut.as_str())
                            .bind(id.as_str());
                        if tx.fetch_optional::<(String,)>(taken).await?.is_some() {
                            return Err(shortcut_taken());
                        }
                    }
                    let change = sql(EDIT)
                        .bind(id.as_str())
                        .bind(edit.title)
                        .bind(edit.content)
                        .bind(edit.category.map(|category| category.as_str().to_owned()))
                        .bind(edit.shortcut)
                        .bind(edit.shared.map(i64::from))
                        .bind(now.millis());
                    tx.execute(change).await?;
                    let after = row(tx, &id).await?;
                    let (before_digest, after_digest) = (digest(&before), digest(&after));
                    audit::append(tx, audit::NewRecord { before_digest, after_digest, ..log }).await?;
                    Ok(after)
                })
            })
            .await
    }

    /// Deletes a quick reply. Whoever has deleted it may say so again.
    pub(crate) async fn delete_reply(&self, id: ReplyId, by: AgentId, any: bool) -> Result<(), SessionError> {
        const DELETE: &str = "DELETE FROM quick_reply WHERE id = $1";
        let log = record(&*self.clock, "quick_reply.delete", &id.to_string(), None, None, &json!({}));
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    let before = match row(tx, &id.to_string()).await {
                        Ok(before) => before,
                        // The same call again.
                        Err(_) if audit::done_before(tx, &log, "").await? => return Ok(()),
                        Err(error) => return Err(error),
                    };
                    own(&before, by, any)?;
                    tx.execute(sql(DELETE).bind(id.to_string())).await?;
                    audit::append(tx, audit::NewRecord { before_digest: digest(&before), ..log }).await?;
                    Ok(())
                })
            })
            .await
    }

    /// One quick reply that `reader` may use.
    pub(crate) async fn reply(
        &self,
        id: ReplyId,
        reader: AgentId,
        all: bool,
    ) -> Result<ReplyRow, SessionError> {
        const GET: &str = concat!("SELECT ", columns!(), " FROM quick_reply WHERE id = $1");
        let found: Option<ReplyRow> = self.db.fetch_optional(sql(GET).bind(id.to_string())).await?;
        let may = |row: &ReplyRow| all || row.shared == 1 || row.owner_id == reader.to_string();
        // What is not shared does not exist for others.
        found.filter(may).ok_or_else(not_found)
    }

    /// Counts a use, once for each key.
    pub(crate) async fn count_use(
        &self,
        id: ReplyId,
        by: AgentId,
        key: Option<super::Repeatable>,
    ) -> Result<(), SessionError> {
        const NOTE: &str = "INSERT INTO quick_reply_use (agent_id, key, reply_id, at, fingerprint) \
                            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (agent_id, key) DO NOTHING";
        const NOTED: &str = "SELECT fingerprint FROM quick_reply_use WHERE agent_id = $1 AND key = $2";
        const COUNT: &str = "UPDATE quick_reply SET used = used + 1, last_used_at = $2 WHERE id = $1";
        let now = self.clock.now();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    if let Some(key) = key {
                        let note = sql(NOTE)
                            .bind(by.to_string())
                            .bind(key.key.as_str())
                            .bind(id.to_string())
                            .bind(now.millis())
                            .bind(key.fingerprint.as_str());
                        if tx.execute(note).await? == 0 {
                            let noted = sql(NOTED).bind(by.to_string()).bind(key.key.as_str());
                            let (said,): (Option<String>,) = tx.fetch_one(noted).await?;
                            let is_same = said.is_none_or(|said| said == key.fingerprint);
                            return if is_same { Ok(()) } else { Err(SessionError::KeyReused) };
                        }
                    }
                    tx.execute(sql(COUNT).bind(id.to_string()).bind(now.millis())).await?;
                    Ok(())
                })
            })
            .await
    }

    /// A page of quick replies, the most used first, and how many there are.
    pub(crate) async fn replies(&self, filter: ReplyFilter) -> Result<(Vec<ReplyRow>, i64), SessionError> {
        macro_rules! matching {
            () => {
                " FROM quick_reply WHERE ($1 = 1 OR owner_id = $2 OR (shared = 1 AND ($5 = 1 OR $4 <> ''))) \
                 AND ($3 = '' OR category = $3) \
                 AND ($4 = '' OR owner_id = $4 OR ($5 = 1 AND shared = 1)) AND ($6 = '' OR LOWER(title) LIKE $6 ESCAPE '!' \
                 OR LOWER(content) LIKE $6 ESCAPE '!' OR LOWER(shortcut) LIKE $6 ESCAPE '!')"
            };
        }
        const PAGE: &str = concat!(
            "SELECT ",
            columns!(),
            matching!(),
            " ORDER BY used DESC, created_at DESC, id DESC LIMIT $7 OFFSET $8"
        );
        const COUNT: &str = concat!("SELECT COUNT(*)", matching!());
        let bound = |text| {
            sql(text)
                .bind(filter.all)
                .bind(filter.reader.to_string())
                .bind(filter.category.map(Category::as_str).unwrap_or_default())
                .bind(filter.owner.map(|owner| owner.to_string()).unwrap_or_default())
                .bind(filter.include_shared)
                .bind(like(&filter.keyword))
        };
        let (total,): (i64,) = self.db.fetch_one(bound(COUNT)).await?;
        let page = self.db.fetch_all(bound(PAGE).bind(filter.limit).bind(filter.offset)).await?;
        Ok((page, total))
    }

    /// How quick replies are used, over all of them.
    pub(crate) async fn reply_stats(&self, most: i64) -> Result<ReplyStats, SessionError> {
        const SUMS: &str =
            "SELECT category, COUNT(*), CAST(SUM(used) AS BIGINT) FROM quick_reply GROUP BY category";
        const MOST: &str =
            concat!("SELECT ", columns!(), " FROM quick_reply ORDER BY used DESC, id DESC LIMIT $1");
        let sums: Vec<(String, i64, i64)> = self.db.fetch_all(sql(SUMS)).await?;
        Ok(ReplyStats {
            total: sums.iter().map(|(_, count, _)| count).sum(),
            used: sums.iter().map(|(_, _, used)| used).sum(),
            by_category: sums.into_iter().map(|(category, count, _)| (category, count)).collect(),
            most_used: self.db.fetch_all(sql(MOST).bind(most)).await?,
        })
    }
}

async fn row(tx: &mut Tx, id: &str) -> Result<ReplyRow, SessionError> {
    const GET: &str = concat!("SELECT ", columns!(), " FROM quick_reply WHERE id = $1");
    tx.fetch_optional(sql(GET).bind(id)).await?.ok_or_else(not_found)
}

/// Nothing was inserted: the key was used before, or the shortcut is taken.
async fn made_before(
    tx: &mut Tx,
    owner: AgentId,
    key: Option<super::Repeatable>,
) -> Result<ReplyRow, SessionError> {
    const MADE: &str =
        concat!("SELECT ", columns!(), " FROM quick_reply WHERE owner_id = $1 AND made_key = $2");
    let Some(key) = key else { return Err(shortcut_taken()) };
    let made = sql(MADE).bind(owner.to_string()).bind(key.key.as_str());
    let found: Option<ReplyRow> = tx.fetch_optional(made).await?;
    match found {
        Some(row) if row.made_fingerprint.as_deref() == Some(&*key.fingerprint) => Ok(row),
        Some(_) => Err(SessionError::KeyReused),
        None => Err(shortcut_taken()),
    }
}

fn shortcut_taken() -> SessionError {
    Failure::new(ErrorKind::Conflict, "SHORTCUT_TAKEN", "该快捷键已被使用").into()
}

fn own(row: &ReplyRow, by: AgentId, any: bool) -> Result<(), SessionError> {
    if any || row.owner_id == by.to_string() {
        return Ok(());
    }
    // Nobody learns of what is not shared.
    Err(if row.shared == 1 { not_yours() } else { not_found() })
}

fn digest(row: &ReplyRow) -> String {
    let whole = json!({
        "title": row.title, "content": row.content, "category": row.category, "shortcut": row.shortcut,
        "shared": row.shared == 1,
    });
    audit::digest(&whole.to_string())
}

/// A pattern that finds `keyword` anywhere; empty for none.
pub(crate) fn like(keyword: &str) -> String {
    if keyword.is_empty() {
        return String::new();
    }
    let plain = keyword.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{plain}%")
}
