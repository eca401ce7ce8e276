//! Roles: the built-in ones, which never change, and those that the shop makes beside them.

use crate::{
    AgentAuthError,
    accounts::{
        Accounts,
        guard::{guarded, lock_holders, still_managed, within},
    },
    denial::{self, Caller, Loss, invalid},
    permissions::{names, stored},
    revocation::revoke_tokens,
    roster,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use switchboard_boot::audit::record;
use switchboard_db::{
    Db, Tx,
    audit::{self, NewRecord},
    sql,
};
use switchboard_domain::{AgentId, BuiltinRole, Failure, Permission, Permissions, Timestamp};
use switchboard_proto::agentauth::v1::{
    DeleteRoleRequest, ListRolesResponse, PutRoleRequest, RoleInfo, RoleResponse,
};

/// Longest description, in characters.
const DESCRIPTION_MAX: usize = 200;
/// Most roles beside the built-in ones.
const ROLES_MAX: i64 = 200;

/// What every role may do, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Roles(BTreeMap<String, Permissions>);

impl Roles {
    /// What the role of this name may do.
    pub(crate) fn of(&self, role: &str) -> Option<Permissions> {
        self.0.get(role).copied()
    }
}

/// All roles.
///
/// # Errors
/// [`AgentAuthError::Db`]; [`AgentAuthError::Stored`] when a row cannot be read.
pub(crate) async fn all(db: &Db) -> Result<Roles, AgentAuthError> {
    const ALL: &str = "SELECT name, permissions FROM role";
    let built_in = BuiltinRole::ALL.map(|role| (role.as_str().to_owned(), role.permissions()));
    let mut roles = BTreeMap::from(built_in);
    for (name, permissions) in db.fetch_all::<(String, String)>(sql(ALL)).await? {
        roles.insert(name, stored(&permissions)?);
    }
    Ok(Roles(roles))
}

/// A row of `role`, with how many accounts have it.
#[derive(Debug, sqlx::FromRow)]
struct RoleRow {
    name: String,
    description: String,
    permissions: String,
    version: i64,
    holders: i64,
}

/// A role as it is asked for.
#[derive(Debug, Clone)]
struct NewRole {
    name: String,
    description: String,
    permissions: Permissions,
}

impl Accounts {
    /// Built-in roles from least to most, then the shop's by name.
    ///
    /// # Errors
    /// [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
    pub(crate) async fn roles(&self) -> Result<ListRolesResponse, AgentAuthError> {
        const LIST: &str = "SELECT name, description, permissions, version, (SELECT COUNT(*) FROM agent
            WHERE agent.role = role.name AND deleted_at IS NULL) AS holders FROM role ORDER BY name";
        const HOLDERS: &str = "SELECT role, COUNT(*) FROM agent WHERE deleted_at IS NULL GROUP BY role";
        let holders: Vec<(String, i64)> = self.store.db.fetch_all(sql(HOLDERS)).await?;
        let holders: BTreeMap<String, i64> = holders.into_iter().collect();
        let built_in = BuiltinRole::ALL.map(|role| RoleInfo {
            name: role.as_str().to_owned(),
            description: String::new(),
            permissions: names(role.permissions()),
            built_in: true,
            version: 0,
            holders: holders.get(role.as_str()).copied().unwrap_or(0),
        });
        let custom: Vec<RoleRow> = self.store.db.fetch_all(sql(LIST)).await?;
        let custom = custom.into_iter().map(RoleRow::told).collect::<Result<Vec<_>, _>>()?;
        let roles = built_in.into_iter().chain(custom).collect();
        Ok(ListRolesResponse { roles, permissions: names(Permissions::all()) })
    }

    /// Makes a role, or changes one that is as it was read.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `BUILT_IN_ROLE`, `UNKNOWN_PERMISSION`, `PERMISSION_ESCALATION`, `VERSION_CONFLICT`,
    /// `LAST_ADMIN`; [`AgentAuthError::Db`] or [`AgentAuthError::Stored`].
    pub(crate) async fn put_role(
        &self,
        caller: Caller,
        request: PutRoleRequest,
    ) -> Result<RoleResponse, AgentAuthError> {
        let expected = request.expected_version;
        let new = NewRole::try_from(request)?;
        let detail = json!({"permissions": names(new.permissions)});
        let record = record(&*self.clock, "role.put", &object(&new.name), None, None, &detail);
        let (now, keep) = (self.clock.now(), self.revocation_keep);
        let row = self
            .store
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mine = guarded(tx, caller, Permission::RolesManage).await?;
                    within(mine, new.permissions)?;
                    let before = find(tx, &new.name).await?;
                    if before.as_ref().is_some_and(|before| new.is_repeat_of(before, expected)) {
                        return before.ok_or_else(|| denial::role_not_found(&new.name).into());
                    }
                    match &before {
                        Some(before) => {
                            within(mine, stored(&before.permissions)?)?;
                            change(tx, &new, before, expected, now, keep).await?;
                        }
                        None => add(tx, &new, expected, now).await?,
                    }
                    let after =
                        find(tx, &new.name).await?.ok_or_else(|| denial::role_not_found(&new.name))?;
                    append(tx, record, before.as_ref(), Some(&after)).await?;
                    Ok::<_, AgentAuthError>(after)
                })
            })
            .await?;
        self.changes.tell_roster();
        Ok(RoleResponse { role: Some(row.told()?) })
    }

    /// Deletes a role that nobody has.
    ///
    /// # Errors
    /// `BUILT_IN_ROLE`, `ROLE_NOT_FOUND`, `ROLE_IN_USE`, `PERMISSION_ESCALATION`; [`AgentAuthError::Db`] or
    /// [`AgentAuthError::Stored`].
    pub(crate) async fn delete_role(
        &self,
        caller: Caller,
        request: DeleteRoleRequest,
    ) -> Result<(), AgentAuthError> {
        const DELETE: &str = "DELETE FROM role WHERE name = $1";
        let name = request.name;
        if BuiltinRole::parse(&name).is_some() {
            return Err(denial::built_in_role(&name).into());
        }
        let record = record(&*self.clock, "role.delete", &object(&name), None, None, &json!({}));
        self.store
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mine = guarded(tx, caller, Permission::RolesManage).await?;
                    let Some(before) = find(tx, &name).await? else {
                        // Whoever has deleted it may say so again.
                        let done = switchboard_db::audit::done_before(tx, &record, "").await?;
                        return if done { Ok(()) } else { Err(denial::role_not_found(&name).into()) };
                    };
                    within(mine, stored(&before.permissions)?)?;
                    if before.holders > 0 {
                        return Err(denial::role_in_use(before.holders).into());
                    }
                    tx.execute(sql(DELETE).bind(&name)).await?;
                    append(tx, record, Some(&before), None).await
                })
            })
            .await
    }
}

