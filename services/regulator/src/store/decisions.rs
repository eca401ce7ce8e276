//! Reads and writes table `decision`.

use super::Store;
use crate::RegulatorError;
use switchboard_db::{Statement, sql};
use switchboard_domain::EventId;

/// Columns of [`DecisionRow`].
macro_rules! decision_columns {
    () => {
        "id, at, session, turn, phase, version, rule, escalated, answer_failed, evidence, input_digest, shadow_version, \
         shadow_rule, shadow_escalated, shadow_evidence"
    };
}

/// A decision as it was made.
#[derive(Debug, Clone)]
pub(crate) struct NewDecision {
    pub(crate) at: i64,
    pub(crate) session: String,
    pub(crate) turn: String,
    pub(crate) phase: &'static str,
    pub(crate) answer_failed: bool,
    pub(crate) decided: Decided,
    pub(crate) input_digest: String,
    pub(crate) shadow: Option<Decided>,
}

/// What one version said.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub(crate) version: String,
    /// Empty: no rule applied.
    pub(crate) rule: &'static str,
    pub(crate) escalated: bool,
    pub(crate) evidence: Vec<String>,
}

/// A row of `decision`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct DecisionRow {
    pub(crate) id: String,
    pub(crate) at: i64,
    pub(crate) session: String,
    pub(crate) turn: String,
    pub(crate) phase: String,
    pub(crate) version: String,
    pub(crate) rule: String,
    pub(crate) escalated: i64,
    pub(crate) answer_failed: i64,
    pub(crate) evidence: String,
    pub(crate) input_digest: String,
    pub(crate) shadow_version: Option<String>,
    pub(crate) shadow_rule: Option<String>,
    pub(crate) shadow_escalated: Option<i64>,
    pub(crate) shadow_evidence: Option<String>,
}

/// Which decisions: those before a place, newest first.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) before: (i64, String),
    pub(crate) session: String,
    pub(crate) escalated_only: bool,
    /// Empty: by all.
    pub(crate) rule: String,
    /// Empty: by all.
    pub(crate) version: String,
    /// A half-open span.
    pub(crate) since: i64,
    pub(crate) until: i64,
    pub(crate) limit: i64,
}

/// How the shadow did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct ShadowCounts {
    pub(crate) decisions: i64,
    pub(crate) only_shadow: i64,
    pub(crate) only_published: i64,
    pub(crate) other_rule: i64,
}

impl NewDecision {
    fn differs(&self) -> bool {
        let decided = &self.decided;
        self.shadow
            .as_ref()
            .is_some_and(|shadow| (shadow.escalated, shadow.rule) != (decided.escalated, decided.rule))
    }
}

impl Store {
    /// Records decisions in one transaction.
    pub(crate) async fn keep(&self, decisions: Vec<NewDecision>) -> Result<(), RegulatorError> {
        let rows: Vec<Statement> = decisions.iter().map(|decision| self.insert(decision)).collect();
        self.db
            .transaction(move |tx| {
                Box::pin(async move {
                    for row in rows {
                        tx.execute(row).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    fn insert(&self, new: &NewDecision) -> Statement {
        const ADD: &str = concat!(
            "INSERT INTO decision (",
            decision_columns!(),
            ", differs) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
        );
        let list = |evidence: &[String]| serde_json::to_string(evidence).unwrap_or_default();
        let shadow = new.shadow.as_ref();
        sql(ADD)
            .bind(EventId::mint(&*self.clock, &*self.rng).to_string())
            .bind(new.at)
            .bind(new.session.as_str())
            .bind(new.turn.as_str())
            .bind(new.phase)
            .bind(new.decided.version.as_str())
            .bind(new.decided.rule)
            .bind(new.decided.escalated)
            .bind(new.answer_failed)
            .bind(list(&new.decided.evidence))
            .bind(new.input_digest.as_str())
            .bind(shadow.map(|shadow| shadow.version.clone()))
            .bind(shadow.map(|shadow| shadow.rule))
            .bind(shadow.map(|shadow| i64::from(shadow.escalated)))
            .bind(shadow.map(|shadow| list(&shadow.evidence)))
            .bind(new.differs())
    }

    /// A page of decisions.
    pub(crate) async fn decisions(&self, page: Page) -> Result<Vec<DecisionRow>, RegulatorError> {
        const ALL: &str = concat!(
            "SELECT ",
            decision_columns!(),
            " FROM decision WHERE (at, id) < ($1, $2) AND escalated >= $3 AND at >= $5 AND at < $6 \
             AND ($7 = '' OR rule = $7) AND ($8 = '' OR version = $8) ORDER BY at DESC, id DESC LIMIT $4"
        );
        const OF_SESSION: &str = concat!(
            "SELECT ",
            decision_columns!(),
            " FROM decision WHERE (at, id) < ($1, $2) AND escalated >= $3 AND at >= $5 AND at < $6 \
             AND ($7 = '' OR rule = $7) AND ($8 = '' OR version = $8) AND session = $9 \
             ORDER BY at DESC, id DESC LIMIT $4"
        );
        let text = if page.session.is_empty() { ALL } else { OF_SESSION };
        let mut statement = sql(text)
            .bind(page.before.0)
            .bind(page.before.1)
            .bind(page.escalated_only)
            .bind(page.limit)
            .bind(page.since)
            .bind(page.until)
            .bind(page.rule)
            .bind(page.version);
        if !page.session.is_empty() {
            statement = statement.bind(page.session);
        }
        Ok(self.db.fetch_all(statement).await?)
    }

    /// How a version did as the shadow, from `since` on.
    pub(crate) async fn shadow_counts(
        &self,
        version: &str,
        since: i64,
    ) -> Result<ShadowCounts, RegulatorError> {
        const COUNT: &str = "SELECT COUNT(*) AS decisions, \
            CAST(COALESCE(SUM(CASE WHEN escalated = 0 AND shadow_escalated = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) \
            AS only_shadow, \
            CAST(COALESCE(SUM(CASE WHEN escalated = 1 AND shadow_escalated = 0 THEN 1 ELSE 0 END), 0) AS BIGINT) \
            AS only_published, \
            CAST(COALESCE(SUM(CASE WHEN escalated = 1 AND shadow_escalated = 1 AND rule <> shadow_rule THEN 1 ELSE 0 \
            END), 0) AS BIGINT) AS other_rule \
            FROM decision WHERE shadow_version = $1 AND at >= $2";
        Ok(self.db.fetch_one(sql(COUNT).bind(version).bind(since)).await?)
    }

    /// The last decisions in which it differed, newest first.
    pub(crate) async fn differing(
        &self,
        version: &str,
        since: i64,
        limit: i64,
    ) -> Result<Vec<DecisionRow>, RegulatorError> {
        const LIST: &str = concat!(
            "SELECT ",
            decision_columns!(),
            " FROM decision WHERE shadow_version = $1 AND at >= $2 AND differs = 1 ORDER BY at DESC, id DESC LIMIT $3"
        );
        Ok(self.db.fetch_all(sql(LIST).bind(version).bind(since).bind(limit)).await?)
    }

    /// Deletes some decisions of before `until`; says how many.
    pub(crate) async fn forget(&self, until: i64, limit: u32) -> Result<u64, RegulatorError> {
        const FORGET: &str = "DELETE FROM decision WHERE id IN \
                              (SELECT id FROM decision WHERE at < $1 ORDER BY at LIMIT $2)";
        let forget = sql(FORGET).bind(until).bind(limit);
        self.db.transaction(move |tx| Box::pin(async move { Ok(tx.execute(forget).await?) })).await
    }
}
