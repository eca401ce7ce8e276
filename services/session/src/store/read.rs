//! Reading: sessions, pages of a log.

use super::{
    Store,
    rows::{EntryRow, SessionRow, session_columns},
    tally::rank,
};
use crate::error::SessionError;
use std::cmp::Reverse;
use switchboard_db::sql;
use switchboard_domain::{Entry, Seq, Session, SessionName, Status, Timestamp, limits::PAGE_MAX};

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

    /// Sessions, the most recently updated first.
    pub(crate) async fn list(
        &self,
        status: Option<Status>,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<Session>, bool), SessionError> {
        const ALL: &str = concat!(
            "SELECT ",
            session_columns!(),
            " FROM session WHERE (updated_at, name) < ($1, $2) ORDER BY updated_at DESC, name DESC LIMIT $3"
        );
        const ONE: &str = concat!(
            "SELECT ",
            session_columns!(),
            " FROM session WHERE list_rank = $4 AND (updated_at, name) < ($1, $2) \
             ORDER BY updated_at DESC, name DESC LIMIT $3"
        );
        let limit = limit.clamp(1, PAGE_MAX);
        let after =
            after.unwrap_or(Cursor { updated_at: Timestamp::from_millis(i64::MAX), name: String::new() });
        let page = |text| {
            sql(text)
                .bind(after.updated_at.millis())
                .bind(after.name.as_str())
                .bind(i64::try_from(limit + 1).unwrap_or(i64::MAX))
        };
        let mut rows: Vec<SessionRow> = Vec::new();
        match status {
            None => rows = self.db.fetch_all(page(ALL)).await?,
            // A status is two ranks, each in the order of the index.
            Some(status) => {
                for vip in [false, true] {
                    rows.extend(self.db.fetch_all::<SessionRow>(page(ONE).bind(rank(status, vip))).await?);
                }
            }
        }
        let sessions: Result<Vec<_>, _> = rows.into_iter().map(SessionRow::into_session).collect();
        let mut sessions = sessions?;
        sessions.sort_by_key(|session| Reverse((session.updated_at, session.name.to_string())));
        let more = sessions.len() > limit;
        sessions.truncate(limit);
        Ok((sessions, more))
    }
}
