//! Requests of the desk, parsed; what the store gives, as replies.

use super::Denied;
use crate::{
    error::SessionError,
    store::{
        desk::Handover,
        notes::{Note, Wording},
        tags::Tag,
    },
};
use switchboard_domain::{
    ErrorKind, Failure, NoteId, OfferId, Timestamp,
    entry::AgentRef,
    limits::PAGE_MAX,
    offer::{Offer, OfferKind, OfferState},
};
use switchboard_proto::{convert::WireError, session::v1 as wire};

/// Longest reason of a release, a close or a transfer, in characters.
const REASON_MAX: usize = 200;
/// Longest note to a colleague who gets a session.
const HANDOVER_NOTE_MAX: usize = 2000;
/// Longest note of an answer to an offer.
const ANSWER_NOTE_MAX: usize = 500;
/// Longest internal note.
const NOTE_MAX: usize = 2000;
/// Longest name of a tag.
const TAG_NAME_MAX: usize = 40;
/// Longest icon of a tag: one emoji may be many characters.
const TAG_ICON_MAX: usize = 16;

/// A text of bounded length without control characters other than line feed and tab; trimmed.
fn bounded(field: &'static str, text: &str, max: usize) -> Result<String, SessionError> {
    let text = text.trim();
    let actual = text.chars().count();
    if actual > max {
        return Err(Denied::Length { field, max, actual }.into());
    }
    if let Some(bad) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        let told = "the text contains a control character";
        let failure = Failure::new(ErrorKind::Invalid, "CONTROL_CHARACTER", told)
            .with("field", field)
            .with("code_point", format!("U+{:04X}", u32::from(bad)));
        return Err(failure.into());
    }
    Ok(text.to_owned())
}

/// The same, and not empty.
fn given(field: &'static str, text: &str, max: usize) -> Result<String, SessionError> {
    let text = bounded(field, text, max)?;
    if text.is_empty() { Err(Denied::Length { field, max, actual: 0 }.into()) } else { Ok(text) }
}

pub(super) fn reason(text: &str) -> Result<String, SessionError> {
    bounded("reason", text, REASON_MAX)
}

pub(super) fn answer_note(text: &str) -> Result<String, SessionError> {
    bounded("note", text, ANSWER_NOTE_MAX)
}

pub(super) fn handover(request: &wire::TransferRequest, from: AgentRef) -> Result<Handover, SessionError> {
    let reason = reason(&request.reason)?;
    if reason.is_empty() {
        return Err(Denied::ReasonRequired.into());
    }
    let note = bounded("note", &request.note, HANDOVER_NOTE_MAX)?;
    Ok(Handover { from, to: request.to.clone(), reason, note, immediate: request.immediate })
}

pub(super) fn offer_id(text: &str) -> Result<OfferId, SessionError> {
    OfferId::parse(text).map_err(|_| WireError::new("offer").into())
}

pub(super) fn note_id(text: &str) -> Result<NoteId, SessionError> {
    NoteId::parse(text).map_err(|_| WireError::new("note").into())
}

pub(super) fn wording(text: &str, mentions: Vec<String>, max: usize) -> Result<Wording, SessionError> {
    let text = given("text", text, NOTE_MAX)?;
    if mentions.len() > max {
        return Err(Denied::TooMany { what: "mentions", max }.into());
    }
    Ok(Wording { text, mentions })
}

pub(super) fn tag(tag: Option<wire::Tag>) -> Result<Tag, SessionError> {
    let tag = tag.ok_or(WireError::new("tag"))?;
    let digits = tag.color.strip_prefix('#').unwrap_or_default();
    if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Denied::InvalidColor.into());
    }
    Ok(Tag {
        name: given("name", &tag.name, TAG_NAME_MAX)?,
        icon: bounded("icon", &tag.icon, TAG_ICON_MAX)?,
        color: tag.color.to_ascii_uppercase(),
        id: tag.id,
        built_in: false,
    })
}

pub(super) fn page_size(asked: u32, default: usize) -> usize {
    if asked == 0 { default } else { (asked as usize).min(PAGE_MAX) }
}

pub(super) fn offer_told(offer: &Offer) -> wire::Offer {
    let kind = match offer.kind {
        OfferKind::Assignment => wire::OfferKind::Assignment,
        OfferKind::Transfer => wire::OfferKind::Transfer,
    };
    let state = match offer.state {
        OfferState::Open => wire::OfferState::Open,
        OfferState::Accepted => wire::OfferState::Accepted,
        OfferState::Declined => wire::OfferState::Declined,
        OfferState::Expired => wire::OfferState::Expired,
        OfferState::Withdrawn => wire::OfferState::Withdrawn,
    };
    wire::Offer {
        id: offer.id.to_string(),
        session: offer.session.to_string(),
        kind: kind.into(),
        state: state.into(),
        to: Some((&offer.to).into()),
        from: offer.from.as_ref().map(Into::into),
        reason: offer.reason.clone(),
        note: offer.note.clone(),
        made_at_ms: offer.made_at.millis(),
        expires_at_ms: offer.expires_at.millis(),
        answered_at_ms: offer.answered_at.map(Timestamp::millis),
        answer_note: offer.answer_note.clone(),
        explanation_json: offer.explanation.clone(),
    }
}

pub(super) fn note_told(note: &Note) -> wire::Note {
    wire::Note {
        id: note.id.to_string(),
        session: note.session.to_string(),
        author: Some((&note.author).into()),
        text: note.text.clone(),
        mentions: note.mentions.iter().map(ToString::to_string).collect(),
        created_at_ms: note.created_at.millis(),
        edited_at_ms: note.edited_at.map(Timestamp::millis),
    }
}

pub(super) fn tag_told(tag: Tag) -> wire::Tag {
    let Tag { id, name, color, icon, built_in } = tag;
    wire::Tag { id, name, color, icon, built_in }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_mesh::Fail as _;

    #[test]
    fn texts_are_trimmed_and_bounded() {
        assert_eq!(reason("  moved \n").unwrap(), "moved");
        assert_eq!(reason(&"语".repeat(REASON_MAX)).unwrap().chars().count(), REASON_MAX);
        let code = |outcome: Result<String, SessionError>| outcome.unwrap_err().failure().code;
        assert_eq!(code(reason(&"语".repeat(REASON_MAX + 1))), "INVALID_LENGTH");
        assert_eq!(code(reason("a\u{7}b")), "CONTROL_CHARACTER");
        assert_eq!(code(given("text", " \t", NOTE_MAX)), "INVALID_LENGTH");
    }

    #[test]
    fn a_color_is_six_hexadecimal_digits() {
        let tag_of = |color: &str| {
            let built = wire::Tag { name: "n".into(), color: color.into(), ..wire::Tag::default() };
            tag(Some(built)).map(|tag| tag.color)
        };
        assert_eq!(tag_of("#f59e0b").unwrap(), "#F59E0B");
        for bad in ["", "#", "F59E0B", "#F59E0", "#F59E0BB", "#F59E0G", "#+59E0B"] {
            assert!(tag_of(bad).is_err(), "{bad}");
        }
    }
}
