//! A mail as it arrived, and what its readers see.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A mail as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Head and body.
    pub data: String,
    /// Whether the connection was protected.
    pub tls: bool,
    /// Who had logged in.
    pub user: Option<String>,
}

impl Mail {
    /// The value of a header, decoded; empty when there is none.
    pub fn header(&self, name: &str) -> String {
        decoded_words(&header(head(&self.data), name))
    }

    /// The `Message-ID`.
    pub fn id(&self) -> String {
        self.header("Message-ID")
    }

    /// The part for readers without HTML.
    pub fn text(&self) -> String {
        self.part("text/plain")
    }

    /// The part with HTML.
    pub fn html(&self) -> String {
        self.part("text/html")
    }

    fn part(&self, kind: &str) -> String {
        let content_type = header(head(&self.data), "Content-Type");
        let boundary =
            content_type.split("boundary=").nth(1).unwrap_or_default().trim_matches('"').to_owned();
        let divider = format!("--{boundary}");
        let wanted = self
            .data
            .split(&divider)
            .filter(|part| header(head(part.trim_start()), "Content-Type").starts_with(kind));
        wanted.last().map(|part| content(part.trim_start())).unwrap_or_default()
    }
}

fn head(text: &str) -> &str {
    text.split_once("\r\n\r\n").map_or(text, |(head, _)| head)
}

/// A header with its continuation lines.
fn header(head: &str, name: &str) -> String {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let found = unfolded.lines().find_map(|line| {
        let (given, value) = line.split_once(':')?;
        given.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    found.unwrap_or_default()
}

fn content(part: &str) -> String {
    let body = part.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let bytes = match header(head(part), "Content-Transfer-Encoding").as_str() {
        "base64" => STANDARD.decode(body.replace("\r\n", "")).expect("base64"),
        "quoted-printable" => quoted_printable(body),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8(bytes).expect("UTF-8").replace("\r\n", "\n")
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let (mut bytes, text) = (Vec::new(), text.replace("=\r\n", ""));
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if let (b'=', [high, low, after @ ..]) = (first, tail) {
            let digits = [*high, *low];
            let digits = std::str::from_utf8(&digits).expect("hexadecimal");
            bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

/// `=?utf-8?b?…?=`, as often as it stands there; blanks between two of them mean nothing.
fn decoded_words(value: &str) -> String {
    let value = value.replace("?= =?", "?==?");
    let (mut text, mut rest) = (String::new(), value.as_str());
    let mut bytes = Vec::new();
    while let Some((before, after)) = rest.split_once("=?utf-8?b?") {
        if !before.is_empty() {
            text.push_str(&String::from_utf8_lossy(&std::mem::take(&mut bytes)));
            text.push_str(before);
        }
        let (word, tail) = after.split_once("?=").unwrap_or((after, ""));
        bytes.extend(STANDARD.decode(word).expect("base64"));
        rest = tail;
    }
    text.push_str(&String::from_utf8_lossy(&bytes));
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_bodies_are_decoded() {
        assert_eq!(decoded_words("[a] =?utf-8?b?5Lq6?= =?utf-8?b?5bel?= - x"), "[a] 人工 - x");
        assert_eq!(String::from_utf8(quoted_printable("=E4=BA=\r\n=BA a=3Db")).unwrap(), "人 a=b");
    }
}
