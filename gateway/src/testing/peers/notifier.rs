//! The notifier: one delivery, one endpoint.

use super::{
    FakeNotifier,
    login::{Answer, note},
};
use switchboard_proto::notifier::v1::{self as wire, DeliveryState, redrive_request::What};
use tonic::{Request, Response};

fn delivery() -> wire::Delivery {
    wire::Delivery {
        id: "dlv_1".into(),
        kind: "session.after_hours".into(),
        channel: "mail_team".into(),
        state: DeliveryState::Dead.into(),
        attempts: 7,
        created_at_ms: 1500,
        ..wire::Delivery::default()
    }
}

fn endpoint() -> wire::Endpoint {
    wire::Endpoint {
        id: "whk_1".into(),
        url: "https://example.com/".into(),
        enabled: true,
        created_at_ms: 1500,
        secrets: vec![wire::EndpointSecret { created_at_ms: 1500, expires_at_ms: None }],
        ..wire::Endpoint::default()
    }
}

fn filter(filter: &wire::DeliveryFilter) -> String {
    format!("{:?} {}/{}", filter.state, filter.channel, filter.session)
}

fn what(request: &wire::RedriveRequest) -> String {
    match &request.what {
        Some(What::Delivery(id)) => id.clone(),
        Some(What::Filter(asked)) => format!("{} {}", filter(asked), request.limit),
        None => "nothing".into(),
    }
}

/// Makes of each `name: Request => Response = |request| (facts, answer)` a handler that notes what it was asked.
macro_rules! handlers {
    ($($name:ident: $request:ident => $response:ident = |$message:ident| $facts:expr, $answer:expr;)+) => {
        #[tonic::async_trait]
        impl wire::notifier_service_server::NotifierService for FakeNotifier {
            $(async fn $name(&self, request: Request<wire::$request>) -> Answer<wire::$response> {
                let $message = request.into_inner();
                note(&self.0, stringify!($name), &$facts)?;
                Ok(Response::new($answer))
            })+
        }
    };
}

handlers! {
    list_received: ListReceivedRequest => ListReceivedResponse = |request| request.limit.to_string(),
        wire::ListReceivedResponse { events: vec![wire::Received { at_ms: 1500, ..Default::default() }], total: 9 };
    list_deliveries: ListDeliveriesRequest => ListDeliveriesResponse = |request| format!(
        "{} {}/{}", filter(&request.filter.unwrap_or_default()), request.page_token, request.limit,
    ), wire::ListDeliveriesResponse { deliveries: vec![delivery()], next_page_token: "dlv_1".into() };
    get_delivery: GetDeliveryRequest => GetDeliveryResponse = |request| request.delivery, wire::GetDeliveryResponse {
        delivery: Some(delivery()),
        attempts: vec![wire::Attempt { number: 1, at_ms: 1500, code: Some(550), ..Default::default() }],
    };
    redrive: RedriveRequest => RedriveResponse = |request| what(&request), wire::RedriveResponse { redriven: 1 };
    cancel: CancelRequest => CancelResponse = |request| request.delivery, wire::CancelResponse { delivery: Some(delivery()) };
    create_endpoint: CreateEndpointRequest => CreateEndpointResponse =
        |request| format!("{} {} {:?}", request.url, request.description, request.kinds),
        wire::CreateEndpointResponse { endpoint: Some(endpoint()), secret: "whsec_a".into() };
    list_endpoints: ListEndpointsRequest => ListEndpointsResponse = |_request| "",
        wire::ListEndpointsResponse { endpoints: vec![endpoint()] };
    update_endpoint: UpdateEndpointRequest => UpdateEndpointResponse =
        |request| format!("{} {:?} {:?}", request.endpoint, request.kinds.map(|list| list.kinds), request.enabled),
        wire::UpdateEndpointResponse { endpoint: Some(endpoint()) };
    delete_endpoint: DeleteEndpointRequest => DeleteEndpointResponse = |request| request.endpoint,
        wire::DeleteEndpointResponse {};
    rotate_endpoint_secret: RotateEndpointSecretRequest => RotateEndpointSecretResponse = |request| request.endpoint,
        wire::RotateEndpointSecretResponse { endpoint: Some(endpoint()), secret: "whsec_b".into() };
    test_endpoint: TestEndpointRequest => TestEndpointResponse = |request| request.endpoint,
        wire::TestEndpointResponse { delivery: "dlv_2".into() };
    send_test_mail: SendTestMailRequest => SendTestMailResponse = |_request| "",
        wire::SendTestMailResponse { delivery: "dlv_3".into() };
}
