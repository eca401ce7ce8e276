//! Fields of accounts as callers send them: checked here, once.

use crate::{
    account::Username,
    denial::invalid,
    presence::{Note, rules::Status},
    repeatable::{self, Repeatable},
};
use secrecy::SecretString;
use switchboard_domain::{AgentId, Failure};
use switchboard_proto::agentauth::v1 as wire;
use unicode_normalization::UnicodeNormalization as _;

/// The role of an account for which none is asked.
const ROLE: &str = "agent";
/// Sessions at once of an account for which no number is asked.
const SESSIONS: u32 = 5;
/// Most sessions at once.
const SESSIONS_MAX: u32 = 20;
/// Longest name, in characters.
const NAME_MAX: usize = 50;
/// Longest note beside a status, in characters.
const NOTE_MAX: usize = 120;
/// Longest address of a picture, in bytes.
const URL_MAX: usize = 2048;

/// An account to be made.
#[derive(Debug, Clone)]
pub(super) struct NewAgent {
    pub(super) username: Username,
    pub(super) password: SecretString,
    pub(super) name: String,
    pub(super) role: String,
    pub(super) max_sessions: u32,
    pub(super) avatar_url: String,
    pub(super) must_change_password: bool,
    pub(super) repeatable: Option<Repeatable>,
}

/// What is to change of an account.
#[derive(Debug, Clone, Default)]
pub(super) struct Edit {
    pub(super) name: Option<String>,
    pub(super) role: Option<String>,
    pub(super) max_sessions: Option<u32>,
    pub(super) status: Option<Status>,
    pub(super) avatar_url: Option<String>,
    pub(super) disabled: Option<bool>,
}

impl TryFrom<wire::CreateAgentRequest> for NewAgent {
    type Error = Failure;
    fn try_from(request: wire::CreateAgentRequest) -> Result<Self, Failure> {
        let role = if request.role.is_empty() { ROLE.to_owned() } else { request.role };
        let sessions = if request.max_sessions == 0 { SESSIONS } else { request.max_sessions };
        Ok(Self {
            username: username(&request.username)?,
            password: request.password.into(),
            name: name(&request.name)?,
            role,
            max_sessions: max_sessions(sessions)?,
            avatar_url: avatar_url(&request.avatar_url)?,
            must_change_password: request.must_change_password,
            repeatable: repeatable::read(request.idempotency)?,
        })
    }
}

impl TryFrom<wire::UpdateAgentRequest> for Edit {
    type Error = Failure;
    fn try_from(request: wire::UpdateAgentRequest) -> Result<Self, Failure> {
        Ok(Self {
            name: request.name.map(|text| name(&text)).transpose()?,
            role: request.role,
            max_sessions: request.max_sessions.map(max_sessions).transpose()?,
            status: request.status.map(|text| status(&text)).transpose()?,
            avatar_url: request.avatar_url.map(|text| avatar_url(&text)).transpose()?,
            disabled: request.disabled,
        })
    }
}

impl Edit {
    /// The names of what it sets, for the audit log.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        [
            ("name", self.name.is_some()),
            ("role", self.role.is_some()),
            ("max_sessions", self.max_sessions.is_some()),
            ("status", self.status.is_some()),
            ("avatar_url", self.avatar_url.is_some()),
            ("disabled", self.disabled.is_some()),
        ]
        .into_iter()
        .filter_map(|(field, is_set)| is_set.then_some(field))
        .collect()
    }
}

/// A status by its name.
pub(super) fn status(text: &str) -> Result<Status, Failure> {
    let rule = "online, busy, break, lunch, training or offline";
    text.parse().map_err(|_unknown| invalid("status", rule))
}

/// What becomes of the note.
pub(super) fn note(text: Option<String>) -> Result<Note, Failure> {
    let Some(text) = text else { return Ok(Note::Keep) };
    let text = text.trim();
    if text.chars().count() > NOTE_MAX || text.chars().any(char::is_control) {
        return Err(invalid("note", "at most 120 characters in one line"));
    }
    Ok(Note::Say(text.to_owned()))
}

/// Nobody can have another's id for a name: accounts are found by either.
fn username(text: &str) -> Result<Username, Failure> {
    let rule = "3 to 50 letters, digits or . _ - @ +";
    let fits = |name: &Username| {
        (3..=50).contains(&name.as_str().chars().count()) && AgentId::parse(&name.key()).is_err()
    };
    Username::parse(text).filter(fits).ok_or_else(|| invalid("username", rule))
}

