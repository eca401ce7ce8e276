//! Who is there: a lease that beats renew.
//!
//! Everybody who is not offline has a lease of `agent_auth.presence.lease`. A beat renews it, a beat that would move it by
//! less than a third writes nothing. When it ends he is offline, said by whichever replica notices first: each change
//! is compared with what was read, so that a beat that comes at the same moment wins or loses as a whole. A beat brings
//! nobody back who is offline; only he himself does, with a status or a login.

pub(crate) mod rules;

use crate::{AgentAuthError, changes::Changes, config::PresenceSettings, roster, store::logins};
use rules::{Lapse, Present, Renewal, Status};
use std::{sync::Arc, time::Duration};
use switchboard_boot::Lifecycle;
use switchboard_db::{Db, DbError, Tx, sql};
use switchboard_domain::{AgentId, Clock, Permission, Permissions, Timestamp};
use switchboard_mesh::reply::chain;

/// How often old changes of status are deleted.
const HISTORY_SWEEP: Duration = Duration::from_hours(1);

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Presence {
    db: Db,
    clock: Arc<dyn Clock>,
    settings: PresenceSettings,
    changes: Changes,
}

/// What becomes of the note beside a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// It stays.
    Keep,
    /// It says this; empty: nothing.
    Say(String),
}

/// Columns of `agent`.
#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    status: String,
    lease_until: i64,
    active_at: i64,
}

impl Presence {
    /// Over the tables.
    pub(crate) fn new(db: Db, clock: Arc<dyn Clock>, settings: PresenceSettings, changes: Changes) -> Self {
        Self { db, clock, settings, changes }
    }

    /// How long somebody counts as there.
    pub(crate) fn lease(&self) -> Duration {
        self.settings.lease
    }

    /// Wakes those who follow what a transaction of another part of this service changed.
    pub(crate) fn changed(&self) {
        self.changes.tell();
    }

