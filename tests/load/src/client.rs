//! The load: callers that each send one request after the other over a connection of their own, on plain sockets. The same
//! for all lanes, so that what it costs falls out of the ratios.

use crate::{
    clock::now_ns,
    error::Error,
    http1::{Garbled, Progress, Reader},
    sse,
};
use std::{fmt::Write as _, io, net::SocketAddr, ops::Range, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

/// Longest wait for a whole response: a lane that hangs must not hang the bench.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A request that may be sent again and again.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Digits that count up with each use, so that no two questions are the same.
    counter: Option<Range<usize>>,
}

impl Request {
    /// Writes a request. A run of `#` in the body becomes a counter.
    pub(crate) fn new(method_and_path: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let mut text = format!("{method_and_path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n"); // writing to a String cannot fail
        }
        if !body.is_empty() {
            let _ = write!(text, "content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        }
        text.push_str("\r\n");
        let from = body.find('#').map(|at| text.len() + at);
        let counter = from.map(|from| from..from + body.chars().filter(|letter| *letter == '#').count());
        text.push_str(body);
        let mut request = Self { bytes: text.into_bytes(), counter };
        request.bytes.iter_mut().filter(|byte| **byte == b'#').for_each(|byte| *byte = b'0');
        request
    }

    /// The bytes of the next use.
    fn next(&mut self) -> &[u8] {
        if let Some(counter) = self.counter.clone() {
            for digit in self.bytes[counter].iter_mut().rev() {
                *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
                if *digit != b'0' {
                    break;
                }
            }
        }
        &self.bytes
    }
}

/// What callers do.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Where to.
    pub(crate) address: SocketAddr,
    /// One caller each.
    pub(crate) requests: Vec<Request>,
    /// Tokens that each answer has to bring; `None`: the answer is only read to its end.
    pub(crate) tokens: Option<u64>,
    /// How long callers go on.
    pub(crate) until: Until,
}

/// How long callers go on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// For so long, then the open requests are finished but not counted.
    Time(Duration),
    /// Each caller asks once; the beginnings are spread over this time.
    Once(Duration),
}

/// What callers found. Times in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Whole answers, in time.
    pub(crate) whole: Vec<u64>,
    /// Time to the first token.
    pub(crate) first: Vec<u64>,
    /// How long tokens were on their way.
    pub(crate) ages: Vec<u64>,
    /// Answers, also those after the end of the time: all that work was done for.
    pub(crate) answers: u64,
    /// Requests without the answer they should have had.
    pub(crate) bad: u64,
    /// Tokens that never came.
    pub(crate) lost: u64,
    /// Tokens that nobody sent.
    pub(crate) doubled: u64,
    /// The first failure, for the reader.
    pub(crate) complaint: Option<String>,
}

impl Tally {
    fn complain(&mut self, complaint: impl FnOnce() -> String) {
        self.bad += 1;
        if self.complaint.is_none() {
            self.complaint = Some(complaint());
        }
    }

    fn merge(&mut self, other: Self) {
        self.whole.extend(other.whole);
        self.first.extend(other.first);
        self.ages.extend(other.ages);
        self.answers += other.answers;
        self.bad += other.bad;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.complaint = self.complaint.take().or(other.complaint);
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    reader: Reader,
}

/// One answer, in nanoseconds from the request.
#[derive(Debug, Default)]
struct Answer {
    first: Option<u64>,
    whole: u64,
    tokens: u64,
}

impl Connection {
    /// Connects, without Nagle's delay.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, reader: Reader::new() })
    }

    /// Sends a request.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) async fn send(&mut self, request: &mut Request) -> io::Result<()> {
        self.reader.reset();
        self.socket.write_all(request.next()).await
    }

    /// Reads some more of the answer.
    ///
    /// # Errors
    /// When the connection ends or brings garbage.
    pub(crate) async fn read(&mut self) -> io::Result<Progress> {
        if self.socket.read_buf(self.reader.space()).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.reader.advance().map_err(|Garbled| io::ErrorKind::InvalidData.into())
    }

    /// What is known of the answer.
    pub(crate) fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When the connection ends, brings garbage or brings nothing for too long.
    pub(crate) async fn ask(&mut self, request: &mut Request) -> io::Result<()> {
        let asking = async {
            self.send(request).await?;
            while self.read().await? == Progress::More {}
            Ok(())
        };
        tokio::time::timeout(PATIENCE, asking).await?
    }

    async fn measure(
        &mut self,
        request: &mut Request,
        tokens: bool,
        ages: &mut Vec<u64>,
    ) -> io::Result<Answer> {
        let mut answer = Answer::default();
        let began = now_ns();
        self.send(request).await?;
        loop {
            let progress = self.read().await?;
            if tokens {
                let now = now_ns();
                let used = sse::tokens(self.reader.body(), |sent| {
                    answer.tokens += 1;
                    answer.first.get_or_insert(now.saturating_sub(began));
                    ages.push(now.saturating_sub(sent));
                });
                self.reader.consume(used);
            }
            if progress == Progress::Whole {
                answer.whole = now_ns().saturating_sub(began);
                return Ok(answer);
            }
        }
    }
}

