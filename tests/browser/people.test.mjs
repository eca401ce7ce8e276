// What the customer page knows of the people on the other side, without a browser: node --test tests/browser/

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it, mock } from "node:test";

import { createI18n } from "../../gateway/assets/i18n.js";
import { selectItems } from "../../gateway/assets/items.js";
import { instantOf, promisedOpening, readNotice } from "../../gateway/assets/notices.js";
import { createOutbox } from "../../gateway/assets/outbox.js";
import { describe as banner } from "../../gateway/assets/panel.js";
import { TYPING_MS, ownReach } from "../../gateway/assets/people.js";
import { createReceipts, createTyping } from "../../gateway/assets/signals.js";
import { initialState, reduce } from "../../gateway/assets/state.js";

const run = (actions, from = initialState()) => actions.reduce(reduce, from);
const event = (json, at) => ({ type: "event", event: json, at });
const snapshot = (session) => ({ type: "snapshot", session: { status: "bot_active", history: [], head: 0, ...session } });
const says = (seq, role, content = `text ${seq}`, extra = {}) =>
  event({ type: "manual_message", seq, message_id: `m${seq}`, role, content, timestamp: seq, ...extra });
const status = (seq, value, extra = {}) => event({ type: "status_change", seq, status: value, timestamp: 1, ...extra });
const receipt = (role, delivered, read) => event({ type: "receipt", role, delivered, read });
const typing = (role, name, at) => event({ type: "typing", role, ...(name && { agent_info: { agent_id: "a", agent_name: name } }) }, at);
const history = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => ({ role: "user", content: `text ${from + at}`, timestamp: from + at, message_id: `m${from + at}`, seq: from + at }));
const [en, zh] = [createI18n("en"), createI18n("zh")];

describe("the queue", () => {
  const place = (position, total = 4, wait = 130) => event({ type: "queue_position", position, total, estimated_wait: wait });

  it("shows place and wait, and forgets them when the waiting ends", () => {
    const waiting = run([snapshot({}), status(1, "pending_manual"), place(3)]);
    assert.deepEqual(waiting.queue, { position: 3, total: 4, wait: 130 });
    assert.deepEqual(banner(waiting, en, 0), { text: "You are number 3 in the queue", detail: "Estimated wait: about 3 min · 4 waiting" });
    assert.equal(banner(waiting, zh, 0).text, "您排在第 3 位");
    assert.equal(reduce(waiting, place(0)).queue, null);
    assert.equal(reduce(waiting, status(2, "bot_active", { reason: "cancelled" })).queue, null);
  });

  it("does not pretend to know", () => {
    const waiting = run([snapshot({}), status(1, "pending_manual")]);
    assert.equal(banner(waiting, en, 0).detail, "Keep writing, nothing gets lost");
    assert.equal(banner(reduce(waiting, place(1, 1, null)), en, 0).detail, "The wait cannot be estimated yet");
    assert.equal(banner(reduce(waiting, place(1, 1, 0)), en, 0).text, "You are next");
  });

  it("tells a wait no more exactly than it is known", () => {
    assert.deepEqual([5, 60, 61, 5300, 7300].map(en.duration), ["less than a minute", "about 1 min", "about 2 min", "about 89 min", "about 2 h"]);
  });
});

describe("the promise out of hours", () => {
  const at = Date.UTC(2026, 10, 24, 12) / 1000;
  const shut = (text) => run([snapshot({ status: "after_hours_email" }), says(1, "system", text, { timestamp: at })]);
  const nine = Date.UTC(2026, 10, 25, 1);
  const texts = [
    "当前为非工作时间，您的请求已转给客服团队，我们会在11月25日 09:00（UTC+8）起尽快联系您。",
    "We are closed right now. Your request went to our team; we will get back to you from Wed 25 Nov 09:00 (UTC+8).",
  ];

  it("is read from the log in either language, and told on the reader's clock", () => {
    for (const text of texts) {
      const state = shut(text);
      assert.equal(promisedOpening(state.log), nine);
      for (const i18n of [en, zh]) assert.ok(banner(state, i18n, at * 1000).detail.includes(i18n.moment(nine)));
      assert.deepEqual(banner(state, en, nine + 1).text, "Our team is back");
      const due = reduce(state, event({ type: "queue_position", position: 2, total: 5, estimated_wait: 60 }));
      assert.equal(banner(due, en, nine + 1).text, "You are number 2 in the queue");
    }
  });

  it("knows the year and the zone", () => {
    const december = Date.UTC(2026, 11, 31, 20);
    assert.equal(instantOf("1月2日 09:00（UTC）", december), Date.UTC(2027, 0, 2, 9));
    assert.equal(instantOf("Thu 31 Dec 18:30 (UTC-3:30)", december), Date.UTC(2026, 11, 31, 22));
    assert.equal(instantOf("when we open", december), null);
  });

  it("is not made up when none was given", () => {
    const text = "当前为非工作时间，您的请求已转给客服团队，我们会在下个工作时间起尽快联系您。";
    assert.equal(promisedOpening(shut(text).log), null);
    assert.match(banner(shut(text), en, 0).detail, /as soon as we open/);
  });
});

