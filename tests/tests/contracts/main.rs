//! What callers of each service may rely on, asked through its gRPC contract, the same on SQLite and on Postgres.
//!
//! Each test has a database of its own, on Postgres too: see [`switchboard_tests::postgres`].
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod agent_feed;
mod assigning;
mod commands;
mod concurrency;
mod coord;
mod desk;
mod feed;
mod finding;
mod finishing;
mod floor;
mod hands;
mod hours;
mod keys;
mod neighbours;
mod notes;
mod numbers;
mod outbox;
mod past;
mod poisoned;
mod presence;
mod races;
mod reading;
mod refresh;
mod rules;
mod say;
mod signals;
mod subscribing;
mod sweeping;
mod tools;
mod transfers;
mod turns;
mod words;
mod world;

/// Makes of each `async fn name(world: &World)` one test on SQLite and one on Postgres.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::world::World::run($crate::world::Place::sqlite(), async |world| super::$name(world).await)
                    .await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let place = $crate::world::Place::postgres().await;
                $crate::world::World::run(place, async |world| super::$name(world).await).await;
            })+
        }
    };
}
pub(crate) use on_both_engines;
