//! `DeskService`: what agents do with sessions. Parse, one call into the store, reply; who acts is the call's principal.

mod denied;
mod expiry;
mod wire;

pub use denied::Denied;
pub(crate) use expiry::keep as keep_offers;

use crate::{
    caller::{acting, caller, principal},
    error::SessionError,
    feed,
    store::{
        Store,
        desk::{Act, Actor, Command, Done, Posting},
    },
    wire as read,
};
use serde_json::{Value, json};
use std::pin::Pin;
use switchboard_boot::Lifecycle;
use switchboard_domain::{
    MessageText, Permission,
    limits::{AGENT_MESSAGE_MAX_CHARS, HISTORY_TAIL, PAGE_MAX},
    offer::Unanswerable,
};
use switchboard_mesh::reply;
use switchboard_proto::{
    common::v1::Idempotency,
    convert::entries_to_wire,
    session::v1::{self as proto, desk_service_server::DeskService},
};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

/// Who acts in the running call.
fn actor() -> Result<Actor, SessionError> {
    let principal = principal();
    let id = caller()?;
    Ok(Actor { id, supervises: principal.may(Permission::SessionsSupervise) })
}

type Reply<T> = Result<Response<T>, Status>;

/// The desk.
#[derive(Debug)]
pub(crate) struct Desk {
    store: Store,
    tasks: Lifecycle,
}

impl Desk {
    pub(crate) fn new(store: Store, tasks: Lifecycle) -> Self {
        Self { store, tasks }
    }

    async fn act(
        &self,
        action: &str,
        session: &str,
        act: Act,
        idempotency: Option<Idempotency>,
        detail: Value,
    ) -> Result<Done, SessionError> {
        let command = Command {
            session: read::name(session)?,
            by: actor()?,
            act,
            repeatable: read::repeatable(idempotency)?,
            record: self.store.record(action, session),
            detail,
        };
        // Large, and rare enough for a place of its own.
        Box::pin(self.store.act(command)).await
    }

    async fn take_over(&self, request: proto::TakeOverRequest) -> Result<Done, SessionError> {
        let principal = principal();
        let agent = acting(request.agent)?;
        if request.barge_in && !principal.may(Permission::SessionsSupervise) {
            return Err(Denied::BargeIn.into());
        }
        let act = Act::TakeOver { agent, barge_in: request.barge_in };
        let detail = json!({ "barge_in": request.barge_in });
        self.act("session.take_over", &request.session, act, request.idempotency, detail).await
    }

    async fn post(&self, request: proto::PostRequest) -> Result<Done, SessionError> {
        let posting = Posting {
            agent: acting(request.agent)?,
            session: read::name(&request.session)?,
            text: MessageText::parse(&request.text, AGENT_MESSAGE_MAX_CHARS)?,
            client_message_id: read::key(&request.client_message_id)?,
            record: self.store.record("session.post", &request.session),
        };
        self.store.post(posting).await
    }

    async fn release(&self, request: proto::ReleaseRequest) -> Result<Done, SessionError> {
        let detail = json!({ "reason": wire::reason(&request.reason)? });
        self.act("session.release", &request.session, Act::Release, request.idempotency, detail).await
    }

    async fn close(&self, request: proto::CloseRequest) -> Result<Done, SessionError> {
        let detail = json!({ "reason": wire::reason(&request.reason)? });
        self.act("session.close", &request.session, Act::Close, request.idempotency, detail).await
    }

    async fn transfer(
        &self,
        mut request: proto::TransferRequest,
    ) -> Result<proto::TransferResponse, SessionError> {
        let principal = principal();
        let from = acting(request.from.take())?;
        let handover = wire::handover(&request, from)?;
        if handover.immediate && !principal.may(Permission::SessionsSupervise) {
            return Err(Denied::Immediate.into());
        }
        let detail = json!({ "to": handover.to, "reason": handover.reason, "immediate": handover.immediate });
        let act = Act::Transfer(handover);
        let done = self.act("session.transfer", &request.session, act, request.idempotency, detail).await?;
        Ok(proto::TransferResponse {
            session: Some((&done.session).into()),
            epoch: self.store.epoch.get(),
            entries: entries_to_wire(&done.entries),
            offer: done.offer.as_ref().map(wire::offer_told),
            replayed: done.replayed,
        })
    }