    /// Sets somebody's own status; answers whether there is such an account.
    ///
    /// # Errors
    /// [`AgentAuthError::Db`].
    pub(crate) async fn set(
        &self,
        agent: AgentId,
        status: Status,
        note: Note,
    ) -> Result<bool, AgentAuthError> {
        let (now, lease) = (self.clock.now(), self.lease());
        let done = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let id = agent.to_string();
                    if !enter(tx, &id, status, &note, now, lease).await? {
                        return Ok::<_, DbError>(false);
                    }
                    touch(tx, &id, now).await?;
                    Ok(true)
                })
            })
            .await?;
        self.changes.tell();
        Ok(done)
    }

    /// Takes a beat; `None` when there is no such account.
    ///
    /// # Errors
    /// [`AgentAuthError::Db`].
    pub(crate) async fn beat(
        &self,
        agent: AgentId,
        is_active: bool,
    ) -> Result<Option<Present>, AgentAuthError> {
        const READ: &str = "SELECT id, status, lease_until, COALESCE(last_active_at, status_at) AS active_at
            FROM agent WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL";
        let id = agent.to_string();
        let Some(row) = self.db.fetch_optional::<Row>(sql(READ).bind(&id)).await? else {
            return Ok(None);
        };
        let (present, now) = (row.present(), self.clock.now());
        let Some(renewal) = rules::renewal(present, is_active, self.lease(), now) else {
            return Ok(Some(present));
        };
        let renewed = self
            .db
            .transaction(move |tx| Box::pin(async move { renew(tx, &id, renewal, now).await }))
            .await?;
        self.changes.tell_roster();
        if renewed.is_some() {
            return Ok(renewed);
        }
        // Somebody else ended it in between: what stands now is the answer.
        let row = self.db.fetch_optional::<Row>(sql(READ).bind(agent.to_string())).await?;
        Ok(row.map(|row| row.present()))
    }

    /// Sets those offline whose lease has ended and those busy who are idle; answers when that will be due next.
    ///
    /// # Errors
    /// [`AgentAuthError::Db`]; what was done stays done.
    pub(crate) async fn sweep(&self) -> Result<Option<Timestamp>, AgentAuthError> {
        const THERE: &str = "SELECT id, status, lease_until, COALESCE(last_active_at, status_at) AS active_at
            FROM agent WHERE status <> 'offline' ORDER BY id";
        let mut next: Option<Timestamp> = None;
        for row in self.db.fetch_all::<Row>(sql(THERE)).await? {
            let (present, now) = (row.present(), self.clock.now());
            let Some((due, lapse)) = rules::next_lapse(present, &self.settings) else { continue };
            if due > now {
                next = Some(next.map_or(due, |next| next.min(due)));
                continue;
            }
            if self.lapse(row.id, present, lapse, now).await? {
                let status = lapse.status().as_str();
                metrics::counter!("switchboard_agent_auth_lapses_total", "status" => status).increment(1);
                self.changes.tell();
            }
        }
        Ok(next)
    }

    /// Changes the status unless anything has changed since `seen` was read; answers whether it did.
    async fn lapse(
        &self,
        id: String,
        seen: Present,
        lapse: Lapse,
        now: Timestamp,
    ) -> Result<bool, AgentAuthError> {
        const CLAIM: &str = "UPDATE agent SET version = version + 1 WHERE id = $1 AND status = $2
            AND lease_until = $3 AND COALESCE(last_active_at, status_at) = $4";
        const CHANGE: &str = "UPDATE agent SET status = $2, status_note = $3, status_at = $4,
            lease_until = CASE WHEN $2 = 'offline' THEN 0 ELSE lease_until END WHERE id = $1";
        let note = lapse.note(seen, &self.settings, now);
        let done = self.db.transaction(move |tx| {
            Box::pin(async move {
                let claim = sql(CLAIM)
                    .bind(&id)
                    .bind(seen.status.as_str())
                    .bind(seen.lease_until.millis())
                    .bind(seen.active_at.millis());
                if tx.execute(claim).await? == 0 {
                    return Ok::<_, DbError>(false);
                }
                let status = lapse.status();
                let change = sql(CHANGE).bind(&id).bind(status.as_str()).bind(note).bind(now.millis());
                tx.execute(change).await?;
                remember(tx, &id, status, now).await?;
                roster::bump(tx, &id, now).await?;
                Ok(true)
            })
        });
        Ok(done.await?)
    }

    async fn forget_history(&self) -> Result<(), AgentAuthError> {
        const FORGET: &str = "DELETE FROM presence_change WHERE at < $1";
        let history = i64::try_from(self.settings.history.as_millis()).unwrap_or(i64::MAX);
        let forget = sql(FORGET).bind(self.clock.now().millis().saturating_sub(history));
        self.db.transaction(move |tx| Box::pin(async move { tx.execute(forget).await.map(drop) })).await?;
        Ok(())
    }
}

impl Row {
    fn present(&self) -> Present {
        Present {
            // What cannot be read is nobody at the desk.
            status: self.status.parse().unwrap_or(Status::Offline),
            lease_until: Timestamp::from_millis(self.lease_until),
            active_at: Timestamp::from_millis(self.active_at),
        }
    }
}

/// Gives somebody a status, with a lease unless he leaves; answers whether there is such an account. Part of a
/// transaction that holds no row but his and the guard's.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn enter(
    tx: &mut Tx,
    id: &str,
    status: Status,
    note: &Note,
    now: Timestamp,
    lease: Duration,
) -> Result<bool, DbError> {
    // The lock comes first: what is read here still holds when it is changed.
    const LOCK: &str = "UPDATE agent SET version = version + 1
        WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL RETURNING status";
    const CHANGE: &str = "UPDATE agent SET status = $2, lease_until = $3,
            status_note = CASE WHEN $4 = 1 THEN status_note ELSE $5 END,
            status_at = CASE WHEN status = $2 THEN status_at ELSE $6 END
        WHERE id = $1";
    let Some((before,)) = tx.fetch_optional::<(String,)>(sql(LOCK).bind(id)).await? else {
        return Ok(false);
    };
    let lease_until = if status == Status::Offline { 0 } else { now.plus(lease).millis() };
    let (keep, said) = match note {
        Note::Keep => (true, ""),
        Note::Say(text) => (false, text.as_str()),
    };
    let change =
        sql(CHANGE).bind(id).bind(status.as_str()).bind(lease_until).bind(keep).bind(said).bind(now.millis());
    tx.execute(change).await?;
    if before != status.as_str() {
        remember(tx, id, status, now).await?;
    }
    roster::bump(tx, id, now).await?;
    Ok(true)
}

