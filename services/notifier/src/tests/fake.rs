//! A session service that has nothing but an outbox.

use parking_lot::Mutex;
use std::{collections::BTreeSet, time::Duration};
use switchboard_domain::{ErrorKind, Failure, Principal};
use switchboard_mesh::{CallContext, status::to_status};
use switchboard_proto::session::v1::{
    AckEventsRequest, AckEventsResponse, BeginTurnRequest, BeginTurnResponse, ClaimTurnsRequest,
    ClaimTurnsResponse, CommandResponse, EscalateRequest, FinishTurnRequest, FinishTurnResponse, GetRequest,
    GetResponse, GetTurnRequest, GetTurnResponse, LeaseEventsRequest, LeaseEventsResponse,
    ListEntriesRequest, ListEntriesResponse, ListRequest, ListResponse, OpenRequest, OpenResponse,
    OutboxEvent, RenewTurnRequest, RenewTurnResponse, SayRequest, SayResponse, SetConversationRequest,
    SubscribeRequest, SubscribeResponse, session_service_server::SessionService,
};
use tokio::sync::{Notify, watch};
use tonic::{Request, Response, Status};

/// The event that tells of entry `seq` of alice's log.
pub(super) fn event(seq: i64) -> OutboxEvent {
    OutboxEvent {
        id: format!("evt_0192f0c1a2b37c4d8e5f{seq:012x}"),
        session: "alice".into(),
        seq,
        kind: "session.customer_waits".into(),
        at_ms: 1_700_000_000_000 + seq,
        attempts: 1,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
    }
}

/// The last lease that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub(super) request: LeaseEventsRequest,
    pub(super) principal: Principal,
    /// How long the caller waits for the answer.
    pub(super) patience: Duration,
}

#[derive(Debug, Default)]
struct Outbox {
    open: Vec<OutboxEvent>,
    /// Delivered and not given back yet.
    leased: BTreeSet<String>,
    to_all: bool,
    deliveries: usize,
    refuse_acks: u32,
    refuse_leases: u32,
    last_lease: Option<Lease>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct FakeSession {
    outbox: Mutex<Outbox>,
    published: Notify,
    acknowledged: watch::Sender<BTreeSet<String>>,
}

impl Default for FakeSession {
    fn default() -> Self {
        let acknowledged = watch::Sender::new(BTreeSet::new());
        Self { outbox: Mutex::default(), published: Notify::new(), acknowledged }
    }
}

impl FakeSession {
    pub(super) fn publish(&self, events: &[OutboxEvent]) {
        self.outbox.lock().open.extend_from_slice(events);
        self.published.notify_waiters();
    }

    /// The next `count` acknowledgements fail; what was leased comes again at once.
    pub(super) fn refuse_acks(&self, count: u32) {
        self.outbox.lock().refuse_acks = count;
    }

    /// The next `count` leases fail, beginning with the one that is open.
    pub(super) fn refuse_leases(&self, count: u32) {
        self.outbox.lock().refuse_leases = count;
    }

    /// From now on a lease keeps nobody else from the same events.
    pub(super) fn deliver_to_all(&self) {
        self.outbox.lock().to_all = true;
    }

    /// How many events were delivered, repeats included.
    pub(super) fn deliveries(&self) -> usize {
        self.outbox.lock().deliveries
    }

    /// The ids of the events that nobody has acknowledged.
    pub(super) fn open(&self) -> Vec<String> {
        self.outbox.lock().open.iter().map(|event| event.id.clone()).collect()
    }

    pub(super) fn last_lease(&self) -> Lease {
        self.outbox.lock().last_lease.clone().unwrap()
    }

    /// The ids that were acknowledged.
    pub(super) fn acknowledged(&self) -> watch::Receiver<BTreeSet<String>> {
        self.acknowledged.subscribe()
    }

