//! The RPCs. A stream here only watches: the turn runs in its own task and is recorded whoever leaves.

use crate::{
    error::ChatError,
    live::{News, Watcher},
    peers::as_myself,
    turn::{Conductor, LOCAL_CONVERSATION, Parameters},
};
use std::{fmt::Write as _, pin::Pin};
use switchboard_domain::{EntryBody, MessageId, Principal, SessionName, TurnId, entry::TurnChange};
use switchboard_mesh::{CallContext, reply, reply::explain, status::from_status};
use switchboard_proto::{
    chat::v1::{
        self as wire,
        chat_service_server::ChatService,
        turn_event::{Accepted, Ended, Event},
    },
    convert::WireError,
    session::v1::{self as session, say_response::Next, subscribe_response},
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status};

/// Events that a reader may be behind. Text is not queued (see `live.rs`), so there is nothing more to hold.
const QUEUE: usize = 16;

type Item = Result<wire::TurnEvent, Status>;
type Sender = mpsc::Sender<Item>;

/// The chat service.
#[derive(Debug)]
pub(crate) struct Service {
    conductor: Conductor,
}

impl Service {
    pub(crate) fn new(conductor: Conductor) -> Self {
        Self { conductor }
    }

    async fn send(&self, request: wire::SendRequest) -> Result<ReceiverStream<Item>, ChatError> {
        let parameters = match request.parameters_json.as_str() {
            "" => Parameters::default(),
            text => Parameters(serde_json::from_str(text).map_err(ChatError::Parameters)?),
        };
        let say = session::SayRequest {
            session: request.session,
            text: request.text,
            client_message_id: request.client_message_id,
            via: session::say_request::Via::Chat.into(),
            profile: request.profile,
            context_limit: self.conductor.settings.context_messages,
        };
        let said = self.conductor.peers.session.clone().say(say).await?.into_inner();
        let (turn, watch) = self.follow_up(&said, parameters)?;
        let accepted = Accepted {
            turn,
            epoch: said.epoch,
            created: said.created,
            replayed: said.replayed,
            entries: said.entries,
            session: said.session,
        };
        let (sender, receiver) = mpsc::channel(QUEUE);
        // There is room for the first: nobody else has the sender yet.
        let _ = sender.try_send(Ok(event(Event::Accepted(accepted))));
        self.pump(watch, sender);
        Ok(ReceiverStream::new(receiver))
    }

    /// Starts the turn, or finds the one that answers.
    fn follow_up(
        &self,
        said: &session::SayResponse,
        parameters: Parameters,
    ) -> Result<(Option<String>, Watch), ChatError> {
        let snapshot = said.session.as_ref().ok_or(WireError::new("session"))?;
        let name = SessionName::parse(&snapshot.name)?;
        let kept = said.entries.first().cloned().ok_or(WireError::new("entries"))?;
        let place = Place { session: name, epoch: said.epoch, seq: kept.seq };
        match &said.next {
            Some(Next::Turn(turn)) => {
                // Watched before it can end: from here on it runs by itself.
                let watcher = self.conductor.start(turn.clone(), parameters)?;
                Ok((Some(turn.id.clone()), Watch::Turn(place, turn.id.clone(), Some(watcher))))
            }
            Some(Next::CoveredByTurn(turn)) => {
                Ok((Some(turn.clone()), Watch::Turn(place, turn.clone(), None)))
            }
            Some(Next::BehindTurn(_)) => {
                let message = switchboard_domain::Entry::try_from(kept)?;
                let id = message.message().map(|message| message.id).ok_or(WireError::new("entries"))?;
                Ok((None, Watch::Message(place, id)))
            }
            None => Err(WireError::new("next").into()),
        }
    }

