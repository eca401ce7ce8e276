// The rules of the customer page, without a browser: node --test tests/browser/

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { codeOf, retryAfterSeconds, uuid } from "../../gateway/assets/api.js";
import { backoffMs } from "../../gateway/assets/events.js";
import { chooseLanguage, createI18n, failureText } from "../../gateway/assets/i18n.js";
import { selectItems } from "../../gateway/assets/items.js";
import { blocks, inline, plain, safeHref } from "../../gateway/assets/markdown.js";
import { createSseParser, readJsonFrames } from "../../gateway/assets/sse.js";
import { findOwn, hasGap, initialState, reduce } from "../../gateway/assets/state.js";

const run = (actions, from = initialState()) => actions.reduce(reduce, from);
const event = (json, id) => ({ type: "event", event: json, id });
const snapshot = (session) => ({ type: "snapshot", session: { status: "bot_active", history: [], head: 0, ...session } });
const queued = (cmid, content, at = 1000) => ({ type: "queued", cmid, content, at });
const userMessage = (seq, content, extra = {}) =>
  event({ type: "message", seq, message_id: `m${seq}`, role: "user", content, timestamp: seq, ...extra }, `e1.${seq}`);
const answer = (seq, content, extra = {}) =>
  event({ type: "message", seq, message_id: `m${seq}`, role: "assistant", content, timestamp: seq, ...extra }, `e1.${seq}`);
const delta = (turnId, chunk, content, fromChunk) =>
  event({ type: "delta", turn_id: turnId, chunk, content, ...(fromChunk === undefined ? {} : { from_chunk: fromChunk }) });
const turn = (turnId, state) => event({ type: "turn", turn_id: turnId, state });
/** What is on the screen: "role state content" per message. */
const screen = (state) => selectItems(state).map((item) => (item.kind === "divider" ? "--" : `${item.role} ${item.state} ${item.content}`));

describe("SSE parser", () => {
  const text = ": hello\r\n\r\nid: e1.7\r\ndata: {\"a\":1}\r\n\r\ndata:two\ndata: lines\n\nevent: x\rretry: 250\rdata: 3\r\rdata: cut";
  const expected = [
    { id: "e1.7", event: "message", data: '{"a":1}', retry: null },
    { id: "e1.7", event: "message", data: "two\nlines", retry: null },
    { id: "e1.7", event: "x", data: "3", retry: 250 },
  ];

  it("finds the same frames wherever the text is cut", () => {
    for (let size = 1; size <= text.length; size += 1) {
      const parser = createSseParser();
      const frames = [];
      for (let at = 0; at < text.length; at += size) frames.push(...parser.feed(text.slice(at, at + size)));
      assert.deepEqual(frames, expected, `pieces of ${size}`);
    }
  });

  it("keeps back a frame without its blank line, and drops one without data", () => {
    const parser = createSseParser();
    assert.deepEqual(parser.feed("data: 1\n"), []);
    assert.equal(parser.feed("\n")[0].data, "1");
    assert.deepEqual(parser.feed("event: only\n\n: comment\n\n"), []);
  });

  it("skips a byte order mark once, and ids with NUL", () => {
    const parser = createSseParser();
    assert.equal(parser.feed("\ufeffid: 1\ndata: a\n\n")[0].id, "1");
    assert.equal(parser.feed("id: 2\0\ndata: \ufeffb\n\n")[0].id, "1");
  });

  it("reads characters that are split over two chunks, and leaves out what is no JSON object", async () => {
    const bytes = new TextEncoder().encode('data: {"content":"你好👋"}\n\ndata: nonsense\n\ndata: [1]\n\ndata: {"type":"done"}\n\n');
    for (const size of [1, 2, 3, 5, 1000]) {
      const pieces = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
      const frames = [];
      for await (const frame of readJsonFrames(ReadableStream.from(pieces))) frames.push(frame);
      assert.deepEqual(frames, [{ content: "你好👋" }, { type: "done" }]);
    }
  });
});

