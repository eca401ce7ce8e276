//! The replicas of a peer that say they serve, and the choice between them.

use parking_lot::RwLock;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use switchboard_domain::{Rng, ServiceName};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// One replica that is connected and serves.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) address: SocketAddr,
    pub(super) channel: tonic::transport::Channel,
    /// Calls without an answer yet.
    busy: AtomicUsize,
    /// Cancelled by whoever finds that the connection leads nowhere; its keeper makes a new one.
    pub(super) broken: CancellationToken,
}

impl Replica {
    pub(super) fn new(address: SocketAddr, channel: tonic::transport::Channel) -> Arc<Self> {
        Arc::new(Self { address, channel, busy: AtomicUsize::new(0), broken: CancellationToken::new() })
    }

    /// Counts a call as open until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }
}

/// An open call.
#[derive(Debug)]
pub(super) struct Busy(Arc<Replica>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The replicas that serve.
#[derive(Debug)]
pub(super) struct Replicas {
    pub(super) peer: ServiceName,
    rng: Arc<dyn Rng>,
    ready: RwLock<Vec<Arc<Replica>>>,
    /// Since when there has been none; `None` while there is one.
    empty_since: watch::Sender<Option<Instant>>,
    /// Grows when a call finds none: keepers try again at once.
    wanted: watch::Sender<u64>,
    /// Attempts to connect that failed.
    failed: watch::Sender<u64>,
    /// Addresses that are kept.
    keepers: AtomicU64,
}

impl Replicas {
    pub(super) fn new(peer: ServiceName, rng: Arc<dyn Rng>) -> Self {
        let empty_since = watch::Sender::new(Some(Instant::now()));
        Self {
            peer,
            rng,
            ready: RwLock::default(),
            empty_since,
            wanted: watch::Sender::new(0),
            failed: watch::Sender::new(0),
            keepers: AtomicU64::new(0),
        }
    }

    /// So many addresses are kept.
    pub(super) fn keep(&self, addresses: usize) {
        self.keepers.store(addresses.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Tells keepers when a call finds nobody.
    pub(super) fn wanted(&self) -> watch::Receiver<u64> {
        self.wanted.subscribe()
    }

    /// An attempt to connect has failed.
    pub(super) fn not_reached(&self) {
        self.failed.send_modify(|failed| *failed += 1);
    }

    /// A replica serves from here on.
    pub(super) fn add(&self, replica: Arc<Replica>) {
        {
            let mut ready = self.ready.write();
            ready.retain(|known| known.address != replica.address);
            ready.push(replica);
        }
        self.empty_since.send_replace(None);
        self.count();
    }

    /// A replica does not serve any more. One that took its place meanwhile stays.
    pub(super) fn remove(&self, replica: &Arc<Replica>) {
        let empty = {
            let mut ready = self.ready.write();
            ready.retain(|known| !Arc::ptr_eq(known, replica));
            ready.is_empty()
        };
        if empty {
            self.empty_since.send_if_modified(|since| {
                let newly = since.is_none();
                since.get_or_insert_with(Instant::now);
                newly
            });
        }
        self.count();
    }

    /// A connection was found to lead nowhere.
    pub(super) fn give_up(&self, replica: &Arc<Replica>) {
        replica.broken.cancel();
        self.remove(replica);
    }

    /// The less busy of two at random: no replica is stormed because all callers know that it is free. While there is
    /// none, waits until `patience` after the last one went away and until every address was tried once more, at most
    /// `bound`.
    pub(super) async fn pick(&self, patience: Duration, bound: Duration) -> Option<Arc<Replica>> {
        if let Some(replica) = self.choose() {
            return Some(replica);
        }
        tokio::time::timeout(bound, self.await_one(patience)).await.ok().flatten()
    }

    async fn await_one(&self, patience: Duration) -> Option<Arc<Replica>> {
        loop {
            let mut empty_since = self.empty_since.subscribe();
            let mut failed = self.failed.subscribe();
            let tried = *failed.borrow_and_update() + self.keepers.load(Ordering::Relaxed).max(1);
            if let Some(replica) = self.choose() {
                return Some(replica);
            }
            let Some(since) = *empty_since.borrow_and_update() else { continue };
            self.wanted.send_modify(|wanted| *wanted += 1);
            let in_vain = async {
                tokio::time::sleep_until(since + patience).await;
                // The sender lives in here, so the channel cannot close.
                let _ = failed.wait_for(|failed| *failed >= tried).await;
            };
            tokio::select! {
                _ = empty_since.wait_for(Option::is_none) => {}
                () = in_vain => return None,
            }
        }
    }

    fn choose(&self) -> Option<Arc<Replica>> {
        let ready = self.ready.read();
        let first = match ready.len() {
            0 => return None,
            1 => return ready.first().cloned(),
            several => self.chance(several),
        };
        // One of the others, each as likely as the next.
        let second = (first + 1 + self.chance(ready.len() - 1)) % ready.len();
        let (first, second) = (ready.get(first)?, ready.get(second)?);
        let busy = |replica: &Replica| replica.busy.load(Ordering::Relaxed);
        Some(Arc::clone(if busy(second) < busy(first) { second } else { first }))
    }

    fn chance(&self, below: usize) -> usize {
        if below <= 1 {
            return 0;
        }
        let mut bytes = [0; 8];
        self.rng.fill(&mut bytes);
        usize::from_le_bytes(bytes) % below
    }

    fn count(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a handful of replicas")]
        let ready = self.ready.read().len() as f64;
        metrics::gauge!("switchboard_mesh_replicas", "peer" => self.peer.as_str()).set(ready);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU8;

    /// 0, 1, 2 …: each byte of a draw is the same.
    #[derive(Debug, Default)]
    struct Counting(AtomicU8);

    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
            if let Some(first) = bytes.first_mut() {
                *first = self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    const BOUND: Duration = Duration::from_secs(5);

    fn replicas() -> Replicas {
        Replicas::new(ServiceName::Session, Arc::new(Counting::default()))
    }

    fn replica(port: u16) -> Arc<Replica> {
        let channel = tonic::transport::Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        Replica::new(SocketAddr::from(([127, 0, 0, 1], port)), channel)
    }

    #[tokio::test]
    async fn the_less_busy_of_two_is_called_and_all_have_their_turn() {
        let (all, wait) = (replicas(), Duration::ZERO);
        let (one, two) = (replica(1), replica(2));
        all.add(Arc::clone(&one));
        all.add(Arc::clone(&two));
        let mut ports = std::collections::BTreeSet::new();
        for _ in 0..8 {
            ports.insert(all.pick(wait, BOUND).await.unwrap().address.port());
        }
        assert_eq!(ports.len(), 2, "nobody is forgotten");
        let _busy = one.enter();
        for _ in 0..8 {
            assert_eq!(all.pick(wait, BOUND).await.unwrap().address.port(), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_wait_for_a_while_after_the_last_one_went_away() {
        let all = Arc::new(replicas());
        let one = replica(1);
        all.add(Arc::clone(&one));
        all.give_up(&one);
        assert!(one.broken.is_cancelled());
        let patience = Duration::from_millis(500);
        let mut wanted = all.wanted();
        let keeper = async {
            loop {
                // Tries at once when a call finds nobody, in vain.
                wanted.changed().await.unwrap();
                all.not_reached();
            }
        };
        let began = Instant::now();
        let calls = async {
            assert!(all.pick(patience, BOUND).await.is_none());
            assert_eq!(began.elapsed(), patience);
            assert!(all.pick(patience, BOUND).await.is_none());
            assert_eq!(began.elapsed(), patience, "later calls fail with the next attempt");
        };
        tokio::select! {
            () = calls => {}
            () = keeper => {}
        }
        assert!(all.pick(patience, BOUND).await.is_none());
        assert_eq!(began.elapsed(), patience + BOUND, "nobody tried");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_call_takes_the_first_that_comes() {
        let all = Arc::new(replicas());
        let waiting = {
            let all = Arc::clone(&all);
            async move { all.pick(Duration::from_secs(1), BOUND).await.map(|replica| replica.address.port()) }
        };
        let coming = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            all.add(replica(7));
        };
        assert_eq!(tokio::join!(waiting, coming).0, Some(7));
    }

    #[tokio::test]
    async fn a_new_connection_to_the_same_address_takes_the_old_ones_place() {
        let all = replicas();
        let (old, new) = (replica(1), replica(1));
        all.add(Arc::clone(&old));
        all.add(Arc::clone(&new));
        all.remove(&old);
        assert!(Arc::ptr_eq(&all.pick(Duration::ZERO, BOUND).await.unwrap(), &new));
    }
}
