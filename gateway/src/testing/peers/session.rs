//! The session service, in memory.

use super::{EPOCH, FakeSession, Stream, refuse};
use crate::testing::log;
use futures::StreamExt as _;
use switchboard_domain::{Entry, ErrorKind, Seq, Status as SessionStatus};
use switchboard_proto::{
    common::v1::Escalation,
    convert::entries_to_wire,
    session::v1::{self as wire, subscribe_response},
};
use tonic::{Request, Response, Status};

fn unused<T>() -> Result<T, Status> {
    Err(Status::unimplemented("the edge does not call this"))
}

#[tonic::async_trait]
impl wire::session_service_server::SessionService for FakeSession {
    type SubscribeStream = Stream<wire::SubscribeResponse>;

    async fn open(
        &self,
        request: Request<wire::OpenRequest>,
    ) -> Result<Response<wire::OpenResponse>, Status> {
        let request = request.into_inner();
        let key = request.idempotency.map(|idempotency| idempotency.key).unwrap_or_default();
        let created = self.0.admit(&request.session, &key)?;
        let session = Some((&self.0.kept(&request.session).session).into());
        Ok(Response::new(wire::OpenResponse { session, epoch: EPOCH, created }))
    }

    async fn say(&self, request: Request<wire::SayRequest>) -> Result<Response<wire::SayResponse>, Status> {
        let request = request.into_inner();
        let kept = self.0.own(&request.session)?;
        if kept.session.status == SessionStatus::BotActive {
            return Err(refuse(
                ErrorKind::Conflict,
                "INVALID_STATUS",
                "当前状态为bot_active，无法发送人工消息",
            ));
        }
        let entry = self.0.say(&request.session, &request.text, &request.client_message_id);
        Ok(Response::new(wire::SayResponse {
            entries: vec![(&entry).into()],
            epoch: EPOCH,
            ..Default::default()
        }))
    }

    async fn escalate(
        &self,
        request: Request<wire::EscalateRequest>,
    ) -> Result<Response<wire::CommandResponse>, Status> {
        let request = request.into_inner();
        let Some(Escalation { .. }) = request.escalation else { return unused() };
        let kept = self.0.own(&request.session)?;
        if kept.session.status == SessionStatus::ManualLive {
            return Err(refuse(ErrorKind::Conflict, "MANUAL_IN_PROGRESS", "人工客服正在为您服务"));
        }
        let entry = self.0.write(
            &request.session,
            log::status(1, SessionStatus::BotActive, SessionStatus::PendingManual).body,
        );
        let session = Some((&self.0.kept(&request.session).session).into());
        let entries = vec![(&entry).into()];
        Ok(Response::new(wire::CommandResponse { session, epoch: EPOCH, entries, replayed: false }))
    }

    async fn get(&self, request: Request<wire::GetRequest>) -> Result<Response<wire::GetResponse>, Status> {
        let kept = self.0.own(&request.into_inner().session)?;
        let tail: Vec<Entry> = kept.log.into_iter().filter(|entry| entry.message().is_some()).collect();
        let session = Some((&kept.session).into());
        Ok(Response::new(wire::GetResponse {
            session,
            epoch: EPOCH,
            tail: entries_to_wire(&tail),
            ..wire::GetResponse::default()
        }))
    }

    async fn list_entries(
        &self,
        request: Request<wire::ListEntriesRequest>,
    ) -> Result<Response<wire::ListEntriesResponse>, Status> {
        let request = request.into_inner();
        let kept = self.0.own(&request.session)?;
        let (before, after) = (request.before.unwrap_or(i64::MAX), request.after.unwrap_or(0));
        let limit = usize::try_from(request.limit).unwrap();
        let fits =
            |entry: &Entry| entry.message().is_some() && (after + 1..before).contains(&entry.seq.get());
        let mut found: Vec<Entry> = kept.log.into_iter().filter(fits).collect();
        let has_more = found.len() > limit;
        if request.after.is_some() {
            found.truncate(limit);
        } else {
            found.drain(..found.len().saturating_sub(limit));
        }
        Ok(Response::new(wire::ListEntriesResponse {
            entries: entries_to_wire(&found),
            has_more,
            epoch: EPOCH,
        }))
    }

    async fn subscribe(
        &self,
        request: Request<wire::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let request = request.into_inner();
        let live = self.0.entries.subscribe();
        let kept = self.0.own(&request.session)?;
        let head = kept.session.head;
        let after = request.after.unwrap_or(wire::Position { epoch: EPOCH, seq: 0 });
        let reset = after.epoch != EPOCH || after.seq > head.get();
        let from = if reset { head } else { Seq::new(after.seq) };
        let messages: Vec<Entry> =
            kept.log.iter().filter(|entry| entry.message().is_some()).cloned().collect();
        let opened = subscribe_response::Opened {
            session: Some((&kept.session).into()),
            epoch: EPOCH,
            reset,
            tail: if reset { entries_to_wire(&messages) } else { Vec::new() },
            insight: None,
        };
        let turn = kept.session.turn.map(|turn| turn.to_string());
        let caught_up = subscribe_response::CaughtUp { seq: head.get(), turn };
        let mut first = vec![subscribe_response::Event::Opened(opened)];
        let old = kept.log.iter().filter(|entry| entry.seq > from);
        first.extend(old.map(|entry| subscribe_response::Event::Entry(entry.into())));
        first.push(subscribe_response::Event::CaughtUp(caught_up));
        let live = futures::stream::unfold(live, |mut live| async {
            let entry = live.recv().await.ok()?;
            Some((entry, live))
        });
        let live = live.filter_map(move |entry| {
            let mine = entry.session.as_str() == request.session && entry.seq > head;
            std::future::ready(mine.then(|| subscribe_response::Event::Entry((&entry).into())))
        });
        let all = futures::stream::iter(first).chain(live);
        Ok(Response::new(all.map(|event| Ok(wire::SubscribeResponse { event: Some(event) })).boxed()))
    }

    async fn begin_turn(
        &self,
        _: Request<wire::BeginTurnRequest>,
    ) -> Result<Response<wire::BeginTurnResponse>, Status> {
        unused()
    }
    async fn renew_turn(
        &self,
        _: Request<wire::RenewTurnRequest>,
    ) -> Result<Response<wire::RenewTurnResponse>, Status> {
        unused()
    }
    async fn finish_turn(
        &self,
        _: Request<wire::FinishTurnRequest>,
    ) -> Result<Response<wire::FinishTurnResponse>, Status> {
        unused()
    }
    async fn claim_turns(
        &self,
        _: Request<wire::ClaimTurnsRequest>,
    ) -> Result<Response<wire::ClaimTurnsResponse>, Status> {
        unused()
    }
    async fn get_turn(
        &self,
        _: Request<wire::GetTurnRequest>,
    ) -> Result<Response<wire::GetTurnResponse>, Status> {
        unused()
    }
    async fn cancel_wait(
        &self,
        _: Request<wire::CancelWaitRequest>,
    ) -> Result<Response<wire::CommandResponse>, Status> {
        unused()
    }

    async fn set_conversation(
        &self,
        _: Request<wire::SetConversationRequest>,
    ) -> Result<Response<wire::CommandResponse>, Status> {
        unused()
    }
    async fn lease_events(
        &self,
        _: Request<wire::LeaseEventsRequest>,
    ) -> Result<Response<wire::LeaseEventsResponse>, Status> {
        unused()
    }
    async fn ack_events(
        &self,
        _: Request<wire::AckEventsRequest>,
    ) -> Result<Response<wire::AckEventsResponse>, Status> {
        unused()
    }
}
