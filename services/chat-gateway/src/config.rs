//! What an operator can set.

use serde::Deserialize;
use std::{path::PathBuf, time::Duration};
use switchboard_boot::{Configured, config::optional};
use switchboard_model::ModelConfig;

/// The configuration of the chat gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Table `[chat_gateway]`.
    pub chat_gateway: Settings,
    /// Table `[model]`.
    pub model: ModelConfig,
    /// Table `[knowledge]`.
    pub knowledge: KnowledgeConfig,
    /// Table `[bot]`.
    pub bot: Bot,
}

/// Table `[chat_gateway]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Earlier messages given to the model.
    pub context_messages: u32,
    /// Longest search for somebody who answers, over all providers; then the customer is handed over.
    #[serde(with = "humantime_serde")]
    pub answer_deadline: Duration,
    /// Longest wait for the regulator; then the built-in rules decide.
    #[serde(with = "humantime_serde")]
    pub regulator_timeout: Duration,
    /// Longest wait for a provider to make a new conversation; then it is made with the next question.
    #[serde(with = "humantime_serde")]
    pub new_conversation_timeout: Duration,
    /// Pieces of an answer are gathered this long …
    #[serde(with = "humantime_serde")]
    pub coalesce_for: Duration,
    /// … or until so many bytes are there.
    pub coalesce_bytes: usize,
    /// How often the text so far is recorded while an answer is written, so that little of what a customer has seen is
    /// lost when a worker dies. Also keeps the lease.
    #[serde(with = "humantime_serde")]
    pub checkpoint_every: Duration,
    /// How often turns are looked for whose worker died.
    #[serde(with = "humantime_serde")]
    pub sweep_interval: Duration,
    /// Turns taken over in one sweep.
    pub sweep_batch: u32,
    /// How often a turn is begun anew after its worker died before the first word; then the customer is handed over.
    pub max_attempts: i64,
    /// Longest time that recording an answer is tried again when the session service is away.
    #[serde(with = "humantime_serde")]
    pub record_for: Duration,
}

/// Table `[knowledge]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnowledgeConfig {
    /// Whether the knowledge base answers: alone, or when no provider does.
    pub enabled: bool,
    /// Folder of Markdown articles. Empty: the sample shop that comes with Switchboard.
    #[serde(deserialize_with = "optional")]
    pub folder: Option<String>,
    /// From which confidence on (0 to 1) a passage is the answer.
    pub min_confidence: f32,
    /// How many passages are looked at beside the best.
    pub nearest: usize,
    /// How many characters of a question are looked at.
    pub max_question_chars: usize,
    /// The largest article, in bytes.
    pub max_article_bytes: u64,
    /// The most articles.
    pub max_articles: usize,
}

impl KnowledgeConfig {
    /// The folder, if one is set.
    pub fn folder(&self) -> Option<PathBuf> {
        self.folder.as_deref().map(PathBuf::from)
    }

    pub(crate) fn settings(&self) -> switchboard_knowledge::Settings {
        switchboard_knowledge::Settings {
            min_confidence: self.min_confidence,
            nearest: self.nearest,
            max_question_chars: self.max_question_chars,
            max_article_bytes: self.max_article_bytes,
            max_articles: self.max_articles,
        }
    }
}

/// Table `[bot]`: how the bot introduces itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bot {
    /// Its name.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// Its picture.
    pub icon_url: String,
    /// The first thing that it says.
    pub welcome: String,
}

impl Configured for Config {
    const SECTIONS: &'static [&'static str] = &["chat_gateway", "model", "knowledge", "bot"];

    fn check(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.model.providers.is_empty() && !self.knowledge.enabled {
            problems.push((
                "model.providers",
                "nobody answers: name a provider or enable the knowledge base".into(),
            ));
        }
        if self.chat_gateway.checkpoint_every.is_zero() {
            problems.push(("chat_gateway.checkpoint_every", "more than 0, or every piece is a write".into()));
        }
        if self.chat_gateway.coalesce_bytes == 0 {
            problems.push(("chat_gateway.coalesce_bytes", "at least 1".into()));
        }
        problems
    }
}
