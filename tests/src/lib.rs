//! What the tests of the whole product share: faithful fakes of the outside world.
#![expect(clippy::expect_used, reason = "a fake that cannot start is a failed test")]

pub mod fakes;
