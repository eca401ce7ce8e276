//! Rows as they are read.

use crate::{kinds::Kinds, webhook::sign::Secret};

/// The columns of [`DeliveryRow`].
macro_rules! delivery_columns {
    () => {
        "id, event_id, session, seq, kind, at, traceparent, channel, state, attempts, failures, due_at, last_error, \
         message_id, created_at, done_at"
    };
}
pub(super) use delivery_columns;

/// A row of `delivery`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct DeliveryRow {
    pub(crate) id: String,
    pub(crate) event_id: String,
    pub(crate) session: String,
    pub(crate) seq: i64,
    pub(crate) kind: String,
    pub(crate) at: i64,
    pub(crate) traceparent: Option<String>,
    pub(crate) channel: String,
    pub(crate) state: String,
    pub(crate) attempts: i64,
    pub(crate) failures: i64,
    pub(crate) due_at: i64,
    pub(crate) last_error: Option<String>,
    pub(crate) message_id: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) done_at: Option<i64>,
}

/// A row of `delivery_attempt`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct AttemptRow {
    pub(crate) number: i64,
    pub(crate) at: i64,
    pub(crate) outcome: String,
    pub(crate) duration_ms: i64,
    pub(crate) code: Option<i64>,
    pub(crate) error: Option<String>,
}

/// A row of `endpoint`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct EndpointRow {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) description: String,
    pub(crate) kinds: String,
    pub(crate) enabled: i64,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) failing_since: Option<i64>,
    pub(crate) created_by: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// A row of `endpoint_secret`, without its words.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct SecretRow {
    pub(crate) endpoint: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
}

/// An endpoint as staff sees it.
#[derive(Debug, Clone)]
pub(crate) struct EndpointView {
    pub(crate) row: EndpointRow,
    pub(crate) secrets: Vec<SecretRow>,
}

/// Reads a stored filter. One that is damaged wants nothing that exists: better silence than what nobody asked for.
pub(super) fn kinds(stored: &str) -> Kinds {
    serde_json::from_str(stored).unwrap_or_else(|error| {
        tracing::error!(%error, "the filter of an endpoint is damaged");
        Kinds::nothing()
    })
}

/// Reads stored secrets.
pub(super) fn secrets(stored: Vec<(String,)>) -> Vec<Secret> {
    stored.into_iter().map(|(text,)| Secret::from_stored(text)).collect()
}
