//! What a store may rely on, the same on both engines. SQLite runs always; Postgres when `SWITCHBOARD_TEST_POSTGRES`
//! holds the URL of a database in which schemas may be created.

#![cfg(test)]

mod durability;
mod opening;
mod outages;
mod statements;
mod transactions;
mod world;

/// Makes of each `async fn name(world: &World)` one test on SQLite and one on Postgres.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::world::World::sqlite().run(async |world| super::$name(world).await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(world) = $crate::world::World::postgres() {
                    world.run(async |world| super::$name(world).await).await;
                }
            })+
        }
    };
}
pub(crate) use on_both_engines;