    fn pump(&self, watch: Watch, sender: Sender) {
        let context = CallContext::current()
            .unwrap_or_else(|| {
                CallContext::background(crate::NAME, &*self.conductor.clock, &*self.conductor.rng)
            })
            .detached(crate::NAME);
        let conductor = self.conductor.clone();
        let watching = context.scope(async move {
            let gone = sender.clone();
            tokio::select! {
                () = gone.closed() => {}
                outcome = watch.run(&conductor, &sender) => if let Err(error) = outcome {
                    // The reader asks again with the same id.
                    let _ = sender.send(Err(explain(&error))).await;
                }
            }
        });
        self.conductor.tasks.spawn("chat.watch", watching);
    }

    async fn new_conversation(
        &self,
        request: wire::NewConversationRequest,
    ) -> Result<wire::NewConversationResponse, ChatError> {
        let name = SessionName::parse(&request.session)?;
        let making = self.conductor.ladder.create_conversation(&name);
        let made = tokio::time::timeout(self.conductor.settings.new_conversation_timeout, making).await;
        let conversation = made.ok().flatten().unwrap_or_else(|| self.local_conversation());
        let set = session::SetConversationRequest {
            session: request.session,
            conversation,
            idempotency: request.idempotency,
        };
        let answer = self.conductor.peers.session.clone().set_conversation(set).await?.into_inner();
        // A repeat gets what the first call made.
        let first = answer.entries.into_iter().find_map(|entry| match entry.body {
            Some(session::entry::Body::Conversation(id)) => Some(id),
            _ => None,
        });
        Ok(wire::NewConversationResponse { conversation: first.ok_or(WireError::new("entries"))? })
    }

    fn local_conversation(&self) -> String {
        let mut chance = [0_u8; 16];
        self.conductor.rng.fill(&mut chance);
        chance.iter().fold(LOCAL_CONVERSATION.to_owned(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}"); // writing to a String cannot fail
            id
        })
    }
}

/// A place in a log.
struct Place {
    session: SessionName,
    epoch: i64,
    seq: i64,
}

/// What a stream waits for.
enum Watch {
    /// The end of this turn; with a watcher when it was begun here.
    Turn(Place, String, Option<Watcher>),
    /// The turn that covers this message, and its end.
    Message(Place, MessageId),
}

impl Watch {
    async fn run(self, conductor: &Conductor, sender: &Sender) -> Result<(), ChatError> {
        let (place, turn, watcher) = match self {
            Self::Turn(place, turn, watcher) => (place, turn, watcher),
            Self::Message(place, message) => {
                let turn = wait(conductor, &place, |change| {
                    change.covers.contains(&message).then(|| change.turn.to_string())
                });
                let turn = turn.await?;
                (place, turn, None)
            }
        };
        let id = TurnId::parse(&turn).map_err(|_| WireError::new("turn"))?;
        if let Some(watcher) = watcher.or_else(|| conductor.live.watch(id))
            && let Some(ended) = pass_on(watcher, sender).await
        {
            let _ = sender.send(Ok(event(Event::Ended(ended)))).await;
            return Ok(());
        }
        // It runs elsewhere, or its worker died: the log knows.
        let ended = recorded(conductor, &place, &turn, id).await?;
        let _ = sender.send(Ok(event(Event::Ended(ended)))).await;
        Ok(())
    }
}

/// Passes deltas on until the end; `None` when the worker is gone or nobody reads.
async fn pass_on(mut watcher: Watcher, sender: &Sender) -> Option<Ended> {
    loop {
        match watcher.next().await {
            News::Delta(delta) => sender.send(Ok(event(Event::Delta(delta)))).await.ok()?,
            News::Ended(ended) => return ended.map(|ended| *ended),
        }
    }
}

/// The recorded end of a turn; waits for it.
async fn recorded(conductor: &Conductor, place: &Place, turn: &str, id: TurnId) -> Result<Ended, ChatError> {
    let ended = wait(conductor, place, |change| (change.turn == id && change.state.is_final()).then_some(()));
    ended.await?;
    let (session, turn) = (place.session.to_string(), turn.to_owned());
    let mut peer = conductor.peers.session.clone();
    let get = session::GetTurnRequest { turn: turn.clone(), session: session.clone() };
    let record = as_myself(peer.get_turn(get)).await?;
    let now = as_myself(peer.get(session::GetRequest { session, tail: 0 })).await?;
    Ok(Ended { turn, state: record.state, entries: record.entries, session: now.session })
}