    fn take(&self, limit: u32) -> Result<Vec<OutboxEvent>, Status> {
        let mut outbox = self.outbox.lock();
        if outbox.refuse_leases > 0 {
            outbox.refuse_leases -= 1;
            return Err(away());
        }
        let free = |event: &&OutboxEvent| outbox.to_all || !outbox.leased.contains(&event.id);
        let events: Vec<OutboxEvent> =
            outbox.open.iter().filter(free).take(limit as usize).cloned().collect();
        outbox.leased.extend(events.iter().map(|event| event.id.clone()));
        outbox.deliveries += events.len();
        Ok(events)
    }
}

fn away() -> Status {
    to_status(&Failure::new(ErrorKind::Unavailable, "UNAVAILABLE", "away"))
}

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(to_status(&Failure::new(ErrorKind::NotFound, "UNKNOWN_METHOD", "the fake has an outbox only")))
}

#[tonic::async_trait]
impl SessionService for FakeSession {
    async fn lease_events(
        &self,
        request: Request<LeaseEventsRequest>,
    ) -> Result<Response<LeaseEventsResponse>, Status> {
        let now = tokio::time::Instant::now();
        let context = request.extensions().get::<CallContext>().unwrap();
        let (principal, patience) = (context.principal.clone(), context.deadline.unwrap() - now);
        let request = request.into_inner();
        let wait = Duration::from_millis(request.wait_ms.into());
        self.outbox.lock().last_lease = Some(Lease { request, principal, patience });
        let until = now + wait;
        loop {
            let published = self.published.notified();
            let events = self.take(request.limit)?;
            if !events.is_empty() || tokio::time::timeout_at(until, published).await.is_err() {
                return Ok(Response::new(LeaseEventsResponse { events }));
            }
        }
    }

    async fn ack_events(
        &self,
        request: Request<AckEventsRequest>,
    ) -> Result<Response<AckEventsResponse>, Status> {
        let ids = request.into_inner().ids;
        let mut outbox = self.outbox.lock();
        if outbox.refuse_acks > 0 {
            outbox.refuse_acks -= 1;
            outbox.leased.clear();
            return Err(away());
        }
        outbox.open.retain(|event| !ids.contains(&event.id));
        self.acknowledged.send_modify(|all| all.extend(ids));
        Ok(Response::new(AckEventsResponse {}))
    }

    type SubscribeStream = futures::stream::Empty<Result<SubscribeResponse, Status>>;

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        not_here()
    }
    async fn open(&self, _: Request<OpenRequest>) -> Result<Response<OpenResponse>, Status> {
        not_here()
    }
    async fn say(&self, _: Request<SayRequest>) -> Result<Response<SayResponse>, Status> {
        not_here()
    }
    async fn begin_turn(&self, _: Request<BeginTurnRequest>) -> Result<Response<BeginTurnResponse>, Status> {
        not_here()
    }
    async fn renew_turn(&self, _: Request<RenewTurnRequest>) -> Result<Response<RenewTurnResponse>, Status> {
        not_here()
    }
    async fn finish_turn(
        &self,
        _: Request<FinishTurnRequest>,
    ) -> Result<Response<FinishTurnResponse>, Status> {
        not_here()
    }
    async fn claim_turns(
        &self,
        _: Request<ClaimTurnsRequest>,
    ) -> Result<Response<ClaimTurnsResponse>, Status> {
        not_here()
    }
    async fn get_turn(&self, _: Request<GetTurnRequest>) -> Result<Response<GetTurnResponse>, Status> {
        not_here()
    }
    async fn escalate(&self, _: Request<EscalateRequest>) -> Result<Response<CommandResponse>, Status> {
        not_here()
    }
    async fn set_conversation(
        &self,
        _: Request<SetConversationRequest>,
    ) -> Result<Response<CommandResponse>, Status> {
        not_here()
    }
    async fn get(&self, _: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        not_here()
    }
    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        not_here()
    }
    async fn list_entries(
        &self,
        _: Request<ListEntriesRequest>,
    ) -> Result<Response<ListEntriesResponse>, Status> {
        not_here()
    }
}
