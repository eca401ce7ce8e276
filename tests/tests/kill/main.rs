//! `kill -9` at random moments, while customers write and answers are written: every acknowledged message is there exactly
//! once, the logs have no gaps, every turn comes to an end; every request out of hours goes out by mail. `CHAOS_KILLS` says
//! how often (10 unless said), `CHAOS_SEED` repeats a run's moments and victims.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod checker;
mod customer;
mod mail;
mod moments;

use checker::Verdict;
use customer::Customers;
use futures::future::join_all;
use moments::Moments;
use std::time::Duration;
use switchboard_domain::ServiceName;
use switchboard_tests::{
    fakes::{FakeOpenAi, Fault, openai},
    runtime,
    settings::Settings,
    world::{Shape, World},
};
use tokio::time::Instant;

/// What the provider answers to everything, a few characters at a time.
const ANSWER: &str =
    "您好！City 充满一次电大约可以跑 50 至 70 公里，爬坡和逆风时会短一些；平路上使用节能档会更远。";
/// Pause before each piece: an answer takes about half a second.
const PAUSE: Duration = Duration::from_millis(30);
/// The longest life between two kills.
const LIFE: Duration = Duration::from_millis(1500);
/// Customers who write at the same time.
const CUSTOMERS: usize = 6;

#[test]
fn the_one_process() {
    runtime::run(chaos(Shape::OneProcess, async |world: &World, _: &mut Moments| {
        world.kill9();
    }));
}

#[test]
fn any_part_of_the_mesh() {
    runtime::run(chaos(Shape::Mesh, async |world: &World, moments: &mut Moments| {
        world.kill_part(*moments.pick(&ServiceName::ALL));
    }));
}

async fn chaos(shape: Shape, kill: impl AsyncFn(&World, &mut Moments)) {
    let (mut moments, kills) = (Moments::new(), moments::kills());
    let provider = FakeOpenAi::start(openai::Options::default()).await;
    provider.chat.set(Fault::SlowDeltas(PAUSE));
    provider.set_answer(Some(ANSWER));
    let settings = Settings::new("kill")
        .with_openai(&provider)
        .set("session.turn_lease", "1s")
        .set("chat_gateway.sweep_interval", "200ms");
    let world = World::start(shape, &settings).await;
    let _evidence = world.evidence();
    let customers = Customers::new(&world, moments.seed());

    let writing = join_all((0..CUSTOMERS).map(|number| customers.write(number)));
    let killing = async {
        let mut outages = Vec::new();
        for _ in 0..kills {
            // The moment is the point: anywhere in the life of the turns that run.
            tokio::time::sleep(moments.up_to(LIFE)).await;
            let killed = Instant::now();
            kill(&world, &mut moments).await;
            world.restart().await;
            outages.push(killed.elapsed());
        }
        customers.stop();
        outages
    };
    let (sessions, outages) = tokio::join!(writing, killing);
    let mut verdict = Verdict::default();
    for session in sessions.into_iter().flatten() {
        verdict.look_at(&session).await;
    }
    verdict.tell(shape, moments.seed(), &outages);
    verdict.check(kills);
}
