//! Looking for a word in sessions and in what was said there: the newest message first, a bounded number of messages.

use super::Query;
use crate::{
    error::SessionError,
    store::{Store, rows::EntryRow},
};
use switchboard_db::sql;
use switchboard_domain::SessionName;

/// Messages that one statement gives.
const BATCH: i64 = 200;
/// What a session without messages costs of what may be looked at.
const SESSION_COST: u32 = 10;

/// A search for a word.
#[derive(Debug)]
pub(super) struct Words {
    /// In lower case; empty: everything hits.
    word: String,
    /// Messages that may still be looked at.
    left: u32,
    /// The entry before which the search stopped.
    stopped: Option<i64>,
}

impl Words {
    pub(super) fn new(query: &Query, left: u32) -> Self {
        Self { word: query.keyword.clone(), left, stopped: None }
    }

    /// Whether enough was looked at.
    pub(super) fn is_tired(&self) -> bool {
        self.left == 0
    }

    /// Where the search stopped in the middle of the last session.
    pub(super) fn stopped_in(&self) -> Option<i64> {
        self.stopped
    }

    /// Whether the word is in a session: its name, the customer's or the agent's name, or a message.
    pub(super) async fn hits(&mut self, store: &Store, name: &str) -> Result<bool, SessionError> {
        if self.word.is_empty() {
            return Ok(true);
        }
        self.left = self.left.saturating_sub(SESSION_COST);
        let Some(session) = store.sessions(&[name.to_owned()]).await?.pop() else { return Ok(false) };
        let names = [
            Some(session.name.as_str()),
            session.profile.nickname.as_deref(),
            session.agent.as_ref().map(|agent| agent.name.as_str()),
        ];
        if names.into_iter().flatten().any(|text| self.is_in(text)) {
            return Ok(true);
        }
        self.hits_before(store, name, None).await
    }

    /// Whether the word is in a message before an entry.
    pub(super) async fn hits_before(
        &mut self,
        store: &Store,
        name: &str,
        before: Option<i64>,
    ) -> Result<bool, SessionError> {
        // What the system says is in every session.
        const MESSAGES: &str = "SELECT seq, at, body FROM entry WHERE session = $1 AND seq < $2 AND kind = 'message' \
                                AND sender <> 'system' ORDER BY seq DESC LIMIT $3";
        let parsed = SessionName::parse(name)?;
        let mut before = before.unwrap_or(i64::MAX);
        loop {
            let count = BATCH.min(self.left.into()).max(1);
            let rows: Vec<EntryRow> =
                store.db.fetch_all(sql(MESSAGES).bind(name).bind(before).bind(count)).await?;
            let read = i64::try_from(rows.len()).unwrap_or(count);
            self.left = self.left.saturating_sub(u32::try_from(read).unwrap_or(u32::MAX));
            for row in rows {
                before = row.seq;
                let entry = row.into_entry(&parsed)?;
                if entry.message().is_some_and(|message| self.is_in(&message.text)) {
                    return Ok(true);
                }
            }
            if read < count || read == 0 {
                self.stopped = None;
                return Ok(false);
            }
            if self.is_tired() {
                self.stopped = Some(before);
                return Ok(false);
            }
        }
    }

    fn is_in(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.word)
    }
}
