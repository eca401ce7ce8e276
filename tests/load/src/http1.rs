//! Just enough HTTP/1.1 to read responses as they arrive: head, length or chunks, the end. No allocation per response.

use std::io::BufRead as _;

/// Longest head that is read.
const MAX_HEAD: usize = 16 << 10;

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The response goes on.
    More,
    /// The response is whole, and nothing follows it.
    Whole,
}

/// The bytes are no HTTP/1.1 response that we can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Garbled;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Length(usize),
    ChunkSize,
    Chunk(usize),
    /// The line break after a chunk.
    ChunkEnd,
    Trailer,
    Done,
}

/// Reads one response after the other.
#[derive(Debug)]
pub(crate) struct Reader {
    raw: Vec<u8>,
    /// Up to here `raw` is decoded.
    at: usize,
    state: State,
    status: u16,
    body: Vec<u8>,
    head: Vec<u8>,
}

impl Reader {
    /// Waits for a response.
    pub(crate) fn new() -> Self {
        let (raw, body) = (Vec::with_capacity(16 << 10), Vec::with_capacity(16 << 10));
        Self { raw, at: 0, state: State::Head, status: 0, body, head: Vec::new() }
    }

    /// Forgets the last response and waits for the next one.
    pub(crate) fn reset(&mut self) {
        self.raw.clear();
        self.body.clear();
        self.head.clear();
        (self.at, self.state, self.status) = (0, State::Head, 0);
    }

    /// Where the socket puts what it reads.
    pub(crate) fn space(&mut self) -> &mut Vec<u8> {
        if self.at == self.raw.len() {
            self.raw.clear();
            self.at = 0;
        }
        &mut self.raw
    }

    /// The status; 0 before the head is there.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The decoded body so far.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Forgets the body so far: it has been looked at.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.body.drain(..bytes.min(self.body.len()));
    }

    /// A header of the response, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(&self.head).ok()?;
        let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Decodes what has been read.
    ///
    /// # Errors
    /// [`Garbled`] for what is no response, or more than one.
    pub(crate) fn advance(&mut self) -> Result<Progress, Garbled> {
        loop {
            let step = match self.state {
                State::Head => self.read_head()?,
                State::Length(left) => {
                    self.take(left).map(|left| if left == 0 { State::Done } else { State::Length(left) })
                }
                State::ChunkSize => {
                    self.line()?.map(|(from, to)| chunk_size(&self.raw[from..to])).transpose()?
                }
                State::Chunk(left) => {
                    self.take(left).map(|left| if left == 0 { State::ChunkEnd } else { State::Chunk(left) })
                }
                State::ChunkEnd => self.line()?.map(|_| State::ChunkSize),
                State::Trailer => {
                    self.line()?.map(|(from, to)| if from == to { State::Done } else { State::Trailer })
                }
                State::Done if self.at < self.raw.len() => return Err(Garbled),
                State::Done => return Ok(Progress::Whole),
            };
            match step {
                Some(state) => self.state = state,
                None => return Ok(Progress::More),
            }
        }
    }

    fn read_head(&mut self) -> Result<Option<State>, Garbled> {
        let unread = &self.raw[self.at..];
        let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if unread.len() > MAX_HEAD { Err(Garbled) } else { Ok(None) };
        };
        self.head.extend_from_slice(&unread[..end + 2]);
        self.at += end + 4;
        let status = self.head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or(Garbled)?;
        self.status =
            std::str::from_utf8(status).ok().and_then(|digits| digits.parse().ok()).ok_or(Garbled)?;
        if self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Ok(Some(State::ChunkSize));
        }
        let length = self.header("content-length").map_or(Ok(0), str::parse).map_err(|_| Garbled)?;
        Ok(Some(if length == 0 { State::Done } else { State::Length(length) }))
    }

    /// Moves up to `left` bytes into the body; gives what is then left, or `None` if there was nothing to move.
    fn take(&mut self, left: usize) -> Option<usize> {
        let size = left.min(self.raw.len() - self.at);
        if size == 0 {
            return None;
        }
        self.body.extend_from_slice(&self.raw[self.at..self.at + size]);
        self.at += size;
        Some(left - size)
    }

    /// The next whole line, without its end.
    fn line(&mut self) -> Result<Option<(usize, usize)>, Garbled> {
        let unread = &self.raw[self.at..];
        match line_end(unread) {
            Some(end) if end > 0 && unread[end - 1] == b'\r' => {
                let from = self.at;
                self.at += end + 1;
                Ok(Some((from, from + end - 1)))
            }
            None if unread.len() <= MAX_HEAD => Ok(None),
            Some(_) | None => Err(Garbled),
        }
    }
}

