//! Mails: written when they are sent, from what the session service knows then.

mod clean;
mod message;
mod session;
mod text;

use crate::{
    attempt::{Attempt, Outcome},
    channel::{Channel as Way, TEST_KIND},
    config::{Mail, Settings, Tls as Protection},
    store::{Leased, MailPlan},
};
use chrono_tz::Tz;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    address::Envelope,
    message::{Mailbox, Mailboxes},
    transport::smtp::{
        Error as SmtpError, PoolConfig,
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
    },
};
use message::Letter;
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;
use session::{Lines, Snapshot, date_time, zone};
use std::{fmt, sync::Arc, time::Duration};
use switchboard_boot::BuildError;
use switchboard_domain::{Clock, ErrorKind, Timestamp};
use switchboard_mesh::{Channel, status::from_status};
use text::{Facts, Kind, Templates};

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Sends mails.
pub(crate) struct Mailer {
    settings: Mail,
    sender: Mailbox,
    team: Mailboxes,
    tls: Tls,
    timeout: Duration,
    /// The pool of connections. Replaced when an attempt was cut off: it left one in the middle of a mail.
    transport: Mutex<Transport>,
    templates: Templates,
    lines: Lines,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("host", &self.settings.host).finish_non_exhaustive()
    }
}

/// What a mail needs to be planned; `None` when mail is not configured.
pub(crate) fn plan(settings: &Mail) -> Option<MailPlan> {
    let sender = settings.is_configured().then(|| settings.sender()).flatten()?;
    Some(MailPlan { host: sender.email.domain().to_owned(), confirm: settings.confirm_to_customer })
}

