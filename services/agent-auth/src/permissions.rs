//! What a role may do: built-in ones are code, custom ones rows of table `role`.

use crate::AgentAuthError;
use switchboard_db::{Db, Statement, Tx, sql};
use switchboard_domain::{BuiltinRole, Permission, Permissions};

/// What `role` may do now. A role that does not exist may only see to its own account.
///
/// # Errors
/// [`AgentAuthError::Db`]; [`AgentAuthError::Stored`] when the role's row cannot be read.
pub(crate) async fn permissions_of(db: &Db, role: &str) -> Result<Permissions, AgentAuthError> {
    match BuiltinRole::parse(role) {
        Some(role) => Ok(role.permissions()),
        None => custom(db.fetch_optional(of_role(role)).await?),
    }
}

/// As [`permissions_of`], inside a transaction.
///
/// # Errors
/// As [`permissions_of`].
pub(crate) async fn permissions_in(tx: &mut Tx, role: &str) -> Result<Permissions, AgentAuthError> {
    match BuiltinRole::parse(role) {
        Some(role) => Ok(role.permissions()),
        None => custom(tx.fetch_optional(of_role(role)).await?),
    }
}

/// Reads a stored list of names. Names that mean nothing here are dropped: another version may know them.
///
/// # Errors
/// [`AgentAuthError::Stored`] when it is no list of texts.
pub(crate) fn stored(json: &str) -> Result<Permissions, AgentAuthError> {
    let names: Vec<String> =
        serde_json::from_str(json).map_err(|_| AgentAuthError::Stored { what: "a list of permissions" })?;
    Ok(names.iter().filter_map(|name| name.parse::<Permission>().ok()).collect())
}

/// The names of a set.
pub(crate) fn names(permissions: Permissions) -> Vec<String> {
    permissions.iter().map(|permission| permission.as_str().to_owned()).collect()
}

fn of_role(role: &str) -> Statement {
    const PERMISSIONS: &str = "SELECT permissions FROM role WHERE name = $1";
    sql(PERMISSIONS).bind(role)
}

/// Everybody may see to his own account.
fn custom(row: Option<(String,)>) -> Result<Permissions, AgentAuthError> {
    let own = Permissions::of(&[Permission::AccountSelf]);
    let given = row.map(|(json,)| stored(&json)).transpose()?;
    Ok(given.unwrap_or(Permissions::NONE).and(own))
}