    async fn answer(
        &self,
        request: proto::AnswerOfferRequest,
    ) -> Result<proto::AnswerOfferResponse, SessionError> {
        let agent = acting(request.agent)?;
        let (id, note) = (wire::offer_id(&request.offer)?, wire::answer_note(&request.note)?);
        let offer = self.store.offer(id).await?.ok_or(Unanswerable::Unknown)?;
        if offer.to.id != agent.id {
            return Err(Unanswerable::NotYours.into());
        }
        let detail = json!({ "accept": request.accept });
        let act = Act::Answer { offer: id, agent, accept: request.accept, note };
        let session = offer.session.as_str();
        let done = self.act("session.answer_offer", session, act, request.idempotency, detail).await?;
        Ok(proto::AnswerOfferResponse {
            offer: done.offer.as_ref().map(wire::offer_told),
            session: Some((&done.session).into()),
            epoch: self.store.epoch.get(),
            entries: entries_to_wire(&done.entries),
        })
    }

    async fn list_offers(
        &self,
        request: proto::ListOffersRequest,
    ) -> Result<proto::ListOffersResponse, SessionError> {
        let limit = wire::page_size(request.limit, PAGE_MAX);
        let offers = match request.session {
            Some(name) => {
                let name = read::name(&name)?;
                self.store.session(&name).await?;
                self.store.offers_of(&name, limit).await?
            }
            None => self.store.offers_to(caller()?, limit).await?,
        };
        Ok(proto::ListOffersResponse { offers: offers.iter().map(wire::offer_told).collect() })
    }

    async fn add_note(&self, request: proto::AddNoteRequest) -> Result<proto::NoteResponse, SessionError> {
        let author = acting(request.author)?;
        let max = self.store.settings.mentions_max;
        let wording = wire::wording(&request.text, request.mentions, max)?;
        let (name, repeatable) = (read::name(&request.session)?, read::repeatable(request.idempotency)?);
        let record = self.store.record("note.add", &request.session);
        let note = self.store.add_note(name, author, wording, repeatable, record).await?;
        Ok(proto::NoteResponse { note: Some(wire::note_told(&note)) })
    }

    async fn edit_note(&self, request: proto::EditNoteRequest) -> Result<proto::NoteResponse, SessionError> {
        let by = actor()?;
        let max = self.store.settings.mentions_max;
        let wording = wire::wording(&request.text, request.mentions, max)?;
        let (name, id) = (read::name(&request.session)?, wire::note_id(&request.note)?);
        let record = self.store.record("note.edit", &request.session);
        let note = self.store.edit_note(name, id, by, wording, record).await?;
        Ok(proto::NoteResponse { note: Some(wire::note_told(&note)) })
    }

    async fn delete_note(
        &self,
        request: proto::DeleteNoteRequest,
    ) -> Result<proto::DeleteNoteResponse, SessionError> {
        let by = actor()?;
        let (name, id) = (read::name(&request.session)?, wire::note_id(&request.note)?);
        self.store.delete_note(name, id, by, self.store.record("note.delete", &request.session)).await?;
        Ok(proto::DeleteNoteResponse {})
    }

    async fn list_notes(
        &self,
        request: proto::ListNotesRequest,
    ) -> Result<proto::ListNotesResponse, SessionError> {
        let before = match request.before.as_str() {
            "" => None,
            id => Some(wire::note_id(id)?),
        };
        let limit = wire::page_size(request.limit, HISTORY_TAIL);
        let (notes, total, has_more) =
            self.store.notes(&read::name(&request.session)?, before, limit).await?;
        Ok(proto::ListNotesResponse { notes: notes.iter().map(wire::note_told).collect(), total, has_more })
    }

    async fn put_tag(&self, request: proto::PutTagRequest) -> Result<proto::TagResponse, SessionError> {
        let tag = wire::tag(request.tag)?;
        let record = self.store.record("tag.put", &tag.id);
        let (by, key) = (caller()?, read::repeatable(request.idempotency)?);
        let tag = self.store.put_tag(tag, by, key, record).await?;
        Ok(proto::TagResponse { tag: Some(wire::tag_told(tag)) })
    }

    async fn delete_tag(
        &self,
        request: proto::DeleteTagRequest,
    ) -> Result<proto::DeleteTagResponse, SessionError> {
        let record = self.store.record("tag.delete", &request.id);
        self.store.delete_tag(request.id, record).await?;
        Ok(proto::DeleteTagResponse {})
    }

