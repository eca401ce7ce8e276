//! `POST /events/ticket`: for browsers whose `EventSource` can send neither a header nor, from another site, a cookie.

use super::desk::owned;
use crate::{
    cross_site,
    error::{Problem, ProblemBody},
    extract::Json,
    identity::{Person, tickets},
    state::App,
};
use axum::{Json as Answer, extract::State};
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use switchboard_domain::{SessionName, Timestamp};
use utoipa::ToSchema;

/// Which events the ticket is for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct TicketFor {
    /// The session to follow. A visitor may leave it out; an agent who does gets a ticket for his own events.
    session_name: Option<String>,
}

/// A ticket.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TicketReply {
    success: bool,
    data: TicketView,
}

#[derive(Debug, Serialize, ToSchema)]
struct TicketView {
    /// For `?ticket=`. Counts once: ask for a new one before each connection.
    ticket: String,
    /// Seconds.
    expires_in: u64,
}

/// Makes a ticket for one event stream. It counts once, for seconds, for that stream and for pages of the origin that
/// asked; the stream lasts as long as the token that asked.
#[utoipa::path(
    post, path = "/events/ticket", tag = "session", request_body = Option<TicketFor>,
    responses(
        (status = 200, body = TicketReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`NOT_YOUR_SESSION`; `LOGIN_REQUIRED` with an API key", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn ticket(
    State(app): State<App>,
    person: Person,
    uri: Uri,
    headers: HeaderMap,
    body: Option<Json<TicketFor>>,
) -> Result<Answer<TicketReply>, Problem> {
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let named = body.session_name.as_deref().map(SessionName::parse).transpose()?;
    let session = match &person {
        Person::Visitor(visitor) => Some(named.unwrap_or_else(|| visitor.token.session.clone())),
        Person::Agent(_) => named,
    };
    if let Some(session) = &session {
        owned(&person, session)?;
    }
    let origin = cross_site::foreign_origin(&app.settings, &uri, &headers);
    let made = tickets::issue(&app, &person, session.as_ref(), origin).await?;
    let expires_in = Timestamp::from_millis(made.expires_at_ms).since(app.clock.now()).as_secs();
    Ok(Answer(TicketReply { success: true, data: TicketView { ticket: made.ticket, expires_in } }))
}
