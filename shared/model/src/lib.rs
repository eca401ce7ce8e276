//! The AI side: asks a provider and hands out its answer as a stream of texts, whatever the provider's protocol is.
//!
//! A call is retried, and may be given to another provider, only while [`Model::stream`] has not returned: by then the
//! first visible text is there. Every wait has a timer, every buffer a bound ([`Timers`], [`Limits`]).
//!
//! To add a provider: a file with its adapter and its stream reader, a variant in [`Model`], in [`ProviderName`] and in
//! `answer::Dialect`, a section in [`ModelConfig`], and a faithful fake in `tests/src/fakes`.

mod answer;
mod breaker;
mod config;
mod coze;
mod error;
mod excerpt;
mod http;
mod openai;
mod prompt;
mod retry;
mod sse;
mod wire;

pub use breaker::{Breaker, Permit};
pub use config::{
    BreakerConfig, CozeConfig, Limits, ModelConfig, OpenAiConfig, OutputLimit, ProviderName, Retry,
    SystemPrompt, Timers,
};
pub use coze::Coze;
pub use error::{ModelError, Phase};
pub use http::http;
pub use openai::OpenAi;
pub use prompt::{Exchange, Prompt, Speaker};

use futures::Stream;
use std::{pin::Pin, sync::Arc};
use switchboard_domain::{Clock, Rng, SessionName};
use tokio::time::Instant;

/// A piece of what a provider gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// The provider's id of a conversation that was made for this answer; comes first, to be given with the next prompt.
    Conversation(String),
    /// More of the answer: never empty, free of control characters, the first begins with a visible character.
    Text(String),
}

/// An answer while it arrives. Ends after the last text, or after one error. Dropping it stops the provider's work.
pub type DeltaStream = Pin<Box<dyn Stream<Item = Result<Delta, ModelError>> + Send>>;

/// One provider, ready to be asked.
#[derive(Debug)]
pub enum Model {
    /// A Coze workflow.
    Coze(Box<Coze>),
    /// An OpenAI-compatible server.
    OpenAi(Box<OpenAi>),
}

/// What operators may see of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// Which provider.
    pub provider: ProviderName,
    /// Host and port that are called.
    pub host: String,
    /// The model's or workflow's name.
    pub model: String,
    /// Sessions whose access token is kept; `None` where there are no such tokens.
    pub cached_tokens: Option<u64>,
}

impl Model {
    /// Builds the configured providers, most preferred first, on one HTTP client.
    ///
    /// # Errors
    /// [`ModelError::Misconfigured`] naming the first setting that is missing or wrong.
    pub fn build(
        config: &ModelConfig,
        clock: &Arc<dyn Clock>,
        rng: &Arc<dyn Rng>,
    ) -> Result<Vec<Self>, ModelError> {
        let client = http(&config.timers)?;
        let build = |name: &ProviderName| {
            Ok(match name {
                ProviderName::Coze => Self::Coze(Box::new(Coze::build(
                    config,
                    client.clone(),
                    Arc::clone(clock),
                    Arc::clone(rng),
                )?)),
                ProviderName::OpenAi => Self::OpenAi(Box::new(OpenAi::build(config, client.clone())?)),
            })
        };
        config.providers.iter().map(build).collect()
    }

    /// Asks, and returns when the first visible text is there.
    ///
    /// # Errors
    /// Nothing was shown yet: the prompt may be given to another provider.
    #[tracing::instrument(name = "model.stream", skip_all, fields(model.provider = self.name()))]
    pub async fn stream(&self, prompt: &Prompt) -> Result<DeltaStream, ModelError> {
        let start = Instant::now();
        let outcome = match self {
            Self::Coze(coze) => coze.stream(prompt).await,
            Self::OpenAi(openai) => openai.stream(prompt).await,
        };
        let class = outcome.as_ref().map_or_else(ModelError::class, |_| "ok");
        metrics::counter!("switchboard_model_calls_total", "provider" => self.name(), "outcome" => class)
            .increment(1);
        if outcome.is_ok() {
            let seconds = start.elapsed().as_secs_f64();
            metrics::histogram!("switchboard_model_first_token_seconds", "provider" => self.name())
                .record(seconds);
        }
        outcome
    }

    /// Makes a conversation at the provider; `None` where the provider keeps none.
    ///
    /// # Errors
    /// As [`Self::stream`].
    #[tracing::instrument(name = "model.create_conversation", skip_all, fields(model.provider = self.name()))]
    pub async fn create_conversation(&self, session: &SessionName) -> Result<Option<String>, ModelError> {
        match self {
            Self::Coze(coze) => coze.create_conversation(session).await.map(Some),
            Self::OpenAi(_) => Ok(None),
        }
    }

    /// The provider's name in configuration, logs and metrics.
    pub fn name(&self) -> &'static str {
        self.provider().as_str()
    }

    /// Which provider it is.
    pub fn provider(&self) -> ProviderName {
        match self {
            Self::Coze(_) => ProviderName::Coze,
            Self::OpenAi(_) => ProviderName::OpenAi,
        }
    }

    /// What operators may see.
    pub fn info(&self) -> ModelInfo {
        match self {
            Self::Coze(coze) => coze.info(),
            Self::OpenAi(openai) => openai.info(),
        }
    }
}
