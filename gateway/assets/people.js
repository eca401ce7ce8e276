// What the page knows of the people on the other side: the place in the queue, who writes, how far each
// side has read, and which earlier messages there are. Pure; state.js calls it.

/** How long "is typing" stays without being told again. The server repeats it every 2 s at most. */
export const TYPING_MS = 6_000;
/** Messages that the server sends with a session; with fewer, there is nothing before them. */
const HISTORY_TAIL = 50;

const NOTHING_REACHED = { delivered: 0, read: 0 };

/** The part of the initial state that is about people. */
export function nobody() {
  return {
    queue: null,
    typist: null,
    reached: { user: NOTHING_REACHED, agent: NOTHING_REACHED },
    earlier: { exists: false, loading: false },
  };
}

/** What a snapshot says of people: the places and receipts come as events after it. */
export function startOver(history) {
  return { ...nobody(), earlier: { exists: history.length >= HISTORY_TAIL, loading: false } };
}

const count = (value) => (Number.isInteger(value) && value > 0 ? value : 0);

export function applyQueue(state, event) {
  const position = count(event.position);
  if (position === 0) return { ...state, queue: null };
  const wait = typeof event.estimated_wait === "number" && event.estimated_wait >= 0 ? event.estimated_wait : null;
  return { ...state, queue: { position, total: Math.max(position, count(event.total)), wait } };
}

export function applyTyping(state, event, at) {
  if (event.role !== "agent") return state;
  const name = event.agent_info?.agent_name ?? state.agentName;
  return { ...state, typist: { name, until: at + TYPING_MS } };
}

/** Positions only grow, in whatever order they come. */
export function applyReceipt(state, event) {
  const before = state.reached[event.role];
  if (!before) return state;
  const read = Math.max(before.read, count(event.read));
  const delivered = Math.max(before.delivered, count(event.delivered), read);
  return { ...state, reached: { ...state.reached, [event.role]: { delivered, read } } };
}

/** Time passes: who has not been heard of for a while no longer writes. */
export function passTime(state, now) {
  return state.typist && state.typist.until <= now ? { ...state, typist: null } : state;
}

/** How far a message of this visitor has come: `sent`, `delivered` or `read`. */
export function receiptOf(state, seq) {
  if (seq <= state.reached.agent.read) return "read";
  return seq <= state.reached.agent.delivered ? "delivered" : "sent";
}

/** What to tell the agents: the newest of their messages that is here, and the newest that was in sight. */
export function ownReach(state, seen) {
  const arrived = state.log.findLast((entry) => entry.role === "agent")?.seq ?? 0;
  const inSight = state.log.findLast((entry) => entry.role === "agent" && entry.seq <= seen)?.seq ?? 0;
  const { delivered, read } = state.reached.user;
  const reach = { delivered: Math.max(arrived, delivered), read: Math.max(inSight, read) };
  return reach.delivered > delivered || reach.read > read ? reach : null;
}

/** `entries`, oldest first, stand before everything that is in the log. */
export function addEarlier(state, { before, entries, hasMore }) {
  const first = state.log[0]?.seq ?? 0;
  // The log was replaced while they were fetched.
  if (before !== first) return { ...state, earlier: { ...state.earlier, loading: false } };
  const older = entries.filter((entry) => entry.seq < first);
  return { ...state, log: [...older, ...state.log], earlier: { exists: hasMore && older.length > 0, loading: false } };
}