describe("log", () => {
  it("orders by seq and shows a message once, however often it comes", () => {
    const second = answer(2, "two");
    const state = run([answer(3, "three"), second, userMessage(1, "one"), second, answer(3, "three")]);
    assert.deepEqual(state.log.map((entry) => entry.seq), [1, 2, 3]);
    assert.equal(state.head, 3);
  });

  it("takes the same message id under another number as the same message", () => {
    const state = run([answer(4, "x"), event({ type: "message", seq: 5, message_id: "m4", role: "assistant", content: "x" })]);
    assert.deepEqual(state.log.map((entry) => entry.seq), [5]);
  });

  it("leaves out messages without a number: the events bring them", () => {
    assert.deepEqual(screen(run([event({ type: "manual_message", role: "agent", content: "hi" })])), []);
  });

  it("keeps the position of the last logged event", () => {
    const state = run([snapshot({ cursor: "e1.4", head: 4 }), answer(5, "a"), delta("t", 0, "x"), event({ type: "bye" }, "")]);
    assert.equal(state.cursor, "e1.5");
  });

  it("starts from the snapshot, and a replay of it changes nothing", () => {
    const history = [
      { role: "user", content: "q", timestamp: 1, message_id: "m1", seq: 1 },
      { role: "assistant", content: "a", timestamp: 2, message_id: "m2", seq: 2, interrupted: true, sources: [{ title: "s" }] },
      { role: "agent", content: "h", timestamp: 3, message_id: "m4", seq: 4, agent_name: "Lin" },
    ];
    const state = run([snapshot({ history, head: 4, cursor: "e1.4" })]);
    const replayed = run([userMessage(1, "q"), answer(2, "a", { interrupted: true, sources: [{ title: "s" }] })], state);
    assert.deepEqual(screen(replayed), ["user sent q", "assistant interrupted a", "agent done h"]);
    assert.equal(selectItems(replayed)[1].sources.length, 1);
    assert.equal(selectItems(replayed)[2].agentName, "Lin");
  });

  it("a reset replaces everything but what was not sent yet", () => {
    const before = run([snapshot({}), userMessage(1, "old"), turn("t1", "streaming"), delta("t1", 0, "half"), queued("c1", "mine")]);
    const session = { status: "manual_live", assigned_agent: { id: "1", name: "Lin" }, head: 9, cursor: "e2.9", history: [
      { role: "agent", content: "new", timestamp: 9, message_id: "n9", seq: 9 },
    ] };
    const state = reduce(before, event({ type: "reset", session }, "e2.9"));
    assert.deepEqual(screen(state), ["agent done new", "user sending mine"]);
    assert.deepEqual([state.cursor, state.status, state.agentName, state.head], ["e2.9", "manual_live", "Lin", 9]);
  });
});

describe("own messages", () => {
  it("stand at the end until the log holds them, then appear once under the same key", () => {
    const waiting = run([snapshot({ head: 3 }), queued("c1", "hi")]);
    assert.deepEqual(screen(waiting), ["user sending hi"]);
    const logged = reduce(waiting, userMessage(4, "hi", { client_message_id: "c1", turn_id: "t1" }));
    assert.deepEqual(screen(logged), ["user sent hi"]);
    assert.equal(selectItems(logged)[0].key, selectItems(waiting)[0].key);
    assert.equal(findOwn(logged, "c1"), null);
  });

  it("are told apart by their id, not by their text", () => {
    const state = run([snapshot({}), queued("c1", "hi"), userMessage(1, "hi", { client_message_id: "other-tab" })]);
    assert.deepEqual(screen(state), ["user sent hi", "user sending hi"]);
  });

  it("are found by text where the log has no id, but never in older messages", () => {
    const state = run([snapshot({}), userMessage(1, "hi"), queued("c1", "hi"), userMessage(1, "hi")]);
    assert.deepEqual(screen(state), ["user sent hi", "user sending hi"]);
    assert.deepEqual(screen(reduce(state, userMessage(2, " hi "))), ["user sent hi", "user sent  hi "]);
  });

  it("are not shown twice when the answer to the request comes after the event", () => {
    const state = run([snapshot({}), queued("c1", "hi"), userMessage(1, "other"), event({ type: "manual_message", seq: 2, message_id: "m2", role: "user", content: "HI" })]);
    const acknowledged = reduce(state, { type: "delivery", cmid: "c1", state: "sent", message_id: "m2" });
    assert.deepEqual(screen(acknowledged), ["user sent other", "user sent HI"]);
  });

  it("survive a reload and are recognised in the snapshot", () => {
    const items = run([snapshot({ head: 3 }), queued("c1", "kept"), queued("c2", "lost")]).tail;
    const history = [{ role: "user", content: "kept", timestamp: 4, message_id: "m4", seq: 4 }];
    const state = run([{ type: "session", name: "s" }, { type: "restored", items }, snapshot({ history, head: 4 })]);
    assert.deepEqual(screen(state), ["user sent kept", "user sending lost"]);
  });

  it("tell their failure and can be removed", () => {
    const error = { status: 429, code: "RATE_LIMITED", detail: null };
    const failed = run([queued("c1", "hi"), { type: "delivery", cmid: "c1", state: "failed", error }]);
    assert.deepEqual(screen(failed), ["user failed hi"]);
    assert.equal(selectItems(failed)[0].error.code, "RATE_LIMITED");
    assert.deepEqual(screen(reduce(failed, { type: "dropped", cmid: "c1" })), []);
  });
});

