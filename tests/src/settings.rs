//! What a World is configured with: the product's own defaults, made patient for a busy machine, and what a test asks for.

use crate::{
    client::ADMIN_PASSWORD,
    fakes::{FakeCoze, FakeOpenAi, coze, openai},
    shop,
};
use std::{collections::BTreeMap, time::Duration};

/// Deadlines that are about a healthy production machine; here two cores run a mesh, a database and the tests.
const PATIENT: [(&str, &str); 13] = [
    ("gateway.agent.revocation_refresh", "200ms"),
    ("gateway.agent.revocation_timeout", "5s"),
    // Many stories log the same administrator in at once.
    ("agent_auth.throttle_account_free", "1000"),
    ("agent_auth.throttle_address_free", "1000"),
    ("gateway.visitor.jwks_timeout", "5s"),
    ("gateway.health.check_timeout", "5s"),
    ("gateway.admission.max_wait", "5s"),
    ("chat_gateway.regulator_timeout", "5s"),
    ("database.acquire_timeout", "10s"),
    ("database.statement_timeout", "10s"),
    ("database.lock_timeout", "10s"),
    ("database.transaction_timeout", "15s"),
    ("mesh.connect_timeout", "5s"),
];

/// Settings of a World, by dotted key.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) name: String,
    pub(crate) values: BTreeMap<String, String>,
    /// Variables that are no settings of ours.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Settings {
    /// The sample shop's knowledge base, no rate limits, JSON logs. `name` is what the log files are called.
    pub fn new(name: &str) -> Self {
        let mut settings =
            Self { name: name.to_owned(), values: BTreeMap::new(), environment: BTreeMap::new() };
        for (key, value) in PATIENT {
            settings = settings.set(key, value);
        }
        for class in ["auth", "chat", "write", "read", "new_sessions"] {
            settings = settings.set(&format!("gateway.rate.{class}_per_minute"), "0");
        }
        settings
            .set("gateway.sse.max_per_principal", "1000")
            .set("gateway.sse.max_per_agent", "1000")
            .set("gateway.drain.bye_spread", "100ms")
            .set("gateway.visitor.shop_issuer", shop::ISSUER)
            .set("gateway.visitor.shop_secret", shop::SECRET)
            .set("database.durability_check", "off")
            .set("database.max_connections", "4")
            .set("log.format", "json")
            .set("agent_auth.admin_password", ADMIN_PASSWORD)
            // Somebody can come at any hour, unless a test says otherwise.
            .set("hours.shift_start", "00:00")
            .set("hours.shift_end", "24:00")
            .set("hours.weekends_disabled", "false")
    }

    /// Sets one key.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.values.insert(key.to_owned(), value.to_string());
        self
    }

    /// Answers come from this fake, with the knowledge base behind it.
    pub fn with_coze(self, fake: &FakeCoze) -> Self {
        self.set("model.providers", "coze")
            .set("model.coze.base_url", &fake.base_url())
            .set("model.coze.workflow_id", coze::WORKFLOW_ID)
            .set("model.coze.app_id", coze::APP_ID)
            .set("model.coze.client_id", coze::CLIENT_ID)
            .set("model.coze.public_key_id", coze::PUBLIC_KEY_ID)
            .set("model.coze.private_key", fake.private_key_pem())
    }

    /// Answers come from this fake, with the knowledge base behind it.
    pub fn with_openai(self, fake: &FakeOpenAi) -> Self {
        self.set("model.providers", "openai")
            .set("model.openai.base_url", &fake.base_url())
            .set("model.openai.model", openai::MODEL)
            .set("model.openai.api_key", openai::API_KEY)
    }

    /// A provider that fails is asked again and again; without this it is left alone after a few failures.
    pub fn without_breaker(self) -> Self {
        self.set("model.breaker.consecutive_failures", "1000000").set("model.breaker.min_calls", "1000000")
    }

    /// How long a provider may take: to the first text, between two texts, in all.
    pub fn with_timers(self, first: Duration, between: Duration, total: Duration) -> Self {
        let text = |time: Duration| format!("{}ms", time.as_millis());
        self.set("model.timers.first_token", &text(first))
            .set("model.timers.between_tokens", &text(between))
            .set("model.timers.total", &text(total))
    }

    /// Traces go to this address, soon.
    pub fn with_traces(mut self, endpoint: &str) -> Self {
        self.environment.insert("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "200".to_owned());
        self.set("telemetry.otlp_endpoint", endpoint)
    }

    /// As environment variables.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let own = self.values.iter().map(|(key, value)| (variable(key), value.clone()));
        own.chain(self.environment.clone()).collect()
    }
}

/// The environment variable of a key.
pub fn variable(key: &str) -> String {
    format!("SWITCHBOARD__{}", key.to_uppercase().replace('.', "__"))
}
