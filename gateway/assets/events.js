// Keeps one EventSource alive. The browser resumes a broken one by itself; one that ended dead is
// made anew after the session has been checked, with growing waits.

import { parseObject } from "./sse.js";

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
/** A short break (a server that drains, a changed network) is not worth telling the customer. */
const QUIET_MS = 1_500;
/** After sleeping this long an open connection may be dead without the browser knowing. */
const STALE_AFTER_HIDDEN_MS = 15_000;

/** The wait before attempt `attempt` (0, 1, ...), `random` in 0..1: 1 s doubling to 30 s, ±25 %. */
export function backoffMs(attempt, random) {
  const base = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  return Math.round(base * (0.75 + random * 0.5));
}

/**
 * `address()` gives the URL to connect to; `check()` proves the session before a new connection
 * (false: it was replaced, and somebody else opens); `onEvent(event, id)` and `onConnection(value)` report.
 */
export function createEvents({ address, check, onEvent, onConnection }) {
  let source = null;
  let attempt = 0;
  let retryTimer = null;
  let quietTimer = null;
  let hiddenSince = null;

  function report(value) {
    if (value === "open") {
      clearTimeout(quietTimer);
      quietTimer = null;
      onConnection("open");
      return;
    }
    quietTimer ??= setTimeout(() => {
      quietTimer = null;
      onConnection(navigator.onLine ? "reconnecting" : "offline");
    }, QUIET_MS);
  }

  function drop() {
    clearTimeout(retryTimer);
    if (source) {
      source.onopen = source.onerror = source.onmessage = null;
      source.close();
    }
    source = null;
  }

  function open() {
    drop();
    const current = new EventSource(address());
    source = current;
    current.onopen = () => {
      attempt = 0;
      report("open");
    };
    current.onmessage = (frame) => {
      const event = parseObject(frame.data);
      if (event) onEvent(event, frame.lastEventId);
    };
    current.onerror = () => {
      report("reconnecting");
      if (current.readyState === EventSource.CLOSED) later();
    };
  }

  function later() {
    drop();
    retryTimer = setTimeout(again, backoffMs(attempt, Math.random()));
    attempt += 1;
  }

  async function again() {
    try {
      if (await check()) open();
    } catch {
      later();
    }
  }

  /** Connects anew from the last known position, at once. */
  function refresh() {
    if (!source && retryTimer === null) return;
    attempt = 0;
    report("reconnecting");
    open();
  }

  addEventListener("online", refresh);
  addEventListener("offline", () => report("offline"));
  addEventListener("pageshow", (event) => event.persisted && refresh());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      hiddenSince = Date.now();
    } else {
      if (hiddenSince !== null && Date.now() - hiddenSince > STALE_AFTER_HIDDEN_MS) refresh();
      hiddenSince = null;
    }
  });

  return { open, refresh };
}