fn chunk_size(line: &[u8]) -> Result<State, Garbled> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = std::str::from_utf8(digits).map_err(|_| Garbled)?;
    let size = usize::from_str_radix(digits.trim(), 16).map_err(|_| Garbled)?;
    Ok(if size == 0 { State::Trailer } else { State::Chunk(size) })
}

/// Where the next line break is. `skip_until` is the standard library's own fast search for a byte; ours would be
/// compiled with the profile of the bench.
pub(crate) fn line_end(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let skipped = rest.skip_until(b'\n').unwrap_or(0);
    (skipped > 0 && bytes[skipped - 1] == b'\n').then(|| skipped - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
        6\r\nhello \r\n5;x=y\r\nworld\r\n0\r\n\r\n";

    fn feed(reader: &mut Reader, bytes: &[u8]) -> Result<Progress, Garbled> {
        reader.space().extend_from_slice(bytes);
        reader.advance()
    }

    #[test]
    fn chunks_cut_anywhere_give_the_same_body() {
        for cut in 1..CHUNKED.len() {
            let mut reader = Reader::new();
            assert_eq!(feed(&mut reader, &CHUNKED[..cut]), Ok(Progress::More), "cut at {cut}");
            assert_eq!(feed(&mut reader, &CHUNKED[cut..]), Ok(Progress::Whole), "cut at {cut}");
            assert_eq!((reader.status(), reader.body()), (200, &b"hello world"[..]));
            assert_eq!(reader.header("content-type"), Some("text/event-stream"));
        }
    }

    #[test]
    fn a_length_ends_the_response_and_the_next_begins() {
        let mut reader = Reader::new();
        assert_eq!(
            feed(&mut reader, b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nab"),
            Ok(Progress::More)
        );
        assert_eq!(feed(&mut reader, b"c"), Ok(Progress::Whole));
        assert_eq!((reader.status(), reader.body()), (404, &b"abc"[..]));
        reader.reset();
        assert_eq!(feed(&mut reader, b"HTTP/1.1 204 No Content\r\n\r\n"), Ok(Progress::Whole));
        assert_eq!((reader.status(), reader.body()), (204, &b""[..]));
    }

    #[test]
    fn what_is_no_response_is_noticed() {
        assert_eq!(feed(&mut Reader::new(), b"SSH-2.0-x\r\n\r\n"), Err(Garbled));
        let two = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc";
        assert_eq!(feed(&mut Reader::new(), two), Err(Garbled));
        let chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
        assert_eq!(feed(&mut Reader::new(), chunk), Err(Garbled));
    }

    #[test]
    fn a_body_can_be_consumed_while_it_arrives() {
        let mut reader = Reader::new();
        let (first, rest) = CHUNKED.split_at(CHUNKED.len() - 15);
        feed(&mut reader, first).unwrap();
        let seen = reader.body().len();
        reader.consume(seen);
        feed(&mut reader, rest).unwrap();
        assert_eq!(reader.body(), &b"hello world"[seen..]);
    }

    #[test]
    fn line_ends() {
        assert_eq!(line_end(b"ab\ncd\n"), Some(2));
        assert_eq!(line_end(b"\n"), Some(0));
        assert_eq!(line_end(b"ab"), None);
        assert_eq!(line_end(b""), None);
    }
}
