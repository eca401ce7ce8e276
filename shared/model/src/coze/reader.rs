//! What the events of a Coze stream mean, and what its error codes mean.

use super::NAME;
use crate::{
    ModelError,
    excerpt::Hidden,
    sse::Frame,
    wire::{Code, Text},
};
use serde::Deserialize;
use std::borrow::Cow;

/// Reads the events of one answer.
#[derive(Debug)]
pub(crate) struct Reader {
    hidden: Hidden,
    /// A piece of the answer came: its completed form would only repeat it.
    pieces: bool,
    finished: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    content_type: Option<Text<'a>>,
}

impl<'a> Message<'a> {
    /// The text, if it is meant for the customer: no follow-up questions, tool calls or end marks, no cards.
    fn answer(self) -> Option<Cow<'a, str>> {
        let is = |field: &Option<Text<'_>>, value| field.as_ref().is_none_or(|text| text.0 == value);
        let kind = self.kind.as_ref().is_some_and(|kind| kind.0 == "answer");
        let meant = kind && is(&self.role, "assistant") && is(&self.content_type, "text");
        self.content.map(|content| content.0).filter(|content| meant && !content.is_empty())
    }
}

/// A chat's state, an error, or an event without a name that may be one.
#[derive(Deserialize)]
struct Report<'a> {
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    last_error: Option<Trouble<'a>>,
}

#[derive(Deserialize, Default)]
struct Trouble<'a> {
    code: Option<Code>,
    #[serde(borrow)]
    msg: Option<Text<'a>>,
}

impl Reader {
    pub(crate) fn new(hidden: Hidden) -> Self {
        Self { hidden, pieces: false, finished: false }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(crate) fn read<'a>(&mut self, frame: Frame<'a>) -> Result<Option<Cow<'a, str>>, ModelError> {
        match frame.name {
            "conversation.message.delta" => return Ok(self.piece(parse(frame.data)?)),
            "conversation.message.completed" => {
                let message: Message<'_> = parse(frame.data)?;
                return Ok(message.answer().filter(|_| !self.pieces));
            }
            "conversation.chat.completed" => {
                let report: Report<'_> = parse(frame.data)?;
                self.completed(report)?;
            }
            "conversation.chat.failed" => {
                let report: Report<'_> = parse(frame.data)?;
                return Err(self.trouble(report.last_error.unwrap_or_default()));
            }
            "conversation.chat.requires_action" => {
                let told = Text(Cow::Borrowed("the workflow waits for a tool that this client has not"));
                return Err(self.trouble(Trouble { code: None, msg: Some(told) }));
            }
            "conversation.chat.canceled" => return Err(ModelError::Interrupted),
            "error" => {
                let trouble = serde_json::from_str(frame.data).unwrap_or_default();
                return Err(self.trouble(trouble));
            }
            "done" => self.finished = true,
            "" => return self.nameless(frame.data),
            _ => {} // created, in_progress, audio, and whatever Coze adds
        }
        Ok(None)
    }

    fn piece<'a>(&mut self, message: Message<'a>) -> Option<Cow<'a, str>> {
        let answer = message.answer();
        self.pieces |= answer.is_some();
        answer
    }

    fn completed(&mut self, report: Report<'_>) -> Result<(), ModelError> {
        match report.status.as_ref().map(|status| status.0.as_ref()) {
            Some("failed" | "requires_action") => Err(self.trouble(report.last_error.unwrap_or_default())),
            Some("canceled") => Err(ModelError::Interrupted),
            _ => {
                self.finished = true;
                Ok(())
            }
        }
    }

    /// Some deployments leave the `event:` line out: then the data must tell what it is.
    fn nameless<'a>(&mut self, data: &'a str) -> Result<Option<Cow<'a, str>>, ModelError> {
        if matches!(data, "[DONE]" | "\"[DONE]\"") {
            self.finished = true;
            return Ok(None);
        }
        let message: Message<'_> = parse(data)?;
        if message.kind.is_some() {
            return Ok(self.piece(message));
        }
        let trouble: Trouble<'_> = parse(data)?;
        match trouble.code.as_ref().and_then(Code::number) {
            Some(_) => Err(self.trouble(trouble)),
            None => Ok(None),
        }
    }

    fn trouble(&self, trouble: Trouble<'_>) -> ModelError {
        let code = trouble.code.and_then(|code| code.number());
        refused(200, code, "", &self.hidden.excerpt(&trouble.msg.unwrap_or_default().0));
        refusal(200, code)
    }
}

fn parse<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, ModelError> {
    serde_json::from_str(data).map_err(|_| ModelError::BadReply)
}

/// Logs what Coze said; its words go no further.
pub(super) fn refused(status: u16, code: Option<i64>, log_id: &str, excerpt: &str) {
    tracing::warn!(
        model.provider = NAME,
        http.status = status,
        vendor.code = code,
        vendor.log_id = log_id,
        vendor.text = excerpt,
        "model provider refused"
    );
}

