//! W3C trace context: the ids by which one request is followed through every hop into the log and the trace store.

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use std::fmt;
use switchboard_domain::Rng;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Which trace a call belongs to and which span it continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    sampled: bool,
}

impl TraceContext {
    /// Begins a new trace.
    pub fn mint(rng: &dyn Rng) -> Self {
        let mut chance = [0_u8; 24];
        rng.fill(&mut chance);
        let (mut trace, mut span) = ([0_u8; 16], [0_u8; 8]);
        trace.copy_from_slice(&chance[..16]);
        span.copy_from_slice(&chance[16..]);
        // All zeros is invalid by the standard.
        Self {
            trace: u128::from_be_bytes(trace).max(1),
            span: u64::from_be_bytes(span).max(1),
            sampled: true,
        }
    }

    /// Reads a `traceparent` header, version 00.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let lengths = (version.len(), trace.len(), span.len(), flags.len()) == (2, 32, 16, 2);
        if !lengths || version == "ff" || ![version, trace, span, flags].into_iter().all(is_hex) {
            return None;
        }
        if version == "00" && parts.next().is_some() {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// What a call made now has to carry: the current span of the tracer if there is one, else this context.
    pub fn current_or(fallback: Option<Self>) -> Option<Self> {
        let context = tracing::Span::current().context();
        let span = context.span();
        let current = span.span_context();
        if !current.is_valid() {
            return fallback;
        }
        Some(Self {
            trace: u128::from_be_bytes(current.trace_id().to_bytes()),
            span: u64::from_be_bytes(current.span_id().to_bytes()),
            sampled: current.is_sampled(),
        })
    }

    /// Makes `span` a child of this context in the trace store.
    pub fn adopt(self, span: &tracing::Span) {
        let flags = if self.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let remote = SpanContext::new(
            TraceId::from_bytes(self.trace.to_be_bytes()),
            SpanId::from_bytes(self.span.to_be_bytes()),
            flags,
            true,
            TraceState::default(),
        );
        // Fails only where no tracer is installed, and then there is nothing to continue.
        let _ = span.set_parent(Context::new().with_remote_span_context(remote));
    }

    /// The trace id in the form in which it stands in logs.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }
}

/// A `traceparent` header.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_round_trips_and_refuses_nonsense() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(TraceContext::parse(header).unwrap().to_string(), header);
        assert!(
            TraceContext::parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-later").is_some()
        );
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
