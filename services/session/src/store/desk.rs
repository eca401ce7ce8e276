//! What agents do to a session: one transaction each, decided by the pure machine under the session's lock, with its
//! record in the audit log. Of many who want the same, the lock lets one be first; the machine refuses the others.

use super::{
    Repeatable, Store,
    commands::{First, first_answer, of_agent},
    offers::{self, NewOffer},
    presence, roster, traceparent,
    unit::Unit,
};
use crate::{
    desk::Denied,
    error::SessionError,
    store::{Committed, rows::EntryRow},
};
use serde_json::{Value, json};
use switchboard_db::{
    audit::{NewRecord, digest},
    sql,
};
use switchboard_domain::{
    AgentId, ClientMessageId, Entry, EntryBody, Message, MessageId, MessageText, OfferId, Sender, Session,
    SessionName,
    entry::AgentRef,
    offer::{Offer, OfferKind, OfferState, Unanswerable},
    routing::Availability,
    session::{Event, Refused, apply},
};

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Actor {
    pub(crate) id: AgentId,
    /// Whether he may move others' work.
    pub(crate) supervises: bool,
}

/// What an agent does to a session.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    TakeOver { agent: AgentRef, barge_in: bool },
    Release,
    Close,
    Transfer(Handover),
    Answer { offer: OfferId, agent: AgentRef, accept: bool, note: String },
}

/// A session handed to a colleague.
#[derive(Debug, Clone)]
pub(crate) struct Handover {
    pub(crate) from: AgentRef,
    /// Id or username.
    pub(crate) to: String,
    pub(crate) reason: String,
    pub(crate) note: String,
    /// Without asking him.
    pub(crate) immediate: bool,
}

/// An act with everything that goes with it.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) session: SessionName,
    pub(crate) by: Actor,
    pub(crate) act: Act,
    pub(crate) repeatable: Option<Repeatable>,
    /// Without digests; they are filled in here.
    pub(crate) record: NewRecord,
    /// Further facts for the record.
    pub(crate) detail: Value,
}

/// What an act has done.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) session: Session,
    pub(crate) entries: Vec<Entry>,
    pub(crate) replayed: bool,
    pub(crate) offer: Option<Offer>,
}

/// What an agent writes to the customer.
#[derive(Debug, Clone)]
pub(crate) struct Posting {
    pub(crate) session: SessionName,
    pub(crate) agent: AgentRef,
    pub(crate) text: MessageText,
    pub(crate) client_message_id: Option<ClientMessageId>,
    pub(crate) record: NewRecord,
}

enum Outcome {
    Now(Box<Committed>, Option<OfferId>),
    Before(First, Box<Session>),
}

impl Act {
    fn method(&self) -> &'static str {
        match self {
            Self::TakeOver { .. } => "take_over",
            Self::Release => "release",
            Self::Close => "close",
            Self::Transfer(_) => "transfer",
            Self::Answer { .. } => "answer_offer",
        }
    }
}

impl Store {
    /// Lets an agent act, once for each key.
    pub(crate) async fn act(&self, command: Command) -> Result<Done, SessionError> {
        let (store, trace, name) = (self.clone(), traceparent(), command.session.clone());
        let outcome = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let unit = Unit::open(tx, store, &command.session, trace).await?;
                    act(unit, command).await
                })
            })
            .await?;
        match outcome {
            Outcome::Now(committed, offer) => {
                self.announce(&committed);
                let offer = self.offer_of(offer).await?;
                let (session, entries) = (committed.session, committed.entries);
                Ok(Done { session, entries, replayed: false, offer })
            }
            Outcome::Before(first, session) => {
                let entries = self.range(&name, first.from, first.to).await?;
                let offer = self.offer_of(OfferId::parse(&first.object).ok()).await?;
                Ok(Done { session: *session, entries, replayed: true, offer })
            }
        }
    }

    async fn offer_of(&self, id: Option<OfferId>) -> Result<Option<Offer>, SessionError> {
        match id {
            Some(id) => self.offer(id).await,
            None => Ok(None),
        }
    }

    /// Writes an agent's message into the log. A message that was kept before is given again.
    pub(crate) async fn post(&self, posting: Posting) -> Result<Done, SessionError> {
        let (store, trace) = (self.clone(), traceparent());
        let (done, committed) = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let unit = Unit::open(tx, store, &posting.session, trace).await?;
                    post(unit, posting).await
                })
            })
            .await?;
        if let Some(committed) = committed {
            self.announce(&committed);
        }
        Ok(done)
    }
}

