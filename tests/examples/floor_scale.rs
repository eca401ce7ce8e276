//! What lists, the queue and the numbers cost as sessions grow: fills a database directly, then asks `FloorService`.
//!
//! `cargo run --release -p switchboard-tests --example floor_scale -- 1000 100000 1000000`; with
//! `SWITCHBOARD_TEST_POSTGRES` set also on that server. Each size has the same floor (200 wait, 150 live, a session a
//! minute), so a time that grows with the size is a cost of the past.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use std::{env, future::Future, io::Write as _, sync::Arc, time::Duration};
use switchboard_boot::{Configured, Deps, Lifecycle, NodeConfig, Sources, Tree};
use switchboard_domain::{AgentId, BuiltinRole, Clock, Principal, Rng, ServiceName};
use switchboard_mesh::{CallContext, Directory, loopback};
use switchboard_proto::session::v1::{
    FindRequest, GetAgentStatsRequest, GetQueueRequest, GetStatsRequest, Status, find_request::Order,
    floor_service_client::FloorServiceClient,
};
use switchboard_tests::{
    fakes::{CountingRng, ManualClock},
    postgres::fresh_database,
};
use tokio::time::Instant;

const NOW: i64 = 1_770_000_000_000;
const AGENT: &str = "agt_0192f0c1a2b37c4d8e5f607182900001";

/// Where the sessions are.
enum Place {
    Folder(tempfile::TempDir),
    Server(String),
}

fn settings(place: &Place) -> Vec<(String, String)> {
    let data = match place {
        Place::Folder(folder) => ("database.data_dir", folder.path().display().to_string()),
        Place::Server(url) => ("database.url", url.clone()),
    };
    let mut flags = vec![(data.0.to_owned(), data.1)];
    for (key, value) in [
        ("database.statement_timeout", "60s"),
        ("database.durability_check", "off"),
        ("mesh.call_timeout", "60s"),
        ("session.routing.auto_assign", "false"),
    ] {
        flags.push((key.to_owned(), value.to_owned()));
    }
    flags
}

fn extract<C: Configured>(place: &Place) -> C {
    let mut problems = Vec::new();
    let tree = Tree::load(&Sources { flags: settings(place), ..Sources::default() }, &mut problems);
    tree.extract(&mut problems).unwrap_or_else(|| panic!("{problems:?}"))
}

