//! The promises of the product, told through public HTTP, each in both shapes: everything in one process on SQLite, and
//! six processes on Postgres.
//!
//! To add a story: write `async fn its_name(shape: Shape)` into the file of its subject, name it in the `in_both_shapes!`
//! above, take a World from `shared.rs` (or start one, when the story breaks or stops things), give each customer a
//! `fresh` session name, and begin with `let _evidence = world.evidence();`, so that a failure shows the logs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

/// Makes a test of each story in each shape.
macro_rules! in_both_shapes {
    ($($story:ident),+ $(,)?) => {
        mod one_process {
            $(#[test]
            fn $story() {
                switchboard_tests::runtime::run(super::$story(switchboard_tests::world::Shape::OneProcess));
            })+
        }
        mod mesh {
            $(#[test]
            fn $story() {
                switchboard_tests::runtime::run(super::$story(switchboard_tests::world::Shape::Mesh));
            })+
        }
    };
}

mod answers;
mod bad_input;
mod configuration;
mod coze;
mod deliveries;
mod desk;
mod edge;
mod faults;
mod floor;
mod handover;
mod idempotency;
mod identity;
mod lifetimes;
mod matrix;
mod resume;
mod rules;
mod shared;
mod tickets;
mod traces;
mod turns;
