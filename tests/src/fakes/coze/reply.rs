//! The events of one answer, in the vendor's order.

use crate::fakes::{
    Fault,
    script::{Frames, pieces, with_control_characters},
};
use serde_json::{Value, json};

/// Makes the events of an answer; faults that are events themselves are already in there.
pub(super) fn frames(conversation: &str, answer: &str, fault: Option<&Fault>) -> Frames {
    let writer = Writer { conversation, fault };
    let mut texts = pieces(answer);
    if fault == Some(&Fault::ControlCharacters) {
        with_control_characters(&mut texts);
    }
    let opening = vec![
        writer.chat("conversation.chat.created", "created", Value::Null),
        writer.chat("conversation.chat.in_progress", "in_progress", Value::Null),
    ];
    let whole = if fault == Some(&Fault::Empty) { String::new() } else { texts.concat() };
    let deltas: Vec<String> = if fault == Some(&Fault::NoDeltas) {
        Vec::new()
    } else {
        texts.iter().map(|text| writer.message("conversation.message.delta", "answer", text)).collect()
    };
    let end_mark =
        json!({ "msg_type": "generate_answer_finish", "data": "", "from_module": null }).to_string();
    let mut closing = Vec::new();
    // Without names a completed message cannot be told from one more piece; such deployments do not send it.
    if fault != Some(&Fault::Nameless) {
        closing.push(writer.message("conversation.message.completed", "answer", &whole));
        closing.push(writer.message("conversation.message.completed", "verbose", &end_mark));
        closing.push(writer.message("conversation.message.completed", "follow_up", "还有什么问题吗？"));
    }
    closing.push(writer.chat("conversation.chat.completed", "completed", Value::Null));
    closing.push(writer.event("done", &done(fault)));
    writer.with_fault(Frames { opening, texts: deltas, closing })
}

fn done(fault: Option<&Fault>) -> Value {
    match fault {
        Some(Fault::Nameless) => json!("[DONE]"),
        _ => json!({ "debug_url": "https://www.coze.com/work_flow?execute_id=1" }),
    }
}

struct Writer<'a> {
    conversation: &'a str,
    fault: Option<&'a Fault>,
}

impl Writer<'_> {
    fn event(&self, name: &str, data: &Value) -> String {
        match self.fault {
            Some(Fault::NoSpace) => format!("event:{name}\ndata:{data}\n\n"),
            Some(Fault::Nameless) => format!("data: {data}\n\n"),
            _ => format!("event: {name}\ndata: {data}\n\n"),
        }
    }

    fn chat(&self, name: &str, status: &str, last_error: Value) -> String {
        let last_error = if last_error.is_null() { json!({ "code": 0, "msg": "" }) } else { last_error };
        let data = json!({
            "id": "7379000000000000009", "conversation_id": self.conversation, "created_at": 1, "status": status,
            "last_error": last_error, "usage": { "token_count": 9, "output_count": 5, "input_count": 4 },
        });
        self.event(name, &data)
    }

    fn message(&self, name: &str, kind: &str, content: &str) -> String {
        let data = json!({
            "id": "7379000000000000008", "conversation_id": self.conversation, "role": "assistant", "type": kind,
            "content": content, "content_type": "text", "chat_id": "7379000000000000009", "section_id": "1",
        });
        self.event(name, &data)
    }

    /// Puts in the events by which the vendor itself reports that something went wrong; they end the stream.
    fn with_fault(&self, mut frames: Frames) -> Frames {
        let half = frames.texts.len().div_ceil(2);
        let (last, kept) = match self.fault {
            Some(Fault::Failed(code)) => {
                let last_error = json!({ "code": code, "msg": "event interval error" });
                (self.chat("conversation.chat.failed", "failed", last_error), 0)
            }
            Some(Fault::ErrorEvent(code)) => (self.event("error", &told(*code)), 0),
            Some(Fault::ErrorEventLater(code)) => (self.event("error", &told(*code)), half),
            Some(Fault::RequiresAction) => {
                (self.chat("conversation.chat.requires_action", "requires_action", Value::Null), 0)
            }
            Some(Fault::Canceled) => {
                (self.chat("conversation.chat.completed", "canceled", Value::Null), half)
            }
            _ => return frames,
        };
        frames.texts.truncate(kept);
        frames.closing = vec![last];
        frames
    }
}

fn told(code: Option<i64>) -> Value {
    code.map_or_else(|| json!({}), |code| json!({ "code": code, "msg": "the vendor's own words" }))
}
