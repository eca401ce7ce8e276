//! What the chunks of an OpenAI-compatible stream mean, and what its errors mean.

use super::NAME;
use crate::{
    ModelError,
    excerpt::Hidden,
    sse::Frame,
    wire::{Code, Text},
};
use serde::Deserialize;
use std::borrow::Cow;

/// Reads the chunks of one answer.
#[derive(Debug)]
pub(crate) struct Reader {
    hidden: Hidden,
    finished: bool,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
    error: Option<Complaint>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Option<Piece<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
}

/// What a server says is wrong: an object with a code, or only a sentence.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Complaint {
    Object {
        code: Option<Code>,
        message: Option<String>,
    },
    Sentence(String),
    #[default]
    Silence,
}

impl Complaint {
    /// Finds it in a body that is no stream.
    pub(super) fn find(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Told {
            error: Option<Complaint>,
        }
        serde_json::from_slice::<Told>(body).ok().and_then(|told| told.error).unwrap_or_default()
    }

    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Object { code, .. } => code.as_ref().and_then(Code::number),
            Self::Sentence(_) | Self::Silence => None,
        }
    }

    pub(super) fn is_silent(&self) -> bool {
        matches!(self, Self::Silence)
    }

    fn text(&self) -> &str {
        match self {
            Self::Object { message, .. } => message.as_deref().unwrap_or_default(),
            Self::Sentence(text) => text,
            Self::Silence => "",
        }
    }
}

impl Reader {
    pub(crate) fn new(hidden: Hidden) -> Self {
        Self { hidden, finished: false }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(crate) fn read<'a>(&mut self, frame: Frame<'a>) -> Result<Option<Cow<'a, str>>, ModelError> {
        if frame.data == "[DONE]" {
            self.finished = true;
            return Ok(None);
        }
        let chunk: Chunk<'_> = serde_json::from_str(frame.data).map_err(|_| ModelError::BadReply)?;
        if let Some(complaint) = chunk.error {
            refused(200, &self.hidden, &complaint);
            return Err(refusal(200, complaint.number()));
        }
        // We ask for one choice; the chunk with the usage has none.
        let Some(choice) = chunk.choices.into_iter().next() else { return Ok(None) };
        match choice.finish_reason.as_ref().map(|reason| reason.0.as_ref()) {
            None | Some("") => {}
            Some("content_filter") => {
                tracing::warn!(model.provider = NAME, "model provider's content filter stopped the answer");
                return Err(ModelError::Refused { status: 200, vendor_code: Some(CONTENT_FILTER) });
            }
            Some("tool_calls" | "function_call") => return Err(ModelError::BadReply), // we offer no tools
            Some(_) => self.finished = true,
        }
        let text = choice.delta.and_then(|delta| delta.content).map(|content| content.0);
        Ok(text.filter(|text| !text.is_empty()))
    }
}

/// The protocol has a word for this and no number; it concerns one prompt, not the provider.
const CONTENT_FILTER: i64 = 400;

/// Logs what the server said; its words go no further.
pub(super) fn refused(status: u16, hidden: &Hidden, complaint: &Complaint) {
    tracing::warn!(
        model.provider = NAME,
        http.status = status,
        vendor.code = complaint.number(),
        vendor.text = hidden.excerpt(complaint.text()),
        "model provider refused"
    );
}

/// Names a status; routers put the status of the model behind them into a body of status 200.
pub(super) fn refusal(status: u16, code: Option<i64>) -> ModelError {
    let inner = code.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code));
    match if status == 200 { inner.unwrap_or(status) } else { status } {
        401 | 403 => ModelError::Unauthorized,
        404 => ModelError::Misconfigured { hint: "the server knows no such model or address" },
        429 => ModelError::Busy { vendor_code: code },
        status => ModelError::Refused { status, vendor_code: code },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&str]) -> (Result<String, ModelError>, bool) {
        let mut reader = Reader::new(Hidden::default());
        let mut text = String::new();
        for data in chunks {
            match reader.read(Frame { name: "", data }) {
                Ok(piece) => text.push_str(&piece.unwrap_or_default()),
                Err(error) => return (Err(error), reader.finished),
            }
        }
        (Ok(text), reader.finished)
    }

    const ROLE: &str = r#"{"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}"#;
    const HI: &str = r#"{"choices":[{"index":0,"delta":{"content":"你好"},"finish_reason":null}]}"#;
    const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const LAST: &str = r#"{"choices":[{"index":0,"delta":{"content":"!"},"finish_reason":"length"}]}"#;
    const USAGE: &str = r#"{"choices":[],"usage":{"total_tokens":9}}"#;

    #[test]
    fn answers() {
        let table: [(&[&str], &str, bool); 4] = [
            (&[ROLE, HI, HI], "你好你好", false),
            (&[ROLE, HI, STOP, USAGE, "[DONE]"], "你好", true),
            (&[HI, LAST], "你好!", true),
            (&[HI, "[DONE]"], "你好", true),
        ];
        for (chunks, text, finished) in table {
            assert_eq!(read(chunks), (Ok(text.to_owned()), finished), "{chunks:?}");
        }
    }

    #[test]
    fn errors() {
        let refused = |status, vendor_code| ModelError::Refused { status, vendor_code };
        let filtered = r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#;
        let tools = r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#;
        let table = [
            (r#"{"error":{"message":"x","type":"server_error","code":null}}"#, refused(200, None)),
            (r#"{"error":{"message":"x","code":502}}"#, refused(502, Some(502))),
            (r#"{"error":{"message":"x","code":429}}"#, ModelError::Busy { vendor_code: Some(429) }),
            (r#"{"error":"overloaded"}"#, refused(200, None)),
            (filtered, refused(200, Some(CONTENT_FILTER))),
            (tools, ModelError::BadReply),
            ("{\"choices\":", ModelError::BadReply),
            ("garbage", ModelError::BadReply),
        ];
        for (data, expected) in table {
            assert_eq!(read(&[data]), (Err(expected), false), "{data}");
        }
    }

    #[test]
    fn complaints_in_bodies() {
        let found = Complaint::find(br#"{"error":{"message":"no","code":"invalid_api_key"}}"#);
        assert_eq!((found.text(), found.number()), ("no", None));
        assert!(Complaint::find(b"<html>").is_silent());
        assert!(Complaint::find(b"{\"choices\":[]}").is_silent());
        assert_eq!(refusal(401, None), ModelError::Unauthorized);
        assert_eq!(refusal(404, None).class(), "misconfigured");
    }
}
