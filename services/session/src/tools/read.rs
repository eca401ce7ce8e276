//! Requests of [`super::Tools`], parsed; rows, as replies.

use crate::{
    error::SessionError,
    store::{
        assists::AssistRow,
        customers::{CustomerEdit, Noted},
        replies::{ReplyEdit, ReplyRow},
    },
};
use std::collections::{BTreeMap, HashMap};
use switchboard_domain::{
    AgentId, AssistId, ErrorKind, Failure, Language, MessageText, ReplyId, Session,
    limits::PAGE_MAX,
    quick_reply::{Category, VARIABLES_MAX, variables},
};
use switchboard_proto::{common::v1 as common, convert::WireError, session::v1 as wire};

/// Longest question or answer among colleagues, in characters.
pub(super) const QUESTION_MAX: usize = 2000;
const TITLE_MAX: usize = 200;
const CONTENT_MAX: usize = 5000;
const SHORTCUT_MAX: usize = 40;
const KEYWORD_MAX: usize = 100;
const NICKNAME_MAX: usize = 64;
/// RFC 5321: a path is at most 256 octets, two of them its brackets.
const EMAIL_MAX: usize = 254;
const REMARK_MAX: usize = 2000;
const ATTRIBUTE_KEY_MAX: usize = 40;
const ATTRIBUTE_VALUE_MAX: usize = 500;

fn invalid(code: &'static str, told: impl Into<String>) -> SessionError {
    Failure::new(ErrorKind::Invalid, code, told).into()
}

/// A text of 1 to `max` characters.
pub(super) fn text(raw: &str, max: usize) -> Result<String, SessionError> {
    Ok(MessageText::parse(raw, max)?.into_string())
}

/// A text of 0 to `max` characters.
fn text_or_none(raw: &str, max: usize) -> Result<String, SessionError> {
    if raw.trim().is_empty() { Ok(String::new()) } else { text(raw, max) }
}

/// One line of 0 to `max` characters.
fn line_or_none(raw: &str, max: usize) -> Result<String, SessionError> {
    let line = text_or_none(raw, max)?;
    if line.contains(['\n', '\t']) {
        return Err(invalid("CONTROL_CHARACTER", "a single line is wanted"));
    }
    Ok(line)
}

pub(super) fn limit(asked: u32) -> i64 {
    let max = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
    if asked == 0 { max } else { i64::from(asked).min(max) }
}

pub(super) fn keyword(raw: String) -> Result<String, SessionError> {
    if raw.chars().count() > KEYWORD_MAX {
        return Err(invalid("KEYWORD_TOO_LONG", format!("a keyword has at most {KEYWORD_MAX} characters")));
    }
    Ok(raw)
}

pub(super) fn reply_id(text: &str) -> Result<ReplyId, SessionError> {
    // An id of another shape names nothing.
    ReplyId::parse(text)
        .map_err(|_| Failure::new(ErrorKind::NotFound, "QUICK_REPLY_NOT_FOUND", "快捷回复不存在").into())
}

pub(super) fn assist_id(text: &str) -> Result<AssistId, SessionError> {
    AssistId::parse(text)
        .map_err(|_| Failure::new(ErrorKind::NotFound, "ASSIST_NOT_FOUND", "协助请求不存在").into())
}

pub(super) fn agent_or_any(text: &str) -> Result<Option<AgentId>, SessionError> {
    if text.is_empty() {
        Ok(None)
    } else {
        AgentId::parse(text).map(Some).map_err(|_| WireError::new("owner").into())
    }
}

fn category(text: &str) -> Result<Category, SessionError> {
    let known = Category::ALL.map(Category::as_str).join(", ");
    Category::parse(text).ok_or_else(|| invalid("INVALID_CATEGORY", format!("无效的分类，可选: {known}")))
}

pub(super) fn category_or_any(text: &str) -> Result<Option<Category>, SessionError> {
    if text.is_empty() { Ok(None) } else { category(text).map(Some) }
}

pub(super) fn reply_edit(request: wire::PutReplyRequest) -> Result<ReplyEdit, SessionError> {
    let content = request.content.map(|content| text(&content, CONTENT_MAX)).transpose()?;
    if content.as_deref().is_some_and(|content| variables(content).len() > VARIABLES_MAX) {
        let told = format!("a quick reply has at most {VARIABLES_MAX} variables");
        return Err(invalid("TOO_MANY_VARIABLES", told));
    }
    Ok(ReplyEdit {
        title: request.title.map(|title| text(&title, TITLE_MAX)).transpose()?,
        content,
        category: request.category.map(|name| category(&name)).transpose()?,
        shortcut: request.shortcut.map(|shortcut| line_or_none(&shortcut, SHORTCUT_MAX)).transpose()?,
        shared: request.shared,
    })
}

