//! Roles: sets of permissions under a name.

use super::{
    access::{Access, Group},
    login::DoneReply,
};
use crate::{
    error::{Failures, Problem},
    extract::{Json, NamePath},
    limits::Class,
    state::App,
};
use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use switchboard_domain::Permission;
use switchboard_proto::{
    agentauth::v1::{DeleteRoleRequest, ListRolesRequest, PutRoleRequest, RoleInfo},
    convert::WireError,
};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleView {
    name: String,
    description: String,
    permissions: Vec<String>,
    /// Cannot be changed.
    built_in: bool,
    version: i64,
    /// How many have it.
    holders: i64,
}

impl From<RoleInfo> for RoleView {
    fn from(role: RoleInfo) -> Self {
        let RoleInfo { name, description, permissions, built_in, version, holders } = role;
        Self { name, description, permissions, built_in, version, holders }
    }
}

/// All roles.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RolesReply {
    success: bool,
    data: Roles,
}

/// The inside of [`RolesReply`].
#[derive(Debug, Serialize, ToSchema)]
struct Roles {
    items: Vec<RoleView>,
    /// Every permission that there is.
    permissions: Vec<String>,
}

/// One role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleReply {
    success: bool,
    role: RoleView,
}

/// What a role is to be.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RoleChange {
    #[serde(default)]
    description: String,
    permissions: Vec<String>,
    /// The version that was read; absent or 0: a new role.
    #[serde(default)]
    version: i64,
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    let quick = app.settings.request_timeout;
    let reads = Group::new(app).route(Access::Agent(Permission::AgentsRead), routes!(list));
    let manage = Access::Agent(Permission::RolesManage);
    let writes = Group::new(app).route(manage, routes!(put)).route(manage, routes!(delete));
    reads.within(quick).drawing(Class::Read).merge(writes.within(quick).drawing(Class::Write)).identified()
}

/// Lists all roles and all permissions.
#[utoipa::path(
    get, path = "/roles", tag = "agents",
    responses((status = 200, body = RolesReply), Failures)
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Answer<RolesReply>, Problem> {
    let told = app.peers.accounts().list_roles(ListRolesRequest {}).await?.into_inner();
    let items = told.roles.into_iter().map(Into::into).collect();
    Ok(Answer(RolesReply { success: true, data: Roles { items, permissions: told.permissions } }))
}

/// Makes or changes a role. Nobody can give what he does not have; whoever has the role has to log in again.
#[utoipa::path(
    put, path = "/roles/{name}", tag = "agents", request_body = RoleChange,
    params(("name" = String, Path, description = "2 to 40 of a-z 0-9 _ -")),
    responses((status = 200, body = RoleReply), Failures)
)]
pub(crate) async fn put(
    State(app): State<App>,
    NamePath(name): NamePath,
    Json(body): Json<RoleChange>,
) -> Result<Answer<RoleReply>, Problem> {
    check_permissions(&body.permissions)?;
    let request = PutRoleRequest {
        name,
        description: body.description,
        permissions: body.permissions,
        expected_version: body.version,
    };
    let told = app.peers.accounts().put_role(request).await?.into_inner();
    Ok(Answer(RoleReply { success: true, role: told.role.ok_or(WireError::new("role"))?.into() }))
}

/// Deletes a role that nobody has.
#[utoipa::path(
    delete, path = "/roles/{name}", tag = "agents",
    params(("name" = String, Path, description = "The role")),
    responses((status = 200, body = DoneReply), Failures)
)]
pub(crate) async fn delete(
    State(app): State<App>,
    NamePath(name): NamePath,
) -> Result<Answer<DoneReply>, Problem> {
    app.peers.accounts().delete_role(DeleteRoleRequest { name: name.clone() }).await?;
    Ok(DoneReply::new(format!("角色 {name} 已删除")))
}

/// Refuses names that mean no permission: a typing error must not become a role that lacks something.
pub(super) fn check_permissions(names: &[String]) -> Result<(), Problem> {
    match names.iter().find(|name| name.parse::<Permission>().is_err()) {
        Some(name) => {
            let shown: String = name.chars().take(40).collect();
            Err(Problem::field("permissions", format!("`{shown}` is no permission")))
        }
        None => Ok(()),
    }
}
