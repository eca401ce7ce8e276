// Incremental reader of the text/event-stream format, for streams that are read with fetch.
// Input may be cut anywhere: inside a line, between CR and LF, inside a character.

/** Parser over decoded text. `feed(text)` returns the frames that `text` completes. */
export function createSseParser() {
  let line = "";
  let skipLineFeed = false;
  let atStart = true;
  let lastId = "";
  let pending = blank();

  function blank() {
    return { data: [], event: "", retry: null };
  }

  function field(text) {
    const colon = text.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? text : text.slice(0, colon);
    let value = colon < 0 ? "" : text.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (name === "data") pending.data.push(value);
    else if (name === "event") pending.event = value;
    else if (name === "id" && !value.includes("\0")) lastId = value;
    else if (name === "retry" && /^\d+$/.test(value)) pending.retry = Number(value);
  }

  function endOfLine(frames) {
    const text = line;
    line = "";
    if (text !== "") {
      field(text);
      return;
    }
    if (pending.data.length > 0) {
      const { data, event, retry } = pending;
      frames.push({ id: lastId, event: event || "message", data: data.join("\n"), retry });
    }
    pending = blank();
  }

  return {
    feed(text) {
      const frames = [];
      let from = 0;
      if (atStart && text !== "") {
        if (text.charCodeAt(0) === 0xfeff) from = 1;
        atStart = false;
      }
      for (let i = from; i < text.length; i += 1) {
        const code = text.charCodeAt(i);
        if (code !== 10 && code !== 13) {
          skipLineFeed = false;
          continue;
        }
        if (code === 10 && skipLineFeed) {
          skipLineFeed = false;
          from = i + 1;
          continue;
        }
        line += text.slice(from, i);
        from = i + 1;
        skipLineFeed = code === 13;
        endOfLine(frames);
      }
      line += text.slice(from);
      return frames;
    },
  };
}

/** The JSON objects of a response body, one by one. Frames that hold no JSON object are left out. */
export async function* readJsonFrames(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = createSseParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const frame of parser.feed(decoder.decode(value, { stream: true }))) {
        const json = parseObject(frame.data);
        if (json) yield json;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** `text` as a JSON object, or null. */
export function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
