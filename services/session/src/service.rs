//! The RPCs: parse, one call into the store, reply.

use crate::{
    caller::principal,
    error::SessionError,
    insight,
    store::{Begun, Next, Page, Store, authorize},
    subscribe, wire as read,
};
use std::{pin::Pin, time::Duration};
use switchboard_boot::Lifecycle;
use switchboard_domain::{
    Session, SessionName,
    limits::{HISTORY_TAIL, PAGE_MAX},
    session::{Escalation, Event},
};
use switchboard_mesh::reply;
use switchboard_proto::{
    convert::{WireError, entries_to_wire},
    session::v1::{self as wire, session_service_server::SessionService},
};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

/// Longest that a reader of the outbox may wait for something to come.
const LEASE_WAIT_MAX: Duration = Duration::from_secs(30);
/// Most turns or events that one call may take.
const BATCH_MAX: u32 = 100;

/// The session service.
#[derive(Debug)]
pub(crate) struct Service {
    store: Store,
    tasks: Lifecycle,
}

impl Service {
    pub(crate) fn new(store: Store, tasks: Lifecycle) -> Self {
        Self { store, tasks }
    }

    fn lease_ms(&self) -> i64 {
        i64::try_from(self.store.settings.turn_lease.as_millis()).unwrap_or(i64::MAX)
    }

    async fn say(&self, request: wire::SayRequest) -> Result<wire::SayResponse, SessionError> {
        let context = request.context_limit;
        let said = self.store.say(read::utterance(request, principal())?).await?;
        let turn = match said.next {
            Next::Begun(turn) => {
                let held = self.store.held(turn, said.session.clone(), context).await?;
                Some(read::held(&held, self.lease_ms()))
            }
            Next::Behind(_) | Next::Covered(_) | Next::Human => None,
        };
        Ok(read::said(&said, self.store.epoch, turn))
    }

    async fn get(&self, request: wire::GetRequest) -> Result<wire::GetResponse, SessionError> {
        let name = allowed(&request.session)?;
        let session = self.store.session(&name).await?;
        let tail = self.tail(&session, request.tail as usize).await?;
        let progress = self.store.progress(&name).await?;
        let insight = insight::of(&self.store, &session).await?;
        Ok(wire::GetResponse {
            insight,
            epoch: self.store.epoch.get(),
            tail: entries_to_wire(&tail),
            session: Some((&session).into()),
            customer: Some(progress.customer.to_wire(wire::Party::Customer)),
            agent: Some(progress.agent.to_wire(wire::Party::Agent)),
        })
    }

    async fn tail(
        &self,
        session: &Session,
        count: usize,
    ) -> Result<Vec<switchboard_domain::Entry>, SessionError> {
        if count == 0 || session.head.get() == 0 {
            return Ok(Vec::new());
        }
        let page = Page::Before(session.head.next());
        Ok(self.store.entries(&session.name, page, count.min(HISTORY_TAIL), true).await?.0)
    }

    async fn escalate(&self, request: wire::EscalateRequest) -> Result<wire::CommandResponse, SessionError> {
        let name = allowed(&request.session)?;
        let escalation: Escalation = request.escalation.ok_or(WireError::new("escalation"))?.try_into()?;
        let outcome = self.store.escalate(name, escalation, read::repeatable(request.idempotency)?).await?;
        Ok(self.commanded(outcome))
    }

    fn commanded(
        &self,
        (session, entries, replayed): (Session, Vec<switchboard_domain::Entry>, bool),
    ) -> wire::CommandResponse {
        wire::CommandResponse {
            session: Some((&session).into()),
            epoch: self.store.epoch.get(),
            entries: entries_to_wire(&entries),
            replayed,
        }
    }

    async fn list_entries(
        &self,
        request: wire::ListEntriesRequest,
    ) -> Result<wire::ListEntriesResponse, SessionError> {
        let name = allowed(&request.session)?;
        let session = self.store.session(&name).await?;
        let page = match (request.before, request.after) {
            (Some(before), None) => Page::Before(switchboard_domain::Seq::new(before)),
            (None, Some(after)) => Page::After(switchboard_domain::Seq::new(after)),
            (None, None) => Page::Before(session.head.next()),
            (Some(_), Some(_)) => return Err(WireError::new("after").into()),
        };
        let (entries, has_more) =
            self.store.entries(&name, page, page_size(request.limit), request.messages_only).await?;
        Ok(wire::ListEntriesResponse {
            entries: entries_to_wire(&entries),
            has_more,
            epoch: self.store.epoch.get(),
        })
    }

