//! A mail server: SMTP as RFC 5321 says, with STARTTLS, TLS from the first byte, PLAIN and LOGIN, and a box in which
//! everything lies that was accepted, whether or not the sender got to know.

mod mail;

pub use mail::Mail;

use super::Switch;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// A moment of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The connection was made.
    Greeting,
    /// `EHLO`.
    Ehlo,
    /// `AUTH`.
    Auth,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`.
    Data,
    /// The dot behind the mail.
    Dot,
}

/// How the server misbehaves. A fault counts once for each mail that meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpFault {
    /// Connections are closed at once.
    Refuse,
    /// This reply code at this step.
    Reply(Step, u16),
    /// Silence from this step on.
    Hang(Step),
    /// The reply at this step takes so long.
    Slow(Step, Duration),
    /// The mail is accepted and kept, and the connection breaks before the reply.
    DropAfterAccept,
}

/// How connections are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SmtpTls {
    /// STARTTLS is not known.
    #[default]
    Absent,
    /// STARTTLS is offered.
    Offered,
    /// Nothing works before STARTTLS.
    Required,
    /// TLS from the first byte on.
    Implicit,
}

/// What the server asks for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How connections are protected.
    pub tls: SmtpTls,
    /// User and password that senders need.
    pub login: Option<(String, String)>,
    /// Recipients whom it does not know.
    pub unknown: Vec<String>,
}

/// A running mail server. Stops, with all its connections, when dropped.
#[derive(Debug)]
pub struct FakeSmtp {
    /// What goes wrong.
    pub fault: Switch<SmtpFault>,
    address: SocketAddr,
    shared: Arc<Shared>,
    root_pem: String,
    _tasks: JoinSet<()>,
}

struct Shared {
    options: Options,
    fault: Switch<SmtpFault>,
    acceptor: TlsAcceptor,
    accepted: Mutex<Vec<Mail>>,
    count: watch::Sender<usize>,
    connections: watch::Sender<usize>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

impl FakeSmtp {
    /// Starts one at a free port of 127.0.0.1; its certificate is for `localhost`.
    pub async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the listener's address");
        let (acceptor, root_pem) = certificate();
        let fault = Switch::default();
        let shared = Arc::new(Shared {
            options,
            fault: fault.clone(),
            acceptor,
            accepted: Mutex::default(),
            count: watch::Sender::new(0),
            connections: watch::Sender::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self { fault, address, shared, root_pem, _tasks: tasks }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The root certificate behind its own, as PEM.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Everything that was accepted, in order.
    pub fn accepted(&self) -> Vec<Mail> {
        self.shared.accepted.lock().clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        *self.shared.connections.borrow()
    }

    /// Waits until so many mails were accepted, and gives them all.
    pub async fn wait_for(&self, count: usize) -> Vec<Mail> {
        let mut accepted = self.shared.count.subscribe();
        let waiting = accepted.wait_for(|accepted| *accepted >= count);
        let arrived = tokio::time::timeout(crate::patience::PATIENCE, waiting).await;
        assert!(arrived.is_ok(), "{} mails, not {count}", self.accepted().len());
        self.accepted()
    }

    /// Waits until so many connections were made.
    pub async fn wait_for_connections(&self, count: usize) {
        let mut connections = self.shared.connections.subscribe();
        let waiting = connections.wait_for(|connections| *connections >= count);
        let made = tokio::time::timeout(crate::patience::PATIENCE, waiting).await;
        assert!(made.is_ok(), "{} connections, not {count}", self.connections());
    }
}

/// A certificate for `localhost` from a root of its own.
fn certificate() -> (TlsAcceptor, String) {
    let mut root = CertificateParams::new(Vec::new()).expect("parameters");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().expect("a key")).expect("a root");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let leaf = leaf.signed_by(&key, &root).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key))
        .expect("a TLS configuration");
    (TlsAcceptor::from(Arc::new(config)), root.pem())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                shared.connections.send_modify(|count| *count += 1);
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    // A sender that goes away is no failure of ours.
                    let _ = serve(socket, shared).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Why a conversation ended before `QUIT`.
#[derive(Debug)]
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) -> Result<(), Over> {
    let fault = shared.fault.take();
    if fault == Some(SmtpFault::Refuse) {
        return Err(Over);
    }
    let talk = Talk {
        shared: Arc::clone(&shared),
        fault,
        tls: false,
        user: None,
        from: None,
        to: Vec::new(),
        used: false,
    };
    if shared.options.tls == SmtpTls::Implicit {
        let stream = shared.acceptor.accept(socket).await?;
        Talk { tls: true, ..talk }.run(BufReader::new(stream), true).await?;
        return Ok(());
    }
    if let Some((stream, talk)) = talk.run(BufReader::new(socket), true).await? {
        let stream = shared.acceptor.accept(stream.into_inner()).await?;
        let talk = Talk { tls: true, from: None, to: Vec::new(), ..talk };
        talk.run(BufReader::new(stream), false).await?;
    }
    Ok(())
}

/// One conversation.
struct Talk {
    shared: Arc<Shared>,
    fault: Option<SmtpFault>,
    tls: bool,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
    /// Whether a mail was begun on this connection.
    used: bool,
}

impl Talk {
    /// Talks until the end, or until TLS is to begin on the connection.
    async fn run<S>(
        mut self,
        mut stream: BufReader<S>,
        greet: bool,
    ) -> Result<Option<(BufReader<S>, Self)>, Over>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if greet {
            self.say(&mut stream, Step::Greeting, "220 localhost ESMTP fake").await?;
        }
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            let line = line.trim_end().to_owned();
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await?;
                    return Ok(None);
                }
                "STARTTLS" if self.can_start_tls() => {
                    stream.write_all(b"220 go ahead\r\n").await?;
                    stream.flush().await?;
                    return Ok(Some((stream, self)));
                }
                verb => self.answer(&mut stream, verb, &line).await?,
            }
        }
    }

    fn can_start_tls(&self) -> bool {
        !self.tls && matches!(self.shared.options.tls, SmtpTls::Offered | SmtpTls::Required)
    }

    async fn answer<S>(&mut self, stream: &mut BufReader<S>, verb: &str, line: &str) -> Result<(), Over>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let shut = self.shared.options.tls == SmtpTls::Required && !self.tls;
        let strange = self.shared.options.login.is_some() && self.user.is_none();
        match verb {
            "EHLO" | "HELO" => self.hello(stream).await,
            "NOOP" | "RSET" => self.plain(stream, "250 ok").await,
            _ if shut => self.plain(stream, "530 5.7.0 must issue a STARTTLS command first").await,
            "AUTH" => self.login(stream, line).await,
            _ if strange => self.plain(stream, "530 5.7.0 authentication required").await,
            "MAIL" => {
                // A connection that is used again meets the fault of its next mail.
                if std::mem::replace(&mut self.used, true) {
                    self.fault = self.shared.fault.take();
                }
                self.from = Some(address(line));
                self.say(stream, Step::Mail, "250 ok").await
            }
            "RCPT" => {
                let to = address(line);
                if self.shared.options.unknown.contains(&to) {
                    return self.plain(stream, "550 5.1.1 no such mailbox").await;
                }
                self.to.push(to);
                self.say(stream, Step::Rcpt, "250 ok").await
            }
            "DATA" if self.from.is_some() && !self.to.is_empty() => self.mail(stream).await,
            "DATA" => self.plain(stream, "503 5.5.1 no recipients").await,
            _ => self.plain(stream, "500 5.5.1 unknown command").await,
        }
    }

    async fn hello<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
    ) -> Result<(), Over> {
        let mut lines = vec!["localhost"];
        if self.can_start_tls() {
            lines.push("STARTTLS");
        }
        if self.shared.options.login.is_some() && (self.tls || self.shared.options.tls == SmtpTls::Absent) {
            lines.push("AUTH PLAIN LOGIN");
        }
        lines.push("8BITMIME");
        let last = lines.len() - 1;
        let told = lines
            .iter()
            .enumerate()
            .map(|(at, line)| format!("250{}{line}", if at == last { " " } else { "-" }));
        let told = told.collect::<Vec<_>>().join("\r\n");
        self.say(stream, Step::Ehlo, &told).await
    }

    async fn login<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
        line: &str,
    ) -> Result<(), Over> {
        let given = line.split(' ').nth(2).and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        let mut parts =
            given.split(|byte| *byte == 0).skip(1).map(|part| String::from_utf8_lossy(part).into_owned());
        let given = parts.next().zip(parts.next());
        if given.is_some() && given == self.shared.options.login {
            self.user = given.map(|(user, _)| user);
            self.say(stream, Step::Auth, "235 2.7.0 welcome").await
        } else {
            self.plain(stream, "535 5.7.8 bad credentials").await
        }
    }

    async fn mail<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
    ) -> Result<(), Over> {
        self.say(stream, Step::Data, "354 go on").await?;
        if matches!(self.fault, Some(SmtpFault::Reply(Step::Data, _))) {
            return Ok(());
        }
        let mut data = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Err(Over);
            }
            if line == ".\r\n" {
                break;
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
        let (from, to) = (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to));
        if !matches!(self.fault, Some(SmtpFault::Reply(Step::Dot, _))) {
            let mail = Mail { from, to, data, tls: self.tls, user: self.user.clone() };
            self.shared.accepted.lock().push(mail);
            self.shared.count.send_modify(|count| *count += 1);
        }
        if self.fault == Some(SmtpFault::DropAfterAccept) {
            return Err(Over);
        }
        self.say(stream, Step::Dot, "250 2.0.0 queued").await
    }

    /// A reply that may go wrong.
    async fn say<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
        step: Step,
        reply: &str,
    ) -> Result<(), Over> {
        match self.fault {
            Some(SmtpFault::Hang(at)) if at == step => std::future::pending().await,
            Some(SmtpFault::Slow(at, time)) if at == step => {
                tokio::time::sleep(time).await;
                self.plain(stream, reply).await
            }
            Some(SmtpFault::Reply(at, code)) if at == step => {
                self.plain(stream, &format!("{code} <customer@example.com> said no")).await
            }
            _ => self.plain(stream, reply).await,
        }
    }

    async fn plain<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
        reply: &str,
    ) -> Result<(), Over> {
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        Ok(stream.flush().await?)
    }
}

/// What stands between `<` and `>`.
fn address(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(address, _)| address.to_owned()).unwrap_or_default()
}
