//! Worlds that many stories live in: each has sessions of its own, so they do not meet.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use switchboard_tests::{
    clock::RealClock,
    fakes::{FakeCoze, FakeOpenAi, Fault, coze, openai},
    otlp::Collector,
    settings::Settings,
    world::{Shape, World},
};
use tokio::sync::OnceCell;

/// The sample shop, answered by the built-in knowledge base.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) world: World,
    /// Where its traces go.
    pub(crate) traces: Collector,
}

/// A shop whose provider takes its time: so long before each few characters.
#[derive(Debug)]
pub(crate) struct Slow {
    pub(crate) world: World,
    pub(crate) provider: FakeOpenAi,
}

/// Pause before each piece of a slow answer.
pub(crate) const SLOW: Duration = Duration::from_millis(60);

fn cell<T>(cells: &'static [OnceCell<T>; 2], shape: Shape) -> &'static OnceCell<T> {
    match shape {
        Shape::OneProcess => &cells[0],
        Shape::Mesh => &cells[1],
    }
}

/// The shop of this shape.
pub(crate) async fn shop(shape: Shape) -> &'static Shop {
    static SHOPS: [OnceCell<Shop>; 2] = [const { OnceCell::const_new() }; 2];
    let start = async || {
        let traces = Collector::start().await;
        let settings = Settings::new("shop").with_traces(&traces.endpoint());
        Shop { world: World::start(shape, &settings).await, traces }
    };
    cell(&SHOPS, shape).get_or_init(start).await
}

/// The slow shop of this shape.
pub(crate) async fn slow(shape: Shape) -> &'static Slow {
    static SHOPS: [OnceCell<Slow>; 2] = [const { OnceCell::const_new() }; 2];
    let start = async || {
        let provider = FakeOpenAi::start(openai::Options::default()).await;
        provider.chat.set(Fault::SlowDeltas(SLOW));
        let settings = Settings::new("slow").with_openai(&provider);
        Slow { world: World::start(shape, &settings).await, provider }
    };
    cell(&SHOPS, shape).get_or_init(start).await
}

/// A session name that no other story uses.
pub(crate) fn fresh(about: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{about}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A shop whose provider is Coze.
#[derive(Debug)]
pub(crate) struct WithCoze {
    pub(crate) world: World,
    pub(crate) provider: FakeCoze,
}

/// The shop with Coze of this shape.
pub(crate) async fn with_coze(shape: Shape) -> &'static WithCoze {
    static SHOPS: [OnceCell<WithCoze>; 2] = [const { OnceCell::const_new() }; 2];
    let start = async || {
        let provider = FakeCoze::start(coze::Options::new(RealClock::shared())).await;
        let settings = Settings::new("coze").with_coze(&provider);
        WithCoze { world: World::start(shape, &settings).await, provider }
    };
    cell(&SHOPS, shape).get_or_init(start).await
}
