//! Reading: sessions, pages of a log.

use super::{
    Store,
    rows::{EntryRow, SessionRow, session_columns},
};
use crate::error::SessionError;
use switchboard_db::sql;
use switchboard_domain::{Entry, Seq, Session, SessionName, Timestamp, limits::PAGE_MAX};

/// Where a page of sessions goes on: after this one, in the order of their last update, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) updated_at: Timestamp,
    pub(crate) name: String,
}

/// Which entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// The last ones before a place.
    Before(Seq),
    /// The first ones after a place.
    After(Seq),
}

impl Store {
    /// A session as it stands.
    pub(crate) async fn session(&self, name: &SessionName) -> Result<Session, SessionError> {
        const GET: &str = concat!("SELECT ", session_columns!(), " FROM session WHERE name = $1");
        let row: Option<SessionRow> = self.db.fetch_optional(sql(GET).bind(name.as_str())).await?;
        row.ok_or(SessionError::NotFound)?.into_session()
    }

    /// Entries `from..=to`.
    pub(crate) async fn range(
        &self,
        name: &SessionName,
        from: Seq,
        to: Seq,
    ) -> Result<Vec<Entry>, SessionError> {
        const RANGE: &str =
            "SELECT seq, at, body FROM entry WHERE session = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq";
        let rows: Vec<EntryRow> =
            self.db.fetch_all(sql(RANGE).bind(name.as_str()).bind(from.get()).bind(to.get())).await?;
        rows.into_iter().map(|row| row.into_entry(name)).collect()
    }

    /// A page of a log, oldest first, and whether there is more in its direction.
    pub(crate) async fn entries(
        &self,
        name: &SessionName,
        page: Page,
        limit: usize,
        messages_only: bool,
    ) -> Result<(Vec<Entry>, bool), SessionError> {
        const BEFORE: &str =
            "SELECT seq, at, body FROM entry WHERE session = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
        const AFTER: &str =
            "SELECT seq, at, body FROM entry WHERE session = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        const MESSAGES_BEFORE: &str = "SELECT seq, at, body FROM entry WHERE session = $1 AND kind = 'message' \
                                       AND seq < $2 ORDER BY seq DESC LIMIT $3";
        const MESSAGES_AFTER: &str = "SELECT seq, at, body FROM entry WHERE session = $1 AND kind = 'message' \
                                      AND seq > $2 ORDER BY seq LIMIT $3";
        let (text, at) = match (page, messages_only) {
            (Page::Before(at), false) => (BEFORE, at),
            (Page::After(at), false) => (AFTER, at),
            (Page::Before(at), true) => (MESSAGES_BEFORE, at),
            (Page::After(at), true) => (MESSAGES_AFTER, at),
        };
        let limit = limit.clamp(1, PAGE_MAX);
        // One more than asked for tells whether there is more.
        let count = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let mut rows: Vec<EntryRow> =
            self.db.fetch_all(sql(text).bind(name.as_str()).bind(at.get()).bind(count)).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        if matches!(page, Page::Before(_)) {
            rows.reverse();
        }
        let entries: Result<Vec<_>, _> = rows.into_iter().map(|row| row.into_entry(name)).collect();
        Ok((entries?, more))
    }
}
