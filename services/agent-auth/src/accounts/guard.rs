//! What every command that changes who may do what begins and ends with.
//!
//! Such commands come one after the other: each takes the lock of `account_guard` before it reads anything, so that what it
//! counts stays true until it is committed, also where transactions run side by side. Locks are taken in this order: guard,
//! accounts by id, lines of the roster by id, heads of the logs.

use crate::{
    AgentAuthError,
    denial::{self, Caller, Loss},
    permissions::permissions_in,
    store::accounts::agent_in,
};
use switchboard_db::{DbError, Tx, sql};
use switchboard_domain::{AgentId, Permission, Permissions};

/// Takes the lock; answers what the caller may do now: what his token says within what his account may do. A token of an
/// account that was demoted, disabled or deleted in between counts for nothing.
///
/// # Errors
/// [`AgentAuthError::Refused`] when he may not do `needed`; [`AgentAuthError::Db`].
pub(crate) async fn guarded(
    tx: &mut Tx,
    caller: Caller,
    needed: Permission,
) -> Result<Permissions, AgentAuthError> {
    const GUARD: &str = "UPDATE account_guard SET commands = commands + 1 WHERE id = 1";
    tx.execute(sql(GUARD)).await?;
    let now = permitted(tx, caller).await?;
    if now.contains(needed) { Ok(now) } else { Err(denial::not_permitted().into()) }
}

/// What the caller may do now, without a lock.
///
/// # Errors
/// [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
pub(crate) async fn permitted(tx: &mut Tx, caller: Caller) -> Result<Permissions, AgentAuthError> {
    let Some(account) = agent_in(tx, caller.id).await? else { return Ok(Permissions::NONE) };
    let role = permissions_in(tx, &account.role).await?;
    Ok(caller.permissions.limited_to(account.may(role)))
}

/// Refuses what is beyond the caller.
///
/// # Errors
/// [`AgentAuthError::Refused`] with the permissions that he lacks.
pub(crate) fn within(caller: Permissions, wanted: Permissions) -> Result<(), AgentAuthError> {
    let missing: Permissions = wanted.iter().filter(|permission| !caller.contains(*permission)).collect();
    if missing == Permissions::NONE { Ok(()) } else { Err(denial::escalation(missing).into()) }
}

/// What a role may do; it has to exist.
///
/// # Errors
/// [`AgentAuthError::Refused`] when it does not; [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
pub(crate) async fn role_in(tx: &mut Tx, role: &str) -> Result<Permissions, AgentAuthError> {
    const EXISTS: &str = "SELECT COUNT(*) FROM role WHERE name = $1";
    if switchboard_domain::BuiltinRole::parse(role).is_none() {
        let (count,) = tx.fetch_one::<(i64,)>(sql(EXISTS).bind(role)).await?;
        if count == 0 {
            return Err(denial::unknown_role(role).into());
        }
    }
    permissions_in(tx, role).await
}

/// Refuses a command after which nobody could manage accounts. Comes after the changes, under the lock of the guard.
///
/// # Errors
/// [`AgentAuthError::Refused`] with `LAST_ADMIN`; [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
pub(crate) async fn still_managed(tx: &mut Tx, loss: Loss) -> Result<(), AgentAuthError> {
    const ROLES: &str =
        "SELECT role FROM agent WHERE disabled_at IS NULL AND deleted_at IS NULL GROUP BY role";
    for (role,) in tx.fetch_all::<(String,)>(sql(ROLES)).await? {
        if permissions_in(tx, &role).await?.contains(Permission::AgentsManage) {
            return Ok(());
        }
    }
    Err(denial::last_admin(loss).into())
}

/// Locks the accounts that have a role, in the order of their ids.
///
/// # Errors
/// Any [`DbError`] of a statement.
pub(crate) async fn lock_holders(tx: &mut Tx, role: &str) -> Result<Vec<String>, DbError> {
    const HOLDERS: &str = "SELECT id FROM agent WHERE role = $1 AND deleted_at IS NULL ORDER BY id";
    const LOCK: &str = "UPDATE agent SET version = version WHERE id = $1";
    let holders: Vec<(String,)> = tx.fetch_all(sql(HOLDERS).bind(role)).await?;
    let holders: Vec<String> = holders.into_iter().map(|(id,)| id).collect();
    for id in &holders {
        tx.execute(sql(LOCK).bind(id)).await?;
    }
    Ok(holders)
}

/// The object of an audit record about an account.
pub(crate) fn object(agent: AgentId) -> String {
    format!("agent:{agent}")
}