/// Names a status and a code of Coze.
pub(super) fn refusal(status: u16, code: Option<i64>) -> ModelError {
    match (status, code) {
        (_, Some(4100 | 700_012_006)) | (401, _) => ModelError::Unauthorized,
        (_, Some(4009 | 4016 | 4020)) | (429, _) => ModelError::Busy { vendor_code: code },
        (_, Some(4015 | 4200)) => {
            ModelError::Misconfigured { hint: "the Coze workflow is unknown or unpublished" }
        }
        (_, Some(4101)) | (403, _) => ModelError::Misconfigured { hint: "the Coze app lacks a permission" },
        _ => ModelError::Refused { status, vendor_code: code },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELTA: &str = "conversation.message.delta";
    const COMPLETED: &str = "conversation.message.completed";
    const CHAT_COMPLETED: &str = "conversation.chat.completed";
    const FAILED: &str = "conversation.chat.failed";

    type Event = (&'static str, &'static str);

    /// What comes out of a row of events, and whether the answer is complete after it.
    fn read(events: &[Event]) -> (Result<String, ModelError>, bool) {
        let mut reader = Reader::new(Hidden::default());
        let mut text = String::new();
        for (name, data) in events {
            match reader.read(Frame { name, data }) {
                Ok(piece) => text.push_str(&piece.unwrap_or_default()),
                Err(error) => return (Err(error), reader.finished),
            }
        }
        (Ok(text), reader.finished)
    }

    const HI: &str = r#"{"role":"assistant","type":"answer","content":"你好\n","content_type":"text"}"#;
    const OTHER: &str =
        r#"{"role":"assistant","type":"verbose","content":"{\"msg_type\":\"generate_answer_finish\"}"}"#;

    #[test]
    fn answers() {
        let user = r#"{"role":"user","type":"answer","content":"x"}"#;
        let table: [(&[Event], &str, bool); 7] = [
            (&[("conversation.chat.created", "{}"), (DELTA, HI), (DELTA, HI)], "你好\n你好\n", false),
            (&[(DELTA, HI), (COMPLETED, HI), (COMPLETED, OTHER), (CHAT_COMPLETED, "{}")], "你好\n", true),
            (&[(COMPLETED, HI), (COMPLETED, OTHER), ("done", "{\"debug_url\":\"x\"}")], "你好\n", true),
            (&[(DELTA, user), (DELTA, OTHER), ("conversation.audio.delta", "!")], "", false),
            (&[("", HI), ("", "\"[DONE]\"")], "你好\n", true),
            (&[("", "{\"code\":0,\"msg\":\"\"}"), ("", "{\"debug_url\":\"x\"}")], "", false),
            (
                &[(CHAT_COMPLETED, "{\"status\":\"completed\",\"last_error\":{\"code\":0,\"msg\":\"\"}}")],
                "",
                true,
            ),
        ];
        for (events, text, finished) in table {
            assert_eq!(read(events), (Ok(text.to_owned()), finished), "{events:?}");
        }
    }

    #[test]
    fn errors() {
        let refused = |vendor_code| ModelError::Refused { status: 200, vendor_code };
        let busy = ModelError::Busy { vendor_code: Some(4016) };
        let failed = r#"{"status":"failed","last_error":{"code":5000,"msg":"event interval error"}}"#;
        let table = [
            (FAILED, failed, refused(Some(5000))),
            (FAILED, "{}", refused(None)),
            (CHAT_COMPLETED, failed, refused(Some(5000))),
            (CHAT_COMPLETED, "{\"status\":\"canceled\"}", ModelError::Interrupted),
            ("conversation.chat.requires_action", "{}", refused(None)),
            ("error", "{}", refused(None)),
            ("error", "not JSON", refused(None)),
            ("error", "{\"code\":\"4016\",\"msg\":\"x\"}", busy.clone()),
            ("", "{\"code\":4016,\"msg\":\"x\"}", busy),
            (DELTA, "{\"role\":", ModelError::BadReply),
            ("", "garbage", ModelError::BadReply),
        ];
        for (name, data, expected) in table {
            assert_eq!(read(&[(name, data)]), (Err(expected), false), "{name} {data}");
        }
    }

    #[test]
    fn codes() {
        let table = [
            (200, Some(4100), "unauthorized"),
            (401, None, "unauthorized"),
            (200, Some(700_012_006), "unauthorized"),
            (200, Some(4020), "busy"),
            (429, None, "busy"),
            (200, Some(4200), "misconfigured"),
            (200, Some(4101), "misconfigured"),
            (200, Some(4000), "refused"),
            (500, None, "refused"),
            (302, None, "refused"),
        ];
        for (status, code, class) in table {
            assert_eq!(refusal(status, code).class(), class, "{status} {code:?}");
        }
    }
}
