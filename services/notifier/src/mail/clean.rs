//! Other people's words on their way into a mail: nothing in them may end a line of a header, hide, or turn the direction
//! of reading. That they are no HTML is the business of the templates, which escape.

/// What stands where something was cut off.
const CUT: char = '…';

/// A text of several lines: line feeds and tabs stay, other control and invisible characters go.
pub(crate) fn text(raw: &str, max_chars: usize) -> String {
    let visible = raw.replace("\r\n", "\n").replace('\r', "\n");
    cut(visible.chars().filter(|c| matches!(c, '\n' | '\t') || !is_hidden(*c)), max_chars)
}

/// A text of one line: every run of white space is one blank.
pub(crate) fn line(raw: &str, max_chars: usize) -> String {
    let words: Vec<&str> =
        raw.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    cut(words.join(" ").chars().filter(|c| !is_hidden(*c)), max_chars)
}

fn cut(chars: impl Iterator<Item = char>, max: usize) -> String {
    let mut text: String = chars.take(max + 1).collect();
    if let Some((at, _)) = text.char_indices().nth(max) {
        text.truncate(at);
        text.push(CUT);
    }
    text
}

/// Control characters, and those that are not seen but change what is: directions, joiners, tags, fillers.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_header_can_be_ended() {
        for raw in [
            "a\r\nBcc: x@y.z",
            "a\nBcc: x@y.z",
            "a\rBcc: x@y.z",
            "a\u{85}Bcc: x@y.z",
            "a\u{2028}Bcc: x@y.z",
            "a\0Bcc: x@y.z",
        ] {
            assert_eq!(line(raw, 100), "a Bcc: x@y.z", "{raw:?}");
        }
    }

    #[test]
    fn what_is_not_seen_is_not_there() {
        assert_eq!(line("ab\u{202e}cd\u{200b}ef\u{feff}\u{e0041}", 100), "abcdef");
        assert_eq!(text("a\tb\r\nc\u{7}\u{2066}d", 100), "a\tb\ncd");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(line(&"电".repeat(6), 5), "电电电电电…");
        assert_eq!(line(&"电".repeat(5), 5), "电电电电电");
        assert_eq!(text("", 5), "");
    }
}