describe("answers", () => {
  const asked = () => run([snapshot({}), queued("c1", "q"), userMessage(1, "q", { client_message_id: "c1", turn_id: "t1" })]);

  it("grow by deltas and give way to the final message", () => {
    const streaming = run([turn("t1", "accepted"), delta("t1", 0, "He"), delta("t1", 1, "llo")], asked());
    assert.deepEqual(screen(streaming), ["user sent q", "assistant streaming Hello"]);
    const final = run([answer(2, "Hello!", { turn_id: "t1" }), turn("t1", "done"), delta("t1", 1, "llo")], streaming);
    assert.deepEqual(screen(final), ["user sent q", "assistant done Hello!"]);
  });

  it("show dots from the moment the turn is accepted", () => {
    assert.deepEqual(screen(reduce(asked(), turn("t1", "accepted"))), ["user sent q", "assistant streaming "]);
  });

  it("take each chunk once", () => {
    const state = run([delta("t1", 0, "a"), delta("t1", 1, "b"), delta("t1", 1, "b"), delta("t1", 0, "a"), delta("t1", 2, "c")], asked());
    assert.equal(screen(state)[1], "assistant streaming abc");
  });

  it("are replaced by the text so far after a reconnect, and go on from there", () => {
    const state = run([delta("t1", 0, "a"), delta("t1", 5, "abcdef", 0), delta("t1", 6, "g"), delta("t1", 9, "hij", 7)], asked());
    assert.equal(screen(state)[1], "assistant streaming abcdefghij");
  });

  it("notice a missing chunk, and are whole again after the text so far", () => {
    const gap = run([delta("t1", 0, "a"), delta("t1", 2, "c")], asked());
    assert.equal(hasGap(gap), true);
    assert.equal(screen(gap)[1], "assistant streaming a");
    const whole = reduce(gap, delta("t1", 2, "abc", 0));
    assert.equal(hasGap(whole), false);
    assert.equal(screen(whole)[1], "assistant streaming abc");
  });

  it("continue after a reload in the middle", () => {
    const history = [{ role: "user", content: "q", timestamp: 1, message_id: "m1", seq: 1, turn_id: "t1" }];
    const loaded = run([snapshot({ history, head: 1, running_turn: "t1" })]);
    assert.deepEqual(screen(loaded), ["user sent q", "assistant streaming "]);
    const state = run([delta("t1", 4, "so far", 0), delta("t1", 5, " and on")], loaded);
    assert.equal(screen(state)[1], "assistant streaming so far and on");
  });

  it("that come both by the request and by events are one answer", () => {
    const post = (content, first = false) => ({ type: "post_delta", cmid: "c1", content, first });
    const state = run([post("He", true), delta("t1", 0, "He"), delta("t1", 1, "llo"), post("llo"), post(" you")], asked());
    assert.deepEqual(screen(state), ["user sent q", "assistant streaming Hello you"]);
    const done = { type: "post_done", cmid: "c1", turn_id: "t1", seq: 2, sources: [] };
    assert.deepEqual(screen(run([done, answer(2, "Hello you", { turn_id: "t1" })], state)), ["user sent q", "assistant done Hello you"]);
    assert.deepEqual(screen(run([answer(2, "Hello you", { turn_id: "t1" }), post(" x"), done], state)), ["user sent q", "assistant done Hello you"]);
  });

  it("become one when the turn is known only after both began", () => {
    const state = run([
      snapshot({}), queued("c1", "q"), turn("t1", "accepted"), delta("t1", 0, "Hel"),
      { type: "post_delta", cmid: "c1", content: "He", first: true },
      userMessage(1, "q", { client_message_id: "c1", turn_id: "t1" }),
    ]);
    assert.deepEqual(screen(state), ["user sent q", "assistant streaming Hel"]);
  });

  it("work by the request alone while the events are away, and are taken over by the log later", () => {
    const alone = run([
      snapshot({}), queued("c1", "q"), { type: "delivery", cmid: "c1", state: "sent" },
      { type: "post_delta", cmid: "c1", content: "A", first: true },
      { type: "post_done", cmid: "c1", turn_id: "t1", seq: 2, sources: [{ title: "s" }] },
    ]);
    assert.deepEqual(screen(alone), ["user sent q", "assistant done A"]);
    assert.equal(selectItems(alone)[1].sources.length, 1);
    const later = run([userMessage(1, "q", { client_message_id: "c1", turn_id: "t1" }), answer(2, "A", { turn_id: "t1" })], alone);
    assert.deepEqual(screen(later), ["user sent q", "assistant done A"]);
  });

  it("start over when the request is repeated", () => {
    const state = run([
      { type: "post_delta", cmid: "c1", content: "Hel", first: true }, { type: "post_closed", cmid: "c1" },
      { type: "post_delta", cmid: "c1", content: "He", first: true }, { type: "post_delta", cmid: "c1", content: "llo" },
    ], asked());
    assert.equal(screen(state)[1], "assistant streaming Hello");
  });

  it("that are interrupted stay with a mark until the log tells", () => {
    const state = run([delta("t1", 0, "half"), turn("t1", "interrupted")], asked());
    assert.equal(screen(state)[1], "assistant interrupted half");
    const logged = reduce(state, answer(2, "half", { turn_id: "t1", interrupted: true }));
    assert.deepEqual(screen(logged), ["user sent q", "assistant interrupted half"]);
  });

  it("that never began leave nothing behind", () => {
    for (const end of ["failed", "handed_over", "interrupted", "done"]) {
      assert.deepEqual(screen(run([turn("t1", "accepted"), turn("t1", end), delta("t1", 0, "late")], asked())), ["user sent q"]);
    }
    assert.equal(screen(run([turn("t1", "accepted"), turn("t1", "failed"), turn("t1", "streaming"), delta("t1", 0, "x", 0)], asked()))[1], "assistant streaming x");
  });

  it("by system notice end the request's own bubble", () => {
    const notice = { type: "manual_message", seq: 2, message_id: "m2", role: "system", content: "A colleague is coming" };
    const state = run([{ type: "post_delta", cmid: "c1", content: "A colleague is coming", first: true }, event({ ...notice, turn_id: "t1" })], asked());
    assert.deepEqual(screen(state), ["user sent q", "system done A colleague is coming"]);
  });
});

