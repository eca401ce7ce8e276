//! `GET /agent/events`: what concerns the calling agent, in the order of his own log, and hints that the floor changed.
//! While it is open the agent counts as there.

use super::events::cursor;
use crate::{
    error::{Failures, Problem},
    event_stream::{self, End, Pulse},
    extract::Query,
    identity::{Agent, Caller, Person},
    sse::{self, Cursor, Outbox, Place, Stalled},
    state::App,
    turn_stream::next,
    view::time,
};
use axum::{extract::State, response::Response};
use http::HeaderMap;
use serde_json::{Map, Value, json};
use switchboard_domain::{Seq, session::LogEpoch};
use switchboard_mesh::{CallContext, reply::chain};
use switchboard_proto::{
    agentauth::v1::HeartbeatRequest,
    session::v1::{
        AgentEntry, Position, SubscribeAgentRequest, SubscribeAgentResponse,
        subscribe_agent_response::{self, Opened},
    },
};
use tokio::time::MissedTickBehavior;
use tonic::Streaming;

/// Follows what concerns the calling agent. Frames have an `id` when they are on record; their JSON has a `type`: `offer`,
/// `offer_ended`, `transfer_request`, `transfer_answered`, `mention`, `assist_request`, `assist_answer`,
/// `session_assigned`, `session_lost`, `customer_message` (its `message_seq` is the number in the session's log), first
/// `connected` or `reset` (the position is gone: read everything anew), both with the position from which it goes on;
/// without `id`: `floor` (ask for the queue again) and `bye` (come back after `retry`).
#[utoipa::path(
    get, path = "/agent/events", tag = "desk",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "Resume after this event"),
        ("last_event_id" = Option<String>, Query, description = "The same for a first connection"),
        ("ticket" = Option<String>, Query, description = "From `/events/ticket`, instead of a token"),
    ),
    responses((status = 200, body = String, content_type = "text/event-stream"), Failures)
)]
pub(crate) async fn subscribe(
    State(app): State<App>,
    agent: Agent,
    caller: Caller,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = cursor(&headers, &query)?;
    let person = Person::Agent(agent);
    let place = match event_stream::enter(&app, &person, &caller).await {
        Ok(place) => place,
        Err(refusal) => return Ok(*refusal),
    };
    let position = after.map(|cursor| Position { epoch: cursor.epoch.get(), seq: cursor.seq.get() });
    let request = SubscribeAgentRequest { after: position };
    let mut log = app.peers.desk().subscribe_agent(request).await?.into_inner();
    let Some(SubscribeAgentResponse { event: Some(subscribe_agent_response::Event::Opened(opened)) }) =
        log.message().await?
    else {
        return Err(Problem::broken());
    };
    let (outbox, body) = Outbox::open(&app.settings.sse);
    let pulse = Pulse::of(&app, person);
    let context = CallContext { deadline: None, ..app.context() };
    let epoch = LogEpoch::new(opened.epoch);
    let listener = Listener { app: app.clone(), outbox, log: Some(log), epoch, live: false, place };
    app.tasks.spawn("agent.events", context.scope(listener.run(opened, after, pulse)));
    Ok(sse::response(body))
}

/// One open stream of an agent.
struct Listener {
    app: App,
    outbox: Outbox,
    log: Option<Streaming<SubscribeAgentResponse>>,
    epoch: LogEpoch,
    /// What was missed has been told.
    live: bool,
    /// Given back when the stream ends.
    #[expect(dead_code, reason = "counts while it lives")]
    place: Place,
}

impl Listener {
    async fn run(mut self, opened: Opened, after: Option<Cursor>, pulse: Pulse) {
        let end = match self.greet(&opened, after) {
            Ok(()) => self.listen(pulse).await,
            Err(stalled) => stalled.into(),
        };
        event_stream::close(&self.app, &self.outbox, end).await;
    }

    /// Says from where it goes on, with an id: a client that is told nothing else comes back with it and misses nothing.
    fn greet(&self, opened: &Opened, after: Option<Cursor>) -> Result<(), Stalled> {
        self.outbox.push(sse::retry(sse::retry_wait(&self.app)))?;
        let head = Cursor { epoch: self.epoch, seq: Seq::new(opened.head) };
        let (kind, at) = if opened.reset { ("reset", head) } else { ("connected", after.unwrap_or(head)) };
        self.outbox.push(sse::frame(Some(at), &json!({ "type": kind, "cursor": at.to_string() })))
    }

    async fn listen(&mut self, mut pulse: Pulse) -> End {
        // At once: whoever listens is there.
        let mut presence = tokio::time::interval(self.app.settings.agent.presence_beat);
        presence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let outcome = tokio::select! {
                biased;
                end = pulse.end(&self.outbox) => return end,
                event = next(&mut self.log) => match event {
                    Some(event) => self.tell(event).await,
                    None => return End::Broken,
                },
                _ = presence.tick() => {
                    self.beat();
                    Ok(())
                }
            };
            if let Err(end) = outcome {
                return end.into();
            }
        }
    }

    async fn tell(&mut self, event: subscribe_agent_response::Event) -> Result<(), Stalled> {
        let frame = match event {
            subscribe_agent_response::Event::Opened(_) => return Ok(()),
            subscribe_agent_response::Event::Entry(entry) => {
                let at = Cursor { epoch: self.epoch, seq: Seq::new(entry.seq) };
                sse::frame(Some(at), &told(entry))
            }
            subscribe_agent_response::Event::Floor(floor) => {
                self.live = true;
                sse::frame(None, &json!({ "type": "floor", "waiting": floor.waiting, "live": floor.live }))
            }
        };
        // What was missed may take as long as the client needs; what happens now must not wait for it.
        if self.live {
            self.outbox.push(frame)
        } else {
            self.outbox.send(frame, self.app.settings.sse.write_timeout).await
        }
    }

    /// Keeps the agent's presence, beside the stream: a slow answer must not hold it up.
    fn beat(&self) {
        let mut accounts = self.app.peers.accounts();
        let context = self.app.context();
        let beat = async move {
            if let Err(status) = accounts.heartbeat(HeartbeatRequest { active: false }).await {
                tracing::debug!(error = chain(&status), "presence could not be renewed");
            }
        };
        self.app.tasks.spawn("agent.presence", context.scope(beat));
    }
}

/// An entry as the contract's event: its kind as `type`, its payload's members, when and where.
fn told(entry: AgentEntry) -> Value {
    let mut event = match serde_json::from_str(&entry.payload_json) {
        Ok(Value::Object(payload)) => payload,
        Ok(_) | Err(_) => Map::new(),
    };
    if !entry.session.is_empty() {
        event.entry("session_name").or_insert(entry.session.into());
    }
    let own = [
        ("type", Value::from(entry.kind.as_str())),
        ("timestamp", time(entry.at_ms).into()),
        ("seq", entry.seq.into()),
    ];
    for (name, value) in own {
        if event.insert(name.to_owned(), value).is_some() {
            tracing::error!(kind = entry.kind, name, "an agent's event has a member that is the entry's own");
        }
    }
    Value::Object(event)
}
