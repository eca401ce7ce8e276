//! Coze as far as a client can tell: grants for signed assertions, conversations that belong to a session, workflows
//! answered as an event stream out of the conversation's memory.

mod grant;
mod reply;

use super::{Fault, Switch, script, serve::Server};
use axum::{
    Router,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, HeaderValue, StatusCode},
    middleware::map_response,
    response::{IntoResponse as _, Response},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use switchboard_domain::Clock;

/// Client id of the registered OAuth app.
pub const CLIENT_ID: &str = "1163000000001";
/// Fingerprint of the registered key.
pub const PUBLIC_KEY_ID: &str = "fingerprint-of-the-registered-key";
/// The published workflow.
pub const WORKFLOW_ID: &str = "7379000000000000001";
/// The app it belongs to.
pub const APP_ID: &str = "7379000000000000002";

/// How a fake starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// The vendor's clock; assertions and tokens end by it.
    pub clock: Arc<dyn Clock>,
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Longest life of an access token, whatever is asked for.
    pub token_life: Duration,
    /// The vendor's quirk: a chat without a conversation gets the same one for all sessions.
    pub shared_default_conversation: bool,
}

impl Options {
    /// A free port, tokens of 24 hours, the vendor's quirks.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            token_life: Duration::from_secs(86_399),
            shared_default_conversation: true,
        }
    }
}

/// What was called so far.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    /// All calls of the grant, broken and refused ones included.
    pub grant_calls: usize,
    /// Session names of all access tokens granted; empty for a grant without one.
    pub grants: Vec<String>,
    /// Assertions that were refused, with the reason.
    pub refused_grants: Vec<String>,
    /// All conversations made by request: session name and id.
    pub conversations: Vec<(String, String)>,
    /// All chat calls that came with a good token, refused ones included.
    pub chats: Vec<Chat>,
    /// Calls refused because of their token.
    pub unauthorized: usize,
    /// Streams sent to their end.
    pub finished: usize,
    /// Streams that ended because the client, or a fault, ended them.
    pub abandoned: usize,
}

/// One chat call.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    /// Of the token.
    pub session: String,
    /// As given, if any.
    pub conversation: Option<String>,
    /// The body.
    pub body: Value,
}

/// A fake Coze; stops when dropped.
#[derive(Debug)]
pub struct FakeCoze {
    server: Server,
    vendor: Arc<Vendor>,
    /// Fault of the grant.
    pub grant: Switch,
    /// Fault of making a conversation.
    pub conversation: Switch,
    /// Fault of the chat.
    pub chat: Switch,
}

#[derive(Debug)]
struct Vendor {
    options: Options,
    address: SocketAddr,
    state: Mutex<State>,
    grant: Switch,
    conversation: Switch,
    chat: Switch,
}

#[derive(Debug, Default)]
struct State {
    tokens: HashMap<String, Token>,
    used_assertions: HashSet<String>,
    conversations: HashMap<String, Conversation>,
    answer: Option<String>,
    token_life: Duration,
    count: u64,
    calls: Calls,
}

#[derive(Debug)]
struct Token {
    session: String,
    ends_at: i64,
}

#[derive(Debug, Default)]
struct Conversation {
    /// `None` for the vendor's default conversation, which anybody may use.
    owner: Option<String>,
    said: Vec<String>,
    running: bool,
}

impl FakeCoze {
    /// Starts one.
    pub async fn start(options: Options) -> Self {
        let (grant, conversation, chat) = (Switch::default(), Switch::default(), Switch::default());
        let mut vendor = None;
        let server = Server::start(options.address, |address| {
            let state = State { token_life: options.token_life, ..State::default() };
            let shared = Arc::new(Vendor {
                options,
                address,
                state: Mutex::new(state),
                grant: grant.clone(),
                conversation: conversation.clone(),
                chat: chat.clone(),
            });
            vendor = Some(Arc::clone(&shared));
            routes(shared)
        })
        .await;
        Self { server, vendor: vendor.expect("the routes were made"), grant, conversation, chat }
    }