describe("status", () => {
  const status = (seq, value, extra = {}) => event({ type: "status_change", seq, status: value, timestamp: 1, ...extra });

  it("follows the events and forgets the agent when he leaves", () => {
    const live = run([status(1, "pending_manual"), event({ type: "queue_position", position: 2, total: 3, estimated_wait: null }), status(2, "manual_live", { agent_info: { agent_id: "a", agent_name: "Lin" } })]);
    assert.deepEqual([live.status, live.agentName, live.queue], ["manual_live", "Lin", null]);
    const released = reduce(live, status(3, "bot_active", { reason: "released" }));
    assert.deepEqual([released.status, released.agentName], ["bot_active", null]);
  });

  it("is not set back by a late or repeated event", () => {
    const state = run([status(5, "manual_live"), status(4, "pending_manual")]);
    assert.equal(state.status, "manual_live");
    assert.equal(run([snapshot({ status: "closed", head: 9 }), status(9, "bot_active")]).status, "closed");
  });
});

describe("dividers", () => {
  it("stand between what was before and what comes after", () => {
    const state = run([snapshot({}), userMessage(1, "a"), answer(2, "b"), { type: "divider", at: 500 }, queued("c1", "c", 600)]);
    assert.deepEqual(screen(state), ["user sent a", "assistant done b", "--", "user sending c"]);
    assert.deepEqual(screen(reduce(state, userMessage(3, "c", { client_message_id: "c1" }))), ["user sent a", "assistant done b", "--", "user sent c"]);
  });
});