async fn act(mut unit: Unit<'_>, command: Command) -> Result<Outcome, SessionError> {
    let method = command.act.method();
    unit.actor = Some(command.by.id);
    if let Some(repeatable) = &command.repeatable
        && let Some(first) = first_answer(&mut unit, method, repeatable).await?
    {
        return Ok(Outcome::Before(first, Box::new(unit.session)));
    }
    let (before, mut detail) = (audited(&unit.session), command.detail);
    let offer = perform(&mut unit, command.by, command.act).await?;
    if let Some(repeatable) = &command.repeatable {
        let object = offer.map(|id| id.to_string()).unwrap_or_default();
        unit.remember(method, repeatable, &object).await?;
    }
    if let Some(offer) = offer {
        detail["offer"] = offer.to_string().into();
    }
    unit.record = Some(changed(command.record, before, audited(&unit.session), detail));
    let committed = if unit.entries.is_empty() { unit.save_beside().await? } else { unit.save().await? };
    Ok(Outcome::Now(Box::new(committed), offer))
}

/// Does it; gives the offer that was made or answered.
async fn perform(unit: &mut Unit<'_>, by: Actor, act: Act) -> Result<Option<OfferId>, SessionError> {
    let event = match act {
        Act::TakeOver { agent, barge_in } => Event::TakenOver { agent, barge_in },
        Act::Release => Event::Released(giver(&unit.session, by)),
        Act::Close => Event::Closed(giver(&unit.session, by)),
        Act::Transfer(handover) => return transfer(unit, by, handover).await,
        Act::Answer { offer, agent, accept, note } => {
            return answer(unit, offer, agent, accept, note).await;
        }
    };
    let step = apply(&unit.session, event, unit.now)?;
    unit.take(step).await?;
    Ok(None)
}

/// As whom somebody gives a session away: a supervisor need not own it.
fn giver(session: &Session, by: Actor) -> Option<AgentId> {
    let owns = session.agent.as_ref().is_some_and(|owner| owner.id == by.id);
    (owns || !by.supervises).then_some(by.id)
}

async fn transfer(
    unit: &mut Unit<'_>,
    by: Actor,
    handover: Handover,
) -> Result<Option<OfferId>, SessionError> {
    let found = roster::find(unit.tx, &handover.to).await?;
    // A session that cannot be given is refused before anything is said of the colleague.
    let to = found.as_ref().map_or_else(|| handover.from.clone(), |line| line.agent.clone());
    let given = apply(&unit.session, Event::Transferred { by: giver(&unit.session, by), to }, unit.now);
    let Some(line) = found else {
        return Err(given
            .err()
            .filter(|refused| *refused != Refused::SameAgent)
            .map_or(SessionError::Denied(Denied::UnknownAgent), SessionError::Refused));
    };
    let step = given?;
    if !line.serves {
        return Err(Denied::CannotServe.into());
    }
    if !line.present(unit.now) || line.status == Availability::Offline {
        return Err(Denied::AgentOffline.into());
    }
    if handover.immediate {
        unit.take(step).await?;
        return Ok(None);
    }
    let new = NewOffer {
        kind: OfferKind::Transfer,
        to: line.agent,
        from: Some(handover.from),
        reason: handover.reason,
        note: handover.note,
        explanation: String::new(),
        expires_at: unit.now.plus(unit.store.settings.transfer_offer),
    };
    let offer = offers::open(unit, new).await?.ok_or(Denied::TransferPending)?;
    Ok(Some(offer.id))
}

