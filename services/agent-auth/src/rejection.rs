//! What callers of logins are told when they are refused.

use crate::AgentAuthError;
use std::time::Duration;
use switchboard_domain::{ErrorKind, Failure};

fn rejection(kind: ErrorKind, code: &'static str, told: &'static str) -> AgentAuthError {
    Failure::new(kind, code, told).into()
}

/// The same for an unknown name and a wrong password.
pub(crate) fn invalid_credentials() -> AgentAuthError {
    rejection(ErrorKind::Unauthenticated, "INVALID_CREDENTIALS", "username or password is wrong")
}

/// The account may not be used. Told only to who knows its password.
pub(crate) fn account_disabled() -> AgentAuthError {
    rejection(ErrorKind::Forbidden, "ACCOUNT_DISABLED", "this account is disabled")
}

/// The password was right; a code is missing.
pub(crate) fn totp_required() -> AgentAuthError {
    rejection(ErrorKind::Unauthenticated, "TOTP_REQUIRED", "a code of the second factor is needed")
}

/// No code, one of another time, or one that was used.
pub(crate) fn invalid_totp() -> AgentAuthError {
    rejection(ErrorKind::Unauthenticated, "INVALID_TOTP", "the code is wrong, too old, or was used already")
}

/// Too fast.
pub(crate) fn too_many_attempts(wait: Duration) -> AgentAuthError {
    let told = "too many failed attempts, wait before the next one";
    Failure::new(ErrorKind::RateLimited, "TOO_MANY_ATTEMPTS", told).retry_after(wait).into()
}

/// The refresh token is unknown, expired, or its login has ended.
pub(crate) fn invalid_refresh_token() -> AgentAuthError {
    rejection(ErrorKind::Unauthenticated, "INVALID_REFRESH_TOKEN", "this login has ended, log in again")
}

/// A used refresh token came back too late: its login was ended.
pub(crate) fn refresh_token_reused() -> AgentAuthError {
    let told = "this refresh token was used before, so its login was ended: log in again";
    rejection(ErrorKind::Unauthenticated, "REFRESH_TOKEN_REUSED", told)
}

/// The caller's account is gone.
pub(crate) fn agent_not_found() -> AgentAuthError {
    rejection(ErrorKind::NotFound, "AGENT_NOT_FOUND", "this account does not exist")
}

/// The call needs a person of the shop.
pub(crate) fn nobody() -> AgentAuthError {
    rejection(ErrorKind::Unauthenticated, "UNAUTHENTICATED", "nobody is identified")
}

/// The login that was named is not open.
pub(crate) fn login_ended() -> AgentAuthError {
    rejection(ErrorKind::Unauthenticated, "LOGIN_ENDED", "this login has ended, log in again")
}

/// Nothing was asked for.
pub(crate) fn no_fields() -> AgentAuthError {
    rejection(ErrorKind::Invalid, "NO_FIELDS_TO_UPDATE", "at least one field has to be given")
}

/// Changing a password: the present one is another.
pub(crate) fn old_password_incorrect() -> AgentAuthError {
    rejection(ErrorKind::Invalid, "OLD_PASSWORD_INCORRECT", "the old password is wrong")
}

/// Changing a password to itself.
pub(crate) fn password_same() -> AgentAuthError {
    rejection(ErrorKind::Invalid, "PASSWORD_SAME", "the new password must differ from the old one")
}

/// A command of the account's owner needs the password, and this is another.
pub(crate) fn password_incorrect() -> AgentAuthError {
    rejection(ErrorKind::Forbidden, "PASSWORD_INCORRECT", "the password is wrong")
}

/// The account changed while the command ran.
pub(crate) fn account_changed() -> AgentAuthError {
    rejection(ErrorKind::Conflict, "ACCOUNT_CHANGED", "the account was changed meanwhile, try again")
}

/// There is a second factor already.
pub(crate) fn totp_enabled() -> AgentAuthError {
    rejection(ErrorKind::Conflict, "TOTP_ENABLED", "a second factor is enrolled already: switch it off first")
}

/// There is no second factor, or none was begun.
pub(crate) fn totp_not_enabled() -> AgentAuthError {
    rejection(ErrorKind::Conflict, "TOTP_NOT_ENABLED", "no second factor is enrolled")
}

/// The API key is unknown, expired or revoked, or its account may not be used.
pub(crate) fn invalid_api_key() -> AgentAuthError {
    rejection(ErrorKind::Unauthenticated, "INVALID_API_KEY", "this API key does not count")
}
