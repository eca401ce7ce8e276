// What the page knows, as one value and one pure function: reduce(state, action) -> state.
// The session's log is the truth and is keyed by `seq`; behind it stands the tail: messages of this
// visitor that are not in the log yet, and answers that are still being written.

import { addEarlier, applyQueue, applyReceipt, applyTyping, nobody, passTime, startOver } from "./people.js";

/** Statuses in which a person, not the assistant, reads what the customer writes. */
export const MANUAL = new Set(["pending_manual", "manual_live"]);

/** Statuses in which the visitor waits for a person. */
export const WAITING = new Set(["pending_manual", "after_hours_email"]);

/** The state before anything is known. */
export function initialState() {
  return {
    session: null,
    loaded: false,
    status: "bot_active",
    statusSeq: -1,
    agentName: null,
    head: 0,
    cursor: null,
    connection: "connecting",
    log: [],
    tail: [],
    turnOf: {},
    answered: {},
    ended: {},
    dividers: [],
    ...nobody(),
  };
}

/** The only way a state changes. Unknown actions change nothing. */
export function reduce(state, action) {
  const handler = HANDLERS[action.type];
  return handler ? handler(state, action) : state;
}

const HANDLERS = {
  session: (state, { name }) => ({
    ...initialState(),
    session: name,
    connection: state.connection,
    // What the old session took stays there; what waits goes to the new one.
    tail: state.tail
      .filter((item) => item.kind === "own" && item.state !== "sent")
      .map((item) => ({ ...item, after: 0 })),
  }),
  snapshot: (state, { session }) => replaceBySnapshot(state, session),
  event: (state, { event, id, at }) => {
    const next = applyEvent(state, event, at);
    const cursor = id || next.cursor;
    return cursor === next.cursor ? next : { ...next, cursor };
  },
  connection: (state, { value }) => (state.connection === value ? state : { ...state, connection: value }),
  status: (state, { status, agentName }) => ({ ...state, status, agentName: agentName ?? state.agentName }),
  dividers: (state, { list }) => ({ ...state, dividers: list }),
  divider: (state, { at }) => ({ ...state, dividers: [...state.dividers, { after: state.head, at }] }),
  queued: (state, { cmid, content, at }) => ({
    ...state,
    tail: [...state.tail, { kind: "own", cmid, content, at, after: state.head, state: "sending", error: null }],
  }),
  restored: (state, { items }) => ({ ...state, tail: [...state.tail, ...items] }),
  earlier_asked: (state) => ({ ...state, earlier: { ...state.earlier, loading: true } }),
  earlier_failed: (state) => ({ ...state, earlier: { ...state.earlier, loading: false } }),
  earlier: (state, { before, messages, hasMore }) =>
    addEarlier(state, { before, hasMore, entries: messages.filter((raw) => Number.isInteger(raw.seq)).map(toEntry) }),
  tick: (state, { now }) => passTime(state, now),
  dropped: (state, { cmid }) => ({ ...state, tail: state.tail.filter((item) => !isOwn(item, cmid)) }),
  delivery: applyDelivery,
  post_delta: applyPostDelta,
  post_done: applyPostDone,
  post_closed: applyPostClosed,
};

const isOwn = (item, cmid) => item.kind === "own" && item.cmid === cmid;

/** The message of this visitor that waits for its place in the log, if it still does. */
export function findOwn(state, cmid) {
  return state.tail.find((item) => isOwn(item, cmid)) ?? null;
}

function patchTail(state, test, change) {
  return { ...state, tail: state.tail.map((item) => (test(item) ? { ...item, ...change } : item)) };
}

// ---- the log ----

function toEntry(raw) {
  return {
    seq: raw.seq,
    message_id: raw.message_id ?? null,
    role: raw.role,
    content: typeof raw.content === "string" ? raw.content : "",
    timestamp: typeof raw.timestamp === "number" ? raw.timestamp : null,
    turn_id: raw.turn_id ?? null,
    client_message_id: raw.client_message_id ?? null,
    sources: Array.isArray(raw.sources) ? raw.sources : [],
    interrupted: raw.interrupted === true,
    agent_name: raw.agent_name ?? null,
  };
}

