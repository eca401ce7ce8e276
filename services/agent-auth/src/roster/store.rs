//! Table `roster_out`, and the lines that it stands for.

use crate::{roles::Roles, skills};
use switchboard_db::{Db, DbError, sql};
use switchboard_domain::{Permission, Timestamp};
use switchboard_proto::session::v1::{RosterLine, roster_line};

/// One account as the roster sees it, read together with its version.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Line {
    pub(super) id: String,
    username: String,
    display_name: String,
    role: String,
    status: String,
    max_sessions: i64,
    skills: String,
    lease_until: i64,
    is_enabled: i64,
    is_deleted: i64,
    pub(super) version: i64,
}

impl Line {
    /// As the session service reads it.
    pub(super) fn told(self, roles: &Roles) -> RosterLine {
        let may_serve = roles.of(&self.role).is_some_and(|role| role.contains(Permission::SessionsServe));
        let skills = skills::read(&self.skills).into_iter();
        RosterLine {
            id: self.id,
            username: self.username,
            name: self.display_name,
            status: self.status,
            max_sessions: u32::try_from(self.max_sessions).unwrap_or(0),
            skills: skills
                .map(|skill| roster_line::Skill {
                    category: skill.category,
                    level: skill.level,
                    tags: skill.tags,
                })
                .collect(),
            lease_until_ms: self.lease_until,
            version: self.version,
            serves: may_serve && self.is_enabled == 1 && self.is_deleted == 0,
            deleted: self.is_deleted == 1,
        }
    }
}

/// Lines that were not taken in their present version, those that changed first in front.
///
/// # Errors
/// Any [`DbError`] of a read.
pub(super) async fn open(db: &Db, limit: u32) -> Result<Vec<Line>, DbError> {
    const OPEN: &str = "SELECT a.id, a.username, a.display_name, a.role, a.status, a.max_sessions, a.skills,
            a.lease_until, CAST(CASE WHEN a.disabled_at IS NULL THEN 1 ELSE 0 END AS BIGINT) AS is_enabled,
            CAST(CASE WHEN a.deleted_at IS NULL THEN 0 ELSE 1 END AS BIGINT) AS is_deleted, r.version
        FROM roster_out r JOIN agent a ON a.id = r.agent
        WHERE r.version > r.sent_version ORDER BY r.version, r.agent LIMIT $1";
    db.fetch_all(sql(OPEN).bind(limit)).await
}

/// Lines of all accounts after `after`, in the order of their ids.
///
/// # Errors
/// Any [`DbError`] of a read.
pub(super) async fn page(db: &Db, after: &str, limit: u32) -> Result<Vec<Line>, DbError> {
    const PAGE: &str = "SELECT a.id, a.username, a.display_name, a.role, a.status, a.max_sessions, a.skills,
            a.lease_until, CAST(CASE WHEN a.disabled_at IS NULL THEN 1 ELSE 0 END AS BIGINT) AS is_enabled,
            CAST(CASE WHEN a.deleted_at IS NULL THEN 0 ELSE 1 END AS BIGINT) AS is_deleted, r.version
        FROM roster_out r JOIN agent a ON a.id = r.agent WHERE r.agent > $1 ORDER BY r.agent LIMIT $2";
    db.fetch_all(sql(PAGE).bind(after).bind(limit)).await
}

/// Gives a line to accounts that have none: those of before this table, and the first admin.
///
/// # Errors
/// Any [`DbError`] of a transaction.
pub(super) async fn complete(db: &Db, now: Timestamp) -> Result<(), DbError> {
    const MISSING: &str = "SELECT COUNT(*) FROM agent WHERE NOT EXISTS (SELECT 1 FROM roster_out
        WHERE roster_out.agent = agent.id)";
    const COMPLETE: &str = "INSERT INTO roster_out (agent, version, sent_version) SELECT id, $1, 0 FROM agent
        WHERE NOT EXISTS (SELECT 1 FROM roster_out WHERE roster_out.agent = agent.id) ON CONFLICT DO NOTHING";
    let (missing,) = db.fetch_one::<(i64,)>(sql(MISSING)).await?;
    if missing == 0 {
        return Ok(());
    }
    let complete = sql(COMPLETE).bind(now.millis());
    db.transaction(move |tx| Box::pin(async move { tx.execute(complete).await.map(drop) })).await
}

/// Remembers which versions of which lines were taken.
///
/// # Errors
/// Any [`DbError`] of a transaction.
pub(super) async fn taken(db: &Db, mut lines: Vec<(String, i64)>) -> Result<(), DbError> {
    const TAKEN: &str = "UPDATE roster_out SET sent_version = $2 WHERE agent = $1 AND sent_version < $2";
    // Everybody who locks several lines does so in this order.
    lines.sort_unstable();
    db.transaction(move |tx| {
        Box::pin(async move {
            for (id, version) in lines {
                tx.execute(sql(TAKEN).bind(id).bind(version)).await?;
            }
            Ok(())
        })
    })
    .await
}
