//! Cuts Markdown at its headings and makes plain text of what stands between them.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// What stands below one heading, up to the next.
pub(crate) struct Section {
    /// The headings above it, outermost first, without the document's title.
    pub(crate) path: Vec<String>,
    pub(crate) text: String,
    pub(crate) markdown: String,
}

/// The first heading, and all sections that have text. A first heading of level one is the document's title and no
/// part of any path.
pub(crate) fn sections(source: &str) -> (Option<String>, Vec<Section>) {
    let mut cutter = Cutter { source, ..Cutter::default() };
    let mut depth = 0_usize; // headings inside of quotes and lists do not cut
    for (event, range) in Parser::new_ext(source, Options::ENABLE_TABLES).into_offset_iter() {
        let outermost = depth == usize::from(matches!(event, Event::End(_)));
        if let (true, Event::Start(Tag::Heading { .. })) = (outermost, &event) {
            cutter.close(range.start);
        } else if let (true, Event::End(TagEnd::Heading(level))) = (outermost, &event) {
            cutter.open(*level, range.end);
        } else {
            cutter.plain.take(&event);
        }
        if matches!(event, Event::Start(_)) {
            depth += 1;
        } else if matches!(event, Event::End(_)) {
            depth -= 1;
        }
    }
    cutter.close(source.len());
    (cutter.first_heading, cutter.sections)
}

#[derive(Default)]
struct Cutter<'a> {
    source: &'a str,
    /// Where the open section starts, in bytes.
    start: usize,
    path: Vec<(HeadingLevel, String)>,
    plain: PlainText,
    first_heading: Option<String>,
    sections: Vec<Section>,
}

impl Cutter<'_> {
    fn close(&mut self, end: usize) {
        let text = std::mem::take(&mut self.plain).text.trim().to_owned();
        if !text.is_empty() {
            let path = self.path.iter().map(|(_, heading)| heading.clone()).collect();
            let markdown = self.source[self.start..end].trim().to_owned();
            self.sections.push(Section { path, text, markdown });
        }
    }

    /// The heading's own text was collected since `close`.
    fn open(&mut self, level: HeadingLevel, start: usize) {
        let heading = std::mem::take(&mut self.plain).text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.start = start;
        let is_title = self.first_heading.is_none() && level == HeadingLevel::H1;
        self.first_heading.get_or_insert_with(|| heading.clone());
        self.path.retain(|(above, _)| *above < level);
        if !is_title {
            self.path.push((level, heading));
        }
    }
}

/// Writes events down as text a person can read: list markers stay, links show where they lead, markup goes.
#[derive(Default)]
struct PlainText {
    text: String,
    /// The open lists: the next number of an ordered one.
    lists: Vec<Option<u64>>,
    links: Vec<String>,
}

impl PlainText {
    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Text(text) | Event::Code(text) => self.text.push_str(text),
            Event::SoftBreak => self.soft_break(),
            Event::HardBreak | Event::Rule => self.text.push('\n'),
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(*tag),
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        if let Tag::List(first) = tag {
            self.new_line();
            self.lists.push(*first);
        } else if matches!(tag, Tag::Item) {
            self.new_line();
            self.text.push_str(&"  ".repeat(self.lists.len().saturating_sub(1)));
            match self.lists.last_mut() {
                Some(Some(number)) => {
                    self.text.push_str(&number.to_string());
                    self.text.push_str(". ");
                    *number += 1;
                }
                _ => self.text.push_str("- "),
            }
        } else if let Tag::Link { dest_url, .. } = tag {
            self.links.push(dest_url.to_string());
        }
    }

    fn end(&mut self, tag: TagEnd) {
        if matches!(tag, TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::Table) {
            self.new_line();
            if self.lists.is_empty() {
                self.text.push('\n');
            }
        } else if matches!(tag, TagEnd::List(_)) {
            self.lists.pop();
            self.new_line();
            if self.lists.is_empty() {
                self.text.push('\n');
            }
        } else if matches!(tag, TagEnd::TableHead | TagEnd::TableRow) {
            let cells = self.text.trim_end_matches([' ', '|']).len();
            self.text.truncate(cells);
            self.text.push('\n');
        } else if matches!(tag, TagEnd::TableCell) {
            self.text.push_str(" | ");
        } else if matches!(tag, TagEnd::Link)
            && let Some(url) = self.links.pop()
            && url.starts_with("http")
            && !self.text.ends_with(&url)
        {
            self.text.extend([" (", &url, ")"]);
        }
    }

    /// A line that goes on in the next: a space between words, nothing between Chinese characters.
    fn soft_break(&mut self) {
        if self.text.chars().next_back().is_some_and(|last| last < '\u{2e80}') {
            self.text.push(' ');
        }
    }

    fn new_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_reads_well() {
        let source = "第一行，\n第二行。\n\nOne\ntwo `three` [four](https://x.example) <https://y.example>\n\n1. first\n2. second\n   - deeper\n\n\
            > # quoted\n\n| a | b |\n|---|---|\n| c | d |\n\n<b>bold</b>";
        let (title, sections) = sections(source);
        assert_eq!((title, sections.len()), (None, 1));
        assert_eq!(
            sections[0].text,
            "第一行，第二行。\n\nOne two three four (https://x.example) https://y.example\n\n1. first\n2. second\n  - deeper\n\nquoted\n\na | b\nc | d\n\nbold"
        );
        assert_eq!(sections[0].markdown, source);
    }
}