describe("the server's own lines", () => {
  it("are known to the page, every one in both languages", () => {
    const source = readFileSync(new URL("../../shared/domain/src/notice.rs", import.meta.url), "utf8");
    // Shorter ones are parts of the lines.
    const texts = [...source.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text).filter((text) => text.length >= 12 && text !== "when we open");
    const filled = texts.map((text) => text.replace("{from}", "林").replace(/\{(?:agent|to)\}/g, "Mei"));
    const lines = filled.map((text) => text.replace("{when}", text.includes("我们会在") ? "下个工作时间" : "when we open"));
    const kinds = lines.map((line) => readNotice(line, 0)?.kind);
    assert.equal(lines.length, 20, lines.join("\n"));
    assert.ok(kinds.every(Boolean), lines.filter((_, at) => !kinds[at]).join("\n"));
    for (const kind of new Set(kinds)) {
      assert.equal(kinds.filter((other) => other === kind).length, 2, kind);
      for (const i18n of [en, zh]) assert.ok(i18n.has(`notice.${kind}`), kind);
    }
  });

  it("carry their names, and other lines stay as they are", () => {
    assert.deepEqual(readNotice("客服【小林】已接入，正在为您服务", 0).values, { agent: "小林" });
    assert.deepEqual(readNotice("You have been transferred from Lin to Mei", 0).values, { from: "Lin", to: "Mei" });
    assert.equal(readNotice("Delivery is free today", 0), null);
  });
});

describe("typing", () => {
  const live = () => run([snapshot({ status: "manual_live", assigned_agent: { id: "a", name: "Lin" } })]);

  it("is shown with the agent's name, for a while", () => {
    const state = reduce(live(), typing("agent", "Mei", 1_000));
    assert.equal(state.typist.name, "Mei");
    assert.equal(reduce(state, { type: "tick", now: 1_000 + TYPING_MS - 1 }).typist.name, "Mei");
    assert.equal(reduce(state, { type: "tick", now: 1_000 + TYPING_MS }).typist, null);
    assert.equal(reduce(live(), typing("agent", null, 0)).typist.name, "Lin");
  });

  it("ends with the message, and when the agent leaves; the visitor's own is not shown", () => {
    const state = reduce(live(), typing("agent", "Lin", 0));
    assert.equal(reduce(state, says(1, "agent")).typist, null);
    assert.equal(reduce(state, says(1, "user")).typist.name, "Lin");
    assert.equal(reduce(state, status(1, "bot_active")).typist, null);
    assert.equal(reduce(live(), typing("user", null, 0)).typist, null);
  });

  it("of the visitor is told at once, then every three seconds, and only to people", () => {
    let now = 0;
    const calls = [];
    const store = { state: live() };
    const sender = createTyping({ store, now: () => now, api: { typing: async () => calls.push(now) } });
    for (now = 0; now <= 7_000; now += 500) sender.touch();
    assert.deepEqual(calls, [0, 3_000, 6_000]);
    sender.reset();
    sender.touch();
    assert.equal(calls.length, 4);
    store.state = run([snapshot({ status: "pending_manual" })]);
    now += 10_000;
    sender.touch();
    assert.equal(calls.length, 4);
  });
});

describe("receipts", () => {
  const marks = (state) => selectItems(state).map((item) => item.receipt);

  it("of the agents are shown at each own message, and only grow", () => {
    const state = run([snapshot({}), says(1, "user"), says(2, "user"), says(3, "user"), receipt("agent", 2, 1)]);
    assert.deepEqual(marks(state), ["read", "delivered", "sent"]);
    assert.deepEqual(marks(reduce(state, receipt("agent", 1, 0))), ["read", "delivered", "sent"]);
    assert.deepEqual(marks(reduce(state, receipt("agent", 0, 3))), ["read", "read", "read"]);
    assert.equal(selectItems(state).at(-1).tellsReceipt, true);
  });

  it("stay away from what others wrote and from what is not sent", () => {
    const state = run([snapshot({}), says(1, "agent"), receipt("agent", 9, 9), { type: "queued", cmid: "c", content: "x", at: 0 }]);
    assert.deepEqual(marks(state), [null, null]);
  });

  it("are owed for agents' messages: delivered when here, read when in sight", () => {
    const state = run([snapshot({}), says(1, "user"), says(2, "agent"), says(3, "agent"), says(4, "system")]);
    assert.deepEqual(ownReach(state, 0), { delivered: 3, read: 0 });
    assert.deepEqual(ownReach(state, 4), { delivered: 3, read: 3 });
    assert.equal(ownReach(reduce(state, receipt("user", 3, 3)), 4), null);
    assert.equal(ownReach(run([snapshot({}), says(1, "user")]), 1), null);
  });

  it("travel together, and again when the way was broken", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const calls = [];
      const store = { state: run([{ type: "session", name: "s" }, snapshot({})]), dispatch: (action) => (store.state = reduce(store.state, action)) };
      const api = {
        async reach(session, reach) {
          calls.push(reach);
          if (calls.length === 1) throw Object.assign(new Error("away"), { status: 0 });
          return { data: { user: reach, agent: { delivered: 0, read: 0 } } };
        },
      };
      const receipts = createReceipts({ api, store, seen: () => 2 });
      const pass = async () => {
        mock.timers.tick(10_000);
        await new Promise((resolve) => setImmediate(resolve));
      };
      for (const seq of [1, 2, 3]) {
        store.dispatch(says(seq, "agent"));
        receipts.look();
      }
      await pass();
      await pass();
      receipts.look();
      await pass();
      assert.deepEqual(calls, [{ delivered: 3, read: 2 }, { delivered: 3, read: 2 }]);
      assert.deepEqual(store.state.reached.user, { delivered: 3, read: 2 });
    } finally {
      mock.timers.reset();
    }
  });
});

