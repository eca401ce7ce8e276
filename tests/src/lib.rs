//! What the tests of the whole product share: faithful fakes of the outside world, real programs in both shapes, and
//! clients that behave as customers' do.
#![expect(clippy::expect_used, reason = "what cannot be started is a failed test")]

pub mod balancer;
pub mod client;
pub mod clock;
pub mod fakes;
pub mod guardian;
pub mod otlp;
pub mod patience;
pub mod ports;
pub mod postgres;
pub mod program;
pub mod redis;
pub mod runtime;
pub mod settings;
pub mod shop;
pub mod sse;
pub mod world;
