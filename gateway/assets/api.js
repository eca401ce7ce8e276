// The server's endpoints as functions. Every failure is an `ApiError`: `status` 0 means that no
// answer came, so the outcome is unknown and the request may be repeated with the same key.

import { parseObject } from "./sse.js";

const REQUEST_TIMEOUT_MS = 12_000;
/** How long an open answer stream may stay silent before it counts as broken. */
const STREAM_IDLE_MS = 45_000;
/** Earlier messages that are fetched at once. */
const PAGE = 50;

export class ApiError extends Error {
  constructor({ status, code = null, detail = null, retryAfter = null }) {
    super(code ?? `status ${status}`);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }
}

/** `count` random bytes as hexadecimal digits. */
export function randomHex(count) {
  return Array.from(crypto.getRandomValues(new Uint8Array(count)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A random UUID. `crypto.randomUUID` is missing on plain-http origins. */
export function uuid() {
  const hex = randomHex(16);
  const variant = "89ab"[Number.parseInt(hex[16], 16) & 3];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}

/** Seconds to wait by a Retry-After header (a number or a date), or null. */
export function retryAfterSeconds(value, now) {
  if (!value) return null;
  if (/^\d+$/.test(value.trim())) return Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - now) / 1000));
}

/** The machine code of a failure: `code`, or the prefix of a `CODE: text` string. */
export function codeOf(code, text) {
  if (typeof code === "string" && code !== "") return code;
  return typeof text === "string" ? (/^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+/.exec(text)?.[0] ?? null) : null;
}

async function problemOf(response) {
  const body = parseObject(await response.text().catch(() => "")) ?? {};
  const detail = typeof body.detail === "string" ? body.detail : typeof body.error === "string" ? body.error : null;
  return new ApiError({
    status: response.status,
    code: codeOf(body.code, detail),
    detail: detail ?? (typeof body.title === "string" ? body.title : null),
    retryAfter: retryAfterSeconds(response.headers.get("retry-after"), Date.now()),
  });
}

/** The API below `base` (an absolute URL that ends in a slash). */
export function createApi(base) {
  const url = (path) => new URL(path, base).href;

  async function request(path, { body, key, signal, accept = "application/json" } = {}) {
    const headers = { accept };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (key) headers["idempotency-key"] = key;
    const init = { headers, signal, credentials: "same-origin", cache: "no-store" };
    if (body !== undefined) Object.assign(init, { method: "POST", body: JSON.stringify(body) });
    let response;
    try {
      response = await fetch(url(path), init);
    } catch {
      throw new ApiError({ status: 0 });
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  async function json(path, options = {}) {
    const response = await request(path, { ...options, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    const body = parseObject(await response.text().catch(() => ""));
    if (!body) throw new ApiError({ status: 0 });
    if (body.success === false) {
      throw new ApiError({ status: 400, code: codeOf(body.code, body.error), detail: body.error ?? null });
    }
    return body;
  }

  return {
    botInfo: () => json("bot/info"),
    createSession: (userId, key) => json("conversation/create", { body: { user_id: userId }, key }),
    newConversation: (session, key) => json("conversation/new", { body: { session_id: session }, key }),
    session: async (session) => (await json(`sessions/${encodeURIComponent(session)}`)).data.session,
    escalate: (session, key) =>
      json("manual/escalate", { body: { session_name: session, reason: "user_request" }, key }),
    cancelWait: (session, key) => json(`sessions/${encodeURIComponent(session)}/cancel`, { body: {}, key }),
    typing: (session) => json(`sessions/${encodeURIComponent(session)}/typing`, { body: {} }),
    reach: (session, reach) => json(`sessions/${encodeURIComponent(session)}/receipts`, { body: reach }),
    earlier: async (session, before) =>
      (await json(`sessions/${encodeURIComponent(session)}/messages?before=${before}&limit=${PAGE}`)).data,
    manualMessage: (session, content, cmid) =>
      json("manual/messages", { body: { session_name: session, role: "user", content, client_message_id: cmid } }),

    /** Opens the answer stream of one message. `touch` must be called for each thing received. */
    async chat(session, message, cmid) {
      const abort = new AbortController();
      let timer = setTimeout(() => abort.abort(), REQUEST_TIMEOUT_MS);
      const touch = () => {
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), STREAM_IDLE_MS);
      };
      const body = { message, user_id: session, client_message_id: cmid };
      try {
        const response = await request("chat/stream", { body, signal: abort.signal, accept: "text/event-stream" });
        touch();
        return { body: response.body, touch, finish: () => clearTimeout(timer) };
      } catch (error) {
        clearTimeout(timer);
        throw error;
      }
    },

    eventsUrl(session, cursor) {
      const address = new URL(`sessions/${encodeURIComponent(session)}/events`, base);
      if (cursor) address.searchParams.set("last_event_id", cursor);
      return address.href;
    },
  };
}