/// The statements that fill a database with `count` sessions.
fn filling(count: i64, hex: &str) -> Vec<String> {
    let rows = format!(
        "WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})"
    );
    let created = format!("{NOW} - i * 60000");
    let status = "CASE WHEN i < 200 THEN 'pending_manual' WHEN i < 350 THEN 'manual_live' \
                  WHEN i % 3 = 0 THEN 'closed' ELSE 'bot_active' END";
    let agent = "'agt_0192f0c1a2b37c4d8e5f6071829000' || CAST(10 + i % 50 AS TEXT)";
    let live = "i >= 200 AND i < 350";
    vec![
        format!(
            "INSERT INTO session (name, status, fence, version, head, agent_id, agent_name, escalation, profile, \
             memory_from, covered, uncovered, ai_failures, created_at, updated_at, manual_since, due_at, vip, desk, \
             list_rank) {rows} SELECT 's' || CAST(i AS TEXT), {status}, 1, 1, 2, \
             CASE WHEN {live} THEN {agent} END, CASE WHEN {live} THEN 'Agent' END, CASE WHEN i < 350 THEN \
             '{{\"reason\":\"manual\",\"severity\":\"high\",\"details\":\"x\",\"at\":1}}' END, \
             '{{\"nickname\":\"Customer ' || CAST(i AS TEXT) || '\"}}', 0, 2, 0, 0, {created}, {created} + 30000, \
             CASE WHEN {live} THEN {created} END, CASE WHEN i < 200 THEN {created} END, \
             CASE WHEN i % 20 = 0 THEN 1 ELSE 0 END, '{{\"repeats\":0}}', CASE WHEN i % 20 = 0 THEN 5 ELSE 0 END + \
             CASE WHEN i < 200 THEN 4 WHEN i < 350 THEN 3 WHEN i % 3 = 0 THEN 0 ELSE 2 END FROM n"
        ),
        format!(
            "INSERT INTO entry (session, seq, at, kind, sender, body) {rows} SELECT 's' || CAST(i AS TEXT), 1, \
             {created}, 'message', 'user', '{{\"kind\":\"message\",\"id\":\"msg_' || {hex} || \
             '\",\"sender\":\"user\",\"text\":\"where is parcel ' || CAST(i AS TEXT) || '?\"}}' FROM n"
        ),
        format!(
            "INSERT INTO entry (session, seq, at, kind, sender, body) {rows} SELECT 's' || CAST(i AS TEXT), 2, \
             {created} + 900, 'message', 'assistant', '{{\"kind\":\"message\",\"id\":\"msg_' || {hex} || \
             '\",\"sender\":\"assistant\",\"text\":\"on its way\"}}' FROM n"
        ),
        format!(
            "INSERT INTO turn (id, session, state, fence, attempt, covers, partial, lease_until, started_at, \
             finished_at, begun_seq) {rows} SELECT 'trn_' || {hex}, 's' || CAST(i AS TEXT), 'done', 1, 1, '[]', '', 0, \
             {created}, {created} + 900, 2 FROM n"
        ),
        format!(
            "INSERT INTO stretch (session, seq, kind, agent_id, reason, called, messages, waited, from_at, to_at, to_seq, \
             outcome) {rows} SELECT 's' || CAST(i AS TEXT), 1, CASE WHEN {live} OR i >= 350 THEN 'service' ELSE 'wait' END, \
             CASE WHEN i >= 200 THEN {agent} END, 'manual', CASE WHEN i < 200 THEN 1 ELSE 0 END, 1, \
             CASE WHEN i >= 200 THEN 4000 END, {created}, CASE WHEN i >= 350 THEN {created} + 20000 END, 2, \
             CASE WHEN i >= 350 THEN 'released' END FROM n WHERE i < 350 OR i % 5 = 0"
        ),
        "UPDATE tally SET n0 = (SELECT COUNT(*) FROM session WHERE list_rank = 0), n2 = (SELECT COUNT(*) FROM session \
         WHERE list_rank = 2), n3 = (SELECT COUNT(*) FROM session WHERE list_rank = 3), n4 = (SELECT COUNT(*) FROM \
         session WHERE list_rank = 4), n5 = (SELECT COUNT(*) FROM session WHERE list_rank = 5), n7 = (SELECT COUNT(*) \
         FROM session WHERE list_rank = 7), n8 = (SELECT COUNT(*) FROM session WHERE list_rank = 8), n9 = \
         (SELECT COUNT(*) FROM session WHERE list_rank = 9) WHERE shard = 0"
            .to_owned(),
        "ANALYZE".to_owned(),
    ]
}

async fn fill(place: &Place, count: i64) {
    match place {
        Place::Folder(folder) => {
            let options =
                sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("session.db"));
            let mut connection = options.busy_timeout(Duration::from_mins(1)).connect().await.unwrap();
            for statement in filling(count, "printf('%032d', i)") {
                connection.execute(AssertSqlSafe(statement)).await.unwrap();
            }
            connection.close().await.unwrap();
        }
        Place::Server(url) => {
            let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
            let mut connection = options.options([("search_path", "session")]).connect().await.unwrap();
            for statement in filling(count, "lpad(CAST(i AS TEXT), 32, '0')") {
                connection.execute(AssertSqlSafe(statement)).await.unwrap();
            }
            connection.close().await.unwrap();
        }
    }
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}

/// Calls many times; one line with the times.
async fn measure<T, F: Future<Output = T>>(what: &str, times: usize, call: impl Fn() -> F) {
    let mut took = Vec::with_capacity(times);
    call().await;
    for _ in 0..times {
        let begin = Instant::now();
        call().await;
        took.push(begin.elapsed());
    }
    took.sort_unstable();
    let at = |share: usize| took[(times * share / 100).min(times - 1)];
    tell(&format!("  {what:<34} p50 {:>9.2?}  p99 {:>9.2?}", at(50), at(99)));
}

