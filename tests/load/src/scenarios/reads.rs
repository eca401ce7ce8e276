//! An authenticated read of the visitor's own session: token, budget, one hop, one look into the database.

use super::Field;
use crate::{
    bench::Bench,
    client::Request,
    error::Error,
    lane::{Job, Lane},
    metric::Metric,
    product::{Session, Shape},
    race::{Race, Table},
};

const COLUMNS: &[Metric] = &[Metric::Rate, Metric::P50, Metric::P99, Metric::Cpu];

/// Against a bare HTTP server.
///
/// # Errors
/// When a lane cannot be run.
pub(crate) async fn edge(bench: &Bench, callers: usize) -> Result<Table, Error> {
    race(bench, "edge", callers, &["a"]).await
}

/// Against a bare gRPC hop, in process and over TCP.
///
/// # Errors
/// When a lane cannot be run.
pub(crate) async fn read(bench: &Bench, callers: usize) -> Result<Table, Error> {
    race(bench, "read", callers, &["bi", "b"]).await
}

async fn race(
    bench: &Bench,
    scenario: &'static str,
    callers: usize,
    limits: &[&'static str],
) -> Result<Table, Error> {
    let field = Field::start(bench).await?;
    let mut lanes: Vec<Lane> = limits.iter().map(|limit| echo(bench, &field, limit, callers)).collect();
    for product in &field.products {
        let sessions = product.sessions(callers).await?;
        let limit = match (scenario, product.shape) {
            ("edge", _) => "a",
            (_, Shape::Single) => "bi",
            (_, Shape::Mesh) => "b",
        };
        let requests = sessions.iter().map(Session::show).collect();
        lanes.push(Lane {
            name: product.shape.name(),
            limit: Some(limit),
            processes: product.processes(),
            job: Job::Load(bench.load(product.address, requests, None)),
        });
    }
    let ours = field.ours();
    Race { scenario, callers, lanes, direct: None, columns: COLUMNS, ours }.run(bench).await
}

fn echo(bench: &Bench, field: &Field, name: &'static str, callers: usize) -> Lane {
    let body = "{\"session\":\"cnv_0192f0c1a2b37c4d8e5f60718293a4b5\",\"text\":\"Where is it?\",\"seq\":41}";
    let request = Request::new(&format!("POST /{name}/echo"), &[], body);
    let (address, processes) = match name {
        "b" => (field.limits.lean_address, field.limits.remote()),
        _ => (field.limits.edge_address, field.limits.inside()),
    };
    Lane { name, limit: None, processes, job: Job::Load(bench.load(address, vec![request; callers], None)) }
}