describe("Markdown", () => {
  it("knows bold, code and lists, and leaves the rest as text", () => {
    assert.deepEqual(inline("a **b** `c<d>` <b>e</b> ** f **"), [
      { type: "text", text: "a " },
      { type: "bold", text: "b" },
      { type: "text", text: " " },
      { type: "code", text: "c<d>" },
      { type: "text", text: " <b>e</b> ** f **" },
    ]);
    assert.deepEqual(blocks("Intro\nline\n\n- a\n- b\n\n- c\nEnd\n\n3. x\n   more\n4. y"), [
      { type: "p", text: "Intro\nline" },
      { type: "ul", start: 1, items: ["a", "b", "c"] },
      { type: "p", text: "End" },
      { type: "ol", start: 3, items: ["x\nmore", "y"] },
    ]);
    assert.deepEqual(blocks(""), []);
  });

  it("removes characters that hide or turn text", () => {
    assert.equal(plain("a\u202eb\u200bc\u{e0041}d 👨‍👩‍👧"), "abcd 👨‍👩‍👧");
  });

  it("links https anywhere, http only at home, and nothing else", () => {
    const base = "http://shop.test/chat";
    assert.equal(safeHref("https://a.test/x", base), "https://a.test/x");
    assert.equal(safeHref("/kb/1", base), "http://shop.test/kb/1");
    for (const bad of ["http://a.test/", "javascript:alert(1)", "data:text/html,x", "https://u:p@a.test/", "http://", "", null]) {
      assert.equal(safeHref(bad, base), null);
    }
  });
});

describe("small rules", () => {
  it("waits longer each time, up to half a minute, with chance", () => {
    assert.deepEqual([0, 1, 2, 10].map((attempt) => backoffMs(attempt, 0.5)), [1000, 2000, 4000, 30000]);
    assert.deepEqual([backoffMs(0, 0), backoffMs(0, 1)], [750, 1250]);
  });

  it("reads Retry-After as seconds or as a date", () => {
    assert.equal(retryAfterSeconds("12", 0), 12);
    assert.equal(retryAfterSeconds("Thu, 01 Jan 1970 00:00:30 GMT", 10_000), 20);
    assert.equal(retryAfterSeconds("soon", 0), null);
    assert.equal(retryAfterSeconds(null, 0), null);
  });

  it("finds the code in a field or before a text", () => {
    assert.equal(codeOf("RATE_LIMITED", "x"), "RATE_LIMITED");
    assert.equal(codeOf(undefined, "SESSION_IN_MANUAL_MODE: pending_manual"), "SESSION_IN_MANUAL_MODE");
    assert.equal(codeOf(undefined, "Not Found"), null);
  });

  it("makes proper random ids", () => {
    assert.match(uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.notEqual(uuid(), uuid());
  });

  it("chooses the language", () => {
    assert.equal(chooseLanguage(null, ["fr-FR", "zh-TW", "en"]), "zh");
    assert.equal(chooseLanguage("en", ["zh-CN"]), "en");
    assert.equal(chooseLanguage(null, ["fr"]), "en");
  });

  it("explains every failure in both languages", () => {
    const errors = [
      { status: 0 }, { status: 400, code: "MESSAGE_TOO_LONG" }, { status: 413 }, { status: 429, code: "RATE_LIMITED" }, { status: 503 },
      { status: 409, code: "SESSION_IN_MANUAL_MODE" }, { status: 401 }, { status: 422, detail: "why" }, { status: 400 },
    ];
    for (const language of ["en", "zh"]) {
      const texts = errors.map((error) => failureText(createI18n(language), error, 2000));
      assert.ok(texts.every((text) => text && !/[{}]|undefined/.test(text)), texts.join("\n"));
    }
  });
});