    /// What a client is configured with.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The registered private key, made for this process.
    pub fn private_key_pem(&self) -> &'static str {
        grant::key().pem()
    }

    /// What was called so far.
    pub fn calls(&self) -> Calls {
        self.vendor.state.lock().calls.clone()
    }

    /// Answers this text from now on, instead of what the conversation remembers.
    pub fn set_answer(&self, text: Option<&str>) {
        self.vendor.state.lock().answer = text.map(str::to_owned);
    }

    /// Longest life of the tokens granted from now on.
    pub fn set_token_life(&self, life: Duration) {
        self.vendor.state.lock().token_life = life;
    }

    /// Forgets all access tokens: calls with them get 401.
    pub fn revoke_tokens(&self) {
        self.vendor.state.lock().tokens.clear();
    }

    /// Forgets all conversations: calls with them get 4002.
    pub fn forget_conversations(&self) {
        self.vendor.state.lock().conversations.clear();
    }
}

fn routes(vendor: Arc<Vendor>) -> Router {
    Router::new()
        .route("/api/permission/oauth2/token", post(grant::grant))
        .route("/v1/conversation/create", post(create_conversation))
        .route("/v1/workflows/chat", post(chat))
        .layer(map_response(async |mut response: Response| {
            response
                .headers_mut()
                .insert("x-tt-logid", HeaderValue::from_static("20260101000000000000000000000000"));
            response
        }))
        .with_state(vendor)
}

/// An error in the vendor's usual form.
fn error(status: StatusCode, code: i64, msg: &str) -> Response {
    let body = json!({ "code": code, "msg": msg, "detail": { "logid": "20260101000000000000000000000000" } });
    (status, axum::Json(body)).into_response()
}

fn unauthorized() -> Response {
    error(StatusCode::UNAUTHORIZED, 4100, "authentication is invalid")
}

/// The faults that need no token and no body; `None` when the call is to be served.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other faults lie in the stream")]
async fn broken(fault: Option<&Fault>) -> Option<Response> {
    match fault? {
        Fault::Hang => std::future::pending().await,
        Fault::Status(401) => Some(unauthorized()),
        Fault::Status(status) => {
            let status = StatusCode::from_u16(*status).expect("a status");
            let mut response = error(status, 0, "the vendor's own words");
            if status.is_redirection() {
                response.headers_mut().insert("location", HeaderValue::from_static("/elsewhere"));
            }
            Some(response)
        }
        Fault::JsonError(code) => Some(error(StatusCode::OK, *code, "the vendor's own words")),
        Fault::Page => Some(axum::response::Html("<html>maintenance</html>").into_response()),
        _ => None,
    }
}

async fn create_conversation(Shared(vendor): Shared<Arc<Vendor>>, headers: HeaderMap) -> Response {
    if let Some(response) = broken(vendor.conversation.take().as_ref()).await {
        return response;
    }
    let mut state = vendor.state.lock();
    let Some(session) = vendor.session_of(&mut state, &headers) else { return unauthorized() };
    let id = state.next_id();
    let conversation = Conversation { owner: Some(session.clone()), ..Conversation::default() };
    state.conversations.insert(id.clone(), conversation);
    state.calls.conversations.push((session, id.clone()));
    let data = json!({ "id": id, "created_at": vendor.now(), "meta_data": {}, "last_section_id": id });
    axum::Json(json!({ "code": 0, "msg": "", "data": data, "detail": { "logid": "" } })).into_response()
}

async fn chat(Shared(vendor): Shared<Arc<Vendor>>, headers: HeaderMap, body: Bytes) -> Response {
    let fault = vendor.chat.take();
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return error(StatusCode::BAD_REQUEST, 4000, "the body is no JSON");
    };
    let session = {
        let mut state = vendor.state.lock();
        let Some(session) = vendor.session_of(&mut state, &headers) else { return unauthorized() };
        let conversation = body["conversation_id"].as_str().map(str::to_owned);
        state.calls.chats.push(Chat { session: session.clone(), conversation, body: body.clone() });
        session
    };
    if let Some(response) = broken(fault.as_ref()).await {
        return response;
    }
    let asked = match Asked::read(&body) {
        Ok(asked) => asked,
        Err(what) => return error(StatusCode::OK, 4000, what),
    };
    match vendor.begin(&session, &asked) {
        Ok((conversation, answer)) => {
            let frames = reply::frames(&conversation, &answer, fault.as_ref());
            let report = move |sent_all| vendor.end(&conversation, sent_all);
            let body = script::body(frames, fault.as_ref(), report);
            ([("content-type", "text/event-stream; charset=utf-8")], body).into_response()
        }
        Err((code, msg)) => error(StatusCode::OK, code, msg),
    }
}

