//! What the account service refuses, and how it says so. Codes and sentences are part of the contract.

use switchboard_domain::{AgentId, ErrorKind, Failure, Permission, Permissions, Principal};
use switchboard_mesh::CallContext;

/// Who makes the running call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) id: AgentId,
    /// As his token, or his key, says.
    pub(crate) permissions: Permissions,
}

impl Caller {
    /// Of the running call.
    ///
    /// # Errors
    /// `PERMISSION_REQUIRED` when it is nobody of the shop.
    pub(crate) fn current() -> Result<Self, Failure> {
        match CallContext::current().map(|context| context.principal) {
            Some(Principal::Agent { id, permissions }) => Ok(Self { id, permissions }),
            Some(Principal::Anonymous | Principal::Visitor(_) | Principal::Service(_)) | None => {
                Err(not_permitted())
            }
        }
    }

    /// Whether his token, or his key, allows it.
    pub(crate) fn may(self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }
}

/// A field holds what it may not; the edge makes it a 422 that names the field.
pub(crate) fn invalid(field: &'static str, rule: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, "VALIDATION_ERROR", format!("`{field}` must be {rule}"))
        .with("field", field)
        .with("rule", rule)
}

/// The caller's account may not do this, whatever his token says.
pub(crate) fn not_permitted() -> Failure {
    Failure::new(ErrorKind::Forbidden, "PERMISSION_REQUIRED", "you are not permitted to do this")
}

/// Nobody gives, or takes away, what he does not have.
pub(crate) fn escalation(missing: Permissions) -> Failure {
    let names: Vec<&str> = missing.iter().map(Permission::as_str).collect();
    Failure::new(ErrorKind::Forbidden, "PERMISSION_ESCALATION", "不能授予或更改超出自己权限的角色")
        .with("permissions", names.join(" "))
}

/// There is no such account.
pub(crate) fn agent_not_found() -> Failure {
    Failure::new(ErrorKind::NotFound, "AGENT_NOT_FOUND", "坐席不存在")
}

/// One's own password is not reset.
pub(crate) fn own_password() -> Failure {
    let told = "change your own password instead, with the present one";
    Failure::new(ErrorKind::Forbidden, "OWN_PASSWORD", told)
}

/// The username is taken.
pub(crate) fn username_exists() -> Failure {
    Failure::new(ErrorKind::Invalid, "USERNAME_EXISTS", "用户名已存在").with("field", "username")
}

/// What would leave nobody who can manage accounts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Loss {
    /// Another role, or a change of the role.
    Demotion,
    /// Disabling.
    Disabling,
    /// Deleting.
    Deletion,
}

/// Nobody could manage accounts any more.
pub(crate) fn last_admin(loss: Loss) -> Failure {
    let told = match loss {
        Loss::Demotion => "不能降级最后一个管理员",
        Loss::Disabling => "不能停用最后一个管理员",
        Loss::Deletion => "不能删除最后一个管理员",
    };
    Failure::new(ErrorKind::Invalid, "LAST_ADMIN", told)
}

/// An account is to have a role that does not exist.
pub(crate) fn unknown_role(role: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, "UNKNOWN_ROLE", "there is no role of this name").with("role", role)
}

/// There is no custom role of this name.
pub(crate) fn role_not_found(role: &str) -> Failure {
    Failure::new(ErrorKind::NotFound, "ROLE_NOT_FOUND", "there is no role of this name").with("role", role)
}

/// Built-in roles are what they are.
pub(crate) fn built_in_role(role: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, "BUILT_IN_ROLE", "built-in roles cannot be changed").with("role", role)
}

/// Somebody has the role.
pub(crate) fn role_in_use(holders: i64) -> Failure {
    Failure::new(ErrorKind::Conflict, "ROLE_IN_USE", "somebody has this role").with("holders", holders)
}

/// More roles than there may be.
pub(crate) fn too_many_roles(max: i64) -> Failure {
    Failure::new(ErrorKind::Conflict, "TOO_MANY_ROLES", "delete a role first").with("max", max)
}

/// Somebody else changed it since it was read; `version` is what it is now, 0 when it is gone.
pub(crate) fn version_conflict(version: i64) -> Failure {
    Failure::new(ErrorKind::Conflict, "VERSION_CONFLICT", "it was changed since it was read")
        .with("version", version)
}

/// There is no permission of this name.
pub(crate) fn unknown_permission(name: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, "UNKNOWN_PERMISSION", "there is no permission of this name")
        .with("permission", name)
}

/// There is no such key, or it is somebody else's.
pub(crate) fn key_not_found() -> Failure {
    Failure::new(ErrorKind::NotFound, "API_KEY_NOT_FOUND", "there is no such key")
}

/// The idempotency key was used before, for something else.
pub(crate) fn key_reused() -> Failure {
    let told = "the idempotency key was used for another request before";
    Failure::new(ErrorKind::Mismatch, "IDEMPOTENCY_MISMATCH", told)
}

/// More keys than one account may have.
pub(crate) fn too_many_keys(max: i64) -> Failure {
    Failure::new(ErrorKind::Conflict, "TOO_MANY_API_KEYS", "revoke a key first").with("max", max)
}
