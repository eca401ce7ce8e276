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

    /// The first entries of a log, oldest first.
    pub(crate) async fn beginning(
        &self,
        name: &SessionName,
        limit: usize,
    ) -> Result<Vec<Entry>, SessionError> {
        const BEGINNING: &str = "SELECT seq, at, body FROM entry WHERE session = $1 ORDER BY seq LIMIT $2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<EntryRow> = self.db.fetch_all(sql(BEGINNING).bind(name.as_str()).bind(limit)).await?;
        rows.into_iter().map(|row| row.into_entry(name)).collect()
    }
}
