//! Offers: at most one is open for a session. All of them change under the session's lock, by [`open`] and [`end`], and
//! whoever is concerned is told with the same commit.

use super::{Store, or_next, unit::Unit};
use crate::error::SessionError;
use serde_json::{Value, json};
use switchboard_db::{Tx, sql};
use switchboard_domain::{
    AgentId, OfferId, SessionName, Timestamp,
    entry::AgentRef,
    offer::{Offer, OfferKind, OfferState},
    session::Fence,
};

/// The columns of [`OfferRow`].
macro_rules! offer_columns {
    () => {
        "id, session, kind, state, to_agent, to_name, from_agent, from_name, reason, note, explanation, fence, made_at, \
         expires_at, answered_at, answer_note"
    };
}

/// Offers that are read at once when they are due.
const DUE_AT_ONCE: u32 = 100;

/// What is offered to whom.
#[derive(Debug, Clone)]
pub(crate) struct NewOffer {
    pub(crate) kind: OfferKind,
    pub(crate) to: AgentRef,
    /// Who asks; `None` for an assignment.
    pub(crate) from: Option<AgentRef>,
    pub(crate) reason: String,
    pub(crate) note: String,
    /// Why this agent, as JSON; empty for a colleague's.
    pub(crate) explanation: String,
    pub(crate) expires_at: Timestamp,
}

/// A row of `offer`.
#[derive(Debug, sqlx::FromRow)]
struct OfferRow {
    id: String,
    session: String,
    kind: String,
    state: String,
    to_agent: String,
    to_name: String,
    from_agent: Option<String>,
    from_name: Option<String>,
    reason: String,
    note: String,
    explanation: String,
    fence: i64,
    made_at: i64,
    expires_at: i64,
    answered_at: Option<i64>,
    answer_note: String,
}

/// Opens an offer of the unit's session and tells the agent. `None`: one is open already.
pub(crate) async fn open(unit: &mut Unit<'_>, new: NewOffer) -> Result<Option<Offer>, SessionError> {
    const OPEN: &str = "INSERT INTO offer (id, session, kind, state, to_agent, to_name, from_agent, from_name, reason, \
                        note, explanation, fence, made_at, expires_at, answered_at, answer_note) VALUES ($1, $2, $3, \
                        'open', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, NULL, '') \
                        ON CONFLICT (session) WHERE state = 'open' DO NOTHING";
    let offer = Offer {
        id: OfferId::mint(&*unit.store.clock, &*unit.store.rng),
        session: unit.session.name.clone(),
        kind: new.kind,
        state: OfferState::Open,
        to: new.to,
        from: new.from,
        reason: new.reason,
        note: new.note,
        explanation: new.explanation,
        fence: unit.session.fence,
        made_at: unit.now,
        expires_at: new.expires_at,
        answered_at: None,
        answer_note: String::new(),
    };
    let open = sql(OPEN)
        .bind(offer.id.to_string())
        .bind(offer.session.as_str())
        .bind(offer.kind.as_str())
        .bind(offer.to.id.to_string())
        .bind(offer.to.name.as_str())
        .bind(offer.from.as_ref().map(|from| from.id.to_string()))
        .bind(offer.from.as_ref().map(|from| from.name.clone()))
        .bind(offer.reason.as_str())
        .bind(offer.note.as_str())
        .bind(offer.explanation.as_str())
        .bind(offer.fence.get())
        .bind(offer.made_at.millis())
        .bind(offer.expires_at.millis());
    if unit.tx.execute(open).await? == 0 {
        return Ok(None);
    }
    let kind = match offer.kind {
        OfferKind::Assignment => "offer",
        OfferKind::Transfer => "transfer_request",
    };
    unit.tell(offer.to.id, kind, json!({ "data": told(&offer) }));
    unit.offers_changed = true;
    Ok(Some(offer))
}

