//! A balancer in front of several edges that knows nothing of sessions: each connection goes to any of them, and to another
//! one when that does not answer.

use parking_lot::Mutex;
use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    sync::Arc,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A running balancer. Ends with its handle, connections included.
#[derive(Debug)]
pub struct Balancer {
    port: u16,
    edges: Arc<Mutex<Vec<u16>>>,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

impl Balancer {
    /// Balances between edges at these ports of 127.0.0.1.
    pub async fn start(edges: Vec<u16>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("the listener's address").port();
        let edges = Arc::new(Mutex::new(edges));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&edges)));
        Self { port, edges, _tasks: tasks }
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// New connections go to these edges only.
    pub fn set_edges(&self, edges: Vec<u16>) {
        *self.edges.lock() = edges;
    }
}

async fn accept(listener: TcpListener, edges: Arc<Mutex<Vec<u16>>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((customer, _)) = accepted else { continue };
                let edges = edges.lock().clone();
                connections.spawn(async move {
                    let Some(mut edge) = connect(&edges).await else { return };
                    let mut customer = customer;
                    let _ = customer.set_nodelay(true);
                    let _ = copy_bidirectional(&mut customer, &mut edge).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Begins anywhere and goes round once.
async fn connect(edges: &[u16]) -> Option<TcpStream> {
    let chance = RandomState::new().build_hasher().finish();
    let start = usize::try_from(chance % 1024).unwrap_or_default();
    for offset in 0..edges.len() {
        let port = edges.get((start + offset) % edges.len())?;
        if let Ok(edge) = TcpStream::connect(("127.0.0.1", *port)).await {
            let _ = edge.set_nodelay(true);
            return Some(edge);
        }
    }
    None
}
