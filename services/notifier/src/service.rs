//! The calls it answers.

use crate::{NotifierError, store::Store};
use switchboard_domain::limits::PAGE_MAX;
use switchboard_mesh::reply;
use switchboard_proto::notifier::v1::{
    ListReceivedRequest, ListReceivedResponse, notifier_service_server::NotifierService,
};
use tonic::{Request, Response, Status};

/// Shows the inbox.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    store: Store,
}

impl Notifier {
    /// Over an open inbox.
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    async fn received(&self, request: ListReceivedRequest) -> Result<ListReceivedResponse, NotifierError> {
        let limit = request.limit;
        if limit == 0 || usize::try_from(limit).map_or(true, |limit| limit > PAGE_MAX) {
            return Err(NotifierError::Limit { limit });
        }
        // Counted first: what comes in between makes the list longer than the count, never shorter.
        let total = self.store.count().await?;
        let events = self.store.newest(limit).await?;
        Ok(ListReceivedResponse { events: events.into_iter().map(Into::into).collect(), total })
    }
}

#[tonic::async_trait]
impl NotifierService for Notifier {
    async fn list_received(
        &self,
        request: Request<ListReceivedRequest>,
    ) -> Result<Response<ListReceivedResponse>, Status> {
        reply(self.received(request.into_inner())).await
    }
}
