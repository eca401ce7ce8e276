//! `GET /agent/events`: what concerns the calling agent, in the order of his own log, and hints that the floor changed.
//! While it is open the agent counts as there.

use super::events::cursor;
use crate::{
    error::{Problem, ProblemBody},
    extract::Query,
    identity::{Agent, Caller},
    limits::Class,
    sse::{self, Cursor, HEARTBEAT, Outbox, Place, Stalled},
    state::App,
    turn_stream::next,
    view::seconds,
};
use axum::{extract::State, response::Response};
use http::HeaderMap;
use serde_json::{Map, Value, json};
use std::time::Duration;
use switchboard_domain::{Seq, Timestamp, session::LogEpoch};
use switchboard_mesh::{CallContext, reply::chain};
use switchboard_proto::{
    agentauth::v1::HeartbeatRequest,
    session::v1::{
        AgentEntry, Position, SubscribeAgentRequest, SubscribeAgentResponse,
        subscribe_agent_response::{self, Opened},
    },
};
use tokio::time::{Instant, MissedTickBehavior};
use tonic::Streaming;

/// Follows what concerns the calling agent. Frames have an `id` when they are on record; their JSON has a `type`: `offer`,
/// `offer_ended`, `transfer_request`, `transfer_answered`, `mention`, `assist_request`, `assist_answer`,
/// `session_assigned`, `session_lost`, `customer_message`; without `id`: `floor` (ask for the queue again), `reset` (the
/// position is gone: read everything anew) and `bye` (come back after `retry`).
#[utoipa::path(
    get, path = "/agent/events", tag = "desk",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "Resume after this event"),
        ("last_event_id" = Option<String>, Query, description = "The same for a first connection"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn subscribe(
    State(app): State<App>,
    agent: Agent,
    caller: Caller,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = cursor(&headers, &query)?;
    if app.tasks.is_stopping() {
        return Ok(sse::refusal(sse::retry_wait(&app)));
    }
    let place = match app.limits.draw(Class::Read, &caller) {
        Ok(_) => app.streams.enter(&agent.id.to_string()),
        Err(_) => None,
    };
    let Some(place) = place else {
        let refuse = app.settings.sse.refuse_retry;
        return Ok(sse::refusal(sse::jitter(&*app.rng, refuse, refuse * 2)));
    };
    let after = after.map(|cursor| Position { epoch: cursor.epoch.get(), seq: cursor.seq.get() });
    let mut log = app.peers.desk().subscribe_agent(SubscribeAgentRequest { after }).await?.into_inner();
    let Some(SubscribeAgentResponse { event: Some(subscribe_agent_response::Event::Opened(opened)) }) =
        log.message().await?
    else {
        return Err(Problem::broken());
    };
    let (outbox, body) = Outbox::open(&app.settings.sse);
    let until = Instant::now() + agent.expires.since(app.clock.now());
    let context = CallContext { deadline: None, ..app.context() };
    let epoch = LogEpoch::new(opened.epoch);
    let listener = Listener { app: app.clone(), agent, outbox, log: Some(log), epoch, live: false, place };
    app.tasks.spawn("agent.events", context.scope(listener.run(opened, until)));
    Ok(sse::response(body))
}

/// One open stream of an agent.
struct Listener {
    app: App,
    agent: Agent,
    outbox: Outbox,
    log: Option<Streaming<SubscribeAgentResponse>>,
    epoch: LogEpoch,
    /// What was missed has been told.
    live: bool,
    /// Given back when the stream ends.
    #[expect(dead_code, reason = "counts while it lives")]
    place: Place,
}

/// Why the stream ends.
enum End {
    /// The client is gone or does not read; it finds its way back by itself.
    Stalled,
    /// The log broke off.
    Broken,
    /// Ours to end: it is told when to come back.
    Bye,
}

impl From<Stalled> for End {
    fn from(_: Stalled) -> Self {
        Self::Stalled
    }
}

impl Listener {
    async fn run(mut self, opened: Opened, until: Instant) {
        let end = match self.greet(&opened) {
            Ok(()) => self.listen(until).await,
            Err(stalled) => stalled.into(),
        };
        match end {
            End::Stalled => tracing::debug!("an agent's client is gone or does not read its events"),
            End::Broken => tracing::debug!("the events of an agent broke off"),
            End::Bye => {
                // If there is no room for it, the client comes back without having been asked.
                let _ = self.outbox.push(sse::bye(sse::retry_wait(&self.app)));
            }
        }
    }

    fn greet(&self, opened: &Opened) -> Result<(), Stalled> {
        self.outbox.push(sse::retry(sse::retry_wait(&self.app)))?;
        // Where a client that has seen nothing yet goes on.
        let at = Cursor { epoch: self.epoch, seq: Seq::new(opened.head) }.to_string();
        if opened.reset {
            self.outbox.push(sse::frame(None, &json!({ "type": "reset", "cursor": at })))?;
        }
        Ok(())
    }

    async fn listen(&mut self, until: Instant) -> End {
        let stopping = self.app.tasks.stopping();
        tokio::pin!(stopping);
        let agent = self.agent.clone();
        let app = self.app.clone();
        let revoked = app.identities.revocations.revoked(&agent);
        tokio::pin!(revoked);
        let mut heartbeat = tokio::time::interval(self.app.settings.sse.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        // At once: whoever listens is there.
        let mut presence = tokio::time::interval(self.app.settings.agent.presence_beat);
        presence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beats_unread = 0;
        loop {
            let outcome = tokio::select! {
                biased;
                () = self.outbox.closed() => return End::Stalled,
                () = &mut stopping => {
                    let spread = self.app.settings.drain.bye_spread;
                    tokio::time::sleep(sse::jitter(&*self.app.rng, Duration::ZERO, spread)).await;
                    return End::Bye;
                }
                () = tokio::time::sleep_until(until) => return End::Bye,
                () = &mut revoked => return End::Bye,
                event = next(&mut self.log) => match event {
                    Some(event) => self.tell(event).await,
                    None => return End::Broken,
                },
                _ = presence.tick() => {
                    self.beat();
                    Ok(())
                }
                _ = heartbeat.tick() => {
                    beats_unread = if self.outbox.is_empty() { 0 } else { beats_unread + 1 };
                    // Nothing was read for a whole beat: the connection is dead.
                    if beats_unread > 1 { Err(Stalled) } else { self.outbox.push(HEARTBEAT) }
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
    let mut event = Map::new();
    event.insert("type".into(), entry.kind.into());
    if let Ok(Value::Object(payload)) = serde_json::from_str(&entry.payload_json) {
        event.extend(payload);
    }
    if !entry.session.is_empty() {
        event.entry("session_name").or_insert(entry.session.into());
    }
    event.insert("timestamp".into(), seconds(Timestamp::from_millis(entry.at_ms)).into());
    event.insert("seq".into(), entry.seq.into());
    Value::Object(event)
}