fn finds() -> Vec<(&'static str, FindRequest)> {
    let plain = FindRequest { limit: 50, ..FindRequest::default() };
    let of = |order: Order| FindRequest { order: order.into(), ..plain.clone() };
    let half_a_day = NOW - 12 * 3_600_000;
    vec![
        ("Find", plain.clone()),
        ("Find newest", of(Order::Newest)),
        ("Find oldest", of(Order::Oldest)),
        ("Find VIPs first", of(Order::Vip)),
        ("Find by waiting time", of(Order::WaitTime)),
        ("Find last updated", of(Order::Updated)),
        ("Find waiting", FindRequest { status: Some(Status::PendingManual.into()), ..plain.clone() }),
        ("Find closed, newest", FindRequest { status: Some(Status::Closed.into()), ..of(Order::Newest) }),
        ("Find mine", FindRequest { agent: Some(AGENT.replace("0001", "0011")), ..plain.clone() }),
        ("Find of half a day", FindRequest { created_since_ms: Some(half_a_day), ..plain.clone() }),
        ("Find offset 10000", FindRequest { offset: 10_000, ..plain.clone() }),
        ("Find a word (recent)", FindRequest { keyword: "parcel 40".into(), limit: 5, ..plain.clone() }),
        ("Find a word (nowhere, partial)", FindRequest { keyword: "nowhere".into(), ..plain }),
    ]
}

async fn run(place: Place, count: i64) {
    let (clock, rng, life) = (ManualClock::at(NOW), CountingRng::new(), Lifecycle::new());
    let name = ServiceName::Session;
    let node: Arc<NodeConfig> = Arc::new(extract(&place));
    let mesh = node.mesh.clone();
    let deps = Deps {
        name,
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        rng: Arc::clone(&rng) as Arc<dyn Rng>,
        coord: switchboard_coord::Coord::alone(),
        peers: Directory::new(name),
        tasks: life.clone(),
        node,
    };
    let server = switchboard_session::build(extract(&place), deps).await.unwrap();
    let begin = Instant::now();
    fill(&place, count).await;
    tell(&format!("{count} sessions, filled in {:.1?}", begin.elapsed()));
    let channel = loopback(ServiceName::Gateway, mesh.call_timeout, server.mounted.unwrap().guarded);
    let client = FloorServiceClient::new(channel);
    let id = AgentId::parse(AGENT).unwrap();
    let boss = Principal::Agent { id, permissions: BuiltinRole::Admin.permissions() };
    let context = CallContext::background(ServiceName::Gateway, &*clock, &*rng).acting_as(boss);
    for (what, request) in finds() {
        let times = if request.keyword.is_empty() { 100 } else { 10 };
        let call = || {
            let (mut client, request) = (client.clone(), request.clone());
            context.clone().scope(async move { client.find(request).await.unwrap() })
        };
        measure(what, times, call).await;
    }
    macro_rules! measured {
        ($what:literal, $method:ident, $request:expr) => {
            let call = || {
                let mut client = client.clone();
                context.clone().scope(async move { client.$method($request).await.unwrap() })
            };
            measure($what, 100, call).await;
        };
    }
    measured!("GetQueue", get_queue, GetQueueRequest::default());
    measured!("GetStats", get_stats, GetStatsRequest::default());
    measured!("GetAgentStats", get_agent_stats, GetAgentStatsRequest::default());
    life.stop(Duration::from_secs(10)).await;
}

#[tokio::main]
async fn main() {
    let sizes: Vec<i64> = env::args().skip(1).map(|size| size.parse().unwrap()).collect();
    for size in &sizes {
        tell("SQLite");
        run(Place::Folder(tempfile::tempdir().unwrap()), *size).await;
    }
    if env::var("SWITCHBOARD_TEST_POSTGRES").is_ok() {
        for size in &sizes {
            tell("Postgres");
            run(Place::Server(fresh_database().await), *size).await;
        }
    }
}
