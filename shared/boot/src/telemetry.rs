//! Logs, traces, metrics: set up once for the process.

use crate::node::{Log, LogFormat, Telemetry};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use std::io::IsTerminal as _;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Upper bounds, in seconds, of the latency histograms: from a call inside one process to the longest answer.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.filter` is no filter.
    #[error("log.filter cannot be read")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The OTLP exporter cannot be made.
    #[error("telemetry.otlp_endpoint cannot be used")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Something was set up before.
    #[error("logging is already set up")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
    /// The metrics recorder cannot be installed.
    #[error("metrics cannot be set up")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// What was set up; ends in order with [`Guard::close`].
#[derive(Debug)]
pub struct Guard {
    traces: Option<SdkTracerProvider>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
}

/// Sets up logs (to standard error), traces and metrics for a process called `service`.
///
/// # Errors
/// [`TelemetryError`] when a setting cannot be used. A collector that is away is no error: spans are dropped.
pub fn init(service: &'static str, log: &Log, telemetry: &Telemetry) -> Result<Guard, TelemetryError> {
    let filter = EnvFilter::try_new(&log.filter)?;
    let traces =
        telemetry.otlp_endpoint.as_deref().map(|endpoint| exporter(service, endpoint)).transpose()?;
    let otel =
        traces.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(service)));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Json => {
            lines.json().with_current_span(false).with_span_list(true).flatten_event(true).boxed()
        }
        LogFormat::Pretty => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(otel).with(lines).try_init()?;
    let metrics = PrometheusBuilder::new().set_buckets(&SECONDS)?.install_recorder()?;
    Ok(Guard { traces, metrics })
}

fn exporter(service: &'static str, endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter =
        opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let resource = Resource::builder().with_service_name(service).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

impl Guard {
    /// Sends what is left of the traces. Waits for the collector, so it runs aside.
    pub async fn close(self) {
        let Some(traces) = self.traces else { return };
        let closing = tokio::task::spawn_blocking(move || traces.shutdown());
        if let Ok(Err(error)) = closing.await {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}
