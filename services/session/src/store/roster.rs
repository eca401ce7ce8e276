//! Who works here and who is there: a copy of what agent-auth knows, so that routing asks nobody.

use super::Store;
use crate::error::SessionError;
use switchboard_db::{Statement, Tx, sql};
use switchboard_domain::{
    AgentId, ErrorKind, Failure, Timestamp,
    entry::AgentRef,
    routing::{Availability, Skill},
    text::username_key,
};

/// The columns of [`RosterRow`].
macro_rules! roster_columns {
    () => {
        "agent_id, username, name, status, max_sessions, skills, lease_until, version, serves, deleted, offered_at"
    };
}

/// One agent as agent-auth told of him last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RosterLine {
    pub(crate) agent: AgentRef,
    pub(crate) username: String,
    pub(crate) status: Availability,
    pub(crate) max_sessions: u32,
    pub(crate) skills: Vec<Skill>,
    /// Until when the agent counts as there; the epoch when he is not.
    pub(crate) lease_until: Timestamp,
    /// Grows with every change of this agent.
    pub(crate) version: i64,
    /// Whether he may serve sessions at all.
    pub(crate) serves: bool,
    pub(crate) deleted: bool,
    /// When a session was last offered to him. The roster's own: nobody tells it.
    pub(crate) offered_at: Option<Timestamp>,
}

impl RosterLine {
    /// Whether the agent is there at `now`: signed on, and renewed in time.
    pub(crate) fn present(&self, now: Timestamp) -> bool {
        !self.deleted && self.lease_until > now
    }

    /// Whether sessions may be offered to the agent at `now`.
    pub(crate) fn takes(&self, now: Timestamp) -> bool {
        self.present(now) && self.serves && self.status == Availability::Online
    }
}

/// A row of `roster`.
#[derive(Debug, sqlx::FromRow)]
struct RosterRow {
    agent_id: String,
    username: String,
    name: String,
    status: String,
    max_sessions: i64,
    skills: String,
    lease_until: i64,
    version: i64,
    serves: i64,
    deleted: i64,
    offered_at: i64,
}

const ROSTER: SessionError = SessionError::Corrupt { table: "roster" };

impl RosterRow {
    fn into_line(self) -> Result<RosterLine, SessionError> {
        Ok(RosterLine {
            agent: AgentRef { id: AgentId::parse(&self.agent_id).map_err(|_| ROSTER)?, name: self.name },
            username: self.username,
            status: self.status.parse().map_err(|_| ROSTER)?,
            max_sessions: u32::try_from(self.max_sessions).map_err(|_| ROSTER)?,
            skills: serde_json::from_str(&self.skills).map_err(|_| ROSTER)?,
            lease_until: Timestamp::from_millis(self.lease_until),
            version: self.version,
            serves: self.serves != 0,
            deleted: self.deleted != 0,
            offered_at: (self.offered_at > 0).then(|| Timestamp::from_millis(self.offered_at)),
        })
    }
}

/// The line of an agent who has not been deleted, by id or by username.
pub(crate) async fn find(tx: &mut Tx, id_or_username: &str) -> Result<Option<RosterLine>, SessionError> {
    const BY_ID: &str =
        concat!("SELECT ", roster_columns!(), " FROM roster WHERE agent_id = $1 AND deleted = 0");
    let find = match AgentId::parse(id_or_username) {
        Ok(id) => sql(BY_ID).bind(id.to_string()),
        Err(_) => named(id_or_username),
    };
    let row: Option<RosterRow> = tx.fetch_optional(find).await?;
    row.map(RosterRow::into_line).transpose()
}

/// Of an agent who has not been deleted.
fn named(username: &str) -> Statement {
    const BY_NAME: &str = concat!(
        "SELECT ",
        roster_columns!(),
        " FROM roster WHERE (username_key = $1 OR username = $2) AND deleted = 0 ORDER BY version DESC LIMIT 1"
    );
    sql(BY_NAME).bind(username_key(username.trim())).bind(username)
}