/// Trims, normalises and checks the name that others see.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub(crate) fn name(text: &str) -> Result<String, Failure> {
    let name: String = text.trim().nfc().collect();
    let fits = (1..=NAME_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits { Ok(name) } else { Err(invalid("name", "1 to 50 characters")) }
}

fn max_sessions(count: u32) -> Result<u32, Failure> {
    let fits = (1..=SESSIONS_MAX).contains(&count);
    fits.then_some(count).ok_or_else(|| invalid("max_sessions", "1 to 20"))
}

/// Trims and checks the address of a picture; the empty text removes it.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub(crate) fn avatar_url(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let host = text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
    let is_printable =
        text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '<' | '>' | '\\'));
    let is_address = host.is_some_and(|host| !host.is_empty() && !host.contains('@'));
    let fits = text.is_empty() || (is_address && is_printable && text.len() <= URL_MAX);
    fits.then(|| text.to_owned()).ok_or_else(|| invalid("avatar_url", "an https address, or empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> wire::CreateAgentRequest {
        wire::CreateAgentRequest {
            username: "anna".into(),
            password: "correct horse".into(),
            name: " 小王 ".into(),
            ..wire::CreateAgentRequest::default()
        }
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let new = NewAgent::try_from(request()).unwrap();
        assert_eq!((new.name.as_str(), new.role.as_str(), new.max_sessions), ("小王", "agent", 5));
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        type Change = fn(&mut wire::CreateAgentRequest);
        let cases: [(Change, &str); 9] = [
            (|r| r.username = "ab".into(), "username"),
            (|r| r.username = "x".repeat(51), "username"),
            (|r| r.username = "a b c".into(), "username"),
            (|r| r.username = "AGT_0192f0c1a2b37c4d8e5f60718293a4b5".into(), "username"),
            (|r| r.name = " ".into(), "name"),
            (|r| r.name = "x".repeat(51), "name"),
            (|r| r.max_sessions = 21, "max_sessions"),
            (|r| r.avatar_url = "http://a.example/x.png".into(), "avatar_url"),
            (|r| r.avatar_url = "javascript:alert(1)".into(), "avatar_url"),
        ];
        for (change, field) in cases {
            let mut request = request();
            change(&mut request);
            let failure = NewAgent::try_from(request).unwrap_err();
            assert_eq!((&*failure.code, failure.facts["field"].as_str()), ("VALIDATION_ERROR", field));
        }
    }

    #[test]
    fn names_and_pictures_are_checked() {
        assert_eq!(name("  客服小王 ").unwrap(), "客服小王");
        assert_eq!(name("Zoe\u{308}").unwrap(), "Zo\u{eb}", "whoever sets it, it is one spelling");
        for bad in ["", "  ", "a\nb", &"x".repeat(51)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        for good in ["", "https://cdn.example/a.png?x=1#y", "https://1.2.3.4:8443/"] {
            assert_eq!(avatar_url(good).unwrap(), good);
        }
        for bad in [
            "http://a/b",
            "https://",
            "https:///x",
            "javascript:alert(1)",
            "https://a b",
            "https://a.example/\"x",
            "https://u@h/",
            "x",
        ] {
            assert!(avatar_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_note_is_kept_removed_or_trimmed() {
        assert_eq!(note(None).unwrap(), Note::Keep);
        assert_eq!(note(Some("  ".into())).unwrap(), Note::Say(String::new()));
        assert_eq!(note(Some(" 开会 ".into())).unwrap(), Note::Say("开会".into()));
        assert!(note(Some("会".repeat(120))).is_ok());
        assert_eq!(note(Some("会".repeat(121))).unwrap_err().facts["field"], "note");
        assert_eq!(status("away").unwrap_err().facts["field"], "status");
    }

    #[test]
    fn an_edit_tells_what_it_sets() {
        let request = wire::UpdateAgentRequest {
            name: Some("B".into()),
            disabled: Some(false),
            ..wire::UpdateAgentRequest::default()
        };
        assert_eq!(Edit::try_from(request).unwrap().fields(), ["name", "disabled"]);
        let zero = wire::UpdateAgentRequest { max_sessions: Some(0), ..wire::UpdateAgentRequest::default() };
        assert_eq!(Edit::try_from(zero).unwrap_err().facts["field"], "max_sessions");
    }
}
