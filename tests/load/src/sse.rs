//! What event streams say: tokens that carry the moment they were sent, and ids of logged events.

use crate::http1::line_end;

const CONTENT: &[u8] = b"\"content\":\"";
const ID: &[u8] = b"id: ";

/// Gives every whole line of `bytes` to `each`; returns how many bytes they were.
fn lines(bytes: &[u8], mut each: impl FnMut(&[u8])) -> usize {
    let mut at = 0;
    while let Some(end) = line_end(&bytes[at..]) {
        each(&bytes[at..at + end]);
        at += end + 1;
    }
    at
}

/// Gives the moment of every token in the whole lines of `bytes` to `each`; returns how many bytes can be forgotten.
/// Tokens are the numbers in texts under the key `content`, however many share one event.
pub(crate) fn tokens(bytes: &[u8], mut each: impl FnMut(u64)) -> usize {
    lines(bytes, |line| {
        if let Some(text) = content(line) {
            let numbers = text.split(|byte| !byte.is_ascii_digit()).filter(|digits| !digits.is_empty());
            numbers.for_each(|digits| each(number(digits)));
        }
    })
}

/// Gives the number in every `id: EPOCH.NUMBER` in the whole lines of `bytes` to `each`; returns how many bytes can be
/// forgotten.
pub(crate) fn ids(bytes: &[u8], mut each: impl FnMut(&[u8], u64)) -> usize {
    lines(bytes, |line| {
        if let Some(id) = line.strip_prefix(ID) {
            let digits = id.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
            each(id, number(digits));
        }
    })
}

/// The first non-empty text under the key `content`, as it is written: our tokens need no escapes.
fn content(line: &[u8]) -> Option<&[u8]> {
    if !line.starts_with(b"data: {") {
        return None;
    }
    let at = line.windows(CONTENT.len()).position(|window| window == CONTENT)?;
    let text = &line[at + CONTENT.len()..];
    let end = text.iter().position(|byte| *byte == b'"')?;
    Some(&text[..end])
}

fn number(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bytes: &[u8]) -> (Vec<u64>, usize) {
        let mut tokens_seen = Vec::new();
        let used = tokens(bytes, |token| tokens_seen.push(token));
        (tokens_seen, used)
    }

    #[test]
    fn tokens_of_providers_of_limits_and_of_ours() {
        let openai =
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"17 \"}}]}\n\n";
        assert_eq!(seen(openai), (vec![17], openai.len()));
        let limit = b"data: {\"content\":\"18 \"}\n\ndata: {\"content\":\"19 \"}\n\n";
        assert_eq!(seen(limit), (vec![18, 19], limit.len()));
        // Gathered pieces share an event, and the end has no text.
        let ours = b"data: {\"type\":\"message\",\"content\":\"20 21 22 \"}\n\ndata: {\"type\":\"done\",\"content\":\"\"}\n\n";
        assert_eq!(seen(ours), (vec![20, 21, 22], ours.len()));
    }

    #[test]
    fn half_a_line_is_kept_for_later() {
        let whole = b"data: {\"content\":\"1763800000000000000 \"}\n\n";
        for cut in 0..whole.len() - 2 {
            assert_eq!(seen(&whole[..cut]), (vec![], 0), "cut at {cut}");
        }
        let others = b": 12 hb\n\ndata: [DONE]\n\nretry: 5\n";
        assert_eq!(seen(others), (vec![], others.len()));
    }

    #[test]
    fn ids_of_logged_events() {
        let mut found = Vec::new();
        let frames =
            b"retry: 5\n\nid: 3.7\ndata: {\"seq\":7}\n\ndata: {\"content\":\"id: 9.9\"}\n\nid: 3.8\ndata";
        let used = ids(frames, |id, number| found.push((String::from_utf8_lossy(id).into_owned(), number)));
        assert_eq!(found, [("3.7".to_owned(), 7), ("3.8".to_owned(), 8)]);
        assert_eq!(&frames[used..], b"data");
    }
}
