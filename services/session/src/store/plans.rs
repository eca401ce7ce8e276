//! Statements that lists, searches, the queue and the numbers run: each follows an index, and none sorts what it has read.

use super::{
    find::{keyword, order},
    queue, stats,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use switchboard_boot::system::SystemRng;
use switchboard_domain::Rng as _;

const NOW: i64 = 1_770_000_000_000;
const SESSIONS: i64 = 20_000;

/// What is open, by two indexes that hold nothing else: a plan may follow either.
const OPEN: [&str; 2] = ["stretch_open", "stretch_now"];

/// A statement, the indexes of which it follows one, and values as they are bound in a shop with [`SESSIONS`].
struct Case {
    text: &'static str,
    indexes: Vec<String>,
    values: String,
}

/// `index` is an index, or a table: its primary key.
fn case(text: &'static str, index: &str, values: impl Into<String>) -> Case {
    let indexes = vec![index.to_owned(), format!("{index}_pkey"), format!("sqlite_autoindex_{index}_1")];
    Case { text, indexes, values: values.into() }
}

fn of_open(text: &'static str, values: impl Into<String>) -> Case {
    Case { text, indexes: OPEN.map(str::to_owned).into(), values: values.into() }
}

fn cases() -> Vec<Case> {
    let (late, day, last) = (i64::MAX, NOW - 86_400_000, "'~'");
    let names = (0..25).map(|n| format!("'s{}'", 400 + n)).collect::<Vec<_>>().join(", ");
    vec![
        case(order::RANKED, "session_by_rank", format!("{late}, {last}, 51, 2")),
        case(order::UPDATED, "session_by_update", format!("{late}, {last}, 51")),
        case(order::NEWEST, "session_by_creation", format!("{late}, '', 51, {}", i64::MIN)),
        case(order::OLDEST, "session_by_creation", format!("{}, '', 51, {late}", i64::MIN)),
        case(order::DUE, "session_due", format!("{}, '', 51", i64::MIN)),
        case(order::OF_AGENT, "session_by_agent", "'agt_11', 20001"),
        case(order::OF_TAG, "session_tag", "'tag_1', 20001"),
        case(order::OF_RANK, "session_by_rank", "4, 20001"),
        case(order::CREATED, "session_by_creation", format!("{day}, 20001, {late}")),
        case(keyword::ENDS, "entry", format!("{names}, 40")),
        case(keyword::BEFORE, "entry", "'s500', 100, 200"),
        case(queue::ALL, "session_waiting", format!("0, 0, {NOW}, '', 100")),
        case(queue::NOT_OFFERED, "session_waiting", format!("0, 0, {NOW}, '', 100")),
        case(stats::LIVE, "session_by_agent", NOW.to_string()),
        of_open(stats::WAIT_REASONS, NOW.to_string()),
        of_open(stats::LIVE_REASONS, ""),
        case(stats::BEGUN, "stretch_begun", day.to_string()),
        case(stats::ENDED, "stretch_ended", day.to_string()),
        case(stats::TURNS, "turn_finished", day.to_string()),
    ]
}

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
    for Case { text, indexes, .. } in cases() {
        let steps = plan(&mut connection, text).await;
        let told = steps.join("\n");
        assert!(indexes.iter().any(|index| told.contains(&format!("INDEX {index} "))), "{text}\n{told}");
        let walks = |step: &&String| step.starts_with("SCAN") && !step.contains("INDEX");
        assert_eq!(steps.iter().find(walks), None, "{text}\n{told}");
        assert!(!told.contains("TEMP B-TREE FOR ORDER BY"), "{text}\n{told}");
    }
}

