//! Anything that speaks the OpenAI chat completion protocol, asked for a stream.

mod reader;

pub(crate) use reader::Reader;

use crate::{
    Delta, DeltaStream, Limits, ModelConfig, ModelError, ModelInfo, OpenAiConfig, OutputLimit, Prompt,
    ProviderName, Retry, Speaker, SystemPrompt, Timers,
    answer::{Answer, Deadlines, Dialect},
    excerpt::Hidden,
    http,
    retry::Patience,
    wire,
};
use reader::{Complaint, refusal, refused};
use reqwest::{
    Client, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use std::{borrow::Cow, fmt};
use switchboard_domain::Language;

pub(crate) const NAME: &str = ProviderName::OpenAi.as_str();

/// An OpenAI-compatible server.
pub struct OpenAi {
    client: Client,
    url: Url,
    headers: HeaderMap,
    hidden: Hidden,
    model: String,
    system_prompt: SystemPrompt,
    max_output_tokens: u32,
    output_limit: OutputLimit,
    temperature: Option<f64>,
    history_messages: usize,
    timers: Timers,
    limits: Limits,
    retry: Retry,
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("url", &self.url.as_str())
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl OpenAi {
    /// Checks the settings.
    pub(crate) fn build(config: &ModelConfig, client: Client) -> Result<Self, ModelError> {
        let openai = &config.openai;
        let wrong = |hint| ModelError::Misconfigured { hint };
        let base = wire::base(&openai.base_url);
        let url = base.and_then(|base| wire::address(&base, &["chat", "completions"]));
        if openai.model.is_empty() {
            return Err(wrong("model.openai.model"));
        }
        let (headers, hidden) = headers(openai)?;
        Ok(Self {
            client,
            url: url.ok_or(wrong("model.openai.base_url"))?,
            headers,
            hidden,
            model: openai.model.clone(),
            system_prompt: openai.system_prompt.clone(),
            max_output_tokens: openai.max_output_tokens,
            output_limit: openai.output_limit,
            temperature: openai.temperature.filter(|temperature| *temperature >= 0.0),
            history_messages: openai.history_messages,
            timers: config.timers.clone(),
            limits: config.limits.clone(),
            retry: config.retry.clone(),
        })
    }

    pub(crate) fn info(&self) -> ModelInfo {
        ModelInfo {
            provider: ProviderName::OpenAi,
            host: wire::authority(&self.url),
            model: self.model.clone(),
            cached_tokens: None,
        }
    }

    pub(crate) async fn stream(&self, prompt: &Prompt) -> Result<DeltaStream, ModelError> {
        let deadlines = Deadlines::start(&self.timers);
        let (first, answer) = deadlines.before_first(self.begin(prompt)).await?;
        Ok(answer.into_deltas(deadlines, [Delta::Text(first)]))
    }

    async fn begin(&self, prompt: &Prompt) -> Result<(String, Answer), ModelError> {
        let mut patience = Patience::new(&self.retry);
        loop {
            match self.complete(prompt).await {
                Ok(begun) => return Ok(begun),
                Err(error) => patience.wait_after(error).await?,
            }
        }
    }

    /// One call, up to its first text.
    async fn complete(&self, prompt: &Prompt) -> Result<(String, Answer), ModelError> {
        let request =
            self.client.post(self.url.clone()).headers(self.headers.clone()).json(&self.body(prompt));
        let response = request.send().await.map_err(|error| http::transport(NAME, error))?;
        let hidden = self.hidden.clone().and(&prompt.question);
        let status = response.status().as_u16();
        if status != 200 || !http::is_event_stream(&response) {
            let body = http::body(NAME, &self.limits, response).await?;
            let complaint = Complaint::find(&body);
            refused(status, &hidden, &complaint);
            return Err(if status == 200 && complaint.is_silent() {
                ModelError::BadReply
            } else {
                refusal(status, complaint.number())
            });
        }
        let mut answer = Answer::new(response, Dialect::OpenAi(Reader::new(hidden)), &self.limits);
        let first = answer.next_text().await?.ok_or(ModelError::Empty)?;
        Ok((first, answer))
    }

    fn body<'a>(&'a self, prompt: &'a Prompt) -> Body<'a> {
        let system = match prompt.language {
            Language::Zh => &self.system_prompt.zh,
            Language::En => &self.system_prompt.en,
        };
        let mut messages = Vec::with_capacity(prompt.history.len().min(self.history_messages) + 2);
        if !system.is_empty() {
            messages.push(Said { role: "system", content: Cow::Borrowed(system) });
        }
        let tail = prompt.history.len().saturating_sub(self.history_messages);
        messages.extend(prompt.history[tail..].iter().map(|said| Said {
            role: match said.speaker {
                Speaker::User => "user",
                Speaker::Assistant | Speaker::Agent => "assistant",
                Speaker::System => "system",
            },
            content: said.spoken(prompt.language),
        }));
        messages.push(Said { role: "user", content: Cow::Borrowed(&prompt.question) });
        let limit = |name| (self.output_limit == name).then_some(self.max_output_tokens);
        Body {
            model: &self.model,
            messages,
            stream: true,
            max_tokens: limit(OutputLimit::MaxTokens),
            max_completion_tokens: limit(OutputLimit::MaxCompletionTokens),
            temperature: self.temperature,
        }
    }
}

/// The headers of every request, and what of them must not be logged.
fn headers(config: &OpenAiConfig) -> Result<(HeaderMap, Hidden), ModelError> {
    let mut headers = HeaderMap::new();
    let mut hidden = Hidden::default();
    let mut add = |name: HeaderName, text: &str, hint| {
        let mut value = HeaderValue::from_str(text).map_err(|_| ModelError::Misconfigured { hint })?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    };
    if let Some(key) = config.api_key.as_ref().map(SecretString::expose_secret).filter(|key| !key.is_empty())
    {
        add(AUTHORIZATION, &format!("Bearer {key}"), "model.openai.api_key")?;
        hidden = hidden.and(key);
    }
    for (name, value) in &config.headers {
        let hint = "model.openai.headers";
        let name = HeaderName::try_from(name).map_err(|_| ModelError::Misconfigured { hint })?;
        add(name, value.expose_secret(), hint)?;
        hidden = hidden.and(value.expose_secret());
    }
    Ok((headers, hidden))
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Said<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: Cow<'a, str>,
}
