//! Refusals that the original had already: the status and the words that its clients know, whichever part refuses.

use http::StatusCode;

/// By code: status, words.
const KNOWN: [(&str, StatusCode, &str); 7] = [
    ("AGENT_NOT_FOUND", StatusCode::NOT_FOUND, "坐席不存在"),
    ("INVALID_CREDENTIALS", StatusCode::UNAUTHORIZED, "用户名或密码错误"),
    ("INVALID_REFRESH_TOKEN", StatusCode::UNAUTHORIZED, "无效的刷新 Token"),
    ("NO_FIELDS_TO_UPDATE", StatusCode::BAD_REQUEST, "至少需要提供一个要修改的字段"),
    ("OLD_PASSWORD_INCORRECT", StatusCode::BAD_REQUEST, "旧密码不正确"),
    ("PASSWORD_SAME", StatusCode::BAD_REQUEST, "新密码不能与旧密码相同"),
    ("USERNAME_EXISTS", StatusCode::BAD_REQUEST, "用户名已存在"),
];

/// What clients of the original expect of a code.
pub(super) fn known(code: &str) -> Option<(StatusCode, &'static str)> {
    KNOWN.iter().find(|(name, _, _)| *name == code).map(|(_, status, words)| (*status, *words))
}
