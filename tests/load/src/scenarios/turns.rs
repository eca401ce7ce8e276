//! Whole chat turns with a model that answers at once: kept, decided, answered, kept again. The limit is the sum of its
//! parts: the model's answer through one gRPC service, and two rows that are safe on disk.

use super::Field;
use crate::{
    baselines::Baselines,
    bench::Bench,
    client::Request,
    error::Error,
    lane::{Job, Lane, Store},
    metric::Metric,
    proc::Group,
    product::{Session, Shape},
    race::{Race, Table},
};

const COLUMNS: &[Metric] = &[Metric::Rate, Metric::P50, Metric::P99, Metric::Cpu];
/// A turn waits for the disk when it begins and when it ends.
const COMMITS: f64 = 2.0;

/// Callers on different sessions.
///
/// # Errors
/// When a lane cannot be run.
pub(crate) async fn run(bench: &Bench, baselines: &Baselines, callers: usize) -> Result<Table, Error> {
    let field = Field::start(bench).await?;
    let folder = bench.data()?;
    let store = |postgres: Option<String>| {
        Job::Store(Store { folder: folder.path().to_path_buf(), postgres, waiters: callers })
    };
    let limits = &field.limits;
    let chat = |name: &'static str| {
        let request = Request::new(&format!("POST /{name}"), &[], "Where is my order?");
        let (address, processes) = match name {
            "d/chat" => (limits.lean_address, limits.remote()),
            _ => (limits.edge_address, limits.inside()),
        };
        Lane {
            name,
            limit: None,
            processes,
            job: Job::Load(bench.load(address, vec![request; callers], None)),
        }
    };
    let lane = |name, job| Lane { name, limit: None, processes: Group::default(), job };
    let mut lanes = vec![chat("di/chat"), chat("d/chat"), lane("f sqlite", store(None))];
    let mut mesh_store = "f sqlite";
    if let Some(url) = &bench.options.postgres {
        mesh_store = "f postgres";
        lanes.push(lane(mesh_store, store(Some(url.clone()))));
    }
    lanes.push(lane("di + 2f", Job::Sum(vec![("di/chat", 1.0), ("f sqlite", COMMITS)])));
    lanes.push(lane("d + 2f", Job::Sum(vec![("d/chat", 1.0), (mesh_store, COMMITS)])));
    for product in &field.products {
        let sessions = product.sessions(callers).await?;
        let requests = sessions.iter().map(Session::chat).collect();
        lanes.push(Lane {
            name: product.shape.name(),
            limit: Some(if product.shape == Shape::Single { "di + 2f" } else { "d + 2f" }),
            processes: product.processes(),
            job: Job::Load(bench.load(product.address, requests, None)),
        });
    }
    lanes.push(lane("original", Job::Recorded(baselines.recorded("original"))));
    let ours = field.ours();
    Race { scenario: "turn", callers, lanes, direct: None, columns: COLUMNS, ours }.run(bench).await
}
