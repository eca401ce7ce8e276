//! What the session service knows of a session, as a mail tells it.

use super::{
    clean,
    text::{Facts, Line},
};
use chrono::DateTime;
use chrono_tz::Tz;
use lettre::Address;
use std::str::FromStr as _;
use switchboard_domain::{Language, Status, Timestamp};
use switchboard_mesh::Channel;
use switchboard_proto::{
    convert::status_from_wire,
    session::v1::{
        Entry, GetHoursRequest, GetRequest, ListEntriesRequest, Message, QueueHours, Sender, Session,
        entry::Body, hours_service_client::HoursServiceClient, session_service_client::SessionServiceClient,
    },
};

/// Longest name and longest message that a mail shows, in characters.
const NAME_MAX: usize = 80;
const TEXT_MAX: usize = 2000;
/// Longest mail address, in bytes.
const ADDRESS_MAX: usize = 254;

/// A session at the time of an event.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    session: Session,
    /// The last messages up to the event, oldest first.
    messages: Vec<(Timestamp, Message)>,
    /// When the people of its queue work.
    hours: QueueHours,
}

/// The lines to the session service.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    sessions: SessionServiceClient<Channel>,
    hours: HoursServiceClient<Channel>,
}

impl Lines {
    /// Over one channel.
    pub(crate) fn new(channel: Channel) -> Self {
        Self { sessions: SessionServiceClient::new(channel.clone()), hours: HoursServiceClient::new(channel) }
    }

    /// When the people of a queue work; an empty name is the default queue.
    ///
    /// # Errors
    /// The status of the call.
    pub(crate) async fn hours(&self, queue: String) -> Result<QueueHours, tonic::Status> {
        let got = self.hours.clone().get_hours(GetHoursRequest { queue }).await?;
        Ok(got.into_inner().hours.unwrap_or_default())
    }
}

impl Snapshot {
    /// Asks the session service.
    ///
    /// # Errors
    /// The status of the call that failed.
    pub(crate) async fn read(
        lines: &Lines,
        session: &str,
        seq: i64,
        limit: u32,
    ) -> Result<Option<Self>, tonic::Status> {
        let mut client = lines.sessions.clone();
        let got = client.get(GetRequest { session: session.to_owned(), tail: 0 }).await?.into_inner();
        let request = ListEntriesRequest {
            session: session.to_owned(),
            before: Some(seq.saturating_add(1)),
            after: None,
            limit: limit.max(1),
            messages_only: true,
        };
        let listed = client.list_entries(request).await?.into_inner();
        let message = |entry: Entry| match entry.body {
            Some(Body::Message(message)) => Some((Timestamp::from_millis(entry.at_ms), message)),
            _ => None,
        };
        let messages = listed.entries.into_iter().filter_map(message).collect();
        let Some(session) = got.session else { return Ok(None) };
        let queue = session.desk.as_ref().map(|desk| desk.queue.clone()).unwrap_or_default();
        let hours = lines.hours(queue).await?;
        Ok(Some(Self { session, messages, hours }))
    }

    /// The zone of the shop's hours.
    pub(crate) fn zone(&self) -> Tz {
        zone(&self.hours)
    }

    /// When the shop opens, unless it is open by now.
    fn opening(&self, language: Language) -> Option<String> {
        let text = match language {
            Language::Zh => &self.hours.next_opening_zh,
            Language::En => &self.hours.next_opening_en,
        };
        (!self.hours.open && !text.is_empty()).then(|| clean::line(text, NAME_MAX))
    }

    /// The customer's own address, if one was left that can be one.
    pub(crate) fn email(&self) -> Option<Address> {
        let text = self.session.profile.as_ref()?.email.as_deref()?.trim();
        (text.len() <= ADDRESS_MAX && text.is_ascii()).then(|| Address::from_str(text).ok()).flatten()
    }

    /// The customer's language, if it is known.
    pub(crate) fn language(&self) -> Option<Language> {
        Language::from_tag(&self.session.profile.as_ref()?.language)
    }

    /// What the team reads.
    pub(crate) fn for_team(&self, facts: Facts, language: Language) -> Facts {
        let zone = self.zone();
        let profile = self.session.profile.clone().unwrap_or_default();
        let name = profile.nickname.map(|name| clean::line(&name, NAME_MAX)).filter(|name| !name.is_empty());
        Facts {
            reason: self.session.escalation.as_ref().map(|why| why.reason.clone()).unwrap_or_default(),
            status: status_from_wire(self.session.status, "status").map_or("", Status::as_str).to_owned(),
            customer: name,
            email: self.email().map(|address| address.to_string()),
            promise: self.promise(),
            opening: self.opening(language),
            messages: self.messages.iter().map(|(at, message)| line(*at, message, zone)).collect(),
            ..facts
        }
    }

    /// What the customer reads: nothing that somebody could have typed into a session of his own to have it sent to
    /// somebody else's address.
    pub(crate) fn for_customer(&self, facts: Facts, language: Language) -> Facts {
        Facts { promise: self.promise(), opening: self.opening(language), ..facts }
    }

    /// What the customer was told when the request was made.
    fn promise(&self) -> Option<String> {
        let told = self.messages.iter().rev().find(|(_, message)| message.sender() == Sender::System)?;
        Some(clean::line(&told.1.text, TEXT_MAX)).filter(|text| !text.is_empty())
    }
}

fn line(at: Timestamp, message: &Message, zone: Tz) -> Line {
    let role = match message.sender() {
        Sender::Customer => "user",
        Sender::Assistant => "assistant",
        Sender::Agent => "agent",
        Sender::System | Sender::Unspecified => "system",
    };
    let name = message.agent.as_ref().map(|agent| clean::line(&agent.name, NAME_MAX));
    Line { role, name, at: clock_time(at, zone), text: clean::text(&message.text, TEXT_MAX) }
}

/// The zone of somebody's hours.
pub(crate) fn zone(hours: &QueueHours) -> Tz {
    hours.time_zone.parse().unwrap_or(Tz::UTC)
}

/// `21:04:05` in a zone.
fn clock_time(at: Timestamp, zone: Tz) -> String {
    local(at, zone).format("%H:%M:%S").to_string()
}

/// `2026-11-23 21:04:05` in a zone.
pub(crate) fn date_time(at: Timestamp, zone: Tz) -> String {
    local(at, zone).format("%Y-%m-%d %H:%M:%S").to_string()
}

fn local(at: Timestamp, zone: Tz) -> DateTime<Tz> {
    DateTime::from_timestamp_millis(at.millis()).unwrap_or_default().with_timezone(&zone)
}
