//! Reads `text/event-stream`: bytes in any cut, events out, every buffer bounded. Knows nothing of JSON or vendors.

use crate::ModelError;

/// One event. Without an `event:` line the name is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) name: &'a str,
    pub(crate) data: &'a str,
}

/// The decoder of one stream.
#[derive(Debug)]
pub(crate) struct Decoder {
    max_line: usize,
    buffer: Vec<u8>,
    /// Start of what is not read yet, and how far no line end was found behind it.
    start: usize,
    scanned: usize,
    name: String,
    data: String,
    has_data: bool,
    /// The present frame was given out; the next line begins a new one.
    delivered: bool,
    frames: u64,
    bytes: usize,
}

impl Decoder {
    /// A decoder that refuses lines and events of more than `max_line` bytes.
    pub(crate) fn new(max_line: usize) -> Self {
        Self {
            max_line,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            name: String::new(),
            data: String::new(),
            has_data: false,
            delivered: false,
            frames: 0,
            bytes: 0,
        }
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
        self.bytes += chunk.len();
    }

    /// Reads on to the next event; `false` when more bytes are needed.
    ///
    /// # Errors
    /// [`ModelError::BadReply`] for a line that is too long or not UTF-8.
    pub(crate) fn advance(&mut self) -> Result<bool, ModelError> {
        while let Some((from, to)) = self.next_line()? {
            if self.take_line(from, to)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// At the end of the stream: gives out an event whose closing blank line never came.
    ///
    /// # Errors
    /// [`ModelError::BadReply`] when bytes came and no event was among them.
    pub(crate) fn finish(&mut self) -> Result<bool, ModelError> {
        if self.start < self.buffer.len() && self.frames > 0 {
            return Ok(false); // cut in the middle of a line
        }
        if self.has_data && !self.delivered {
            self.deliver();
            return Ok(true);
        }
        if self.frames == 0 && self.bytes > 0 { Err(ModelError::BadReply) } else { Ok(false) }
    }

    /// The event at which [`Self::advance`] or [`Self::finish`] stopped.
    pub(crate) fn frame(&self) -> Frame<'_> {
        Frame { name: &self.name, data: &self.data }
    }

    /// All bytes taken so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the next complete line lies in the buffer, without its line end (LF, CR LF; a lone CR ends no line).
    fn next_line(&mut self) -> Result<Option<(usize, usize)>, ModelError> {
        let end =
            self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n').map(|at| self.scanned + at);
        let length = end.unwrap_or(self.buffer.len()) - self.start;
        if length > self.max_line {
            return Err(ModelError::BadReply);
        }
        let Some(end) = end else {
            self.scanned = self.buffer.len();
            return Ok(None);
        };
        let from = self.start;
        self.start = end + 1;
        self.scanned = self.start;
        Ok(Some((from, end)))
    }

    /// Reads one line; `true` when it completed an event.
    fn take_line(&mut self, from: usize, to: usize) -> Result<bool, ModelError> {
        if self.delivered {
            self.name.clear();
            self.data.clear();
            self.has_data = false;
            self.delivered = false;
        }
        let line = std::str::from_utf8(&self.buffer[from..to]).map_err(|_| ModelError::BadReply)?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if self.frames == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        if line.is_empty() {
            if self.has_data {
                self.deliver();
                return Ok(true);
            }
            self.name.clear();
            return Ok(false);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
                if self.data.len() > self.max_line {
                    return Err(ModelError::BadReply);
                }
            }
            _ => {} // comments, ids, retry times and unknown fields, as the standard wants it
        }
        Ok(false)
    }

    fn deliver(&mut self) {
        self.delivered = true;
        self.frames += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` in pieces of `size` bytes.
    fn decode(text: &[u8], size: usize) -> Result<Vec<(String, String)>, ModelError> {
        let mut decoder = Decoder::new(64);
        let mut found = Vec::new();
        for piece in text.chunks(size) {
            decoder.push(piece);
            while decoder.advance()? {
                found.push((decoder.frame().name.to_owned(), decoder.frame().data.to_owned()));
            }
        }
        if decoder.finish()? {
            found.push((decoder.frame().name.to_owned(), decoder.frame().data.to_owned()));
        }
        Ok(found)
    }

    #[test]
    fn events_survive_every_cut() {
        let text = "\u{feff}: hello\n\nevent:a\ndata:1\n\nevent: b\r\ndata: 电池\r\ndata: x\r\nid: 9\r\n\r\ndata: last\n";
        let pair = |name: &str, data: &str| (name.to_owned(), data.to_owned());
        let expected = vec![pair("a", "1"), pair("b", "电池\nx"), pair("", "last")];
        for size in 1..=text.len() {
            assert_eq!(decode(text.as_bytes(), size).unwrap(), expected, "cut at every {size}");
        }
    }

    #[test]
    fn an_event_without_data_is_none_and_its_name_is_forgotten() {
        assert_eq!(decode(b"event: a\n\ndata: 1\n\n", 100).unwrap(), [(String::new(), "1".to_owned())]);
    }

    #[test]
    fn a_stream_cut_within_a_line_gives_no_half_event() {
        assert_eq!(decode(b"data: 1\n\ndata: {\"hal", 100).unwrap(), [(String::new(), "1".to_owned())]);
    }

    #[test]
    fn garbage_and_floods_are_refused() {
        for bad in [
            &b"data: \xff\xfe\n\n"[..],
            b"\x00\x01\x02 garbage\nmore garbage\n",
            b"garbage without end",
            &[b'x'; 65],
            &b"data: 0123456789012345678901234567\n".repeat(3),
        ] {
            assert_eq!(decode(bad, 7), Err(ModelError::BadReply), "{}", String::from_utf8_lossy(bad));
        }
        assert_eq!(decode(b"", 1).unwrap(), []);
    }
}
