//! Deliveries: shown, tried again, given up.

use super::{Notifier, page};
use crate::{NotifierError, channel::Channel, wire};
use switchboard_domain::DeliveryId;
use switchboard_proto::{
    convert::WireError,
    notifier::v1::{
        CancelRequest, CancelResponse, GetDeliveryRequest, GetDeliveryResponse, ListDeliveriesRequest,
        ListDeliveriesResponse, RedriveRequest, RedriveResponse, SendTestMailRequest, SendTestMailResponse,
        redrive_request::What,
    },
};

/// Most deliveries that one call redrives.
const REDRIVE_MAX: u32 = 1000;

impl Notifier {
    pub(super) async fn list(
        &self,
        request: ListDeliveriesRequest,
    ) -> Result<ListDeliveriesResponse, NotifierError> {
        let (limit, filter) = (page(request.limit)?, wire::filter(request.filter)?);
        if !request.page_token.is_empty() && DeliveryId::parse(&request.page_token).is_err() {
            return Err(WireError::new("page_token").into());
        }
        // One more than asked for tells whether there is more.
        let mut rows = self.store.deliveries(&filter, &request.page_token, limit + 1).await?;
        let size = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(|row| row.id.clone()).unwrap_or_default();
        Ok(ListDeliveriesResponse {
            deliveries: rows.into_iter().map(Into::into).collect(),
            next_page_token: next,
        })
    }

    pub(super) async fn get(
        &self,
        request: GetDeliveryRequest,
    ) -> Result<GetDeliveryResponse, NotifierError> {
        let found = self.store.delivery(delivery(&request.delivery)?).await?;
        let (row, attempts) = found.ok_or(NotifierError::UnknownDelivery)?;
        let attempts = attempts.into_iter().map(Into::into).collect();
        Ok(GetDeliveryResponse { delivery: Some(row.into()), attempts })
    }

    pub(super) async fn again(&self, request: RedriveRequest) -> Result<RedriveResponse, NotifierError> {
        let redriven = match request.what.ok_or(WireError::new("what"))? {
            What::Delivery(id) => self.again_one(delivery(&id)?).await?,
            What::Filter(filter) => {
                let (limit, filter) = (request.limit, wire::filter(Some(filter))?);
                if !(1..=REDRIVE_MAX).contains(&limit) {
                    return Err(NotifierError::Limit { limit, max: REDRIVE_MAX });
                }
                let object = if filter.channel.is_empty() { "*" } else { &filter.channel };
                let act = self.act("delivery.redrive", object);
                self.store.redrive(None, filter, limit, act).await?
            }
        };
        self.wake.notify_one();
        Ok(RedriveResponse { redriven: u32::try_from(redriven).unwrap_or(u32::MAX) })
    }

    async fn again_one(&self, id: DeliveryId) -> Result<u64, NotifierError> {
        let act = self.act("delivery.redrive", id);
        if self.store.redrive(Some(id), crate::store::DeliveryFilter::default(), 1, act).await? == 1 {
            return Ok(1);
        }
        let (row, _) = self.store.delivery(id).await?.ok_or(NotifierError::UnknownDelivery)?;
        // A repeat of a call that was answered: it waits already.
        if matches!(row.state.as_str(), "queued" | "sending") {
            Ok(0)
        } else {
            Err(NotifierError::NotRedrivable)
        }
    }

    pub(super) async fn give_up(&self, request: CancelRequest) -> Result<CancelResponse, NotifierError> {
        let id = delivery(&request.delivery)?;
        let row = self.store.cancel(id, self.act("delivery.cancel", id)).await?;
        Ok(CancelResponse { delivery: Some(row.into()) })
    }

    pub(super) async fn test_mail(
        &self,
        _: SendTestMailRequest,
    ) -> Result<SendTestMailResponse, NotifierError> {
        if !self.settings.mail.is_configured() {
            return Err(NotifierError::MailNotConfigured);
        }
        let id = self.store.test(Channel::MailTeam, self.act("mail.test", "mail_team")).await?;
        self.wake.notify_one();
        Ok(SendTestMailResponse { delivery: id.to_string() })
    }
}

/// What is no id is the id of nothing.
fn delivery(text: &str) -> Result<DeliveryId, NotifierError> {
    DeliveryId::parse(text).map_err(|_| NotifierError::UnknownDelivery)
}
