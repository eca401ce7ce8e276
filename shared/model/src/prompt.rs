//! What is asked, in no vendor's words.

use std::{borrow::Cow, fmt};
use switchboard_domain::{Language, SessionName};

/// Everything that a provider may know for one answer.
#[derive(Clone)]
pub struct Prompt {
    /// Whose conversation it is; keeps customers apart at providers that keep a memory.
    pub session: SessionName,
    /// All customer messages that no answer covers yet, joined by line feeds.
    pub question: String,
    /// What was said before, oldest first.
    pub history: Vec<Exchange>,
    /// The provider's own id of the conversation, from an earlier [`crate::Delta::Conversation`].
    pub conversation: Option<String>,
    /// The customer's language.
    pub language: Language,
    /// Further values for the provider's workflow; may not replace the question.
    pub parameters: serde_json::Map<String, serde_json::Value>,
}

/// Shows no text: what people write does not belong in logs.
impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt")
            .field("session", &self.session)
            .field("question_bytes", &self.question.len())
            .field("history", &self.history.len())
            .field("conversation", &self.conversation)
            .finish_non_exhaustive()
    }
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The customer.
    User,
    /// A model.
    Assistant,
    /// A person of the shop.
    Agent,
    /// The product: notices, articles found in the knowledge base.
    System,
}

/// One earlier message.
#[derive(Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Who said it.
    pub speaker: Speaker,
    /// What was said.
    pub text: String,
    /// Whether a provider that keeps a memory has not seen it, for example because an agent was speaking then.
    pub unseen_by_vendor: bool,
}

/// Shows no text, as [`Prompt`].
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({:?}, {} bytes)", self.speaker, self.text.len())
    }
}

impl Exchange {
    /// The text as a model is to read it: an agent's words are marked, because to the model they are not its own.
    pub(crate) fn spoken(&self, language: Language) -> Cow<'_, str> {
        match (self.speaker, language) {
            (Speaker::Agent, Language::Zh) => Cow::Owned(format!("[人工客服] {}", self.text)),
            (Speaker::Agent, Language::En) => Cow::Owned(format!("[human agent] {}", self.text)),
            (Speaker::User | Speaker::Assistant | Speaker::System, _) => Cow::Borrowed(&self.text),
        }
    }
}
