//! The rules that decide, kept in memory and looked up again every so often.

use crate::{RegulatorError, document::Version, store::Store};
use parking_lot::RwLock;
use std::{sync::Arc, time::Duration};
use switchboard_boot::Lifecycle;
use switchboard_mesh::reply::chain;
use tokio::sync::Mutex;

/// The version in force and the one that decides beside it.
#[derive(Debug, Clone)]
pub(crate) struct Rulers {
    pub(crate) published: Arc<Version>,
    pub(crate) shadow: Option<Arc<Version>>,
}

/// Knows the rules that decide. Clones share what they know.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    rulers: Arc<RwLock<Rulers>>,
    /// Held while they are read, so that what was read earlier is not written later. Knows the shadow that cannot be
    /// used: documents never change, so it is told and tried once.
    reading: Arc<Mutex<Option<i64>>>,
    store: Store,
}

impl InForce {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// [`RegulatorError`] when the store fails or the document in force is not understood.
    pub(crate) async fn read(store: Store) -> Result<Self, RegulatorError> {
        let head = store.head().await?;
        let published = load(&store, head.published).await?;
        tracing::info!(rules.version = %published.rules.version, "escalation rules in force");
        let rulers = Arc::new(RwLock::new(Rulers { published, shadow: None }));
        let this = Self { rulers, reading: Arc::default(), store };
        this.refresh().await?;
        Ok(this)
    }

    /// As they were last read.
    pub(crate) fn now(&self) -> Rulers {
        self.rulers.read().clone()
    }

    /// Reads them again. A shadow that cannot be used decides nothing and keeps nothing else from coming into force.
    ///
    /// # Errors
    /// As [`Self::read`]; what was known stays, but for what could be read.
    pub(crate) async fn refresh(&self) -> Result<(), RegulatorError> {
        let mut unusable = self.reading.lock().await;
        let head = self.store.head().await?;
        let known = self.now();
        let published = if known.published.ordinal == head.published {
            known.published
        } else {
            let published = load(&self.store, head.published).await?;
            tracing::info!(rules.version = %published.rules.version, "escalation rules in force");
            published
        };
        let shadow = known.shadow.filter(|shadow| Some(shadow.ordinal) == head.shadow);
        let wanted = head.shadow.filter(|_| shadow.is_none());
        *self.rulers.write() = Rulers { published, shadow };
        let Some(ordinal) = wanted.filter(|ordinal| *unusable != Some(*ordinal)) else { return Ok(()) };
        match load(&self.store, ordinal).await {
            Ok(shadow) => self.rulers.write().shadow = Some(shadow),
            Err(error @ RegulatorError::Db(_)) => return Err(error),
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    ordinal,
                    "the shadow cannot be used and decides nothing"
                );
                *unusable = Some(ordinal);
            }
        }
        Ok(())
    }

    /// Keeps them no older than `max_age` until the soft stop.
    pub(crate) async fn watch(self, max_age: Duration, tasks: Lifecycle) {
        let stopping = tasks.stopping();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                () = tokio::time::sleep(max_age) => {}
                () = &mut stopping => return,
            }
            if let Err(error) = self.refresh().await {
                tracing::warn!(error = chain(&error), "rules not looked up, those that are known go on");
            }
        }
    }
}

async fn load(store: &Store, ordinal: i64) -> Result<Arc<Version>, RegulatorError> {
    let row = store.document(ordinal).await?;
    Ok(Arc::new(Version::compile(row.ordinal, &row.digest, &row.canonical)?))
}
