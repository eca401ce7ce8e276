//! Coze: one OAuth token and one conversation a session, workflows answered as an event stream.

mod reader;
mod token;

pub(crate) use reader::Reader;

use crate::{
    CozeConfig, Delta, DeltaStream, Limits, ModelConfig, ModelError, ModelInfo, Prompt, ProviderName, Retry,
    SessionName, Speaker, Timers,
    answer::{Answer, Deadlines, Dialect},
    excerpt::Hidden,
    http,
    retry::Patience,
    wire,
};
use reader::{refusal, refused};
use reqwest::{Client, Response, Url};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, sync::Arc, time::Duration};
use switchboard_domain::{Clock, Rng};
use token::{Token, Tokens};

pub(crate) const NAME: &str = ProviderName::Coze.as_str();

/// Most messages of one call, the question included.
const MESSAGES_MAX: usize = 50;
/// Longest life of an assertion that we offer, and of an access token that Coze gives.
const ASSERTION_MAX: Duration = Duration::from_hours(1);
const TOKEN_MAX: Duration = Duration::from_secs(86_399);
/// The workflow's parameter that carries the question.
const INPUT: &str = "USER_INPUT";
/// Coze: no such conversation.
const CONVERSATION_UNKNOWN: i64 = 4002;

/// A Coze workflow.
#[derive(Debug)]
pub struct Coze {
    client: Client,
    tokens: Tokens,
    conversation_url: Url,
    chat_url: Url,
    workflow_id: String,
    app_id: String,
    timers: Timers,
    limits: Limits,
    retry: Retry,
}

/// The conversation of one call: given with the prompt, or made for it.
#[derive(Debug)]
struct Thread {
    id: Option<String>,
    made: bool,
}

impl Coze {
    /// Checks the settings and reads the private key.
    pub(crate) fn build(
        config: &ModelConfig,
        client: Client,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, ModelError> {
        let coze = &config.coze;
        require(coze)?;
        let base = wire::base(&coze.base_url);
        let hint = "model.coze.base_url";
        let base = base.ok_or(ModelError::Misconfigured { hint })?;
        let at = |path: &[&str]| wire::address(&base, path).ok_or(ModelError::Misconfigured { hint });
        Ok(Self {
            tokens: Tokens::build(coze, &base, client.clone(), config.limits.clone(), clock, rng)?,
            conversation_url: at(&["v1", "conversation", "create"])?,
            chat_url: at(&["v1", "workflows", "chat"])?,
            client,
            workflow_id: coze.workflow_id.clone(),
            app_id: coze.app_id.clone(),
            timers: config.timers.clone(),
            limits: config.limits.clone(),
            retry: config.retry.clone(),
        })
    }

    pub(crate) fn info(&self) -> ModelInfo {
        ModelInfo {
            provider: ProviderName::Coze,
            host: wire::authority(&self.chat_url),
            model: self.workflow_id.clone(),
            cached_tokens: Some(self.tokens.count()),
        }
    }

    pub(crate) async fn stream(&self, prompt: &Prompt) -> Result<DeltaStream, ModelError> {
        let deadlines = Deadlines::start(&self.timers);
        let mut thread = Thread { id: prompt.conversation.clone(), made: false };
        let (first, answer) = deadlines.before_first(self.begin(prompt, &mut thread)).await?;
        let made = if thread.made { thread.id.map(Delta::Conversation) } else { None };
        Ok(answer.into_deltas(deadlines, made.into_iter().chain([Delta::Text(first)])))
    }

    pub(crate) async fn create_conversation(&self, session: &SessionName) -> Result<String, ModelError> {
        let work = async {
            let mut attempts = Attempts::new(self, session);
            loop {
                let token = attempts.token().await?;
                match self.converse(&token).await {
                    Ok(id) => return Ok(id),
                    Err(error) => attempts.recover(error, &token).await?,
                }
            }
        };
        Deadlines::start(&self.timers).before_first(work).await
    }

    /// Tries until the first text is there or nothing is left to try.
    async fn begin(&self, prompt: &Prompt, thread: &mut Thread) -> Result<(String, Answer), ModelError> {
        let mut attempts = Attempts::new(self, &prompt.session);
        loop {
            let token = attempts.token().await?;
            match self.chat(prompt, &token, thread).await {
                Ok(begun) => return Ok(begun),
                Err(ModelError::Refused { vendor_code: Some(CONVERSATION_UNKNOWN), .. })
                    if thread.id.is_some() && !thread.made =>
                {
                    thread.id = None; // forgotten by the vendor: a new one is made, and told the history
                }
                Err(error) => attempts.recover(error, &token).await?,
            }
        }
    }

    /// Makes a conversation that belongs to the token's session. One that Coze made by itself could be shared between
    /// sessions.
    async fn converse(&self, token: &Token) -> Result<String, ModelError> {
        #[derive(Deserialize)]
        struct Created {
            data: Option<Conversation>,
        }
        #[derive(Deserialize)]
        struct Conversation {
            id: String,
        }
        let request =
            self.client.post(self.conversation_url.clone()).bearer_auth(token.secret().expose_secret());
        let response = request
            .json(&serde_json::json!({}))
            .send()
            .await
            .map_err(|error| http::transport(NAME, error))?;
        let hidden = Hidden::default().and(token.secret().expose_secret());
        let (head, body) = Head::split(response, &self.limits).await?;
        let created: Option<Created> = serde_json::from_slice(&body).ok();
        match created.and_then(|created| created.data) {
            Some(conversation) if head.status == 200 => Ok(conversation.id),
            _ => Err(head.refusal(&body, &hidden)),
        }
    }

    /// One call of the workflow, up to its first text.
    async fn chat(
        &self,
        prompt: &Prompt,
        token: &Token,
        thread: &mut Thread,
    ) -> Result<(String, Answer), ModelError> {
        let conversation = if let Some(id) = &thread.id {
            id.clone()
        } else {
            let id = self.converse(token).await?;
            *thread = Thread { id: Some(id.clone()), made: true };
            id
        };
        let secret = token.secret().expose_secret();
        let body = self.body(prompt, &conversation, thread.made);
        let request = self.client.post(self.chat_url.clone()).bearer_auth(secret).json(&body);
        let response = request.send().await.map_err(|error| http::transport(NAME, error))?;
        let hidden = Hidden::default().and(secret).and(&prompt.question);
        if response.status() != 200 || !http::is_event_stream(&response) {
            let (head, body) = Head::split(response, &self.limits).await?;
            return Err(head.refusal(&body, &hidden));
        }
        let mut answer = Answer::new(response, Dialect::Coze(Reader::new(hidden)), &self.limits);
        let first = answer.next_text().await?.ok_or(ModelError::Empty)?;
        Ok((first, answer))
    }

    fn body<'a>(&'a self, prompt: &'a Prompt, conversation: &'a str, made: bool) -> ChatBody<'a> {
        let mut parameters = prompt.parameters.clone();
        parameters.insert(INPUT.to_owned(), prompt.question.clone().into());
        let unseen =
            |said: &&crate::Exchange| said.speaker != Speaker::System && (made || said.unseen_by_vendor);
        let earlier: Vec<_> = prompt.history.iter().filter(unseen).collect();
        let tail = earlier.len().saturating_sub(MESSAGES_MAX - 1);
        let mut messages: Vec<_> = earlier[tail..]
            .iter()
            .map(|said| Said::new(said.spoken(prompt.language), said.speaker == Speaker::User))
            .collect();
        messages.push(Said::new(Cow::Borrowed(&prompt.question), true));
        ChatBody {
            workflow_id: &self.workflow_id,
            app_id: &self.app_id,
            session_name: prompt.session.as_str(),
            parameters,
            additional_messages: messages,
            conversation_id: conversation,
        }
    }
}

