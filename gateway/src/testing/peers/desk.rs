//! The desk: one agent's own log, and tags.

use super::{EPOCH, FakeDesk, Stream, login::Answer, refuse};
use futures::StreamExt as _;
use switchboard_domain::ErrorKind;
use switchboard_proto::session::v1::{
    self as wire,
    subscribe_agent_response::{Event, Opened},
};
use tonic::{Request, Response, Status};

fn never() -> Status {
    refuse(ErrorKind::Internal, "INTERNAL", "not asked in these tests")
}

#[tonic::async_trait]
impl wire::desk_service_server::DeskService for FakeDesk {
    type SubscribeAgentStream = Stream<wire::SubscribeAgentResponse>;

    /// What is on record after the position, then nothing more.
    async fn subscribe_agent(
        &self,
        request: Request<wire::SubscribeAgentRequest>,
    ) -> Answer<Self::SubscribeAgentStream> {
        let log = self.0.agent_log.lock().clone();
        let head = i64::try_from(log.len()).unwrap();
        let after = request.into_inner().after.unwrap_or(wire::Position { epoch: EPOCH, seq: head });
        let reset = after.epoch != EPOCH || after.seq > head;
        let from = if reset { head } else { after.seq };
        let opened = Event::Opened(Opened { epoch: EPOCH, head, reset });
        let missed = log.into_iter().filter(move |entry| entry.seq > from).map(Event::Entry);
        let events = std::iter::once(opened).chain(missed);
        let events = events.map(|event| Ok(wire::SubscribeAgentResponse { event: Some(event) }));
        let events: Vec<_> = events.collect();
        Ok(Response::new(futures::stream::iter(events).chain(futures::stream::pending()).boxed()))
    }

    async fn put_tag(&self, request: Request<wire::PutTagRequest>) -> Answer<wire::TagResponse> {
        let asked = request.into_inner();
        self.0.accounts.lock().repeats.push(asked.idempotency);
        Ok(Response::new(wire::TagResponse { tag: asked.tag }))
    }

    async fn take_over(&self, _: Request<wire::TakeOverRequest>) -> Answer<wire::CommandResponse> {
        Err(never())
    }

    async fn post(&self, _: Request<wire::PostRequest>) -> Answer<wire::CommandResponse> {
        Err(never())
    }

    async fn release(&self, _: Request<wire::ReleaseRequest>) -> Answer<wire::CommandResponse> {
        Err(never())
    }

    async fn close(&self, _: Request<wire::CloseRequest>) -> Answer<wire::CommandResponse> {
        Err(never())
    }

    async fn transfer(&self, _: Request<wire::TransferRequest>) -> Answer<wire::TransferResponse> {
        Err(never())
    }

    async fn answer_offer(&self, _: Request<wire::AnswerOfferRequest>) -> Answer<wire::AnswerOfferResponse> {
        Err(never())
    }

    async fn list_offers(&self, _: Request<wire::ListOffersRequest>) -> Answer<wire::ListOffersResponse> {
        Err(never())
    }

    async fn add_note(&self, _: Request<wire::AddNoteRequest>) -> Answer<wire::NoteResponse> {
        Err(never())
    }

    async fn edit_note(&self, _: Request<wire::EditNoteRequest>) -> Answer<wire::NoteResponse> {
        Err(never())
    }

    async fn delete_note(&self, _: Request<wire::DeleteNoteRequest>) -> Answer<wire::DeleteNoteResponse> {
        Err(never())
    }

    async fn list_notes(&self, _: Request<wire::ListNotesRequest>) -> Answer<wire::ListNotesResponse> {
        Err(never())
    }

    async fn list_tags(&self, _: Request<wire::ListTagsRequest>) -> Answer<wire::ListTagsResponse> {
        Err(never())
    }

    async fn delete_tag(&self, _: Request<wire::DeleteTagRequest>) -> Answer<wire::DeleteTagResponse> {
        Err(never())
    }

    async fn tag_session(&self, _: Request<wire::TagSessionRequest>) -> Answer<wire::TagSessionResponse> {
        Err(never())
    }
}