/** Puts one logged message at its place; a message that is already there is replaced, not doubled. */
function insertEntry(state, raw) {
  if (!Number.isInteger(raw.seq)) return state;
  const entry = toEntry(raw);
  const known = state.log.find((old) => sameEntry(old, entry));
  entry.client_message_id ??= known?.client_message_id ?? null;
  const log = state.log.filter((old) => !sameEntry(old, entry));
  let at = log.length;
  while (at > 0 && log[at - 1].seq > entry.seq) at -= 1;
  log.splice(at, 0, entry);
  const next = { ...state, log, head: Math.max(state.head, entry.seq) };
  if (entry.role === "user") return known ? next : claimOwn(next, entry);
  return settleAnswers(next, entry);
}

const sameEntry = (a, b) => a.seq === b.seq || (a.message_id !== null && a.message_id === b.message_id);

const normal = (text) => text.normalize("NFC").trim();

/** Finds which waiting message of this visitor the logged one is, and takes it out of the tail. */
function claimOwn(state, entry) {
  const waiting = state.tail.filter((item) => item.kind === "own");
  const own = entry.client_message_id
    ? waiting.find((item) => item.cmid === entry.client_message_id)
    : (waiting.find((item) => item.message_id && item.message_id === entry.message_id) ??
      waiting.find((item) => entry.turn_id && state.turnOf[item.cmid] === entry.turn_id) ??
      waiting.find((item) => entry.seq > item.after && normal(item.content) === normal(entry.content)));
  const cmid = own?.cmid ?? entry.client_message_id;
  if (!cmid) return state;
  const log = state.log.map((old) => (old.seq === entry.seq ? { ...old, client_message_id: cmid } : old));
  const next = { ...state, log, tail: state.tail.filter((item) => !isOwn(item, cmid)) };
  return entry.turn_id ? linkTurn(next, cmid, entry.turn_id) : next;
}

/** A final message takes the place of the answer that was being written for it. */
function settleAnswers(state, entry) {
  const isSettled = (item) =>
    item.kind === "answer" &&
    ((entry.turn_id && item.turn_id === entry.turn_id) ||
      item.seq === entry.seq ||
      (item.turn_id === null && item.post !== "" && normal(item.post) === normal(entry.content)));
  const settled = state.tail.filter(isSettled);
  const answered = { ...state.answered };
  if (entry.turn_id && entry.role !== "system") answered[entry.turn_id] = true;
  const turnOf = { ...state.turnOf };
  for (const item of settled) {
    if (item.cmid && !turnOf[item.cmid]) turnOf[item.cmid] = item.turn_id ?? entry.turn_id ?? `seq:${entry.seq}`;
  }
  for (const item of settled) if (item.cmid) answered[turnOf[item.cmid]] = true;
  return { ...state, answered, turnOf, tail: state.tail.filter((item) => !isSettled(item)) };
}

function agentNameOf(info) {
  return info?.agent_name ?? info?.name ?? null;
}

function replaceBySnapshot(state, session) {
  const history = Array.isArray(session.history) ? session.history : [];
  const head = Number.isInteger(session.head) ? session.head : 0;
  let next = {
    ...state,
    loaded: true,
    status: session.status ?? state.status,
    agentName: agentNameOf(session.assigned_agent),
    ...startOver(history),
    cursor: session.cursor ?? null,
    log: [],
    head: 0,
    answered: {},
    ended: {},
    tail: state.tail.map((item) => (item.kind === "own" ? { ...item, after: Math.min(item.after, head) } : item)),
  };
  for (const raw of history) {
    const old = state.log.find((entry) => entry.message_id !== null && entry.message_id === raw.message_id);
    next = insertEntry(next, { ...raw, client_message_id: raw.client_message_id ?? old?.client_message_id });
  }
  next.head = Math.max(next.head, head);
  next.statusSeq = next.head;
  const running = session.running_turn ?? null;
  next.tail = next.tail.filter((item) => item.kind === "own" || item.posting || item.turn_id === running);
  return running ? openTurn(next, running) : next;
}

