//! The real time, for fakes that real programs talk to.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use switchboard_domain::{Clock, Timestamp};

/// The clock of this machine.
#[derive(Debug)]
pub struct RealClock;

impl RealClock {
    /// As fakes take it.
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self)
    }
}

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        Timestamp::from_millis(i64::try_from(since.as_millis()).expect("a time before the year 292278994"))
    }
}