impl Mailer {
    /// Ready to send; `None` when mail is not configured.
    ///
    /// # Errors
    /// [`BuildError`] when the certificates or the templates cannot be read.
    pub(crate) fn new(
        settings: &Settings,
        session: Channel,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, BuildError> {
        let mail = settings.mail.clone();
        let (Some(sender), Some(team)) = (mail.sender(), mail.team()) else { return Ok(None) };
        if mail.host.is_empty() {
            return Ok(None);
        }
        let templates =
            Templates::new().map_err(|error| BuildError::new("a mail template cannot be read", error))?;
        let tls = protection(&mail)?;
        // One step of the conversation; the attempt as a whole has a limit of its own.
        let timeout = settings.delivery.attempt_timeout;
        let transport = Mutex::new(connect(&mail, &tls, timeout));
        Ok(Some(Self {
            settings: mail,
            sender,
            team,
            tls,
            timeout,
            transport,
            templates,
            lines: Lines::new(session),
            clock,
        }))
    }

    /// Sends one mail. A recipient who is refused for good does not keep it from the others.
    pub(crate) async fn send(&self, delivery: &Leased) -> Attempt {
        let message = match self.write(delivery).await {
            Ok(message) => message,
            Err(attempt) => return attempt,
        };
        let transport = self.transport.lock().clone();
        let (envelope, text) = (message.envelope(), message.formatted());
        match transport.send_raw(envelope, &text).await {
            Ok(response) => Attempt::delivered(Some(u16::from(response.code()))),
            // Which recipient was refused is not told, and nobody has got it yet.
            Err(error) if error.is_permanent() && envelope.to().len() > 1 => {
                one_by_one(&transport, envelope, &text).await
            }
            Err(error) => judge(&error),
        }
    }

    /// Forgets all connections.
    pub(crate) fn reconnect(&self) {
        *self.transport.lock() = connect(&self.settings, &self.tls, self.timeout);
    }

    async fn write(&self, delivery: &Leased) -> Result<Message, Attempt> {
        let broken = |error: &dyn std::error::Error| {
            tracing::error!(delivery.id = %delivery.id, error = switchboard_mesh::reply::chain(error), "a mail cannot be written");
            Attempt::refused("the mail cannot be written")
        };
        let language = self.settings.language;
        let (kind, to, reply_to, language, facts) = if delivery.kind == TEST_KIND {
            // A test of mail says nothing about the session service.
            let hours = self.lines.hours(String::new()).await.unwrap_or_default();
            (Kind::Test, self.team.clone(), None, language, self.facts(delivery, zone(&hours)))
        } else {
            let snapshot = self.snapshot(delivery).await?;
            let facts = self.facts(delivery, snapshot.zone());
            let email = snapshot.email().map(|address| Mailbox::new(None, address));
            match delivery.channel {
                Way::MailCustomer => {
                    let to = email.ok_or_else(|| Attempt::dropped("the customer left no mail address"))?;
                    let language = snapshot.language().unwrap_or(language);
                    let facts = snapshot.for_customer(facts, language);
                    (Kind::Customer, Mailboxes::new().with(to), None, language, facts)
                }
                Way::MailTeam | Way::Webhook(_) => {
                    let facts = snapshot.for_team(facts, language);
                    (Kind::Team, self.team.clone(), email, language, facts)
                }
            }
        };
        let words = self.templates.render(kind, language, &facts).map_err(|error| broken(&error))?;
        let letter = Letter {
            from: self.sender.clone(),
            to,
            reply_to,
            message_id: delivery
                .message_id
                .clone()
                .unwrap_or_else(|| format!("<{}@{}>", delivery.id, self.sender.email.domain())),
            session: delivery.session.clone(),
            date: self.clock.now(),
            words,
        };
        letter.build().map_err(|error| broken(&error))
    }

    async fn snapshot(&self, delivery: &Leased) -> Result<Snapshot, Attempt> {
        let limit = self.settings.transcript_messages;
        match Snapshot::read(&self.lines, &delivery.session, delivery.seq, limit).await {
            Ok(Some(snapshot)) => Ok(snapshot),
            Err(status) if from_status(&status).kind == ErrorKind::NotFound => {
                Err(Attempt::dropped("the session is gone"))
            }
            Ok(None) | Err(_) => Err(Attempt::hindered("the session cannot be read")),
        }
    }

    fn facts(&self, delivery: &Leased, zone: Tz) -> Facts {
        let mail = &self.settings;
        let told = |at: Timestamp| date_time(at, zone);
        Facts {
            shop: mail.shop_name.clone(),
            session: delivery.session.clone(),
            at: told(delivery.at),
            zone: zone.name().to_owned(),
            sent: told(self.clock.now()),
            // A session's name has no character that means anything in an address.
            link: (!mail.session_url.is_empty())
                .then(|| mail.session_url.replace("{session}", &delivery.session)),
            limit: mail.transcript_messages,
            ..Facts::default()
        }
    }
}

fn protection(mail: &Mail) -> Result<Tls, BuildError> {
    if mail.tls == Protection::None {
        return Ok(Tls::None);
    }
    let mut builder =
        TlsParameters::builder(mail.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
    if let Some(path) = mail.root_ca() {
        let pem = std::fs::read(path)
            .map_err(|error| BuildError::new("notifier.mail.root_ca_file cannot be read", error))?;
        let certificate = Certificate::from_pem(&pem)
            .map_err(|error| BuildError::new("notifier.mail.root_ca_file holds no certificate", error))?;
        builder = builder.add_root_certificate(certificate);
    }
    let parameters = builder
        .build_rustls()
        .map_err(|error| BuildError::new("TLS for notifier.mail.host cannot be set up", error))?;
    Ok(match mail.tls {
        Protection::Implicit => Tls::Wrapper(parameters),
        Protection::Starttls => Tls::Required(parameters),
        Protection::Opportunistic => Tls::Opportunistic(parameters),
        Protection::None => Tls::None,
    })
}

fn connect(mail: &Mail, tls: &Tls, timeout: Duration) -> Transport {
    let mut builder = Transport::builder_dangerous(&mail.host)
        .port(mail.port)
        .tls(tls.clone())
        .timeout(Some(timeout))
        .pool_config(PoolConfig::new().max_size(mail.concurrency));
    if !mail.username.is_empty() {
        let password = mail.password.expose_secret().to_owned();
        builder = builder.credentials(Credentials::new(mail.username.clone(), password));
    }
    builder.build()
}

/// Sends a mail to each recipient by itself.
async fn one_by_one(transport: &Transport, envelope: &Envelope, text: &[u8]) -> Attempt {
    let mut attempts = Vec::with_capacity(envelope.to().len());
    for to in envelope.to() {
        attempts.push(match Envelope::new(envelope.from().cloned(), vec![to.clone()]) {
            Ok(alone) => match transport.send_raw(&alone, text).await {
                Ok(response) => Attempt::delivered(Some(u16::from(response.code()))),
                Err(error) => judge(&error),
            },
            Err(_) => Attempt::refused("the recipient cannot be written to"),
        });
    }
    together(attempts)
}

/// What became of a mail to several recipients, in the order of the configuration. Delivered with a word about those who
/// were refused for good; when somebody may yet get it, all get it again: twice is better than never.
fn together(attempts: Vec<Attempt>) -> Attempt {
    let all = attempts.len();
    let is_delivered = |attempt: &Attempt| attempt.outcome == Outcome::Delivered;
    let refused: Vec<String> = (1..)
        .zip(&attempts)
        .filter(|(_, attempt)| matches!(attempt.outcome, Outcome::Refused { .. }))
        .map(|(place, attempt)| {
            let why = attempt.error.as_deref().unwrap_or_default();
            format!("recipient {place} of {all} was refused: {why}")
        })
        .collect();
    let again = attempts.iter().position(|attempt| matches!(attempt.outcome, Outcome::Failed { .. }));
    let best = again.or_else(|| attempts.iter().position(is_delivered)).unwrap_or_default();
    let Some(best) = attempts.into_iter().nth(best) else { return Attempt::dropped("there is no recipient") };
    if is_delivered(&best) {
        Attempt { error: (!refused.is_empty()).then(|| refused.join("; ")), ..best }
    } else {
        best
    }
}

/// Names a failure without the server's words: they may repeat addresses.
fn judge(error: &SmtpError) -> Attempt {
    if let Some(code) = error.status().map(u16::from) {
        let told = format!("the mail server answered {code}");
        // Refused logins and "try again later" concern every mail, a refused recipient does not.
        let everybody = matches!(code, 421 | 451 | 454 | 530 | 534 | 535 | 538);
        let outcome = if error.is_permanent() {
            Outcome::Refused { blame: everybody }
        } else {
            Outcome::Failed { blame: everybody, retry_after: None }
        };
        return Attempt { outcome, code: Some(code), error: Some(told) };
    }
    Attempt::failed(if error.is_timeout() {
        "the mail server did not answer in time"
    } else if error.is_tls() {
        "the connection to the mail server could not be protected"
    } else if error.is_response() || error.is_client() {
        "the mail server does not speak as it should"
    } else {
        "the mail server could not be reached, or broke off"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_refused_recipient_does_not_speak_for_the_others() {
        let (good, gone) =
            (Attempt::delivered(Some(250)), Attempt::refused("no such mailbox").with_code(550));
        let later = Attempt::failed("try again");
        let told = together(vec![good.clone(), gone.clone(), good.clone()]);
        assert_eq!((told.outcome, told.code), (Outcome::Delivered, Some(250)));
        assert_eq!(told.error.as_deref(), Some("recipient 2 of 3 was refused: no such mailbox"));
        assert_eq!(together(vec![good.clone(), good.clone()]), good);
        assert_eq!(together(vec![gone.clone(), gone.clone()]), gone);
        assert_eq!(together(vec![good, later.clone(), gone]), later);
    }
}