impl RoleRow {
    fn told(self) -> Result<RoleInfo, AgentAuthError> {
        Ok(RoleInfo {
            permissions: names(stored(&self.permissions)?),
            name: self.name,
            description: self.description,
            built_in: false,
            version: self.version,
            holders: self.holders,
        })
    }

    fn face(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "permissions": self.permissions,
            "version": self.version,
        })
    }
}

impl TryFrom<PutRoleRequest> for NewRole {
    type Error = Failure;
    fn try_from(request: PutRoleRequest) -> Result<Self, Failure> {
        let PutRoleRequest { name, description, permissions, .. } = request;
        if BuiltinRole::parse(&name).is_some() {
            return Err(denial::built_in_role(&name));
        }
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !(2..=40).contains(&name.len()) || !begins || !name.bytes().all(allowed) {
            return Err(invalid("name", "2 to 40 of a-z 0-9 _ -, beginning with a letter"));
        }
        let description = description.trim().to_owned();
        if description.chars().count() > DESCRIPTION_MAX {
            return Err(invalid("description", "at most 200 characters"));
        }
        // Everybody may see to his own account: with less nobody could log out.
        let own = Permissions::of(&[Permission::AccountSelf]);
        Ok(Self { name, description, permissions: parsed(&permissions)?.and(own) })
    }
}

impl NewRole {
    /// The same request once more, its first answer was lost.
    fn is_repeat_of(&self, row: &RoleRow, expected: i64) -> bool {
        row.version == expected.saturating_add(1)
            && row.description == self.description
            && stored(&row.permissions).is_ok_and(|permissions| permissions == self.permissions)
    }

    fn stored(&self) -> String {
        json!(names(self.permissions)).to_string()
    }
}

/// Permissions by their names.
///
/// # Errors
/// `UNKNOWN_PERMISSION` with the name that is none.
pub(crate) fn parsed(names: &[String]) -> Result<Permissions, Failure> {
    let parse = |name: &String| name.parse::<Permission>().map_err(|_| denial::unknown_permission(name));
    names.iter().map(parse).collect()
}

