//! What an operator sets about the AI side. The defaults live in the embedded default configuration, not here.

use secrecy::SecretString;
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// The section `[model]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Which providers answer, most preferred first; the later ones stand in while a breaker is open. Empty: none.
    pub providers: Vec<ProviderName>,
    /// How long to wait for what.
    pub timers: Timers,
    /// How much of an answer is read at most.
    pub limits: Limits,
    /// What is tried again before the first token.
    pub retry: Retry,
    /// When a provider is left alone for a while.
    pub breaker: BreakerConfig,
    /// Coze.
    pub coze: CozeConfig,
    /// Anything that speaks the OpenAI chat completion protocol.
    pub openai: OpenAiConfig,
}

/// The providers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderName {
    /// Coze workflows.
    Coze,
    /// OpenAI and compatible servers.
    OpenAi,
}

impl ProviderName {
    /// The name in configuration, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coze => "coze",
            Self::OpenAi => "openai",
        }
    }
}

/// The section `[model.timers]`: four timers of our own, because no HTTP client watches the gaps inside a stream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timers {
    /// Name lookup, TCP and TLS together.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// From the call to the first visible text; tokens, conversation and repeats included.
    #[serde(with = "humantime_serde")]
    pub first_token: Duration,
    /// From one text to the next.
    #[serde(with = "humantime_serde")]
    pub between_tokens: Duration,
    /// From the call to the end of the answer.
    #[serde(with = "humantime_serde")]
    pub total: Duration,
    /// How often an open connection is probed, so that a dead one is noticed between two answers.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
}

/// The section `[model.limits]`: bounds against a provider that floods.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Longest answer, in bytes of UTF-8.
    pub answer_bytes: usize,
    /// Longest line (and longest event) of a provider's stream, and longest answer that is no stream, in bytes.
    pub line_bytes: usize,
    /// All that is read for one answer, in bytes.
    pub stream_bytes: usize,
}

/// The section `[model.retry]`: repeats happen only before the first token and inside `timers.first_token`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Pause before the one repeat after a provider that could not be reached.
    #[serde(with = "humantime_serde")]
    pub unreachable_pause: Duration,
    /// How often a conversation that still runs another answer is tried again.
    pub busy_retries: u32,
    /// First pause for such a conversation; doubles each time.
    #[serde(with = "humantime_serde")]
    pub busy_pause: Duration,
}

/// The section `[model.breaker]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerConfig {
    /// So many failures in a row open the breaker.
    pub consecutive_failures: u32,
    /// The span in which the share of failures is looked at.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// The share says nothing below so many calls in `window`.
    pub min_calls: u32,
    /// Share of failures, in percent, that opens the breaker.
    pub failure_percent: u32,
    /// How long it stays open the first time; doubles each time a probe fails.
    #[serde(with = "humantime_serde")]
    pub first_backoff: Duration,
    /// Longest time it stays open.
    #[serde(with = "humantime_serde")]
    pub max_backoff: Duration,
}

/// The section `[model.coze]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CozeConfig {
    /// `https://api.coze.com` or `https://api.coze.cn`.
    pub base_url: String,
    /// The workflow that answers.
    pub workflow_id: String,
    /// The app to which the workflow belongs.
    pub app_id: String,
    /// Client id of the OAuth app, the issuer of our tokens.
    pub client_id: String,
    /// Fingerprint of the registered public key.
    pub public_key_id: String,
    /// The private key as PEM; line breaks may be written as `\n`. Preferred over `private_key_file` when both are set.
    pub private_key: Option<SecretString>,
    /// A file with the private key as PEM.
    pub private_key_file: Option<PathBuf>,
    /// Life of the assertion with which an access token is asked for; at most one hour.
    #[serde(with = "humantime_serde")]
    pub assertion_lifetime: Duration,
    /// Life of the access token that is asked for; at most 86399 seconds.
    #[serde(with = "humantime_serde")]
    pub token_lifetime: Duration,
    /// Longest time an access token is used, whatever life it has.
    #[serde(with = "humantime_serde")]
    pub token_cache_lifetime: Duration,
    /// A token is renewed so long before it ends.
    #[serde(with = "humantime_serde")]
    pub token_margin: Duration,
    /// Most sessions whose token is kept.
    pub token_cache_capacity: u64,
}

/// The section `[model.openai]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAiConfig {
    /// Everything before `/chat/completions`; a query string is kept.
    pub base_url: String,
    /// Sent as `Authorization: Bearer`; servers of your own may need none.
    pub api_key: Option<SecretString>,
    /// The model's name.
    pub model: String,
    /// What the model is told about its task, in the customer's language.
    pub system_prompt: SystemPrompt,
    /// Longest answer, in tokens.
    pub max_output_tokens: u32,
    /// What the server calls that limit: newer OpenAI models want the longer name, most other servers the shorter one.
    pub output_limit: OutputLimit,
    /// Sampling temperature; the server's own when absent or below 0.
    pub temperature: Option<f64>,
    /// Most earlier messages sent along.
    pub history_messages: usize,
    /// Further request headers, for example `api-key`.
    pub headers: BTreeMap<String, SecretString>,
}

/// The two names of the limit on an answer's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputLimit {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// The section `[model.openai.system_prompt]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemPrompt {
    /// For customers who write Chinese.
    pub zh: String,
    /// For customers who write English.
    pub en: String,
}