/// A new quick reply needs a title and a text.
pub(super) fn complete(edit: ReplyEdit) -> Result<ReplyEdit, SessionError> {
    for (field, given) in [("title", edit.title.is_some()), ("content", edit.content.is_some())] {
        if !given {
            return Err(invalid("FIELD_REQUIRED", format!("{field} is required")));
        }
    }
    Ok(edit)
}

/// Values that the caller gives for variables.
pub(super) fn values(values: HashMap<String, String>) -> Result<BTreeMap<String, String>, SessionError> {
    let mut read = BTreeMap::new();
    for (name, value) in values {
        read.insert(name, text_or_none(&value, ATTRIBUTE_VALUE_MAX)?);
    }
    Ok(read)
}

pub(super) fn reply(row: ReplyRow) -> wire::QuickReply {
    wire::QuickReply {
        variables: variables(&row.content).into_iter().map(str::to_owned).collect(),
        id: row.id,
        title: row.title,
        content: row.content,
        category: row.category,
        shortcut: row.shortcut,
        shared: row.shared == 1,
        used: row.used,
        owner: Some(common::AgentRef { id: row.owner_id, name: row.owner_name }),
        created_at_ms: row.created_at,
        updated_at_ms: row.updated_at,
        last_used_at_ms: row.last_used_at,
    }
}

pub(super) fn customer_edit(request: wire::EditProfileRequest) -> Result<CustomerEdit, SessionError> {
    let mut attributes = BTreeMap::new();
    for (key, value) in request.attributes {
        let well_formed = (1..=ATTRIBUTE_KEY_MAX).contains(&key.len())
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !well_formed {
            let told = format!("an attribute's name is 1 to {ATTRIBUTE_KEY_MAX} of a-z 0-9 _");
            return Err(invalid("INVALID_ATTRIBUTE", told));
        }
        attributes.insert(key, text_or_none(&value, ATTRIBUTE_VALUE_MAX)?);
    }
    Ok(CustomerEdit {
        nickname: request.nickname.map(|name| line_or_none(&name, NICKNAME_MAX)).transpose()?,
        email: request.email.map(|address| email(&address)).transpose()?,
        language: request.language.map(|tag| language(&tag)).transpose()?,
        attributes,
        remark: request.remark.map(|remark| text_or_none(&remark, REMARK_MAX)).transpose()?,
        expected: request.expected_version,
    })
}

fn language(tag: &str) -> Result<Language, SessionError> {
    Language::from_tag(tag).ok_or_else(|| invalid("INVALID_LANGUAGE", "no language that is spoken here"))
}

/// An address that mail can be sent to; the mail server has the last word.
fn email(raw: &str) -> Result<String, SessionError> {
    let address = line_or_none(raw, EMAIL_MAX)?;
    let is_plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>,;\"".contains(c));
    let fine = address.split_once('@').is_some_and(|(local, domain)| {
        is_plain(local) && is_plain(domain) && !domain.contains('@') && domain.contains('.')
    });
    if address.is_empty() || fine { Ok(address) } else { Err(invalid("INVALID_EMAIL", "邮箱地址无效")) }
}

pub(super) fn profile(session: &Session, noted: Noted) -> wire::CustomerProfile {
    wire::CustomerProfile {
        session: session.name.to_string(),
        nickname: session.profile.nickname.clone(),
        email: session.profile.email.clone(),
        vip: session.profile.vip,
        language: session.profile.language.map(|language| language.tag().to_owned()).unwrap_or_default(),
        attributes: noted.attributes.into_iter().collect(),
        remark: noted.remark,
        version: noted.version,
        sessions_escalated: i64::from(session.desk.repeats) + i64::from(session.escalation.is_some()),
        first_seen_ms: session.created_at.millis(),
        last_seen_ms: session.updated_at.millis(),
    }
}

/// `Some(true)`: answered ones; `Some(false)`: pending ones.
pub(super) fn assist_status(text: &str) -> Result<Option<bool>, SessionError> {
    match text {
        "" => Ok(None),
        "pending" => Ok(Some(false)),
        "answered" => Ok(Some(true)),
        _ => Err(invalid("INVALID_STATUS", "status is pending or answered")),
    }
}

pub(super) fn assist(row: AssistRow) -> wire::Assist {
    wire::Assist {
        status: if row.answered_at.is_some() { "answered" } else { "pending" }.to_owned(),
        id: row.id,
        session: row.session,
        requester: Some(common::AgentRef { id: row.requester_id, name: row.requester_name }),
        assistant: Some(common::AgentRef { id: row.assistant_id, name: row.assistant_name }),
        question: row.question,
        answer: row.answer,
        created_at_ms: row.created_at,
        answered_at_ms: row.answered_at,
    }
}