/// The parts of a chat's body that matter.
struct Asked {
    conversation: Option<String>,
    by_customer: Vec<String>,
}

impl Asked {
    /// Refuses what the vendor refuses.
    fn read(body: &Value) -> Result<Self, &'static str> {
        if body["workflow_id"] != WORKFLOW_ID || body["app_id"] != APP_ID {
            return Err("invalid workflow_id or app_id");
        }
        if !body["parameters"].is_object() {
            return Err("invalid parameters");
        }
        let messages = body["additional_messages"].as_array().ok_or("invalid additional_messages")?;
        let is_question = |said: &&Value| said["role"] == "user" && said["type"] == "question";
        let last = messages.last().filter(is_question).ok_or("the last message is no question")?;
        if messages.len() > 50 || messages.iter().any(|said| said["content_type"] != "text") {
            return Err("invalid additional_messages");
        }
        last["content"].as_str().filter(|text| !text.is_empty()).ok_or("the question is empty")?;
        let texts = messages.iter().filter(is_question).filter_map(|said| said["content"].as_str());
        Ok(Self {
            conversation: body["conversation_id"].as_str().map(str::to_owned),
            by_customer: texts.map(str::to_owned).collect(),
        })
    }
}

impl Vendor {
    fn now(&self) -> i64 {
        self.options.clock.now().seconds()
    }

    /// Whose token it is; `None` for none, an unknown or an expired one.
    fn session_of(&self, state: &mut State, headers: &HeaderMap) -> Option<String> {
        let bearer =
            headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let token =
            bearer.and_then(|bearer| state.tokens.get(bearer)).filter(|token| self.now() < token.ends_at);
        let session = token.map(|token| token.session.clone());
        if session.is_none() {
            state.calls.unauthorized += 1;
        }
        session
    }

    /// Takes the customer's words into the conversation's memory and answers out of it.
    fn begin(&self, session: &str, asked: &Asked) -> Result<(String, String), (i64, &'static str)> {
        let mut state = self.state.lock();
        let id = match &asked.conversation {
            Some(id) => id.clone(),
            None if self.options.shared_default_conversation => "7379999999999999999".to_owned(),
            None => state.next_id(),
        };
        if asked.conversation.is_none() {
            state.conversations.entry(id.clone()).or_default();
        }
        let fixed = state.answer.clone();
        let conversation = state.conversations.get_mut(&id).ok_or((4002, "conversation not found"))?;
        if conversation.owner.as_deref().is_some_and(|owner| owner != session) {
            return Err((4101, "no permission to access the conversation"));
        }
        if conversation.running {
            return Err((4016, "conversation already has a running chat"));
        }
        conversation.running = true;
        let (question, unseen) = asked.by_customer.split_last().ok_or((4000, "no question"))?;
        conversation.said.extend_from_slice(unseen);
        let mut answer = format!("收到：{question}");
        if !conversation.said.is_empty() {
            answer = format!("{answer}。您之前说过：{}", conversation.said.join("；"));
        }
        conversation.said.push(question.clone());
        Ok((id, fixed.unwrap_or(answer)))
    }

    fn end(&self, conversation: &str, sent_all: bool) {
        let mut state = self.state.lock();
        if let Some(conversation) = state.conversations.get_mut(conversation) {
            conversation.running = false;
        }
        let count = if sent_all { &mut state.calls.finished } else { &mut state.calls.abandoned };
        *count += 1;
    }
}

impl State {
    fn next_id(&mut self) -> String {
        self.count += 1;
        (7_379_000_000_000_100_000 + self.count).to_string()
    }
}
