//! Deletes what is past its time and reads the gauges.

use crate::{config::Delivery, store::Store};
use switchboard_boot::Lifecycle;
use switchboard_mesh::reply::chain;

/// Runs until the soft stop.
pub(crate) async fn run(store: Store, settings: Delivery, life: Lifecycle) {
    while !life.is_stopping() {
        match store.figures().await {
            Ok(figures) => {
                #[expect(clippy::cast_precision_loss, reason = "a gauge of rows")]
                let (open, dead) = (figures.open as f64, figures.dead as f64);
                let age = figures.oldest.map(|oldest| store.now().since(oldest).as_secs_f64());
                metrics::gauge!("switchboard_notifier_open").set(open);
                metrics::gauge!("switchboard_notifier_dead").set(dead);
                metrics::gauge!("switchboard_notifier_oldest_seconds").set(age.unwrap_or_default());
            }
            Err(error) => tracing::debug!(error = chain(&error), "the figures cannot be read"),
        }
        let more = match store.clean_up(&settings).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(error = chain(&error), "old rows cannot be deleted, trying again later");
                false
            }
        };
        if more {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(settings.cleanup_interval) => {}
            () = life.stopping() => {}
        }
    }
}
