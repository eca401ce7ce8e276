//! Statements that lists, the queue and the numbers run: each follows an index, and none sorts what it has read.

use super::{find::order, queue, stats};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

/// What `SQLite` does for a statement, step by step.
async fn plan(connection: &mut SqliteConnection, text: &str) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {text}");
    let rows: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(AssertSqlSafe(explain)).fetch_all(connection).await.unwrap();
    rows.into_iter().map(|row| row.3).collect()
}

#[tokio::test]
async fn every_statement_follows_its_index() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    crate::MIGRATIONS.run(&mut connection).await.unwrap();
    for (text, index) in [
        (order::RANKED, "session_by_rank"),
        (order::UPDATED, "session_by_update"),
        (order::NEWEST, "session_by_creation"),
        (order::OLDEST, "session_by_creation"),
        (order::DUE, "session_due"),
        (order::OF_AGENT, "session_by_agent"),
        (order::OF_TAG, "sqlite_autoindex_session_tag_1"),
        (order::OF_RANK, "session_by_rank"),
        (order::CREATED, "session_by_creation"),
        (queue::ALL, "session_waiting"),
        (queue::NOT_OFFERED, "session_waiting"),
        (stats::LIVE, "session_by_agent"),
        (stats::WAIT_REASONS, "stretch_open"),
        (stats::LIVE_REASONS, "stretch_now"),
        (stats::BEGUN, "stretch_begun"),
        (stats::ENDED, "stretch_ended"),
        (stats::TURNS, "turn_finished"),
    ] {
        let steps = plan(&mut connection, text).await;
        let told = steps.join("\n");
        assert!(told.contains(index), "{text}\n{told}");
        let walks = |step: &&String| step.starts_with("SCAN") && !step.contains("INDEX");
        assert_eq!(steps.iter().find(walks), None, "{text}\n{told}");
        assert!(!told.contains("TEMP B-TREE FOR ORDER BY"), "{text}\n{told}");
    }
}
