// How the customer page brings messages to the server, without a browser: node --test tests/browser/

import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";

import { ApiError } from "../../gateway/assets/api.js";
import { selectItems } from "../../gateway/assets/items.js";
import { createOutbox } from "../../gateway/assets/outbox.js";
import { findOwn, initialState, reduce } from "../../gateway/assets/state.js";

const run = (actions, from = initialState()) => actions.reduce(reduce, from);
const snapshot = (session) => ({ type: "snapshot", session: { status: "bot_active", history: [], head: 0, ...session } });
const userMessage = (seq, content, extra = {}) =>
  ({ type: "event", event: { type: "message", seq, message_id: `m${seq}`, role: "user", content, timestamp: seq, ...extra }, id: `e1.${seq}` });
/** What is on the screen: "role state content" per message. */
const screen = (state) => selectItems(state).map((item) => `${item.role} ${item.state} ${item.content}`);

describe("sending", () => {
  function setUp(api, status = "bot_active") {
    const store = { state: run([{ type: "session", name: "s" }, snapshot({ status })]), dispatch: (action) => (store.state = reduce(store.state, action)) };
    const calls = { recover: 0, answerFailed: 0 };
    const outbox = createOutbox({
      api, store,
      recover: async () => (calls.recover += 1),
      onAnswerFailed: () => (calls.answerFailed += 1),
    });
    return { store, outbox, calls };
  }
  const stream = (frames) => ({
    body: ReadableStream.from(frames.map((frame) => new TextEncoder().encode(`data: ${JSON.stringify(frame)}\n\n`))),
    touch() {},
    finish() {},
  });
  /** Lets waits pass until `test` holds. */
  async function until(test) {
    for (let turns = 0; !test(); turns += 1) {
      assert.ok(turns < 500, "the condition never came true");
      mock.timers.tick(40_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const withTimers = (body) => async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      await body();
    } finally {
      mock.timers.reset();
    }
  };

  it("repeats with the same id until the server answers", withTimers(async () => {
    const ids = [];
    const { store, outbox } = setUp({
      async chat(_, __, cmid) {
        ids.push(cmid);
        if (ids.length < 3) throw new ApiError({ status: ids.length === 1 ? 0 : 503 });
        return stream([{ type: "message", content: "A" }, { type: "done", content: "", turn_id: "t1", seq: 2 }]);
      },
    });
    outbox.submit("c1", "q");
    await until(() => screen(store.state)[1] === "assistant done A");
    assert.deepEqual(ids, ["c1", "c1", "c1"]);
    assert.equal(screen(store.state)[0], "user sent q");
  }));

  it("gives up after five tries, and a retry begins anew", withTimers(async () => {
    let count = 0;
    const { store, outbox } = setUp({
      async chat() {
        count += 1;
        throw new ApiError({ status: 0 });
      },
    });
    outbox.submit("c1", "q");
    await until(() => findOwn(store.state, "c1").state === "failed");
    assert.equal(count, 5);
    outbox.retry("c1");
    await until(() => findOwn(store.state, "c1").state === "failed");
    assert.equal(count, 10);
  }));

  it("does not repeat what the log already holds", withTimers(async () => {
    let count = 0;
    const { store, outbox } = setUp({
      async chat() {
        count += 1;
        store.dispatch(userMessage(1, "q", { client_message_id: "c1", turn_id: "t1" }));
        return stream([]);
      },
    });
    outbox.submit("c1", "q");
    await until(() => count === 1 && findOwn(store.state, "c1") === null);
    mock.timers.tick(60_000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(count, 1);
  }));

  it("goes to the people when they have the conversation, also when that is found out late", withTimers(async () => {
    const ways = [];
    const api = {
      async chat(_, content) {
        ways.push(`chat ${content}`);
        return stream([{ type: "error", content: "SESSION_IN_MANUAL_MODE: manual_live" }]);
      },
      async manualMessage(_, content) {
        ways.push(`manual ${content}`);
        return { success: true, data: {} };
      },
    };
    const late = setUp(api);
    late.outbox.submit("c1", "late");
    await until(() => findOwn(late.store.state, "c1").state === "sent");
    const live = setUp(api, "pending_manual");
    live.outbox.submit("c2", "live");
    await until(() => findOwn(live.store.state, "c2").state === "sent");
    assert.deepEqual(ways, ["chat late", "manual late", "manual live"]);
  }));

  it("keeps the order when the first message is slow", withTimers(async () => {
    const order = [];
    const { store, outbox } = setUp({
      async chat(_, content) {
        order.push(content);
        if (order.length < 3) throw new ApiError({ status: 0 });
        return stream([{ type: "done", content: "" }]);
      },
    });
    outbox.submit("c1", "one");
    outbox.submit("c2", "two");
    await until(() => findOwn(store.state, "c2").state === "sent");
    assert.deepEqual(order, ["one", "one", "one", "two"]);
  }));

  it("makes a new session when the server does not know the old one", withTimers(async () => {
    let count = 0;
    const { store, outbox, calls } = setUp({
      async chat() {
        count += 1;
        if (count === 1) throw new ApiError({ status: 403, code: "NOT_YOUR_SESSION" });
        return stream([{ type: "done", content: "" }]);
      },
    });
    outbox.submit("c1", "q");
    await until(() => findOwn(store.state, "c1").state === "sent");
    assert.equal(calls.recover, 1);
  }));

  it("tells a refusal at once, with the time to wait", withTimers(async () => {
    const { store, outbox } = setUp({
      async chat() {
        throw new ApiError({ status: 429, code: "RATE_LIMITED", retryAfter: 7 });
      },
    });
    outbox.submit("c1", "q");
    await until(() => findOwn(store.state, "c1").state === "failed");
    const { error } = findOwn(store.state, "c1");
    assert.equal(error.code, "RATE_LIMITED");
    assert.ok(error.retryAt > Date.now() + 5_000);
  }));

  it("tells when an answer broke off that had begun", withTimers(async () => {
    const { store, outbox, calls } = setUp({
      chat: async () => stream([{ type: "message", content: "half" }, { type: "error", content: "x" }]),
    });
    outbox.submit("c1", "q");
    await until(() => calls.answerFailed === 1);
    assert.deepEqual(screen(store.state), ["user sent q", "assistant interrupted half"]);
  }));
});