// ---- events ----

function applyEvent(state, event, at = 0) {
  const next = Number.isInteger(event.seq) ? { ...state, head: Math.max(state.head, event.seq) } : state;
  switch (event.type) {
    case "message":
    case "manual_message":
      // Who has just said something is done writing it.
      return insertEntry(event.role === "agent" ? { ...next, typist: null } : next, event);
    case "status_change":
      return applyStatus(next, event);
    case "turn":
      return applyTurn(next, event);
    case "delta":
      return applyDelta(next, event);
    case "queue_position":
      return applyQueue(next, event);
    case "typing":
      return applyTyping(next, event, at);
    case "receipt":
      return applyReceipt(next, event);
    case "reset":
      return event.session ? replaceBySnapshot(next, event.session) : next;
    default:
      return next;
  }
}

function applyStatus(state, event) {
  if (Number.isInteger(event.seq) && event.seq <= state.statusSeq) return state;
  return {
    ...state,
    status: event.status,
    statusSeq: event.seq ?? state.statusSeq,
    agentName: event.status === "manual_live" ? (agentNameOf(event.agent_info) ?? state.agentName) : null,
    queue: WAITING.has(event.status) ? state.queue : null,
    typist: event.status === "manual_live" ? state.typist : null,
  };
}

// ---- answers that are being written ----

function newAnswer(fields) {
  return {
    kind: "answer",
    turn_id: null,
    cmid: null,
    text: "",
    chunk: null,
    gap: false,
    post: "",
    posting: false,
    seq: null,
    sources: [],
    state: "streaming",
    ...fields,
  };
}

const isAnswer = (item, turnId) => item.kind === "answer" && item.turn_id === turnId;

/** Makes sure there is an answer for the turn, unless its final message is already in the log. */
function openTurn(state, turnId) {
  if (state.answered[turnId] || state.tail.some((item) => isAnswer(item, turnId))) return state;
  const cmid = Object.keys(state.turnOf).find((key) => state.turnOf[key] === turnId) ?? null;
  return { ...state, tail: [...state.tail, newAnswer({ turn_id: turnId, cmid })] };
}

/** Remembers which message a turn answers; its two half-known answers become one. */
function linkTurn(state, cmid, turnId) {
  const turnOf = { ...state.turnOf, [cmid]: turnId };
  const posted = state.tail.find((item) => item.kind === "answer" && item.cmid === cmid);
  const evented = state.tail.find((item) => isAnswer(item, turnId));
  if (!posted) return patchTail({ ...state, turnOf }, (item) => item === evented, { cmid });
  if (state.answered[turnId]) return { ...state, turnOf, tail: state.tail.filter((item) => item !== posted) };
  if (!evented || evented === posted) {
    return patchTail({ ...state, turnOf }, (item) => item === posted, { turn_id: turnId });
  }
  const { text, chunk, gap } = evented;
  const tail = state.tail
    .filter((item) => item !== evented)
    .map((item) => (item === posted ? { ...item, turn_id: turnId, text, chunk, gap } : item));
  return { ...state, turnOf, tail };
}

function applyTurn(state, { turn_id: turnId, state: turnState }) {
  if (turnState === "accepted" || turnState === "streaming") {
    const { [turnId]: _, ...ended } = state.ended;
    return openTurn({ ...state, ended }, turnId);
  }
  const answer = state.tail.find((item) => isAnswer(item, turnId));
  const ended = { ...state.ended, [turnId]: true };
  if (!answer) return { ...state, ended };
  if (answerText(answer) === "" && !answer.posting) {
    return { ...state, ended, tail: state.tail.filter((item) => item !== answer) };
  }
  const broken = turnState === "interrupted" || turnState === "failed";
  return patchTail({ ...state, ended }, (item) => item === answer, { state: broken ? "interrupted" : "done" });
}