/// Sets somebody offline who is not: his last login ended, or his account did. Part of a transaction.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn leave(tx: &mut Tx, id: &str, now: Timestamp) -> Result<(), DbError> {
    const LEAVE: &str =
        "UPDATE agent SET status = 'offline', status_note = '', status_at = $2, lease_until = 0,
        version = version + 1 WHERE id = $1 AND status <> 'offline'";
    if tx.execute(sql(LEAVE).bind(id).bind(now.millis())).await? == 1 {
        remember(tx, id, Status::Offline, now).await?;
        roster::bump(tx, id, now).await?;
    }
    Ok(())
}

/// Has somebody who logs in be there, if his role has a presence at all; answers whether it has. Part of a transaction
/// that holds his row.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn arrive(
    tx: &mut Tx,
    id: &str,
    may: Permissions,
    now: Timestamp,
    lease: Duration,
) -> Result<bool, DbError> {
    if !may.contains(Permission::PresenceSelf) {
        return Ok(false);
    }
    touch(tx, id, now).await?;
    enter(tx, id, Status::Online, &Note::Say(String::new()), now, lease).await
}

/// Sets somebody offline when no login of his is open any more; one that lay unused for `idle` is not. Part of a transaction that holds his row.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn leave_if_logged_out(
    tx: &mut Tx,
    id: &str,
    now: Timestamp,
    idle: Duration,
) -> Result<(), DbError> {
    if logins::is_any_open(tx, id, now, idle).await? { Ok(()) } else { leave(tx, id, now).await }
}

/// Notes that somebody did something himself.
async fn touch(tx: &mut Tx, id: &str, now: Timestamp) -> Result<(), DbError> {
    const TOUCH: &str = "UPDATE agent SET last_active_at = $2 WHERE id = $1";
    tx.execute(sql(TOUCH).bind(id).bind(now.millis())).await.map(drop)
}

async fn renew(tx: &mut Tx, id: &str, renewal: Renewal, now: Timestamp) -> Result<Option<Present>, DbError> {
    const RENEW: &str = "UPDATE agent SET
            lease_until = CASE WHEN lease_until > $2 THEN lease_until ELSE $2 END,
            last_active_at = CASE WHEN CAST($3 AS BIGINT) IS NULL THEN last_active_at ELSE $3 END
        WHERE id = $1 AND status <> 'offline' AND disabled_at IS NULL AND deleted_at IS NULL
        RETURNING id, status, lease_until, COALESCE(last_active_at, status_at) AS active_at";
    let renew =
        sql(RENEW).bind(id).bind(renewal.lease_until.millis()).bind(renewal.active_at.map(Timestamp::millis));
    let row = tx.fetch_optional::<Row>(renew).await?;
    if row.is_some() {
        roster::bump(tx, id, now).await?;
    }
    Ok(row.map(|row| row.present()))
}

async fn remember(tx: &mut Tx, id: &str, status: Status, now: Timestamp) -> Result<(), DbError> {
    const REMEMBER: &str = "INSERT INTO presence_change (agent, at, status) VALUES ($1, $2, $3)";
    tx.execute(sql(REMEMBER).bind(id).bind(now.millis()).bind(status.as_str())).await.map(drop)
}

/// Sweeps when a lease ends, when somebody's status changes and now and then, until the soft stop.
pub(crate) async fn watch(presence: Presence, life: Lifecycle) {
    let stopping = life.stopping();
    tokio::pin!(stopping);
    let mut history = tokio::time::Instant::now();
    loop {
        let next = presence.sweep().await.unwrap_or_else(|error| {
            tracing::warn!(error = chain(&error), "presence could not be swept, trying again");
            None
        });
        if tokio::time::Instant::now() >= history {
            history += HISTORY_SWEEP;
            if let Err(error) = presence.forget_history().await {
                tracing::warn!(error = chain(&error), "old changes of status could not be deleted");
            }
        }
        let look = presence.settings.look;
        let pause = next.map_or(look, |next| next.since(presence.clock.now()).min(look));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = presence.changes.of_presence() => {}
            () = &mut stopping => return,
        }
    }
}
