//! Answers as they are written: what the way through Switchboard adds to the model's own stream.

use super::Field;
use crate::{
    bench::{Bench, TOKENS},
    client::{Load, Request, Until},
    error::Error,
    lane::{Job, Lane, Paced},
    metric::Metric,
    proc::Group,
    product::{Session, Shape},
    race::{Race, Table},
};
use std::{net::SocketAddr, time::Duration};

const BURST_COLUMNS: &[Metric] = &[
    Metric::Rate,
    Metric::P50,
    Metric::P99,
    Metric::First50,
    Metric::Added50,
    Metric::Added99,
    Metric::AddedWhole,
    Metric::Cpu,
];
const PACED_COLUMNS: &[Metric] =
    &[Metric::Age50, Metric::Age99, Metric::First50, Metric::Cpu, Metric::RssKib];
/// Tokens of a paced answer, and the time between them: 2 s at 20 tokens a second.
const PACED_TOKENS: u32 = 40;
const PACED_GAP: Duration = Duration::from_millis(50);
/// Paced answers begin within this time, so that they do not beat as one.
const SPREAD: Duration = Duration::from_secs(1);
/// All paced answers are open between 1 s and 2 s after the start.
const ALL_OPEN: Duration = Duration::from_millis(1500);

/// A way for answers.
struct Way {
    name: &'static str,
    limit: Option<&'static str>,
    processes: Group,
    address: SocketAddr,
    requests: Vec<Request>,
    idle_kib: u64,
}

/// As fast as the model's tokens come.
///
/// # Errors
/// When a lane cannot be run.
pub(crate) async fn burst(bench: &Bench, callers: usize) -> Result<Table, Error> {
    let field = Field::start(bench).await?;
    let lanes = ways(&field, callers).await?.into_iter().map(|way| {
        let load = bench.load(way.address, way.requests, Some(TOKENS.into()));
        Lane { name: way.name, limit: way.limit, processes: way.processes, job: Job::Load(load) }
    });
    let race = Race {
        scenario: "stream",
        callers,
        lanes: lanes.collect(),
        direct: Some("direct"),
        columns: BURST_COLUMNS,
        ours: field.ours(),
    };
    race.run(bench).await
}

/// At 20 tokens a second.
///
/// # Errors
/// When a lane cannot be run.
pub(crate) async fn paced(bench: &Bench) -> Result<Table, Error> {
    let field = Field::start(bench).await?;
    let callers = bench.options.streams;
    let ways = ways(&field, callers).await?;
    field.limits.pace(PACED_TOKENS, PACED_GAP).await?;
    let lanes = ways.into_iter().map(|way| {
        let load = Load {
            address: way.address,
            requests: way.requests,
            tokens: Some(PACED_TOKENS.into()),
            until: Until::Once(SPREAD),
        };
        let job = Job::Paced(Paced { load, all_open: ALL_OPEN, idle_kib: way.idle_kib });
        Lane { name: way.name, limit: way.limit, processes: way.processes, job }
    });
    let race = Race {
        scenario: "paced",
        callers,
        lanes: lanes.collect(),
        direct: None,
        columns: PACED_COLUMNS,
        ours: field.ours(),
    };
    race.run(bench).await
}

async fn ways(field: &Field, callers: usize) -> Result<Vec<Way>, Error> {
    let limits = &field.limits;
    let limit = |name, path: &str, address, processes: Group| {
        let request = Request::new(&format!("POST {path}"), &[], "{\"messages\":[]}");
        let idle_kib = processes.resident_kib();
        Way { name, limit: None, processes, address, requests: vec![request; callers], idle_kib }
    };
    let mut ways = vec![
        limit("direct", "/v1/chat/completions", limits.fake_address, Group::default()),
        limit("di", "/di/chat", limits.edge_address, limits.inside()),
        limit("d", "/d/chat", limits.lean_address, limits.remote()),
    ];
    for product in &field.products {
        let sessions = product.sessions(callers).await?;
        let processes = product.processes();
        ways.push(Way {
            name: product.shape.name(),
            limit: Some(if product.shape == Shape::Single { "di" } else { "d" }),
            address: product.address,
            requests: sessions.iter().map(Session::stream).collect(),
            idle_kib: processes.resident_kib(),
            processes,
        });
    }
    Ok(ways)
}
