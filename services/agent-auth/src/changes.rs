//! Wakes the tasks of this replica that follow changes. A hint: a lost one costs a pause and nothing else.

use std::sync::Arc;
use tokio::sync::Notify;

/// Clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    presence: Arc<Notify>,
    roster: Arc<Notify>,
}

impl Changes {
    /// A status or an account has changed.
    pub(crate) fn tell(&self) {
        self.presence.notify_one();
        self.tell_roster();
    }

    /// Only something that the roster says has changed.
    pub(crate) fn tell_roster(&self) {
        self.roster.notify_one();
    }

    /// Completes once a status has changed since the last time.
    pub(crate) async fn of_presence(&self) {
        self.presence.notified().await;
    }

    /// Completes once something that the roster says has changed since the last time.
    pub(crate) async fn of_roster(&self) {
        self.roster.notified().await;
    }
}
