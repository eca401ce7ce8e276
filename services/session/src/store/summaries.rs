//! Whole sessions for a list of names, with what lists show beside them. A few statements, however long the list.

use super::{
    Store,
    rows::{EntryRow, SessionRow, session_columns},
};
use crate::error::SessionError;
use std::collections::HashMap;
use switchboard_db::{Row, Statement, sql};
use switchboard_domain::{Entry, Session, SessionName, entry::AgentRef};

/// Names that one statement asks for; the texts below have as many places.
const AT_ONCE: usize = 25;

macro_rules! names {
    () => {
        "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, \
         $24, $25)"
    };
}
pub(super) use names;

/// A session as lists show it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) session: Session,
    pub(crate) last_message: Option<Entry>,
}

#[derive(Debug, sqlx::FromRow)]
struct LastRow {
    session: String,
    seq: i64,
    at: i64,
    body: String,
}

impl Store {
    /// The sessions of these names, in their order. Those that are gone are left out.
    pub(crate) async fn sessions(&self, names: &[String]) -> Result<Vec<Session>, SessionError> {
        const GET: &str = concat!("SELECT ", session_columns!(), " FROM session WHERE name IN ", names!());
        let mut found = HashMap::with_capacity(names.len());
        for row in self.of_names::<SessionRow>(GET, names).await? {
            let session = row.into_session()?;
            found.insert(session.name.to_string(), session);
        }
        Ok(names.iter().filter_map(|name| found.remove(name)).collect())
    }

    /// The same with the last message of each.
    pub(crate) async fn listed(&self, names: &[String]) -> Result<Vec<Listed>, SessionError> {
        const LAST: &str = concat!(
            "SELECT e.session, e.seq, e.at, e.body FROM session s JOIN entry e ON e.session = s.name AND e.seq = \
             (SELECT m.seq FROM entry m WHERE m.session = s.name AND m.kind = 'message' ORDER BY m.seq DESC LIMIT 1) \
             WHERE s.name IN ",
            names!()
        );
        let mut last = HashMap::with_capacity(names.len());
        for row in self.of_names::<LastRow>(LAST, names).await? {
            let name = SessionName::parse(&row.session)?;
            let entry = EntryRow { seq: row.seq, at: row.at, body: row.body }.into_entry(&name)?;
            last.insert(row.session, entry);
        }
        let listed = |session: Session| Listed { last_message: last.remove(session.name.as_str()), session };
        Ok(self.sessions(names).await?.into_iter().map(listed).collect())
    }

    /// To whom sessions of these names are offered right now.
    pub(crate) async fn offered_to(
        &self,
        names: &[String],
    ) -> Result<HashMap<String, AgentRef>, SessionError> {
        const OFFERED: &str = concat!(
            "SELECT session, to_agent, to_name FROM offer WHERE state = 'open' AND session IN ",
            names!()
        );
        const OFFER: SessionError = SessionError::Corrupt { table: "offer" };
        let rows = self.of_names::<(String, String, String)>(OFFERED, names).await?;
        rows.into_iter()
            .map(|(session, id, name)| {
                let id = switchboard_domain::AgentId::parse(&id).map_err(|_| OFFER)?;
                Ok((session, AgentRef { id, name }))
            })
            .collect()
    }

    async fn of_names<R: Row>(&self, text: &'static str, names: &[String]) -> Result<Vec<R>, SessionError> {
        let mut rows = Vec::with_capacity(names.len());
        for names in names.chunks(AT_ONCE) {
            rows.extend(self.db.fetch_all::<R>(with_names(text, names)).await?);
        }
        Ok(rows)
    }
}

/// Binds up to 25 names. No session's name is empty: the places that are left find nothing.
pub(super) fn with_names(text: &'static str, names: &[String]) -> Statement {
    let places = names.iter().map(String::as_str).chain(std::iter::repeat(""));
    places.take(AT_ONCE).fold(sql(text), Statement::bind)
}
