// From state to what is drawn, in order: log, dividers, and the tail. Pure; the view only paints.

import { readNotice } from "./notices.js";
import { receiptOf } from "./people.js";
import { answerText } from "./state.js";

/** One flat list of `message` and `divider` items with stable keys. */
export function selectItems(state) {
  const items = [];
  const firstSeq = state.log[0]?.seq ?? 0;
  // A divider above everything that is shown divides nothing.
  const dividers = state.dividers.filter((divider) => divider.after >= firstSeq && state.log.length > 0);
  let next = 0;
  const divideUntil = (isBefore) => {
    while (next < dividers.length && isBefore(dividers[next])) {
      items.push({ kind: "divider", key: `d:${dividers[next].after}:${dividers[next].at}`, at: dividers[next].at });
      next += 1;
    }
  };
  for (const entry of state.log) {
    divideUntil((divider) => divider.after < entry.seq);
    items.push(fromEntry(entry, state));
  }
  for (const waiting of state.tail) {
    if (waiting.kind === "own") divideUntil((divider) => divider.at <= waiting.at);
    const item = waiting.kind === "own" ? fromOwn(waiting) : fromAnswer(waiting);
    if (item) items.push(item);
  }
  divideUntil(() => true);
  markLastSent(items);
  return group(items);
}

function fromEntry(entry, state) {
  const isOwn = entry.role === "user";
  const at = entry.timestamp === null ? null : entry.timestamp * 1000;
  return {
    kind: "message",
    // An own message keeps its key when it moves from the tail to the log, so it does not blink.
    key: isOwn && entry.client_message_id ? `c:${entry.client_message_id}` : `m:${entry.seq}`,
    replaces: entry.turn_id && !isOwn ? `t:${entry.turn_id}` : null,
    role: entry.role,
    seq: entry.seq,
    state: isOwn ? "sent" : entry.interrupted ? "interrupted" : "done",
    content: entry.content,
    at,
    sources: entry.sources,
    agentName: entry.agent_name,
    notice: entry.role === "system" ? readNotice(entry.content, at) : null,
    receipt: isOwn ? receiptOf(state, entry.seq) : null,
  };
}

function fromOwn(own) {
  return {
    kind: "message",
    key: `c:${own.cmid}`,
    cmid: own.cmid,
    role: "user",
    seq: null,
    state: own.state,
    content: own.content,
    at: own.at,
    sources: [],
    error: own.error,
    receipt: own.state === "sent" ? "sent" : null,
  };
}

function fromAnswer(answer) {
  const content = answerText(answer);
  if (content === "" && answer.state !== "streaming") return null;
  return {
    kind: "message",
    key: answer.turn_id ? `t:${answer.turn_id}` : `p:${answer.cmid}`,
    replaces: answer.turn_id && answer.cmid ? `p:${answer.cmid}` : null,
    role: "assistant",
    seq: null,
    state: answer.state,
    content,
    at: null,
    sources: answer.sources,
  };
}

/** The newest message of the visitor tells in words how far it has come, while nothing follows it. */
function markLastSent(items) {
  const last = items[items.length - 1];
  if (last?.kind === "message" && last.receipt) last.tellsReceipt = true;
}

const GROUP_GAP_MS = 5 * 60 * 1000;

function belongTogether(a, b) {
  if (!a || !b || a.kind !== "message" || b.kind !== "message" || a.role === "system") return false;
  if (a.role !== b.role || (a.agentName ?? null) !== (b.agentName ?? null)) return false;
  if (a.at === null || b.at === null) return true;
  return new Date(a.at).toDateString() === new Date(b.at).toDateString() && Math.abs(b.at - a.at) < GROUP_GAP_MS;
}

/** Marks the first and the last message of each run of one speaker. */
function group(items) {
  return items.map((item, index) => ({
    ...item,
    first: !belongTogether(items[index - 1], item),
    last: !belongTogether(item, items[index + 1]),
  }));
}