describe("earlier messages", () => {
  const page = (before, from, to, hasMore) => ({ type: "earlier", before, messages: history(from, to), hasMore });

  it("may exist when a full page came, and stand before the rest", () => {
    assert.equal(run([snapshot({ history: history(1, 49), head: 49 })]).earlier.exists, false);
    const full = run([snapshot({ history: history(61, 110), head: 110 })]);
    assert.equal(full.earlier.exists, true);
    const more = run([{ type: "earlier_asked" }, page(61, 11, 60, true)], full);
    assert.deepEqual([more.log.length, more.log[0].seq, more.head, more.earlier], [100, 11, 110, { exists: true, loading: false }]);
    assert.deepEqual(run([page(11, 1, 10, false)], more).earlier, { exists: false, loading: false });
  });

  it("come once, and not into a log that was replaced meanwhile", () => {
    const full = run([snapshot({ history: history(61, 110), head: 110 })]);
    const twice = run([page(61, 11, 60, true), page(61, 11, 60, true)], full);
    assert.equal(twice.log.length, 100);
    const renewed = run([{ type: "earlier_asked" }, snapshot({ history: history(1, 3), head: 3 }), page(61, 11, 60, true)], full);
    assert.deepEqual([renewed.log.length, renewed.earlier], [3, { exists: false, loading: false }]);
  });

  it("never settle an answer that is being written", () => {
    const answering = run([snapshot({ history: history(61, 110), head: 110 }), { type: "post_delta", cmid: "c", content: "text 12", first: true }]);
    const state = run([{ ...page(61, 11, 60, true), messages: history(11, 60).map((raw) => ({ ...raw, role: "assistant" })) }], answering);
    assert.equal(state.tail.length, 1);
  });
});

describe("an answer that was replaced", () => {
  it("gives way to the one in the log, without a word of failure", async () => {
    const store = { state: run([{ type: "session", name: "s" }, snapshot({})]), dispatch: (action) => (store.state = reduce(store.state, action)) };
    const told = [];
    const frames = [{ type: "message", content: "half of it" }, { type: "error", code: "ANSWER_REPLACED", content: "ANSWER_REPLACED: anew" }];
    const body = ReadableStream.from(frames.map((frame) => new TextEncoder().encode(`data: ${JSON.stringify(frame)}\n\n`)));
    const api = { chat: async () => ({ body, touch() {}, finish: () => told.push("finished") }) };
    const outbox = createOutbox({ api, store, recover: async () => {}, onAnswerFailed: () => told.push("failed"), onReplaced: () => told.push("replaced") });
    outbox.submit("c1", "q");
    while (!told.includes("finished")) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(told, ["replaced", "finished"]);
    const shown = () => selectItems(store.state).map((item) => `${item.role} ${item.content}`);
    assert.deepEqual(shown(), ["user q"]);
    store.dispatch(event({ type: "message", seq: 1, message_id: "m1", role: "user", content: "q", client_message_id: "c1", turn_id: "t1" }));
    store.dispatch(event({ type: "message", seq: 2, message_id: "m2", role: "assistant", content: "all of it", turn_id: "t1" }));
    assert.deepEqual(shown(), ["user q", "assistant all of it"]);
  });
});

describe("texts", () => {
  it("are there in both languages with the same places to fill", () => {
    const source = readFileSync(new URL("../../gateway/assets/i18n.js", import.meta.url), "utf8");
    const [, english, chinese] = /\n {2}en: \{(.*?)\n {2}\},\n {2}zh: \{(.*?)\n {2}\},/s.exec(source);
    const table = (text) => Object.fromEntries([...text.matchAll(/^ {4}"?([\w.]+)"?: "(.*)",$/gm)].map(([, key, value]) => [key, [...value.matchAll(/\{\w+\}/g)].map(String).sort().join()]));
    assert.ok(Object.keys(table(english)).length > 80);
    assert.deepEqual(Object.keys(table(chinese)), Object.keys(table(english)));
    for (const [key, places] of Object.entries(table(english))) {
      assert.equal(table(chinese)[key], places, key);
    }
  });
});
