//! The calls it answers.

mod deliveries;
mod endpoints;

use crate::{NotifierError, config::Settings, store::Store, webhook::address::Guard};
use serde_json::json;
use std::{fmt::Display, sync::Arc};
use switchboard_boot::audit;
use switchboard_db::audit::NewRecord;
use switchboard_domain::{Clock, Rng, limits::PAGE_MAX};
use switchboard_mesh::reply;
use switchboard_proto::notifier::v1::{
    CancelRequest, CancelResponse, CreateEndpointRequest, CreateEndpointResponse, DeleteEndpointRequest,
    DeleteEndpointResponse, GetDeliveryRequest, GetDeliveryResponse, ListDeliveriesRequest,
    ListDeliveriesResponse, ListEndpointsRequest, ListEndpointsResponse, ListReceivedRequest,
    ListReceivedResponse, RedriveRequest, RedriveResponse, RotateEndpointSecretRequest,
    RotateEndpointSecretResponse, SendTestMailRequest, SendTestMailResponse, TestEndpointRequest,
    TestEndpointResponse, UpdateEndpointRequest, UpdateEndpointResponse,
    notifier_service_server::NotifierService,
};
use tokio::sync::Notify;
use tonic::{Request, Response, Status};

/// Shows the inbox and the deliveries, and manages the endpoints.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) guard: Guard,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    /// Tells the worker that there is something to do.
    pub(crate) wake: Arc<Notify>,
}

impl Notifier {
    async fn received(&self, request: ListReceivedRequest) -> Result<ListReceivedResponse, NotifierError> {
        let limit = page(request.limit)?;
        // Counted first: what comes in between makes the list longer than the count, never shorter.
        let total = self.store.count().await?;
        let events = self.store.newest(limit).await?;
        Ok(ListReceivedResponse { events: events.into_iter().map(Into::into).collect(), total })
    }

    /// A record of what the running call does.
    fn act(&self, action: &str, object: impl Display) -> NewRecord {
        audit::record(&*self.clock, action, &object.to_string(), None, None, &json!({}))
    }
}

/// Checks the size of a page.
fn page(limit: u32) -> Result<u32, NotifierError> {
    if limit == 0 || usize::try_from(limit).map_or(true, |limit| limit > PAGE_MAX) {
        return Err(NotifierError::page(limit));
    }
    Ok(limit)
}

/// Each call is parsed, one call of the method of the same task, and the reply.
macro_rules! answers {
    ($($name:ident, $method:ident: $request:ty => $response:ty;)*) => {
        #[tonic::async_trait]
        impl NotifierService for Notifier {
            $(async fn $name(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                reply(self.$method(request.into_inner())).await
            })*
        }
    };
}

answers! {
    list_received, received: ListReceivedRequest => ListReceivedResponse;
    list_deliveries, list: ListDeliveriesRequest => ListDeliveriesResponse;
    get_delivery, get: GetDeliveryRequest => GetDeliveryResponse;
    redrive, again: RedriveRequest => RedriveResponse;
    cancel, give_up: CancelRequest => CancelResponse;
    create_endpoint, create: CreateEndpointRequest => CreateEndpointResponse;
    list_endpoints, endpoints: ListEndpointsRequest => ListEndpointsResponse;
    update_endpoint, update: UpdateEndpointRequest => UpdateEndpointResponse;
    delete_endpoint, delete: DeleteEndpointRequest => DeleteEndpointResponse;
    rotate_endpoint_secret, rotate: RotateEndpointSecretRequest => RotateEndpointSecretResponse;
    test_endpoint, test: TestEndpointRequest => TestEndpointResponse;
    send_test_mail, test_mail: SendTestMailRequest => SendTestMailResponse;
}