function applyDelta(state, delta) {
  const { turn_id: turnId, chunk, content } = delta;
  if (state.answered[turnId] || state.ended[turnId] || typeof content !== "string") return state;
  const next = openTurn(state, turnId);
  const answer = next.tail.find((item) => isAnswer(item, turnId));
  const change = joinChunk(answer, delta.from_chunk, chunk, content);
  return change ? patchTail(next, (item) => item === answer, { state: "streaming", ...change }) : next;
}

/** What a delta adds to an answer; null when it was there before, `gap` when chunks are missing. */
function joinChunk(answer, fromChunk, chunk, content) {
  if (fromChunk === 0) return { text: content, chunk, gap: false };
  const from = fromChunk ?? chunk;
  if (answer.chunk === null) return from <= 1 ? { text: content, chunk } : { gap: true };
  if (chunk <= answer.chunk) return null;
  return from === answer.chunk + 1 ? { text: answer.text + content, chunk } : { gap: true };
}

/** True when an answer misses chunks: only a new connection brings the text so far again. */
export function hasGap(state) {
  return state.tail.some((item) => item.kind === "answer" && item.gap);
}

/** The text to show: both ways carry the same answer, so the longer one is further on. */
export function answerText(answer) {
  return answer.post.startsWith(answer.text) ? answer.post : answer.text;
}

// ---- this visitor's own requests ----

function applyDelivery(state, { cmid, state: delivery, error, message_id: messageId }) {
  const inLog = messageId && state.log.some((entry) => entry.message_id === messageId);
  if (inLog) return { ...state, tail: state.tail.filter((item) => !isOwn(item, cmid)) };
  const change = { state: delivery, error: error ?? null };
  if (messageId) change.message_id = messageId;
  return patchTail(state, (item) => isOwn(item, cmid), change);
}

/** The open answer of a request; null when that answer is already settled. */
function ensurePosted(state, cmid) {
  const turnId = state.turnOf[cmid] ?? null;
  if (turnId && (state.answered[turnId] || state.ended[turnId])) return null;
  const test = (item) => item.kind === "answer" && (item.cmid === cmid || (turnId && item.turn_id === turnId));
  if (state.tail.some(test)) return patchTail(state, test, { cmid });
  return { ...state, tail: [...state.tail, newAnswer({ turn_id: turnId, cmid })] };
}

function applyPostDelta(state, { cmid, content, first }) {
  const next = ensurePosted(state, cmid);
  if (!next) return state;
  const test = (item) => item.kind === "answer" && item.cmid === cmid;
  const answer = next.tail.find(test);
  // The server answers a repeated request from the beginning.
  return patchTail(next, test, { post: first ? content : answer.post + content, posting: true });
}

function applyPostDone(state, { cmid, turn_id: turnId, seq, sources }) {
  const linked = turnId ? linkTurn(state, cmid, turnId) : state;
  const test = (item) => item.kind === "answer" && item.cmid === cmid;
  const inLog = linked.log.some((entry) => entry.seq === seq && entry.role !== "user");
  if (inLog) return { ...linked, tail: linked.tail.filter((item) => !test(item)) };
  const shown = linked.tail.filter((item) => !(test(item) && answerText(item) === ""));
  const change = { state: "done", posting: false, seq: seq ?? null, sources: Array.isArray(sources) ? sources : [] };
  return patchTail({ ...linked, tail: shown }, test, change);
}

/**
 * The request ended without `done`. After an error nothing follows; else the events bring the rest. What was shown of an
 * answer that was `replaced` is void: the log has the one that counts.
 */
function applyPostClosed(state, { cmid, broken, replaced }) {
  const test = (item) => item.kind === "answer" && item.cmid === cmid;
  if (replaced) return { ...state, tail: state.tail.filter((item) => !test(item)) };
  const tail = state.tail.filter((item) => !(test(item) && answerText(item) === "" && item.turn_id === null));
  return patchTail({ ...state, tail }, test, { posting: false, ...(broken && { state: "interrupted" }) });
}
