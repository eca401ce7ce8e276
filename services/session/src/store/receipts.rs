//! How far each side of a session has come, and whether its owner has been told of what the customer wrote.

use super::{Store, presence, unit::Unit};
use crate::error::SessionError;
use serde_json::json;
use switchboard_db::sql;
use switchboard_domain::{AgentId, Principal, Seq, SessionName, session::Refused};
use switchboard_proto::session::v1 as wire;

/// The two sides of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Customer,
    Agent,
}

impl Side {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Agent => "agent",
        }
    }

    /// Its name on the wire.
    pub(crate) const fn party(self) -> wire::Party {
        match self {
            Self::Customer => wire::Party::Customer,
            Self::Agent => wire::Party::Agent,
        }
    }
}

/// Everything up to these places has arrived, was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reached {
    pub(crate) delivered: i64,
    pub(crate) read: i64,
}

impl Reached {
    /// As the side it belongs to tells it.
    pub(crate) fn to_wire(self, party: wire::Party) -> wire::Receipt {
        wire::Receipt { party: party.into(), delivered: self.delivered, read: self.read }
    }
}

/// How far both sides have come, and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) head: Seq,
    pub(crate) customer: Reached,
    pub(crate) agent: Reached,
}

#[derive(sqlx::FromRow)]
struct ProgressRow {
    head: i64,
    customer_delivered: i64,
    customer_read: i64,
    agent_delivered: i64,
    agent_read: i64,
}

impl Store {
    /// How far a session's log and its two sides have come.
    pub(crate) async fn progress(&self, name: &SessionName) -> Result<Progress, SessionError> {
        const PROGRESS: &str = "SELECT s.head, \
            COALESCE(c.delivered, 0) AS customer_delivered, COALESCE(c.read, 0) AS customer_read, \
            COALESCE(a.delivered, 0) AS agent_delivered, COALESCE(a.read, 0) AS agent_read FROM session s \
            LEFT JOIN receipt c ON c.session = s.name AND c.party = 'customer' \
            LEFT JOIN receipt a ON a.session = s.name AND a.party = 'agent' WHERE s.name = $1";
        let row: Option<ProgressRow> = self.db.fetch_optional(sql(PROGRESS).bind(name.as_str())).await?;
        let row = row.ok_or(SessionError::NotFound)?;
        Ok(Progress {
            head: Seq::new(row.head),
            customer: Reached { delivered: row.customer_delivered, read: row.customer_read },
            agent: Reached { delivered: row.agent_delivered, read: row.agent_read },
        })
    }

    /// On which side of a session somebody stands: its visitor, or the agent who owns it now.
    pub(crate) async fn side(&self, principal: &Principal, name: &SessionName) -> Result<Side, SessionError> {
        const OWNER: &str = "SELECT agent_id FROM session WHERE name = $1";
        super::authorize(principal, name)?;
        let Some(agent) = principal.agent() else { return Ok(Side::Customer) };
        let owner: Option<(Option<String>,)> = self.db.fetch_optional(sql(OWNER).bind(name.as_str())).await?;
        let (owner,) = owner.ok_or(SessionError::NotFound)?;
        let owns = owner.and_then(|owner| AgentId::parse(&owner).ok()) == Some(agent);
        if owns { Ok(Side::Agent) } else { Err(Refused::NotOwner.into()) }
    }

    /// Notes how far a side has come. Places only grow, and never beyond the log.
    pub(crate) async fn acknowledge(
        &self,
        name: SessionName,
        side: Side,
        reached: Reached,
    ) -> Result<Progress, SessionError> {
        let (known, now) = (name.clone(), self.clock.now());
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    const HEAD: &str = "SELECT head, agent_id FROM session WHERE name = $1";
                    const NOTE: &str = "INSERT INTO receipt (session, party, delivered, read, told) \
                        VALUES ($1, $2, $3, $4, 0) ON CONFLICT (session, party) DO UPDATE SET \
                        delivered = CASE WHEN receipt.delivered < $3 THEN $3 ELSE receipt.delivered END, \
                        read = CASE WHEN receipt.read < $4 THEN $4 ELSE receipt.read END \
                        WHERE receipt.delivered < $3 OR receipt.read < $4";
                    let head: Option<(i64, Option<String>)> =
                        tx.fetch_optional(sql(HEAD).bind(name.as_str())).await?;
                    let (head, owner) = head.ok_or(SessionError::NotFound)?;
                    let owner = owner.filter(|_| side == Side::Agent);
                    if let Some(owner) = owner.and_then(|owner| AgentId::parse(&owner).ok()) {
                        presence::seen(tx, owner, now).await?;
                    }
                    let read = reached.read.clamp(0, head);
                    // What was read has arrived.
                    let delivered = reached.delivered.clamp(0, head).max(read);
                    let note = sql(NOTE).bind(name.as_str()).bind(side.as_str()).bind(delivered).bind(read);
                    tx.execute(note).await?;
                    Ok::<_, SessionError>(())
                })
            })
            .await?;
        self.progress(&known).await
    }
}

impl Unit<'_> {
    /// Tells the owner that the customer wrote: once, until he has read that far or has written himself.
    pub(super) async fn tell_owner(&mut self, message: Seq) -> Result<(), SessionError> {
        const TOLD: &str = "INSERT INTO receipt (session, party, delivered, read, told) \
            VALUES ($1, 'agent', 0, 0, $2) ON CONFLICT (session, party) DO UPDATE SET told = $2 \
            WHERE receipt.told <= receipt.read";
        let Some(owner) = self.session.agent.as_ref().map(|owner| owner.id) else { return Ok(()) };
        let told = sql(TOLD).bind(self.session.name.as_str()).bind(message.get());
        if self.tx.execute(told).await? == 1 {
            let name = self.session.name.as_str();
            let at = super::offers::seconds(self.now);
            // `seq` is the number in the agent's own log.
            let news = json!({ "session_name": name, "message_seq": message.get(), "created_at": at });
            self.tell(owner, "customer_message", news);
        }
        Ok(())
    }

    /// The next message of the customer is news again.
    pub(super) async fn forget_told(&mut self) -> Result<(), SessionError> {
        const FORGET: &str =
            "UPDATE receipt SET told = 0 WHERE session = $1 AND party = 'agent' AND told > 0";
        self.tx.execute(sql(FORGET).bind(self.session.name.as_str())).await?;
        Ok(())
    }
}