    async fn lease_events(
        &self,
        request: wire::LeaseEventsRequest,
    ) -> Result<wire::LeaseEventsResponse, SessionError> {
        let wait = Duration::from_millis(request.wait_ms.into()).min(LEASE_WAIT_MAX);
        let until = tokio::time::Instant::now() + wait;
        loop {
            // Registered before reading: what comes in between wakes us.
            let filled = self.store.hub.outbox();
            if self.store.has_events().await? {
                let events = self.store.lease_events(request.limit.clamp(1, BATCH_MAX)).await?;
                if !events.is_empty() {
                    return Ok(wire::LeaseEventsResponse {
                        events: events.into_iter().map(read::event).collect(),
                    });
                }
            }
            // Another replica's rows wake nobody here: look again after a while.
            let nap = tokio::time::Instant::now() + self.store.settings.poll_interval;
            tokio::select! {
                () = filled => {}
                () = tokio::time::sleep_until(nap.min(until)) => {}
                () = self.tasks.stopping() => return Ok(wire::LeaseEventsResponse::default()),
            }
            if tokio::time::Instant::now() >= until {
                return Ok(wire::LeaseEventsResponse::default());
            }
        }
    }
}

/// A session that the caller may see.
fn allowed(text: &str) -> Result<SessionName, SessionError> {
    let name = read::name(text)?;
    authorize(&principal(), &name)?;
    Ok(name)
}

fn page_size(asked: u32) -> usize {
    if asked == 0 { HISTORY_TAIL } else { (asked as usize).min(PAGE_MAX) }
}

#[tonic::async_trait]
impl SessionService for Service {
    async fn open(
        &self,
        request: Request<wire::OpenRequest>,
    ) -> Result<Response<wire::OpenResponse>, Status> {
        reply(async {
            let request = request.into_inner();
            let key = read::repeatable(request.idempotency)?.map(|repeatable| repeatable.key);
            let (name, profile) = (read::name(&request.session)?, request.profile.map(Into::into));
            let (session, created) = self.store.open_session(name, profile, key, principal()).await?;
            let epoch = self.store.epoch.get();
            Ok::<_, SessionError>(wire::OpenResponse { session: Some((&session).into()), epoch, created })
        })
        .await
    }

    async fn say(&self, request: Request<wire::SayRequest>) -> Result<Response<wire::SayResponse>, Status> {
        reply(self.say(request.into_inner())).await
    }

    async fn begin_turn(
        &self,
        request: Request<wire::BeginTurnRequest>,
    ) -> Result<Response<wire::BeginTurnResponse>, Status> {
        use wire::begin_turn_response::Next;
        reply(async {
            let request = request.into_inner();
            let begun = self.store.begin_next(read::name(&request.session)?, request.context_limit).await?;
            let (next, entries) = match begun {
                Begun::Turn(held, entries) => (Next::Turn(read::held(&held, self.lease_ms())), entries),
                Begun::Running(turn) => (Next::Running(turn.to_string()), Vec::new()),
                Begun::Idle => (Next::Idle(true), Vec::new()),
            };
            Ok::<_, SessionError>(wire::BeginTurnResponse {
                next: Some(next),
                entries: entries_to_wire(&entries),
            })
        })
        .await
    }

    async fn renew_turn(
        &self,
        request: Request<wire::RenewTurnRequest>,
    ) -> Result<Response<wire::RenewTurnResponse>, Status> {
        reply(async {
            let request = request.into_inner();
            let turn = read::turn(&request.turn)?;
            let held = self.store.renew(turn, request.attempt, request.partial).await?;
            Ok::<_, SessionError>(wire::RenewTurnResponse { held })
        })
        .await
    }

