//! Looking for a word in sessions and in what was said there: the newest message first, a bounded number of messages.
//!
//! What is compared is Rust's lower case of both sides, so that both engines find the same in every script. What may be
//! looked at is read for many sessions with one statement, the end of each; only a session longer than that is read on
//! by itself. What was read too early costs time, but nothing of what may be looked at.

use super::Query;
use crate::{
    error::SessionError,
    store::{Store, rows::nickname_in, summaries::names},
};
use serde::Deserialize;
use std::{borrow::Cow, collections::HashMap};
use switchboard_db::sql;

/// Sessions whose ends are read at once.
const AT_ONCE: usize = 25;
/// Messages that one statement gives of one session.
const BATCH: i64 = 200;
/// Entries at the end of a session that are read together with those of other sessions.
const END: i64 = 40;
/// What a session costs of what may be looked at, besides its messages.
const SESSION_COST: u32 = 10;

/// The ends of sessions: `$1` to `$25` their names, `$26` how many entries. What the system says is in every session.
pub(in crate::store) const ENDS: &str = concat!(
    "SELECT e.session, e.seq, e.body FROM session s JOIN entry e ON e.session = s.name AND e.seq > s.head - $26 \
     WHERE e.kind = 'message' AND e.sender <> 'system' AND s.name IN ",
    names!()
);
/// Who is in sessions.
const WHO: &str = concat!("SELECT name, head, profile, agent_name FROM session WHERE name IN ", names!());
/// What is before an entry of one session.
pub(in crate::store) const BEFORE: &str = "SELECT seq, body FROM entry WHERE session = $1 AND seq < $2 AND kind = 'message' \
                                           AND sender <> 'system' ORDER BY seq DESC LIMIT $3";

/// A search for a word.
#[derive(Debug)]
pub(super) struct Words {
    /// In lower case; empty: everything hits.
    word: String,
    /// Messages that may still be looked at.
    left: u32,
    /// The entry before which the search stopped.
    stopped: Option<i64>,
    /// What was read of sessions that come next.
    ends: HashMap<String, End>,
}

/// The end of a session.
#[derive(Debug)]
struct End {
    /// The word is in one of its names.
    is_named: bool,
    /// Its last messages, the newest first, and whether the word is in each.
    messages: Vec<(i64, bool)>,
    /// The entry before which there may be more.
    rest: Option<i64>,
}

#[derive(Debug, sqlx::FromRow)]
struct WhoRow {
    name: String,
    head: i64,
    profile: String,
    agent_name: Option<String>,
}

/// What of a stored message is searched.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

impl Words {
    pub(super) fn new(query: &Query, left: u32) -> Self {
        Self { word: query.keyword.clone(), left, stopped: None, ends: HashMap::new() }
    }

    /// Whether enough was looked at.
    pub(super) fn is_tired(&self) -> bool {
        self.left == 0
    }

    /// Where the search stopped in the middle of the last session.
    pub(super) fn stopped_in(&self) -> Option<i64> {
        self.stopped
    }

    /// How many sessions to read ahead: no more than can be looked at.
    pub(super) fn at_once(&self) -> usize {
        if self.word.is_empty() {
            return 1;
        }
        AT_ONCE.min((self.left / SESSION_COST) as usize + 1)
    }

    /// Reads the ends of the sessions that come next, no more than [`Self::at_once`].
    pub(super) async fn read_ahead(&mut self, store: &Store, names: &[String]) -> Result<(), SessionError> {
        self.ends.clear();
        if self.word.is_empty() || names.is_empty() {
            return Ok(());
        }
        let ends = crate::store::summaries::with_names(ENDS, names).bind(END);
        let mut messages: HashMap<String, Vec<(i64, bool)>> = HashMap::with_capacity(names.len());
        for (session, seq, body) in store.db.fetch_all::<(String, i64, String)>(ends).await? {
            let hit = self.is_said(&body)?;
            messages.entry(session).or_default().push((seq, hit));
        }
        // Read after the ends: what was written meanwhile is looked at twice rather than never.
        let who = crate::store::summaries::with_names(WHO, names);
        for row in store.db.fetch_all::<WhoRow>(who).await? {
            let nickname = nickname_in(&row.profile)?;
            let names = [Some(row.name.as_str()), nickname.as_deref(), row.agent_name.as_deref()];
            let mut messages = messages.remove(&row.name).unwrap_or_default();
            messages.sort_unstable_by(|one, other| other.cmp(one));
            let end = End {
                is_named: names.into_iter().flatten().any(|text| self.is_in(text)),
                messages,
                rest: (row.head > END).then_some(row.head - END + 1),
            };
            self.ends.insert(row.name, end);
        }
        Ok(())
    }

    /// Whether the word is in a session that was read ahead: its name, the customer's or the agent's name, or a message.
    pub(super) async fn hits(&mut self, store: &Store, name: &str) -> Result<bool, SessionError> {
        if self.word.is_empty() {
            return Ok(true);
        }
        self.left = self.left.saturating_sub(SESSION_COST);
        let Some(end) = self.ends.remove(name) else { return Ok(false) };
        if end.is_named {
            return Ok(true);
        }
        let mut messages = end.messages.into_iter().peekable();
        while let Some((seq, hit)) = messages.next() {
            self.left = self.left.saturating_sub(1);
            if hit {
                return Ok(true);
            }
            if self.is_tired() && (messages.peek().is_some() || end.rest.is_some()) {
                self.stopped = Some(seq);
                return Ok(false);
            }
        }
        match end.rest {
            Some(before) => self.hits_before(store, name, before).await,
            None => Ok(false),
        }
    }

    /// Whether the word is in a message before an entry. One message is looked at in any case.
    pub(super) async fn hits_before(
        &mut self,
        store: &Store,
        name: &str,
        mut before: i64,
    ) -> Result<bool, SessionError> {
        loop {
            let count = BATCH.min(self.left.into()).max(1);
            let rows: Vec<(i64, String)> =
                store.db.fetch_all(sql(BEFORE).bind(name).bind(before).bind(count)).await?;
            let read = i64::try_from(rows.len()).unwrap_or(count);
            self.left = self.left.saturating_sub(u32::try_from(read).unwrap_or(u32::MAX));
            for (seq, body) in rows {
                before = seq;
                if self.is_said(&body)? {
                    return Ok(true);
                }
            }
            if read < count {
                self.stopped = None;
                return Ok(false);
            }
            if self.is_tired() {
                self.stopped = Some(before);
                return Ok(false);
            }
        }
    }

    fn is_said(&self, body: &str) -> Result<bool, SessionError> {
        let said: Said<'_> =
            serde_json::from_str(body).map_err(|_| SessionError::Corrupt { table: "entry" })?;
        Ok(self.is_in(&said.text))
    }

    fn is_in(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.word)
    }
}
