//! The small signals beside a conversation: who writes, how far each side has come.

use super::{desk::owned, notes::Done};
use crate::{
    error::{Failures, Problem},
    extract::{Json, SessionPath},
    identity::Person,
    state::App,
};
use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use switchboard_proto::session::v1::{AcknowledgeRequest, Receipt, TypeRequest};
use utoipa::ToSchema;

/// How far the caller's side has come.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Come {
    /// Everything up to this `seq` has arrived.
    delivered: u32,
    /// Everything up to this `seq` was read.
    read: u32,
}

/// How far both sides have come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptsReply {
    success: bool,
    data: Receipts,
}

/// The inside of [`ReceiptsReply`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Receipts {
    user: ReceiptView,
    agent: ReceiptView,
}

/// How far one side has come.
#[derive(Debug, Default, Serialize, ToSchema)]
struct ReceiptView {
    delivered: i64,
    read: i64,
}

impl Receipts {
    /// Of a customer and of the agents who had his session.
    pub(super) fn new(user: Option<Receipt>, agent: Option<Receipt>) -> Self {
        let view = |receipt: Option<Receipt>| {
            receipt.map_or_else(ReceiptView::default, |receipt| ReceiptView {
                delivered: receipt.delivered,
                read: receipt.read,
            })
        };
        Self { user: view(user), agent: view(agent) }
    }
}

/// Tells the other side that somebody is writing.
#[utoipa::path(
    post, path = "/sessions/{session}/typing", tag = "session",
    params(("session" = String, Path, description = "The session's name")),
    responses((status = 200, body = Done), Failures)
)]
pub(crate) async fn typing(
    State(app): State<App>,
    person: Person,
    SessionPath(session): SessionPath,
) -> Result<Answer<Done>, Problem> {
    owned(&person, &session)?;
    app.peers.signals().r#type(TypeRequest { session: session.to_string() }).await?;
    Ok(Answer(Done { success: true }))
}

/// Notes how far the caller's side has come. Positions only grow.
#[utoipa::path(
    post, path = "/sessions/{session}/receipts", tag = "session", request_body = Come,
    params(("session" = String, Path, description = "The session's name")),
    responses((status = 200, body = ReceiptsReply), Failures)
)]
pub(crate) async fn acknowledge(
    State(app): State<App>,
    person: Person,
    SessionPath(session): SessionPath,
    Json(body): Json<Come>,
) -> Result<Answer<ReceiptsReply>, Problem> {
    owned(&person, &session)?;
    let request = AcknowledgeRequest {
        session: session.to_string(),
        delivered: body.delivered.into(),
        read: body.read.into(),
    };
    let known = app.peers.signals().acknowledge(request).await?.into_inner();
    Ok(Answer(ReceiptsReply { success: true, data: Receipts::new(known.customer, known.agent) }))
}
