// The small signals of this visitor: "I am writing", and how far the agents' messages have come here.

import { backoffMs } from "./events.js";
import { ownReach } from "./people.js";

/** The server drops what comes faster than every 2 s; the other side shows it for some seconds. */
const TYPING_EVERY_MS = 3_000;
/** Receipts of messages that come close together travel together. */
const BATCH_MS = 400;

/** `touch()` at each key: tells the agent, if there is one, at once and then every few seconds. */
export function createTyping({ api, store, now = Date.now }) {
  let last = -Infinity;
  return {
    touch() {
      if (store.state.status !== "manual_live" || now() - last < TYPING_EVERY_MS) return;
      last = now();
      // It is about this moment; a lost one is not worth a repeat.
      api.typing(store.state.session).catch(() => {});
    },
    /** The message went out: the next key is news. */
    reset() {
      last = -Infinity;
    },
  };
}

/** `look()` whenever something may have come or been seen; `seen()` gives the newest `seq` in sight, 0 while hidden. */
export function createReceipts({ api, store, seen }) {
  let timer = null;
  let failures = 0;

  async function tell() {
    timer = null;
    const { session } = store.state;
    const reach = ownReach(store.state, seen());
    if (!session || !reach) return;
    try {
      const { data } = await api.reach(session, reach);
      failures = 0;
      if (store.state.session !== session) return;
      for (const role of ["user", "agent"]) {
        store.dispatch({ type: "event", event: { ...data?.[role], type: "receipt", role } });
      }
    } catch (error) {
      // A refusal is repeated only with new news.
      failures += 1;
      const mayHelp = error.status === 0 || error.status === 429 || error.status >= 500;
      if (mayHelp) timer = setTimeout(tell, backoffMs(failures, Math.random()));
    }
  }

  /** Called often, so it does not measure the page; what is in sight is looked up when it is told. */
  function look() {
    if (timer === null && ownReach(store.state, Infinity)) timer = setTimeout(tell, BATCH_MS);
  }

  return { look };
}