    async fn finish_turn(
        &self,
        request: Request<wire::FinishTurnRequest>,
    ) -> Result<Response<wire::FinishTurnResponse>, Status> {
        reply(async {
            let finished = self.store.finish(read::finish(request.into_inner())?).await?;
            let session = &finished.session;
            Ok::<_, SessionError>(wire::FinishTurnResponse {
                state: wire::TurnState::from(finished.state).into(),
                entries: entries_to_wire(&finished.entries),
                session: Some(session.into()),
                more: session.uncovered > 0 && session.turn.is_none() && session.bot_answers(),
            })
        })
        .await
    }

    async fn claim_turns(
        &self,
        request: Request<wire::ClaimTurnsRequest>,
    ) -> Result<Response<wire::ClaimTurnsResponse>, Status> {
        reply(async {
            let request = request.into_inner();
            let claim = self.store.claim(request.limit.clamp(1, BATCH_MAX), request.context_limit);
            let held = Box::pin(claim).await?;
            let turns = held.iter().map(|held| read::held(held, self.lease_ms())).collect();
            Ok::<_, SessionError>(wire::ClaimTurnsResponse { turns })
        })
        .await
    }

    async fn get_turn(
        &self,
        request: Request<wire::GetTurnRequest>,
    ) -> Result<Response<wire::GetTurnResponse>, Status> {
        reply(async {
            let request = request.into_inner();
            let name = allowed(&request.session)?;
            let turn = self.store.turn(read::turn(&request.turn)?, &name).await?;
            Ok::<_, SessionError>(wire::GetTurnResponse {
                state: wire::TurnState::from(turn.state).into(),
                entries: entries_to_wire(&turn.entries),
                begun_seq: turn.begun.get(),
            })
        })
        .await
    }

    async fn escalate(
        &self,
        request: Request<wire::EscalateRequest>,
    ) -> Result<Response<wire::CommandResponse>, Status> {
        reply(self.escalate(request.into_inner())).await
    }

    async fn cancel_wait(
        &self,
        request: Request<wire::CancelWaitRequest>,
    ) -> Result<Response<wire::CommandResponse>, Status> {
        reply(async {
            let request = request.into_inner();
            let name = allowed(&request.session)?;
            let repeatable = read::repeatable(request.idempotency)?;
            let outcome = self.store.command("cancel_wait", name, Event::WaitCancelled, repeatable).await?;
            Ok::<_, SessionError>(self.commanded(outcome))
        })
        .await
    }

    async fn set_conversation(
        &self,
        request: Request<wire::SetConversationRequest>,
    ) -> Result<Response<wire::CommandResponse>, Status> {
        reply(async {
            let request = request.into_inner();
            let name = allowed(&request.session)?;
            let repeatable = read::repeatable(request.idempotency)?;
            let outcome = self.store.set_conversation(name, request.conversation, repeatable).await?;
            Ok::<_, SessionError>(self.commanded(outcome))
        })
        .await
    }

    async fn get(&self, request: Request<wire::GetRequest>) -> Result<Response<wire::GetResponse>, Status> {
        reply(self.get(request.into_inner())).await
    }

    async fn list_entries(
        &self,
        request: Request<wire::ListEntriesRequest>,
    ) -> Result<Response<wire::ListEntriesResponse>, Status> {
        reply(self.list_entries(request.into_inner())).await
    }

    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<wire::SubscribeResponse, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<wire::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        reply(async {
            let request = request.into_inner();
            let name = allowed(&request.session)?;
            let stream = subscribe::open(&self.store, &self.tasks, name, request.after).await?;
            Ok::<Self::SubscribeStream, SessionError>(Box::pin(stream))
        })
        .await
    }

    async fn lease_events(
        &self,
        request: Request<wire::LeaseEventsRequest>,
    ) -> Result<Response<wire::LeaseEventsResponse>, Status> {
        reply(self.lease_events(request.into_inner())).await
    }

    async fn ack_events(
        &self,
        request: Request<wire::AckEventsRequest>,
    ) -> Result<Response<wire::AckEventsResponse>, Status> {
        reply(async {
            self.store.ack_events(request.into_inner().ids).await?;
            Ok::<_, SessionError>(wire::AckEventsResponse {})
        })
        .await
    }
}
