//! Tickets for event streams: 256 random bits that stand once, for seconds, for somebody whose browser can send no headers.
//! They may show up in logs of addresses, so they are worth nothing later, elsewhere, or twice.

use crate::{AgentAuthError, config::Settings, secret, store::Store};
use secrecy::ExposeSecret as _;
use std::{sync::Arc, time::Duration};
use switchboard_db::sql;
use switchboard_domain::{Clock, ErrorKind, Failure, Rng, Timestamp};
use switchboard_proto::agentauth::v1::{
    IssueEventTicketRequest, IssueEventTicketResponse, RedeemEventTicketRequest, RedeemEventTicketResponse,
};

/// Makes tickets and takes them in. All state is in the database: what one replica made, any other takes.
#[derive(Debug, Clone)]
pub(crate) struct Tickets {
    store: Store,
    life: Duration,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

/// A ticket as it is kept.
#[derive(Debug, sqlx::FromRow)]
struct Kept {
    session: String,
    origin: String,
    holder_json: String,
    expires_at: i64,
}

impl Tickets {
    /// Over the tables of this service.
    pub(crate) fn new(store: Store, settings: &Settings, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { store, life: settings.event_ticket_life, clock, rng }
    }

    /// Makes one.
    ///
    /// # Errors
    /// [`AgentAuthError::Db`].
    pub(crate) async fn issue(
        &self,
        request: IssueEventTicketRequest,
    ) -> Result<IssueEventTicketResponse, AgentAuthError> {
        const INSERT: &str = "INSERT INTO event_ticket (digest, session, origin, holder_json, expires_at) VALUES ($1, $2, $3, $4, $5)";
        let ticket = secret::random(&*self.rng);
        let expires = self.clock.now().plus(self.life);
        let insert = sql(INSERT)
            .bind(secret::fingerprint(ticket.expose_secret()))
            .bind(request.session)
            .bind(request.origin)
            .bind(request.holder_json)
            .bind(expires.millis());
        let insert = self.store.db.transaction::<_, AgentAuthError, _>(move |tx| {
            Box::pin(async move { Ok(tx.execute(insert).await.map(drop)?) })
        });
        insert.await?;
        let ticket = ticket.expose_secret().to_owned();
        Ok(IssueEventTicketResponse { ticket, expires_at_ms: expires.millis() })
    }

    /// Takes one in; after that it is gone, also when it was refused.
    ///
    /// # Errors
    /// `INVALID_TICKET`; [`AgentAuthError::Db`].
    pub(crate) async fn redeem(
        &self,
        request: RedeemEventTicketRequest,
    ) -> Result<RedeemEventTicketResponse, AgentAuthError> {
        const TAKE: &str =
            "DELETE FROM event_ticket WHERE digest = $1 RETURNING session, origin, holder_json, expires_at";
        if !secret::is_secret(&request.ticket) {
            return Err(invalid());
        }
        let take = sql(TAKE).bind(secret::fingerprint(&request.ticket));
        let taking = self.store.db.transaction::<_, AgentAuthError, _>(move |tx| {
            Box::pin(async move { Ok(tx.fetch_optional::<Kept>(take).await?) })
        });
        let kept = taking.await?.ok_or_else(invalid)?;
        let is_good = self.clock.now() < Timestamp::from_millis(kept.expires_at)
            && kept.session == request.session
            && kept.origin == request.origin;
        if is_good { Ok(RedeemEventTicketResponse { holder_json: kept.holder_json }) } else { Err(invalid()) }
    }
}

/// The same for all reasons: nobody is told which tickets there are.
fn invalid() -> AgentAuthError {
    let told = "this ticket was used, is too old, or is for something else: ask for a new one";
    Failure::new(ErrorKind::Unauthenticated, "INVALID_TICKET", told).into()
}
