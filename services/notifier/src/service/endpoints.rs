//! Webhook endpoints: made, shown, changed, tested, removed.

use super::Notifier;
use crate::{
    NotifierError,
    channel::Channel,
    kinds::Kinds,
    store::{Draft, Edit},
    webhook::sign::Secret,
};
use switchboard_domain::WebhookId;
use switchboard_proto::notifier::v1::{
    CreateEndpointRequest, CreateEndpointResponse, DeleteEndpointRequest, DeleteEndpointResponse,
    ListEndpointsRequest, ListEndpointsResponse, RotateEndpointSecretRequest, RotateEndpointSecretResponse,
    TestEndpointRequest, TestEndpointResponse, UpdateEndpointRequest, UpdateEndpointResponse,
};

/// Longest description, in characters.
const DESCRIPTION_MAX: usize = 200;

impl Notifier {
    pub(super) async fn create(
        &self,
        request: CreateEndpointRequest,
    ) -> Result<CreateEndpointResponse, NotifierError> {
        let id = WebhookId::mint(&*self.clock, &*self.rng);
        let act = self.act("endpoint.create", id);
        let draft = Draft {
            url: self.guard.parse(&request.url)?.to_string(),
            description: description(request.description)?,
            kinds: kinds(request.kinds)?,
            created_by: act.actor.clone(),
        };
        let secret = Secret::mint(&*self.rng);
        let max = self.settings.webhooks.max_endpoints;
        let made = self.store.create_endpoint(id, draft, secret.clone(), max, act).await?;
        Ok(CreateEndpointResponse { endpoint: Some(made.into()), secret: secret.reveal().to_owned() })
    }

    pub(super) async fn endpoints(
        &self,
        _: ListEndpointsRequest,
    ) -> Result<ListEndpointsResponse, NotifierError> {
        let endpoints = self.store.endpoints().await?;
        Ok(ListEndpointsResponse { endpoints: endpoints.into_iter().map(Into::into).collect() })
    }

    pub(super) async fn update(
        &self,
        request: UpdateEndpointRequest,
    ) -> Result<UpdateEndpointResponse, NotifierError> {
        let id = endpoint(&request.endpoint)?;
        let url = request.url.map(|url| self.guard.parse(&url)).transpose()?;
        let edit = Edit {
            url: url.map(|url| url.to_string()),
            description: request.description.map(description).transpose()?,
            kinds: request.kinds.map(|list| kinds(list.kinds)).transpose()?,
            enabled: request.enabled,
        };
        let changed = self.store.update_endpoint(id, edit, self.act("endpoint.update", id)).await?;
        Ok(UpdateEndpointResponse { endpoint: Some(changed.into()) })
    }

    pub(super) async fn delete(
        &self,
        request: DeleteEndpointRequest,
    ) -> Result<DeleteEndpointResponse, NotifierError> {
        let id = endpoint(&request.endpoint)?;
        self.store.delete_endpoint(id, self.act("endpoint.delete", id)).await?;
        Ok(DeleteEndpointResponse {})
    }

    pub(super) async fn rotate(
        &self,
        request: RotateEndpointSecretRequest,
    ) -> Result<RotateEndpointSecretResponse, NotifierError> {
        let (id, secret) = (endpoint(&request.endpoint)?, Secret::mint(&*self.rng));
        let overlap = self.settings.webhooks.secret_overlap;
        let act = self.act("endpoint.rotate", id);
        let changed = self.store.rotate_secret(id, secret.clone(), overlap, act).await?;
        Ok(RotateEndpointSecretResponse {
            endpoint: Some(changed.into()),
            secret: secret.reveal().to_owned(),
        })
    }

    pub(super) async fn test(
        &self,
        request: TestEndpointRequest,
    ) -> Result<TestEndpointResponse, NotifierError> {
        let id = endpoint(&request.endpoint)?;
        let delivery = self.store.test(Channel::Webhook(id), self.act("endpoint.test", id)).await?;
        self.wake.notify_one();
        Ok(TestEndpointResponse { delivery: delivery.to_string() })
    }
}

/// What is no id is the id of nothing.
fn endpoint(text: &str) -> Result<WebhookId, NotifierError> {
    WebhookId::parse(text).map_err(|_| NotifierError::UnknownEndpoint)
}

fn kinds(list: Vec<String>) -> Result<Kinds, NotifierError> {
    Kinds::parse(list).map_err(|kind| NotifierError::InvalidEventKind { kind })
}

fn description(text: String) -> Result<String, NotifierError> {
    let (length, max) = (text.chars().count(), DESCRIPTION_MAX);
    if length > max {
        return Err(NotifierError::DescriptionTooLong { length, max });
    }
    Ok(text)
}