async fn find(tx: &mut Tx, name: &str) -> Result<Option<RoleRow>, AgentAuthError> {
    const FIND: &str = "SELECT name, description, permissions, version, (SELECT COUNT(*) FROM agent
        WHERE agent.role = role.name AND deleted_at IS NULL) AS holders FROM role WHERE name = $1";
    Ok(tx.fetch_optional(sql(FIND).bind(name)).await?)
}

async fn add(tx: &mut Tx, new: &NewRole, expected: i64, now: Timestamp) -> Result<(), AgentAuthError> {
    const COUNT: &str = "SELECT COUNT(*) FROM role";
    const ADD: &str = "INSERT INTO role (name, description, permissions, version, created_at, updated_at)
        VALUES ($1, $2, $3, 1, $4, $4)";
    if expected != 0 {
        return Err(denial::version_conflict(0).into());
    }
    let (count,) = tx.fetch_one::<(i64,)>(sql(COUNT)).await?;
    if count >= ROLES_MAX {
        return Err(denial::too_many_roles(ROLES_MAX).into());
    }
    let add =
        sql(ADD).bind(new.name.as_str()).bind(new.description.as_str()).bind(new.stored()).bind(now.millis());
    tx.execute(add).await?;
    Ok(())
}

async fn change(
    tx: &mut Tx,
    new: &NewRole,
    before: &RoleRow,
    expected: i64,
    now: Timestamp,
    keep: Duration,
) -> Result<(), AgentAuthError> {
    const CHANGE: &str = "UPDATE role SET description = $2, permissions = $3, version = version + 1,
        updated_at = $4 WHERE name = $1";
    if before.version != expected {
        return Err(denial::version_conflict(before.version).into());
    }
    let change = sql(CHANGE)
        .bind(new.name.as_str())
        .bind(new.description.as_str())
        .bind(new.stored())
        .bind(now.millis());
    tx.execute(change).await?;
    if stored(&before.permissions)? == new.permissions {
        return Ok(());
    }
    still_managed(tx, Loss::Demotion).await?;
    let holders = lock_holders(tx, &new.name).await?;
    for id in &holders {
        roster::bump(tx, id, now).await?;
    }
    for id in &holders {
        let id = AgentId::parse(id).map_err(|_| AgentAuthError::Stored { what: "the id of an account" })?;
        revoke_tokens(tx, id, now, keep).await?;
    }
    Ok(())
}

async fn append(
    tx: &mut Tx,
    mut record: NewRecord,
    before: Option<&RoleRow>,
    after: Option<&RoleRow>,
) -> Result<(), AgentAuthError> {
    let digest = |row: Option<&RoleRow>| row.map(|row| audit::digest(&row.face().to_string()));
    record.before_digest = digest(before).unwrap_or_default();
    record.after_digest = digest(after).unwrap_or_default();
    Ok(audit::append(tx, record).await?)
}

fn object(role: &str) -> String {
    format!("role:{role}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(name: &str, permissions: &[&str]) -> PutRoleRequest {
        let permissions = permissions.iter().map(|name| (*name).to_owned()).collect();
        PutRoleRequest { name: name.into(), permissions, ..PutRoleRequest::default() }
    }

    #[test]
    fn names_and_permissions_are_checked() {
        let role = NewRole::try_from(put("night-shift_2", &["sessions.read"])).unwrap();
        assert_eq!(names(role.permissions), ["account.self", "sessions.read"]);
        let long = "x".repeat(41);
        for (request, code) in [
            (put("a", &[]), "VALIDATION_ERROR"),
            (put(&long, &[]), "VALIDATION_ERROR"),
            (put("2nd", &[]), "VALIDATION_ERROR"),
            (put("Night", &[]), "VALIDATION_ERROR"),
            (put("nacht schicht", &[]), "VALIDATION_ERROR"),
            (put("admin", &[]), "BUILT_IN_ROLE"),
            (put("night", &["sessions.reed"]), "UNKNOWN_PERMISSION"),
            (PutRoleRequest { description: "x".repeat(201), ..put("night", &[]) }, "VALIDATION_ERROR"),
        ] {
            assert_eq!(&*NewRole::try_from(request).unwrap_err().code, code);
        }
        assert_eq!(parsed(&["nope".into()]).unwrap_err().facts["permission"], "nope");
    }
}
