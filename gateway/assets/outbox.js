// Brings the visitor's messages to the server: in order, repeated with the same id until their fate
// is known, by the way that fits the session's status. The server keeps each id once.

import { ApiError, codeOf } from "./api.js";
import { backoffMs } from "./events.js";
import { readJsonFrames } from "./sse.js";
import { MANUAL, findOwn } from "./state.js";

/** How often a message is sent before the customer is asked. */
const MAX_ATTEMPTS = 5;
const LONGEST_RETRY_AFTER_S = 30;

/**
 * `recover(error)` is called when the server no longer knows the session; it makes a new one. `onReplaced()`: another
 * answer than the one that was being read is in the log.
 */
export function createOutbox({ api, store, recover, onAnswerFailed, onReplaced }) {
  const attempts = new Map();
  const ways = new Map();
  let chain = Promise.resolve();

  const waiting = (cmid) => findOwn(store.state, cmid) !== null;
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const mark = (cmid, state, error = null) => store.dispatch({ type: "delivery", cmid, state, error });

  function enqueue(cmid) {
    chain = chain.then(() => deliver(cmid));
  }

  async function deliver(cmid) {
    while (waiting(cmid)) {
      attempts.set(cmid, (attempts.get(cmid) ?? 0) + 1);
      try {
        await send(cmid);
        return;
      } catch (error) {
        if (!(await mayRepeat(cmid, error))) return;
      }
    }
  }

  /** Decides after a failure: true = send again now, false = over (failed, or known to be kept). */
  async function mayRepeat(cmid, error) {
    if (!waiting(cmid)) return false;
    const count = attempts.get(cmid);
    const failure = error instanceof ApiError ? error : new ApiError({ status: 0 });
    const repeatable = failure.status === 0 || failure.status === 408 || failure.status >= 500;
    if (count >= MAX_ATTEMPTS) return fail(cmid, failure);
    if (failure.status === 409 && switchWay(cmid)) return true;
    if ([401, 403, 404].includes(failure.status) && count === 1) {
      return recover(failure).then(() => true, () => fail(cmid, failure));
    }
    if (!repeatable) return fail(cmid, failure);
    const asked = Math.min(failure.retryAfter ?? 0, LONGEST_RETRY_AFTER_S) * 1000;
    await sleep(Math.max(asked, backoffMs(count - 1, Math.random())));
    return waiting(cmid);
  }

  function fail(cmid, failure) {
    const { status, code, detail, retryAfter } = failure;
    const retryAt = retryAfter === null ? null : Date.now() + retryAfter * 1000;
    mark(cmid, "failed", { status, code, detail, retryAt });
    return false;
  }

  /** The status changed under way: take the other route, once. */
  function switchWay(cmid) {
    if (ways.get(cmid)?.switched) return false;
    ways.set(cmid, { manual: !isManual(cmid), switched: true });
    return true;
  }

  const isManual = (cmid) => ways.get(cmid)?.manual ?? MANUAL.has(store.state.status);

  async function send(cmid) {
    const { content } = findOwn(store.state, cmid);
    mark(cmid, "sending");
    const { session } = store.state;
    if (isManual(cmid)) {
      const { data } = await api.manualMessage(session, content, cmid);
      store.dispatch({ type: "delivery", cmid, state: "sent", message_id: data?.message_id });
      return;
    }
    // The next message may go once the server has this one; the answer is read beside it.
    const stream = await api.chat(session, content, cmid);
    pump(cmid, stream).finally(stream.finish);
  }

  async function pump(cmid, stream) {
    const progress = { kept: false, first: true };
    try {
      for await (const frame of readJsonFrames(stream.body)) {
        stream.touch();
        if (take(cmid, frame, progress)) return;
      }
    } catch {
      // A broken stream and one that ends early are the same: see below.
    }
    store.dispatch({ type: "post_closed", cmid });
    if (!progress.kept && waiting(cmid)) repeatLater(cmid, new ApiError({ status: 0 }));
  }

  function repeatLater(cmid, error) {
    chain = chain.then(async () => {
      if (await mayRepeat(cmid, error)) await deliver(cmid);
    });
  }

  /** One frame of the answer stream. True when it is the last. */
  function take(cmid, frame, progress) {
    if (frame.type === "message" && typeof frame.content === "string") {
      if (!progress.kept) mark(cmid, "sent");
      progress.kept = true;
      store.dispatch({ type: "post_delta", cmid, content: frame.content, first: progress.first });
      progress.first = false;
    } else if (frame.type === "done") {
      mark(cmid, "sent");
      store.dispatch({ ...frame, type: "post_done", cmid });
      return true;
    } else if (frame.type === "error") {
      endWithError(cmid, frame, progress);
      return true;
    } else if (Number.isInteger(frame.seq)) {
      store.dispatch({ type: "event", event: frame });
    } else if (frame.type === "status_change" && store.state.connection !== "open") {
      store.dispatch({ type: "status", status: frame.status, agentName: frame.agent_info?.agent_name });
    }
    return false;
  }

  function endWithError(cmid, frame, progress) {
    const code = codeOf(frame.code, frame.content);
    const replaced = code === "ANSWER_REPLACED";
    store.dispatch({ type: "post_closed", cmid, broken: true, replaced });
    if (replaced) {
      mark(cmid, "sent");
      onReplaced();
      return;
    }
    if (progress.kept || !waiting(cmid)) onAnswerFailed();
    else if (code === "SESSION_IN_MANUAL_MODE") repeatLater(cmid, new ApiError({ status: 409, code }));
    else fail(cmid, new ApiError({ status: 400, code }));
  }

  return {
    /** Shows and sends a new message. */
    submit(cmid, content) {
      store.dispatch({ type: "queued", cmid, content, at: Date.now() });
      enqueue(cmid);
    },
    /** Sends a failed message again, with fresh attempts and its old id. */
    retry(cmid) {
      attempts.delete(cmid);
      ways.delete(cmid);
      mark(cmid, "sending");
      enqueue(cmid);
    },
    /** Takes up messages of an earlier visit of the page that never got an answer. */
    resume() {
      for (const item of store.state.tail) {
        if (item.kind === "own" && item.state === "sending") enqueue(item.cmid);
      }
    },
  };
}
