//! Who runs, and how it all stops: a soft stop asks everybody to finish, a hard stop drops what has not.

use parking_lot::Mutex;
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

type Closer = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Spawns and stops tasks. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    failed: CancellationToken,
    closers: Arc<Mutex<Vec<Closer>>>,
}

impl std::fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lifecycle").field("tasks", &self.tracker.len()).finish_non_exhaustive()
    }
}

impl Lifecycle {
    /// A life cycle with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns work that ends by itself and is given time to, such as a turn. A hard stop drops it.
    pub fn spawn<F>(&self, name: &'static str, work: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hard = self.hard.clone();
        self.track(async move {
            tokio::select! {
                biased;
                () = work => {}
                () = hard.cancelled() => tracing::warn!(task = name, "dropped by the hard stop"),
            }
        })
    }

    /// Spawns work that runs until the soft stop. If it ends before, the process ends, as a failure.
    pub fn spawn_essential<F>(&self, name: &'static str, work: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let this = self.clone();
        self.spawn(name, async move {
            // A panic must not look like an orderly end.
            let ended = AssertEnd { life: this.clone(), name };
            work.await;
            drop(ended);
        })
    }

    /// Spawns work that the others need to the very end, such as the upkeep of connections. It is not waited for: it
    /// is dropped after all tasks have ended.
    pub fn spawn_support<F>(&self, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        #[expect(clippy::disallowed_methods, reason = "ends in `on_stop`, after all that are tracked")]
        let handle = tokio::spawn(work.in_current_span());
        self.on_stop(move || async move { handle.abort() });
    }

    /// Has `close` run after all tasks have ended, last in first out.
    pub fn on_stop<F, Fut>(&self, close: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.closers.lock().push(Box::new(move || Box::pin(close())));
    }

    /// Completes when the soft stop begins.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        self.soft.clone().cancelled_owned()
    }

    /// Whether the soft stop has begun.
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Completes when a task that must not end has ended.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Stops in order: everybody is asked, `drain` is given, the rest is dropped, stores are closed. Returns whether
    /// all ended by themselves and nothing had failed.
    pub async fn stop(&self, drain: Duration) -> bool {
        self.soft.cancel();
        self.tracker.close();
        let drained = tokio::time::timeout(drain, self.tracker.wait()).await.is_ok();
        if !drained {
            tracing::warn!(tasks = self.tracker.len(), "draining took too long");
            self.hard.cancel();
            self.tracker.wait().await;
        }
        let closers = std::mem::take(&mut *self.closers.lock());
        for close in closers.into_iter().rev() {
            close().await;
        }
        drained && !self.failed.is_cancelled()
    }

    fn track<F>(&self, work: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that spawns: tracked and stopped in order"
        )]
        let handle = tokio::spawn(self.tracker.track_future(work.in_current_span()));
        handle
    }
}

struct AssertEnd {
    life: Lifecycle,
    name: &'static str,
}

impl Drop for AssertEnd {
    fn drop(&mut self) {
        if !self.life.soft.is_cancelled() && !self.life.hard.is_cancelled() {
            tracing::error!(task = self.name, "a task that must not end has ended");
            self.life.failed.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn work_may_finish_and_closers_run_last_in_first_out() {
        let life = Lifecycle::new();
        let done = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&done);
        life.spawn("turn", async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let order = Arc::new(Mutex::new(Vec::new()));
        for n in 1..=2 {
            let (order, done) = (Arc::clone(&order), Arc::clone(&done));
            life.on_stop(move || async move { order.lock().push((n, done.load(Ordering::SeqCst))) });
        }
        assert!(life.stop(Duration::from_secs(5)).await);
        assert_eq!(*order.lock(), [(2, 1), (1, 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_hard_stop_drops_what_hangs() {
        let life = Lifecycle::new();
        life.spawn("hang", std::future::pending());
        assert!(!life.stop(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn an_essential_task_that_ends_fails_the_process() {
        let life = Lifecycle::new();
        life.spawn_essential("relay", async {});
        life.failed().await;
        assert!(!life.stop(Duration::from_secs(1)).await);
    }
}