/// A shop in which 200 wait, 150 are live, and a session came every minute.
fn shop() -> Vec<String> {
    let rows = format!("FROM generate_series(0, {SESSIONS} - 1) AS n(i)");
    let at = format!("{NOW} - i * 60000");
    vec![
        format!(
            "INSERT INTO session (name, status, fence, version, head, agent_id, profile, memory_from, covered, uncovered, \
             ai_failures, created_at, updated_at, manual_since, due_at, vip, list_rank) SELECT 's' || i, CASE WHEN i < 200 \
             THEN 'pending_manual' WHEN i < 350 THEN 'manual_live' ELSE 'bot_active' END, 1, 1, 3, CASE WHEN i >= 200 AND \
             i < 350 THEN 'agt_' || (10 + i % 50) END, '{{}}', 0, 3, 0, 0, {at}, {at}, {at}, CASE WHEN i < 200 THEN {at} \
             END, 0, CASE WHEN i < 200 THEN 4 WHEN i < 350 THEN 3 WHEN i % 3 = 0 THEN 0 ELSE 2 END {rows}"
        ),
        format!(
            "INSERT INTO entry (session, seq, at, kind, sender, body) SELECT 's' || i, seq, {at}, 'message', 'user', \
             '{{\"text\":\"where is it?\"}}' {rows}, generate_series(1, 3) AS seq"
        ),
        format!(
            "INSERT INTO turn (id, session, state, fence, attempt, covers, partial, lease_until, started_at, finished_at, \
             begun_seq) SELECT 't' || i, 's' || i, 'done', 1, 1, '[]', '', 0, {at}, {at} + 900, 2 {rows}"
        ),
        format!(
            "INSERT INTO stretch (session, seq, kind, agent_id, reason, called, messages, from_at, to_at, outcome) SELECT \
             's' || i, 1, CASE WHEN i < 200 THEN 'wait' ELSE 'service' END, 'agt_' || (10 + i % 50), 'manual', 1, 1, {at}, \
             CASE WHEN i >= 350 THEN {at} + 20000 END, CASE WHEN i >= 350 THEN 'released' END {rows}"
        ),
        "INSERT INTO tag (id, name, color, icon, built_in) SELECT 'tag_' || i, 'tag_' || i, '', '', 0 \
         FROM generate_series(0, 199) AS n(i)"
            .to_owned(),
        format!("INSERT INTO session_tag (session, tag) SELECT 's' || i, 'tag_' || (i % 200) {rows}"),
        format!(
            "INSERT INTO offer (id, session, kind, state, to_agent, to_name, reason, note, explanation, fence, made_at, \
             expires_at, answer_note) SELECT 'o' || i, 's' || i, 'assignment', CASE WHEN i < 20 THEN 'open' ELSE 'accepted' \
             END, 'agt_10', '', '', '', '', 1, {at}, {at}, '' {rows} WHERE i < 10000"
        ),
        "ANALYZE".to_owned(),
    ]
}

/// What Postgres does for a statement once it knows it: from the sixth time on it may keep one plan for all values.
async fn lasting_plan(connection: &mut PgConnection, case: &Case) -> String {
    let call = if case.values.is_empty() { "known".to_owned() } else { format!("known ({})", case.values) };
    let mut statements = vec![format!("PREPARE known AS {}", case.text)];
    statements.extend(vec![format!("EXECUTE {call}"); 7]);
    for statement in statements {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.unwrap();
    }
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE {call}");
    let steps: Vec<(String,)> =
        sqlx::query_as(AssertSqlSafe(explain)).fetch_all(&mut *connection).await.unwrap();
    connection.execute("DEALLOCATE known").await.unwrap();
    steps.into_iter().map(|step| step.0).collect::<Vec<_>>().join("\n")
}

/// Where `SWITCHBOARD_TEST_POSTGRES` names a server, as `tests/with-postgres.sh` does.
#[tokio::test]
async fn every_statement_follows_its_index_on_postgres() {
    #[expect(clippy::disallowed_methods, reason = "tests of the engine have no configuration")]
    let Ok(server) = std::env::var("SWITCHBOARD_TEST_POSTGRES") else { return };
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let mut chance = [0; 8];
    SystemRng.fill(&mut chance);
    let schema = format!("plans_{:016x}", u64::from_le_bytes(chance));
    let place = format!("CREATE SCHEMA {schema}; SET search_path = {schema}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(place))).await.unwrap();
    crate::MIGRATIONS.run(&mut connection).await.unwrap();
    for statement in shop() {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.unwrap();
    }
    let mut wrong = Vec::new();
    for case in cases() {
        let told = lasting_plan(&mut connection, &case).await;
        let is_followed = told.lines().any(|step| {
            let index = step.split_once(" using ").or_else(|| step.split_once("Bitmap Index Scan on "));
            let name = index.and_then(|(_, rest)| rest.split_whitespace().next());
            name.is_some_and(|name| case.indexes.iter().any(|index| index == name))
        });
        let sorts = case.text.contains("ORDER BY") && told.contains("Sort Key");
        if !is_followed || sorts || told.contains("Seq Scan") {
            wrong.push(format!("none of {:?}:\n{}\n{told}", case.indexes, case.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let end = format!("DROP SCHEMA {schema} CASCADE");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(end))).await.unwrap();
}