/// Callers that are connected and wait for the start.
#[derive(Debug)]
pub(crate) struct Callers {
    callers: Vec<(Connection, Request)>,
    load: Load,
}

impl Callers {
    /// Connects all callers.
    ///
    /// # Errors
    /// When one of them cannot.
    pub(crate) async fn connect(load: Load) -> Result<Self, Error> {
        let mut callers = Vec::with_capacity(load.requests.len());
        for request in &load.requests {
            let connection = Connection::open(load.address).await;
            callers.push((
                connection.map_err(|error| Error::io("a lane does not accept", error))?,
                request.clone(),
            ));
        }
        Ok(Self { callers, load })
    }

    /// Lets all callers go.
    ///
    /// # Errors
    /// When a caller's task fails.
    pub(crate) async fn run(self) -> Result<Tally, Error> {
        let began = Instant::now();
        let count = u32::try_from(self.callers.len()).unwrap_or(u32::MAX).max(1);
        let tasks: Vec<_> = (0..)
            .zip(self.callers)
            .map(|(place, (connection, request))| {
                let caller =
                    Caller { connection, request, address: self.load.address, tokens: self.load.tokens };
                tokio::spawn(async move {
                    match self.load.until {
                        Until::Time(time) => caller.repeat(began + time).await,
                        Until::Once(spread) => caller.once(began + spread * place / count).await,
                    }
                })
            })
            .collect();
        let mut tally = Tally::default();
        for task in tasks {
            tally.merge(task.await.map_err(|error| Error::other("a caller failed", error))?);
        }
        for values in [&mut tally.whole, &mut tally.first, &mut tally.ages] {
            values.sort_unstable();
        }
        Ok(tally)
    }
}

struct Caller {
    connection: Connection,
    request: Request,
    address: SocketAddr,
    tokens: Option<u64>,
}

impl Caller {
    async fn repeat(mut self, end: Instant) -> Tally {
        let mut tally = Tally::default();
        while Instant::now() < end {
            if !self.one(&mut tally, end).await {
                match Connection::open(self.address).await {
                    Ok(connection) => self.connection = connection,
                    Err(error) => {
                        tally.complain(|| format!("no connection: {error}"));
                        return tally;
                    }
                }
            }
        }
        tally
    }

    async fn once(mut self, begin: Instant) -> Tally {
        let mut tally = Tally::default();
        tokio::time::sleep_until(begin).await;
        self.one(&mut tally, begin + PATIENCE).await;
        tally
    }

    /// One request; says whether the connection is still good.
    async fn one(&mut self, tally: &mut Tally, end: Instant) -> bool {
        let asking = self.connection.measure(&mut self.request, self.tokens.is_some(), &mut tally.ages);
        let answer = match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tally.complain(|| format!("broke off: {error}"));
                return false;
            }
            Err(_elapsed) => {
                tally.complain(|| "no answer".to_owned());
                return false;
            }
        };
        let reader = self.connection.reader();
        if reader.status() != 200 {
            let (status, body) = (reader.status(), excerpt(reader.body()));
            tally.complain(|| format!("{status}: {body}"));
            return true;
        }
        tally.answers += 1;
        let expected = self.tokens.unwrap_or(answer.tokens);
        tally.lost += expected.saturating_sub(answer.tokens);
        tally.doubled += answer.tokens.saturating_sub(expected);
        if Instant::now() <= end {
            tally.whole.push(answer.whole);
            tally.first.extend(answer.first);
        }
        true
    }
}

/// The beginning of a body, for error messages.
pub(crate) fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_its_uses() {
        let mut request = Request::new("POST /x", &[("a", "b")], "{\"n\":\"##\"}");
        let text = String::from_utf8(request.next().to_vec()).unwrap();
        assert_eq!(
            text,
            "POST /x HTTP/1.1\r\nhost: 127.0.0.1\r\na: b\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n\
             {\"n\":\"01\"}"
        );
        for _ in 0..9 {
            request.next();
        }
        assert!(request.next().ends_with(b"{\"n\":\"11\"}"));
        assert_eq!(Request::new("GET /", &[], "").next(), b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
    }
}
