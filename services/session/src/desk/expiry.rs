//! The clock of offers: what nobody answers in time ends. Any number of replicas may look after it; each offer ends once,
//! under its session's lock.

use crate::store::Store;
use std::time::Duration;
use switchboard_boot::Lifecycle;
use switchboard_mesh::reply::chain;

/// Shortest pause between two looks, so that an offer that cannot be ended does not keep a processor busy.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// Ends offers in time until the soft stop.
pub(crate) async fn keep(store: Store, tasks: Lifecycle) {
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    loop {
        let poll = store.settings.poll_interval;
        let nap = match store.expire_offers().await {
            Ok(next) => next.map_or(poll, |at| at.since(store.clock.now()).min(poll)),
            Err(error) => {
                tracing::warn!(error = chain(&error), "offers cannot be ended");
                poll
            }
        };
        tokio::select! {
            () = tokio::time::sleep(nap.max(PAUSE_MIN)) => {}
            // A new offer may be due before the next one that was known.
            () = store.hub.offers() => {}
            () = &mut stopping => return,
        }
    }
}
