// The part of Markdown that answers may use: bold, inline code, lists. Everything else stays text.
// The result is data; the page builds DOM nodes from it and never writes HTML.

// Direction overrides, invisible tags and zero-width marks could make text look like something it
// is not. Joiners stay: emoji and several scripts need them.
const DECEPTIVE = /[\u200b\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]|[\u{e0000}-\u{e007f}]/gu;

/** `text` without characters that are invisible or turn the reading direction. */
export function plain(text) {
  return text.replace(DECEPTIVE, "");
}

const INLINE = /`([^`\n]+)`|\*\*(?=\S)([^\n]*?\S)\*\*/g;

/** Spans of one paragraph: `{type: "text"|"bold"|"code", text}`. */
export function inline(text) {
  const spans = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > from) spans.push({ type: "text", text: text.slice(from, match.index) });
    if (match[1] !== undefined) spans.push({ type: "code", text: match[1] });
    else spans.push({ type: "bold", text: match[2] });
    from = match.index + match[0].length;
  }
  if (from < text.length) spans.push({ type: "text", text: text.slice(from) });
  return spans;
}

const BULLET = /^ {0,3}[-*•]\s+(.*)$/;
const NUMBER = /^ {0,3}(\d{1,3})[.)]\s+(.*)$/;

function listItem(line) {
  const bullet = BULLET.exec(line);
  if (bullet) return { type: "ul", start: 1, text: bullet[1] };
  const number = NUMBER.exec(line);
  return number ? { type: "ol", start: Number(number[1]), text: number[2] } : null;
}

/** Blocks of an answer: `{type: "p", text}` and `{type: "ul"|"ol", start, items: [text]}`. */
export function blocks(source) {
  const found = [];
  let paragraph = [];
  const flush = () => {
    const text = paragraph.join("\n").replace(/^\n+|\s+$/g, "");
    if (text !== "") found.push({ type: "p", text });
    paragraph = [];
  };
  let list = null;
  for (const line of plain(source).split(/\r\n|\r|\n/)) {
    const item = listItem(line);
    if (item) {
      flush();
      if (!list || list.type !== item.type) {
        list = { type: item.type, start: item.start, items: [] };
        found.push(list);
      }
      list.items.push(item.text);
    } else if (line.trim() === "") {
      // Ends a paragraph, but not a list: items may be set apart by blank lines.
      flush();
    } else if (list && /^\s{2,}\S/.test(line)) {
      list.items[list.items.length - 1] += `\n${line.trim()}`;
    } else {
      list = null;
      paragraph.push(line);
    }
  }
  flush();
  return found;
}

/** The address of a source if it may be a link: https anywhere, http only on this origin. */
export function safeHref(url, base) {
  if (typeof url !== "string" || url === "") return null;
  try {
    const parsed = new URL(url, base);
    const here = new URL(base);
    const allowed = parsed.protocol === "https:" || (parsed.protocol === "http:" && parsed.origin === here.origin);
    return allowed && parsed.username === "" && parsed.password === "" ? parsed.href : null;
  } catch {
    return null;
  }
}