/// Ends an open offer: compare-and-set. Tells the agent, and the colleague who asked. `None`: it had ended before.
pub(crate) async fn end(
    unit: &mut Unit<'_>,
    offer: &Offer,
    state: OfferState,
    answer_note: &str,
) -> Result<Option<Offer>, SessionError> {
    const END: &str =
        "UPDATE offer SET state = $2, answered_at = $3, answer_note = $4 WHERE id = $1 AND state = 'open'";
    let end =
        sql(END).bind(offer.id.to_string()).bind(state.as_str()).bind(unit.now.millis()).bind(answer_note);
    if unit.tx.execute(end).await? == 0 {
        return Ok(None);
    }
    let ended =
        Offer { state, answered_at: Some(unit.now), answer_note: answer_note.to_owned(), ..offer.clone() };
    unit.tell(ended.to.id, "offer_ended", json!({ "data": told(&ended) }));
    if let Some(from) = &ended.from {
        unit.tell(from.id, "transfer_answered", json!({ "data": told(&ended) }));
    }
    unit.offers_changed = true;
    Ok(Some(ended))
}

/// The open offer of a session. Stays as it is while the session is locked.
pub(crate) async fn open_of_session(
    tx: &mut Tx,
    session: &SessionName,
) -> Result<Option<Offer>, SessionError> {
    const OPEN: &str =
        concat!("SELECT ", offer_columns!(), " FROM offer WHERE session = $1 AND state = 'open'");
    let row: Option<OfferRow> = tx.fetch_optional(sql(OPEN).bind(session.as_str())).await?;
    row.map(OfferRow::into_offer).transpose()
}

const GET: &str = concat!("SELECT ", offer_columns!(), " FROM offer WHERE id = $1");

/// An offer as it stands; it stays so while its session is locked.
pub(crate) async fn get(tx: &mut Tx, id: OfferId) -> Result<Option<Offer>, SessionError> {
    let row: Option<OfferRow> = tx.fetch_optional(sql(GET).bind(id.to_string())).await?;
    row.map(OfferRow::into_offer).transpose()
}

impl Store {
    /// Ends offers that nobody answered in time, each under its session's lock; gives when the next one is due.
    pub(crate) async fn expire_offers(&self) -> Result<Option<Timestamp>, SessionError> {
        const DUE: &str = "SELECT session FROM offer WHERE state = 'open' AND expires_at <= $1 \
                           ORDER BY expires_at LIMIT $2";
        // One that is due and cannot be ended waits for the next look.
        const NEXT: &str = "SELECT MIN(expires_at) FROM offer WHERE state = 'open' AND expires_at > $1";
        let now = self.clock.now().millis();
        loop {
            let due: Vec<(String,)> = self.db.fetch_all(sql(DUE).bind(now).bind(DUE_AT_ONCE)).await?;
            let mut ended = 0;
            for (session,) in &due {
                let expired = self.expire_offer(session).await.map(|()| 1);
                ended += or_next(expired, session, "an offer cannot be ended");
            }
            if due.len() < DUE_AT_ONCE as usize || ended == 0 {
                break;
            }
        }
        let (next,): (Option<i64>,) = self.db.fetch_one(sql(NEXT).bind(now)).await?;
        Ok(next.map(Timestamp::from_millis))
    }

