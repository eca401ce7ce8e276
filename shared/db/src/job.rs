//! The work of one transaction on its way: run once, answered once, whoever still listens.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::{sync::oneshot, time::Instant};
use tracing::{Instrument, Span};

use crate::{DbError, Outage, Tx, meter::Meter};

/// Work of unknown result type, so that jobs of different callers share a queue and a commit.
pub(crate) trait Job: Send {
    /// Does the work and keeps its result; `true` if it is to be committed. Never panics.
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool>;

    /// Replaces the result of the work.
    fn fail(&mut self, error: DbError);

    /// Tells the caller: the result if the transaction ended as the work wanted, else why it did not.
    fn answer(self: Box<Self>, end: Result<(), DbError>);
}

/// Runs a job for at most `limit`; `true` if it is to be committed.
pub(crate) async fn run_within(limit: Duration, job: &mut dyn Job, tx: &mut Tx) -> bool {
    if let Ok(keep) = tokio::time::timeout(limit, job.run(tx)).await {
        return keep;
    }
    job.fail(DbError::unavailable(Outage::TransactionTimeout));
    false
}

/// The one implementation of [`Job`].
struct Pending<T, E, F> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
    asked: Instant,
    meter: Meter,
    span: Span,
}

/// Packs `work`; the receiver hears its result after COMMIT or ROLLBACK.
pub(crate) fn pack<T, E, F>(work: F, meter: Meter) -> (Box<dyn Job>, oneshot::Receiver<Result<T, E>>)
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<DbError> + Send + 'static,
{
    let (reply, listener) = oneshot::channel();
    let span = tracing::debug_span!("db.transaction", db.name = meter.name());
    (
        Box::new(Pending { work: Some(work), result: None, reply, asked: Instant::now(), meter, span }),
        listener,
    )
}

impl<T, E, F> Job for Pending<T, E, F>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
    T: Send,
    E: From<DbError> + Send,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool> {
        let span = self.span.clone();
        let run = async move {
            let Some(work) = self.work.take() else { return false };
            let result = match AssertUnwindSafe(async { work(tx).await }).catch_unwind().await {
                Ok(Ok(_)) if tx.is_doomed() => Err(E::from(self.meter.failed(DbError::Aborted))),
                Ok(result) => result,
                Err(_) => Err(E::from(self.meter.failed(DbError::Panicked))),
            };
            self.result.insert(result).is_ok()
        };
        Box::pin(run.instrument(span))
    }

    fn fail(&mut self, error: DbError) {
        self.result = Some(Err(E::from(self.meter.failed(error))));
    }

    fn answer(self: Box<Self>, end: Result<(), DbError>) {
        self.meter.transaction(self.asked.elapsed());
        let result = match (end, self.result) {
            (Err(error), _) => Err(E::from(error)),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(E::from(DbError::Aborted)),
        };
        // Nobody listens when the caller was dropped; the work is done all the same.
        drop(self.reply.send(result));
    }
}