async fn answer(
    unit: &mut Unit<'_>,
    id: OfferId,
    agent: AgentRef,
    accept: bool,
    note: String,
) -> Result<Option<OfferId>, SessionError> {
    let offer = offers::get(unit.tx, id).await?.ok_or(Unanswerable::Unknown)?;
    offer.answerable(agent.id, &unit.session, unit.now)?;
    if !accept {
        offers::end(unit, &offer, OfferState::Declined, &note).await?;
        return Ok(Some(id));
    }
    let event = match offer.kind {
        OfferKind::Assignment => Event::TakenOver { agent, barge_in: false },
        // Nobody else has got it since he was asked: the fence says so.
        OfferKind::Transfer => Event::Transferred { by: None, to: agent },
    };
    let step = apply(&unit.session, event, unit.now)?;
    unit.answer_note = note;
    // Ends the offer, too.
    unit.take(step).await?;
    Ok(Some(id))
}

async fn post(mut unit: Unit<'_>, posting: Posting) -> Result<(Done, Option<Committed>), SessionError> {
    if let Some(entry) = find_repeat(&mut unit, &posting).await? {
        let same = entry.message().is_some_and(|message| message.text == posting.text.as_str());
        if !same {
            return Err(SessionError::KeyReused);
        }
        let done = Done { session: unit.session, entries: vec![entry], replayed: true, offer: None };
        return Ok((done, None));
    }
    unit.actor = Some(posting.agent.id);
    presence::seen(unit.tx, posting.agent.id, unit.now).await?;
    let step = apply(&unit.session, Event::AgentSaid(posting.agent.clone()), unit.now)?;
    let id = MessageId::mint(&*unit.store.clock, &*unit.store.rng);
    let mut record = posting.record;
    record.after_digest = digest(posting.text.as_str());
    let chars = posting.text.as_str().chars().count();
    unit.write(EntryBody::Message(Message {
        id,
        sender: Sender::Agent,
        text: posting.text.into_string(),
        agent: Some(posting.agent),
        client_message_id: posting.client_message_id.map(|key| key.as_str().to_owned()),
        turn: None,
        sources: Vec::new(),
        interrupted: false,
    }));
    unit.take(step).await?;
    record.detail =
        json!({ "message": id.to_string(), "seq": unit.session.head.get(), "characters": chars }).to_string();
    unit.record = Some(record);
    // Who writes has read what was there.
    unit.forget_told().await?;
    let committed = unit.save().await?;
    let (session, entries) = (committed.session.clone(), committed.entries.clone());
    Ok((Done { session, entries, replayed: false, offer: None }, Some(committed)))
}

/// The message of this agent that has this id.
async fn find_repeat(unit: &mut Unit<'_>, posting: &Posting) -> Result<Option<Entry>, SessionError> {
    // Ids were kept without their agents once: such a one may be a colleague's.
    const FIND: &str = "SELECT seq, at, body FROM entry WHERE session = $1 AND sender = 'agent' \
                        AND client_message_id IN ($2, $3)";
    let Some(key) = &posting.client_message_id else { return Ok(None) };
    let find = sql(FIND)
        .bind(posting.session.as_str())
        .bind(of_agent(posting.agent.id, key.as_str()))
        .bind(key.as_str());
    for row in unit.tx.fetch_all::<EntryRow>(find).await? {
        let entry = row.into_entry(&posting.session)?;
        let by = entry.message().and_then(|message| message.agent.as_ref()).map(|agent| agent.id);
        if by == Some(posting.agent.id) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// A record that vouches for what there was before and after.
pub(super) fn changed(record: NewRecord, before: Value, after: Value, mut detail: Value) -> NewRecord {
    let (before_digest, after_digest) = (digest(&before.to_string()), digest(&after.to_string()));
    detail["before"] = before;
    detail["after"] = after;
    NewRecord { before_digest, after_digest, detail: detail.to_string(), ..record }
}

/// What of a session the audit log vouches for.
pub(super) fn audited(session: &Session) -> Value {
    json!({
        "status": session.status.as_str(),
        "owner": session.agent.as_ref().map(|agent| agent.id.to_string()),
        "fence": session.fence.get(),
        "head": session.head.get(),
    })
}