    async fn tag_session(
        &self,
        request: proto::TagSessionRequest,
    ) -> Result<proto::TagSessionResponse, SessionError> {
        let max = self.store.settings.tags_max;
        if request.add.len().max(request.remove.len()) > max {
            return Err(Denied::TooMany { what: "tags", max }.into());
        }
        let name = read::name(&request.session)?;
        let record = Some(self.store.record("session.tag", &request.session));
        let tags = self.store.change_tags(name, &request.add, &request.remove, record).await?;
        Ok(proto::TagSessionResponse { tags })
    }

    /// What was done to a session, as every command answers.
    async fn command(
        &self,
        work: impl Future<Output = Result<Done, SessionError>>,
    ) -> Reply<proto::CommandResponse> {
        reply(async {
            let done = work.await?;
            Ok::<_, SessionError>(proto::CommandResponse {
                session: Some((&done.session).into()),
                epoch: self.store.epoch.get(),
                entries: entries_to_wire(&done.entries),
                replayed: done.replayed,
            })
        })
        .await
    }
}

#[tonic::async_trait]
impl DeskService for Desk {
    async fn take_over(&self, request: Request<proto::TakeOverRequest>) -> Reply<proto::CommandResponse> {
        self.command(self.take_over(request.into_inner())).await
    }

    async fn post(&self, request: Request<proto::PostRequest>) -> Reply<proto::CommandResponse> {
        self.command(self.post(request.into_inner())).await
    }

    async fn release(&self, request: Request<proto::ReleaseRequest>) -> Reply<proto::CommandResponse> {
        self.command(self.release(request.into_inner())).await
    }

    async fn close(&self, request: Request<proto::CloseRequest>) -> Reply<proto::CommandResponse> {
        self.command(self.close(request.into_inner())).await
    }

    async fn transfer(&self, request: Request<proto::TransferRequest>) -> Reply<proto::TransferResponse> {
        reply(self.transfer(request.into_inner())).await
    }

    async fn answer_offer(
        &self,
        request: Request<proto::AnswerOfferRequest>,
    ) -> Reply<proto::AnswerOfferResponse> {
        reply(self.answer(request.into_inner())).await
    }

    async fn list_offers(
        &self,
        request: Request<proto::ListOffersRequest>,
    ) -> Reply<proto::ListOffersResponse> {
        reply(self.list_offers(request.into_inner())).await
    }

    async fn add_note(&self, request: Request<proto::AddNoteRequest>) -> Reply<proto::NoteResponse> {
        reply(self.add_note(request.into_inner())).await
    }

    async fn edit_note(&self, request: Request<proto::EditNoteRequest>) -> Reply<proto::NoteResponse> {
        reply(self.edit_note(request.into_inner())).await
    }

    async fn delete_note(
        &self,
        request: Request<proto::DeleteNoteRequest>,
    ) -> Reply<proto::DeleteNoteResponse> {
        reply(self.delete_note(request.into_inner())).await
    }

    async fn list_notes(&self, request: Request<proto::ListNotesRequest>) -> Reply<proto::ListNotesResponse> {
        reply(self.list_notes(request.into_inner())).await
    }

    async fn list_tags(&self, _request: Request<proto::ListTagsRequest>) -> Reply<proto::ListTagsResponse> {
        reply(async {
            let tags = self.store.tags().await?.into_iter().map(wire::tag_told).collect();
            Ok::<_, SessionError>(proto::ListTagsResponse { tags })
        })
        .await
    }

    async fn put_tag(&self, request: Request<proto::PutTagRequest>) -> Reply<proto::TagResponse> {
        reply(self.put_tag(request.into_inner())).await
    }

    async fn delete_tag(&self, request: Request<proto::DeleteTagRequest>) -> Reply<proto::DeleteTagResponse> {
        reply(self.delete_tag(request.into_inner())).await
    }

    async fn tag_session(
        &self,
        request: Request<proto::TagSessionRequest>,
    ) -> Reply<proto::TagSessionResponse> {
        reply(self.tag_session(request.into_inner())).await
    }

    type SubscribeAgentStream =
        Pin<Box<dyn Stream<Item = Result<proto::SubscribeAgentResponse, Status>> + Send>>;

    async fn subscribe_agent(
        &self,
        request: Request<proto::SubscribeAgentRequest>,
    ) -> Reply<Self::SubscribeAgentStream> {
        reply(async {
            let agent = caller()?;
            let stream = feed::open(&self.store, &self.tasks, agent, request.into_inner().after).await?;
            Ok::<Self::SubscribeAgentStream, SessionError>(Box::pin(stream))
        })
        .await
    }
}