/// Reads a log from a place on until `found` finds the beginning or end of a turn that it looks for.
async fn wait<T>(
    conductor: &Conductor,
    place: &Place,
    found: impl Fn(&TurnChange) -> Option<T>,
) -> Result<T, ChatError> {
    let request = session::SubscribeRequest {
        session: place.session.to_string(),
        after: Some(session::Position { epoch: place.epoch, seq: place.seq }),
    };
    let mut events = as_myself(conductor.peers.session.clone().subscribe(request)).await?;
    while let Some(message) = events.message().await? {
        let Some(subscribe_response::Event::Entry(entry)) = message.event else { continue };
        let entry = switchboard_domain::Entry::try_from(entry)?;
        if let EntryBody::Turn(change) = &entry.body
            && let Some(thing) = found(change)
        {
            return Ok(thing);
        }
    }
    Err(ChatError::Peer(from_status(&Status::from_error("the log ended".into()))))
}

fn event(event: Event) -> wire::TurnEvent {
    wire::TurnEvent { event: Some(event) }
}

type Events = Pin<Box<dyn Stream<Item = Item> + Send>>;

#[tonic::async_trait]
impl ChatService for Service {
    type SendStream = Events;

    async fn send(&self, request: Request<wire::SendRequest>) -> Result<Response<Events>, Status> {
        reply(async { Ok::<Events, ChatError>(Box::pin(self.send(request.into_inner()).await?)) }).await
    }

    type FollowStream = Events;

    async fn follow(&self, request: Request<wire::FollowRequest>) -> Result<Response<Events>, Status> {
        reply(async {
            let request = request.into_inner();
            let name = SessionName::parse(&request.session)?;
            let own = match CallContext::current().map(|context| context.principal) {
                Some(Principal::Visitor(own)) => own == name,
                Some(Principal::Agent { .. } | Principal::Service(_)) => true,
                Some(Principal::Anonymous) | None => false,
            };
            let turn = TurnId::parse(&request.turn).map_err(|_| WireError::new("turn"))?;
            let watcher = self.conductor.live.watch(turn).filter(|watcher| own && *watcher.session() == name);
            let (sender, receiver) = mpsc::channel(QUEUE);
            if let Some(watcher) = watcher {
                self.conductor.tasks.spawn("chat.follow", async move {
                    let gone = sender.clone();
                    tokio::select! {
                        () = gone.closed() => {}
                        ended = pass_on(watcher, &sender) => if let Some(ended) = ended {
                            let _ = sender.send(Ok(event(Event::Ended(ended)))).await;
                        }
                    }
                });
            }
            Ok::<Events, ChatError>(Box::pin(ReceiverStream::new(receiver)))
        })
        .await
    }

    async fn new_conversation(
        &self,
        request: Request<wire::NewConversationRequest>,
    ) -> Result<Response<wire::NewConversationResponse>, Status> {
        reply(Box::pin(self.new_conversation(request.into_inner()))).await
    }

    async fn get_bot(
        &self,
        _request: Request<wire::GetBotRequest>,
    ) -> Result<Response<wire::GetBotResponse>, Status> {
        let face = self.conductor.ladder.face();
        let (bot, workflow) = (&self.conductor.bot, &self.conductor.workflow);
        Ok(Response::new(wire::GetBotResponse {
            provider: face.provider.to_owned(),
            detail: face.detail,
            breaker: face.breaker.to_owned(),
            healthy: face.healthy,
            workflow_id: workflow.0.clone(),
            app_id: workflow.1.clone(),
            profile: Some(wire::BotProfile {
                name: bot.name.clone(),
                description: bot.description.clone(),
                icon_url: bot.icon_url.clone(),
                welcome: bot.welcome.clone(),
            }),
        }))
    }
}