    async fn expire_offer(&self, session: &str) -> Result<(), SessionError> {
        let (store, session) = (self.clone(), SessionName::parse(session)?);
        let committed = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let mut unit = Unit::open(tx, store, &session, String::new()).await?;
                    // An answer, or another replica, may have been faster.
                    let open = open_of_session(unit.tx, &session).await?;
                    let Some(offer) = open.filter(|offer| offer.is_due(unit.now)) else { return Ok(None) };
                    end(&mut unit, &offer, OfferState::Expired, "").await?;
                    Ok::<_, SessionError>(Some(unit.save_beside().await?))
                })
            })
            .await?;
        if let Some(committed) = committed {
            self.announce(&committed);
        }
        Ok(())
    }

    /// An offer as it stands.
    pub(crate) async fn offer(&self, id: OfferId) -> Result<Option<Offer>, SessionError> {
        let row: Option<OfferRow> = self.db.fetch_optional(sql(GET).bind(id.to_string())).await?;
        row.map(OfferRow::into_offer).transpose()
    }

    /// Offers open to an agent, newest first.
    pub(crate) async fn offers_to(&self, agent: AgentId, limit: usize) -> Result<Vec<Offer>, SessionError> {
        const LIST: &str = concat!(
            "SELECT ",
            offer_columns!(),
            " FROM offer WHERE to_agent = $1 AND state = 'open' ORDER BY made_at DESC, id DESC LIMIT $2"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<OfferRow> = self.db.fetch_all(sql(LIST).bind(agent.to_string()).bind(limit)).await?;
        rows.into_iter().map(OfferRow::into_offer).collect()
    }

    /// All offers that there were of a session, newest first.
    pub(crate) async fn offers_of(
        &self,
        session: &SessionName,
        limit: usize,
    ) -> Result<Vec<Offer>, SessionError> {
        const LIST: &str = concat!(
            "SELECT ",
            offer_columns!(),
            " FROM offer WHERE session = $1 ORDER BY made_at DESC, id DESC LIMIT $2"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<OfferRow> = self.db.fetch_all(sql(LIST).bind(session.as_str()).bind(limit)).await?;
        rows.into_iter().map(OfferRow::into_offer).collect()
    }
}

/// An offer as agents are told of it: the original's transfer request, and what this one has beside it.
fn told(offer: &Offer) -> Value {
    let mut told = json!({
        "id": offer.id.to_string(),
        "session_name": offer.session.as_str(),
        "kind": offer.kind.as_str(),
        "status": offer.state.as_str(),
        "to_agent": offer.to.id.to_string(),
        "to_agent_name": offer.to.name,
        "reason": offer.reason,
        "note": offer.note,
        "created_at": seconds(offer.made_at),
        "expires_at": seconds(offer.expires_at),
    });
    if let Some(from) = &offer.from {
        told["from_agent"] = from.id.to_string().into();
        told["from_agent_name"] = from.name.as_str().into();
    }
    if let Ok(explanation) = serde_json::from_str::<Value>(&offer.explanation) {
        told["explanation"] = explanation;
    }
    if let Some(answered_at) = offer.answered_at {
        told["decision"] = offer.state.as_str().into();
        told["responded_at"] = seconds(answered_at);
        told["response_note"] = offer.answer_note.as_str().into();
    }
    told
}

/// A time as the wire contract writes it: seconds since the Unix epoch, with milliseconds behind the point.
pub(super) fn seconds(at: Timestamp) -> Value {
    let (whole, rest) = (at.millis().div_euclid(1000), at.millis().rem_euclid(1000));
    // Digit by digit: no rounding on the way, whatever the size.
    serde_json::from_str(&format!("{whole}.{rest:03}")).unwrap_or(Value::Null)
}

impl OfferRow {
    fn into_offer(self) -> Result<Offer, SessionError> {
        const OFFER: SessionError = SessionError::Corrupt { table: "offer" };
        let agent = |id: &str, name| AgentId::parse(id).map(|id| AgentRef { id, name }).map_err(|_| OFFER);
        let from = match (self.from_agent, self.from_name) {
            (Some(id), Some(name)) => Some(agent(&id, name)?),
            _ => None,
        };
        Ok(Offer {
            id: OfferId::parse(&self.id).map_err(|_| OFFER)?,
            session: SessionName::parse(&self.session).map_err(|_| OFFER)?,
            kind: self.kind.parse().map_err(|_| OFFER)?,
            state: self.state.parse().map_err(|_| OFFER)?,
            to: agent(&self.to_agent, self.to_name)?,
            from,
            reason: self.reason,
            note: self.note,
            explanation: self.explanation,
            fence: Fence::new(self.fence),
            made_at: Timestamp::from_millis(self.made_at),
            expires_at: Timestamp::from_millis(self.expires_at),
            answered_at: self.answered_at.map(Timestamp::from_millis),
            answer_note: self.answer_note,
        })
    }
}
