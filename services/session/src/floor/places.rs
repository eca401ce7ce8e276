//! Tells waiting customers who listen here where they stand: after each change of the floor, not too often, and only
//! those at the head of the queue.

use crate::{error::SessionError, hub::Signal, store::Store};
use std::collections::{HashMap, HashSet};
use switchboard_boot::Lifecycle;
use switchboard_domain::SessionName;
use switchboard_proto::session::v1::QueuePosition;

/// Tells until the soft stop.
pub(crate) async fn tell(store: Store, tasks: Lifecycle) {
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    let mut floor = store.hub.floor();
    let mut told = HashSet::new();
    loop {
        floor.mark_unchanged();
        if store.hub.is_listened_to() {
            match look(&store).await {
                Ok(places) => told = say(&store, places, &told),
                Err(error) => {
                    tracing::warn!(error = switchboard_mesh::reply::chain(&error), "places cannot be told");
                }
            }
        }
        let (soonest, latest) = (store.settings.queue.told_every, store.settings.poll_interval);
        // Another replica's commits, and customers who begin to listen, wake nobody here.
        tokio::select! {
            () = async { tokio::time::sleep(soonest).await; let _ = floor.changed().await; } => {}
            () = tokio::time::sleep(latest.max(soonest)) => {}
            () = &mut stopping => return,
        }
    }
}

/// The head of each queue.
async fn look(store: &Store) -> Result<Vec<(SessionName, QueuePosition)>, SessionError> {
    let waiters = store.waiters("", store.settings.queue.told_places).await?;
    if waiters.is_empty() {
        return Ok(Vec::new());
    }
    let pace = store.pace().await?;
    let mut queues: HashMap<String, (u32, u32)> = HashMap::new();
    let mut places = Vec::with_capacity(waiters.len());
    for waiter in waiters {
        let known = queues.get(&waiter.queue).copied();
        let (last, total) = match known {
            Some(known) => known,
            None => (0, waiting_in(store, &waiter.queue).await?),
        };
        let position = last + 1;
        // Both were read one after the other: nobody is the second of one.
        let total = total.max(position);
        let estimated_wait_ms = pace.wait_ms(&waiter, position);
        queues.insert(waiter.queue, (position, total));
        places.push((waiter.waiting.name, QueuePosition { position, estimated_wait_ms, total }));
    }
    Ok(places)
}

async fn waiting_in(store: &Store, queue: &str) -> Result<u32, SessionError> {
    Ok(u32::try_from(store.queue_sums(queue).await?.total).unwrap_or(u32::MAX))
}

/// Signals the places, and to those who had one before that they have none any more; gives those who have.
fn say(
    store: &Store,
    places: Vec<(SessionName, QueuePosition)>,
    before: &HashSet<SessionName>,
) -> HashSet<SessionName> {
    let now: HashSet<SessionName> = places.iter().map(|(name, _)| name.clone()).collect();
    for name in before.difference(&now) {
        store.hub.signal(name, Signal::QueuePosition(QueuePosition::default()));
    }
    for (name, position) in places {
        store.hub.signal(&name, Signal::QueuePosition(position));
    }
    now
}
