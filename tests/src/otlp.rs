//! A collector for traces: takes what programs export over OTLP/gRPC and keeps it.

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
};
use parking_lot::Mutex;
use std::{fmt::Write as _, net::SocketAddr, sync::Arc};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

/// A span, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// `service.name` of the program.
    pub program: String,
    /// The part of the mesh that made it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Its trace, as hexadecimal digits.
    pub trace: String,
    /// Its own id, as hexadecimal digits.
    pub id: String,
    /// The span that caused it; empty for none.
    pub parent: String,
}

/// A collector; lives as long as the runtime it was started in.
#[derive(Debug, Clone)]
pub struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
}

struct Sink(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let spans = Arc::default();
        let service = TraceServiceServer::new(Sink(Arc::clone(&spans)));
        let serving = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(serving);
        Self { address, spans }
    }

    /// What programs are configured with.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans of one trace that have arrived so far.
    pub fn trace(&self, id: &str) -> Vec<Span> {
        self.spans.lock().iter().filter(|span| span.trace == id).cloned().collect()
    }
}

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock();
        for resource in request.into_inner().resource_spans {
            let about = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let program = text(&about, "service.name").unwrap_or_default();
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            kept.extend(spans.map(|span| Span {
                service: text(&span.attributes, "switchboard.service").unwrap_or_else(|| program.clone()),
                program: program.clone(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
            }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?;
    if let Value::StringValue(text) = value.value? { Some(text) } else { None }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
