//! Reading the past: sessions by their last update, and their logs.

use super::{
    Store,
    read::Cursor,
    rows::{EntryRow, SessionRow, session_columns},
};
use crate::error::SessionError;
use switchboard_db::sql;
use switchboard_domain::{Entry, Session, SessionName, Timestamp};

impl Store {
    /// A page of sessions that were last touched in a half-open span, newest first, after a place in that order.
    pub(crate) async fn touched(
        &self,
        since: Timestamp,
        before: &Cursor,
        limit: usize,
    ) -> Result<Vec<Session>, SessionError> {
        const TOUCHED: &str = concat!(
            "SELECT ",
            session_columns!(),
            " FROM session WHERE (updated_at, name) < ($1, $2) AND updated_at >= $3 \
             ORDER BY updated_at DESC, name DESC LIMIT $4"
        );
        let touched = sql(TOUCHED)
            .bind(before.updated_at.millis())
            .bind(before.name.as_str())
            .bind(since.millis())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows: Vec<SessionRow> = self.db.fetch_all(touched).await?;
        rows.into_iter().map(SessionRow::into_session).collect()
    }

    /// The newest entries of a log, as far as they are of a half-open span, oldest first.
    pub(crate) async fn newest(
        &self,
        name: &SessionName,
        since: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Entry>, SessionError> {
        // The bound is inside: of a log that is older than the span no more than that is read.
        const NEWEST: &str = "SELECT seq, at, body FROM (SELECT seq, at, body FROM entry WHERE session = $1 \
                              ORDER BY seq DESC LIMIT $4) AS newest WHERE at >= $2 AND at < $3 ORDER BY seq";
        let newest = sql(NEWEST)
            .bind(name.as_str())
            .bind(since.millis())
            .bind(until.millis())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows: Vec<EntryRow> = self.db.fetch_all(newest).await?;
        rows.into_iter().map(|row| row.into_entry(name)).collect()
    }
}