/// Tells the first setting that is missing or out of range.
fn require(coze: &CozeConfig) -> Result<(), ModelError> {
    let checks = [
        ("model.coze.workflow_id", !coze.workflow_id.is_empty()),
        ("model.coze.app_id", !coze.app_id.is_empty()),
        ("model.coze.client_id", !coze.client_id.is_empty()),
        ("model.coze.public_key_id", !coze.public_key_id.is_empty()),
        ("model.coze.assertion_lifetime", coze.assertion_lifetime <= ASSERTION_MAX),
        ("model.coze.token_lifetime", coze.token_lifetime <= TOKEN_MAX),
    ];
    match checks.iter().find(|(_, good)| !good) {
        Some((hint, _)) => Err(ModelError::Misconfigured { hint }),
        None => Ok(()),
    }
}

/// What one call may still try: one renewed token, and the repeats of [`Patience`].
struct Attempts<'a> {
    coze: &'a Coze,
    session: &'a SessionName,
    patience: Patience<'a>,
    renewed: bool,
}

impl<'a> Attempts<'a> {
    fn new(coze: &'a Coze, session: &'a SessionName) -> Self {
        Self { coze, session, patience: Patience::new(&coze.retry), renewed: false }
    }

    async fn token(&mut self) -> Result<Token, ModelError> {
        loop {
            match self.coze.tokens.get(self.session).await {
                Ok(token) => return Ok(token),
                Err(error) => self.patience.wait_after(error).await?,
            }
        }
    }

    async fn recover(&mut self, error: ModelError, token: &Token) -> Result<(), ModelError> {
        if error == ModelError::Unauthorized && !self.renewed {
            self.renewed = true;
            self.coze.tokens.forget(self.session, token).await;
            return Ok(());
        }
        self.patience.wait_after(error).await
    }
}

/// What is kept of a response that is no stream.
struct Head {
    status: u16,
    log_id: String,
}

impl Head {
    async fn split(response: Response, limits: &Limits) -> Result<(Self, Vec<u8>), ModelError> {
        let log_id =
            response.headers().get("x-tt-logid").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let head = Self { status: response.status().as_u16(), log_id: log_id.to_owned() };
        Ok((head, http::body(NAME, limits, response).await?))
    }

    /// Logs and names what Coze said instead of an answer.
    fn refusal(&self, body: &[u8], hidden: &Hidden) -> ModelError {
        #[derive(Deserialize)]
        struct Told {
            code: Option<wire::Code>,
            #[serde(alias = "error_message")]
            msg: Option<String>,
        }
        let told: Option<Told> = serde_json::from_slice(body).ok();
        let code = told.as_ref().and_then(|told| told.code.as_ref()?.number());
        let msg =
            told.and_then(|told| told.msg).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        refused(self.status, code, &self.log_id, &hidden.excerpt(&msg));
        if self.status == 200 && code.is_none() {
            return ModelError::BadReply;
        }
        refusal(self.status, code)
    }
}

#[derive(Serialize)]
struct ChatBody<'a> {
    workflow_id: &'a str,
    app_id: &'a str,
    session_name: &'a str,
    parameters: serde_json::Map<String, serde_json::Value>,
    additional_messages: Vec<Said<'a>>,
    conversation_id: &'a str,
}

#[derive(Serialize)]
struct Said<'a> {
    content: Cow<'a, str>,
    content_type: &'static str,
    role: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'a> Said<'a> {
    fn new(content: Cow<'a, str>, by_customer: bool) -> Self {
        let (role, kind) = if by_customer { ("user", "question") } else { ("assistant", "answer") };
        Self { content, content_type: "text", role, kind }
    }
}