/// The line of an agent, locked until the commit. The writer's transaction of SQLite holds all rows already.
pub(super) async fn locked(
    tx: &mut Tx,
    has_locks: bool,
    agent: AgentId,
) -> Result<Option<RosterLine>, SessionError> {
    const LOCK: &str = concat!("SELECT ", roster_columns!(), " FROM roster WHERE agent_id = $1 FOR UPDATE");
    const READ: &str = concat!("SELECT ", roster_columns!(), " FROM roster WHERE agent_id = $1");
    let text = if has_locks { LOCK } else { READ };
    let row: Option<RosterRow> = tx.fetch_optional(sql(text).bind(agent.to_string())).await?;
    row.map(RosterRow::into_line).transpose()
}

fn put(line: &RosterLine, now: Timestamp) -> Statement {
    // Who was deleted is not there.
    let lease = if line.deleted { 0 } else { line.lease_until.millis() };
    const PUT: &str = "INSERT INTO roster (agent_id, username, name, status, max_sessions, skills, lease_until, \
                       version, serves, deleted, gone_at, username_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
                       $10, CASE WHEN $7 > 0 THEN $7 ELSE $11 END, $12) \
                       ON CONFLICT (agent_id) DO UPDATE SET username = $2, username_key = $12, name = $3, status = $4, \
                       max_sessions = $5, skills = $6, lease_until = $7, version = $8, serves = $9, deleted = $10, gone_at = \
                       CASE WHEN $7 > 0 THEN $7 WHEN roster.gone_at > $11 THEN $11 ELSE roster.gone_at END \
                       WHERE roster.version < $8";
    sql(PUT)
        .bind(line.agent.id.to_string())
        .bind(line.username.as_str())
        .bind(line.agent.name.as_str())
        .bind(line.status.as_str())
        .bind(line.max_sessions)
        .bind(super::rows::json(&line.skills))
        .bind(lease)
        .bind(line.version)
        .bind(line.serves)
        .bind(line.deleted)
        .bind(now.millis())
        .bind(username_key(&line.username))
}

impl Store {
    /// The id of an agent who is told of by id, whoever that is, or by the username of somebody who works here.
    pub(crate) async fn agent_named(&self, id_or_username: &str) -> Result<AgentId, SessionError> {
        if let Ok(id) = AgentId::parse(id_or_username) {
            return Ok(id);
        }
        let row: Option<RosterRow> = self.db.fetch_optional(named(id_or_username)).await?;
        let unknown = || Failure::new(ErrorKind::NotFound, "AGENT_NOT_FOUND", "坐席不存在");
        Ok(row.ok_or_else(unknown)?.into_line()?.agent.id)
    }

    /// Whether an agent who serves sessions is there and not on a break, or may be as far as is known.
    pub(crate) async fn is_anybody_there(&self) -> Result<bool, SessionError> {
        const ANY: &str = "SELECT agent_id FROM roster WHERE deleted = 0 AND lease_until > $1 AND serves <> 0 \
                           AND status IN ('online', 'busy') LIMIT 1";
        let known = self.roster_as_of().await?;
        let found: Option<(String,)> = self.db.fetch_optional(sql(ANY).bind(known.millis())).await?;
        Ok(found.is_some())
    }

    /// Everybody who is there and may serve.
    pub(crate) async fn there(&self) -> Result<Vec<RosterLine>, SessionError> {
        const THERE: &str = concat!(
            "SELECT ",
            roster_columns!(),
            " FROM roster WHERE deleted = 0 AND lease_until > 0 AND lease_until > $1 AND serves = 1"
        );
        let rows: Vec<RosterRow> = self.db.fetch_all(sql(THERE).bind(self.clock.now().millis())).await?;
        rows.into_iter().map(RosterRow::into_line).collect()
    }

    /// Takes over what agent-auth tells; older versions of a line change nothing, and without any it says that nothing
    /// else is new. Tells how many lines changed.
    pub(crate) async fn put_roster(&self, mut lines: Vec<RosterLine>) -> Result<u64, SessionError> {
        // One order for all writers: two callers with the same agents do not wait for each other in a circle.
        lines.sort_by_key(|line| line.agent.id.to_string());
        let (store, now) = (self.clone(), self.clock.now());
        let changed = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut changed = 0;
                    for line in &lines {
                        changed += tx.execute(put(line, now)).await?;
                    }
                    store.note_feed(tx, now).await?;
                    Ok::<_, SessionError>(changed)
                })
            })
            .await?;
        if changed > 0 {
            self.hub.floor_changed();
        }
        Ok(changed)
    }
}
