//! What operators ask a process, on a port of its own: `/metrics` (Prometheus text), `/livez` (the runtime turns),
//! `/readyz` (built and not draining). No dependency is asked: one that all replicas share must not take them all out.

use crate::Lifecycle;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

/// A scraper that has not sent its head by then is dropped.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// What the process tells of itself. All clones are one.
#[derive(Clone)]
pub struct Internal {
    metrics: PrometheusHandle,
    state: Arc<AtomicU8>,
}

impl std::fmt::Debug for Internal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Internal").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Internal {
    /// A process that is starting.
    pub fn new(metrics: PrometheusHandle) -> Self {
        Self { metrics, state: Arc::new(AtomicU8::new(STARTING)) }
    }

    /// Everything is built.
    pub fn ready(&self) {
        self.state.store(READY, Ordering::Release);
    }

    /// No new work, please.
    pub fn draining(&self) {
        self.state.store(DRAINING, Ordering::Release);
    }

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        let (status, body) = match path {
            "/metrics" => (StatusCode::OK, self.metrics.render()),
            "/livez" => (StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => match self.state.load(Ordering::Acquire) {
                READY => (StatusCode::OK, "ready\n".to_owned()),
                STARTING => (StatusCode::SERVICE_UNAVAILABLE, "starting\n".to_owned()),
                _ => (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned()),
            },
            _ => (StatusCode::NOT_FOUND, "not found\n".to_owned()),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}

/// Binds `address` and gives what serves it.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    address: &str,
    internal: Internal,
    life: Lifecycle,
) -> std::io::Result<(SocketAddr, impl Future<Output = ()> + Send + 'static)> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let upkeep = internal.metrics.clone();
    let serving = async move {
        let stopping = life.stopping();
        tokio::pin!(stopping);
        let mut tidy = tokio::time::interval(Duration::from_secs(5));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // The recorder keeps samples until somebody drains them.
                _ = tidy.tick() => { upkeep.run_upkeep(); continue }
                () = &mut stopping => return,
            };
            let Ok((stream, _)) = accepted else { continue };
            let internal = internal.clone();
            life.spawn("internal.connection", async move {
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let response = internal.answer(request.uri().path());
                    async move { Ok::<_, Infallible>(response) }
                });
                // A scraper that goes away in the middle is its own business.
                let _ = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    };
    Ok((bound, serving))
}
