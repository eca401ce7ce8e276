//! A model built against both fakes, and the few verbs that the tests are written in.

use futures::StreamExt as _;
use std::{sync::Arc, time::Duration};
use switchboard_domain::{Clock, Language, Rng, SessionName};
use switchboard_model::{Delta, Model, ModelConfig, ModelError, Prompt};
use switchboard_tests::fakes::{CountingRng, FakeCoze, FakeOpenAi, ManualClock, coze, openai};

/// Where the manual clocks start, in milliseconds.
const START: i64 = 1_770_000_000_000;

const CONFIG: &str = r#"
providers = ["coze", "openai"]
[timers]
connect = "10s"
first_token = "20s"
between_tokens = "20s"
total = "60s"
keep_alive = "10s"
[limits]
answer_bytes = 65536
line_bytes = 524288
stream_bytes = 8388608
[retry]
unreachable_pause = "10ms"
busy_retries = 3
busy_pause = "10ms"
[breaker]
consecutive_failures = 5
window = "10s"
min_calls = 20
failure_percent = 50
first_backoff = "1s"
max_backoff = "60s"
[coze]
base_url = "http://127.0.0.1:1"
workflow_id = "7379000000000000001"
app_id = "7379000000000000002"
client_id = "1163000000001"
public_key_id = "fingerprint-of-the-registered-key"
assertion_lifetime = "10m"
token_lifetime = "1h"
token_cache_lifetime = "15m"
token_margin = "1m"
token_cache_capacity = 1000
[openai]
base_url = "http://127.0.0.1:1/v1"
api_key = "sk-test-0123456789"
model = "shop-1"
max_output_tokens = 800
output_limit = "max_tokens"
history_messages = 3
[openai.system_prompt]
zh = "你是客服。"
en = "You are customer service."
[openai.headers]
"#;

/// Settings that are patient enough for a slow machine; a test shortens what it is about.
pub(crate) fn config() -> ModelConfig {
    let config: ModelConfig = toml::from_str(CONFIG).unwrap();
    assert_eq!(config.coze.workflow_id, coze::WORKFLOW_ID);
    assert_eq!(config.openai.model, openai::MODEL);
    config
}

/// Both fakes, their clock, and the settings that lead to them.
pub(crate) struct Rig {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) coze: FakeCoze,
    pub(crate) openai: FakeOpenAi,
    pub(crate) config: ModelConfig,
    rng: Arc<dyn Rng>,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let clock = ManualClock::at(START);
        let vendors_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let coze = FakeCoze::start(coze::Options::new(vendors_clock)).await;
        let openai = FakeOpenAi::start(openai::Options::default()).await;
        let mut config = config();
        config.coze.base_url = coze.base_url();
        config.coze.private_key = Some(coze.private_key_pem().into());
        config.openai.base_url = openai.base_url();
        Self { clock, coze, openai, config, rng: CountingRng::new() }
    }

    /// All models, or the error.
    pub(crate) fn build(&self) -> Result<Vec<Model>, ModelError> {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        Model::build(&self.config, &clock, &self.rng)
    }

    /// The two models: Coze, OpenAI.
    pub(crate) fn models(&self) -> [Model; 2] {
        self.build().unwrap().try_into().unwrap()
    }

    pub(crate) fn coze_model(&self) -> Model {
        let [coze, _] = self.models();
        coze
    }

    pub(crate) fn openai_model(&self) -> Model {
        let [_, openai] = self.models();
        openai
    }
}

pub(crate) fn prompt(session: &str, question: &str) -> Prompt {
    Prompt {
        session: SessionName::parse(session).unwrap(),
        question: question.to_owned(),
        history: Vec::new(),
        conversation: None,
        language: Language::Zh,
        parameters: serde_json::Map::new(),
    }
}

/// What came of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) conversation: Option<String>,
    pub(crate) text: String,
    /// Whether the first text came, and the error that ended it all.
    pub(crate) began: bool,
    pub(crate) error: Option<ModelError>,
}

/// Asks and reads to the end.
pub(crate) async fn ask(model: &Model, prompt: &Prompt) -> Outcome {
    let mut outcome = Outcome { conversation: None, text: String::new(), began: false, error: None };
    let mut deltas = match model.stream(prompt).await {
        Ok(deltas) => deltas,
        Err(error) => return Outcome { error: Some(error), ..outcome },
    };
    outcome.began = true;
    while let Some(delta) = deltas.next().await {
        assert_eq!(outcome.error, None, "nothing comes after an error");
        match delta {
            Ok(Delta::Conversation(id)) => {
                assert!(outcome.text.is_empty() && outcome.conversation.is_none(), "it comes first and once");
                outcome.conversation = Some(id);
            }
            Ok(Delta::Text(text)) => {
                assert!(!text.is_empty());
                outcome.text.push_str(&text);
            }
            Err(error) => outcome.error = Some(error),
        }
    }
    outcome
}

/// Asks and expects a whole answer.
pub(crate) async fn answer(model: &Model, prompt: &Prompt) -> Outcome {
    let outcome = ask(model, prompt).await;
    assert_eq!(outcome.error, None);
    assert!(!outcome.text.is_empty());
    outcome
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let reached = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), reached).await.is_ok(), "never: {what}");
}
