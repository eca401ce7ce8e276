// The customer page in a real browser, with the real program behind it and an agent who works over REST. Needs the built
// program and Chromium; PICTURES=folder keeps what it looked like.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { eventually, findChromium, launch } from "./chromium.mjs";
import { findProgram, openShop } from "./shop.mjs";

const chromium = findChromium();
const program = findProgram();
const skip = (!chromium && "Chromium is not installed") || (!program && "the program is not built");

let browser;
let shop;
let lin;

before(async () => {
  if (skip) return;
  [browser, shop] = await Promise.all([launch(chromium), openShop(program)]);
  lin = await shop.hire("lin", "Lin Mei");
});

after(async () => {
  await Promise.all([browser?.close(), shop?.close()]);
});

/** A customer with the page open. */
async function customer(options, at = shop) {
  const page = await browser.page(options);
  await page.open(`${at.base}/`);
  await page.until("the page is connected", () => document.querySelector("[data-testid=connection]")?.dataset.state === "open");
  page.session = await page.until("the session has a name", () => localStorage.getItem("switchboard.session"));
  return page;
}

const statusIs = (page, status) =>
  page.until(`the status is ${status}`, (value) => document.querySelector("[data-testid=status]").dataset.status === value, status);
const says = (page, testId, text) =>
  eventually(`${testId} says ${text}`, async () => (await page.text(testId))?.includes(text)).catch(async (error) => {
    throw new Error(`${error.message}; it says: ${await page.text(testId)}`);
  });
/** An agent goes on typing until it is seen: the server drops signals that come too soon after one another. */
const types = (agent, page, text) => eventually(`the page says ${text}`, async () => {
  await agent.type(page.session);
  return (await page.text("typist")) === text;
});
/** The messages on the screen. */
const messages = (page) => page.run(() => [...document.querySelectorAll("[data-testid=message]")].map((element) => ({
  role: element.dataset.role,
  seq: Number(element.dataset.seq),
  receipt: element.dataset.receipt ?? "",
  text: (element.querySelector(".bubble p") ?? element.querySelector(".note"))?.textContent ?? "",
  who: element.querySelector(".who, .sr")?.textContent ?? "",
  mark: element.querySelector(".tick")?.getAttribute("aria-label") ?? "",
})));
const message = (page, text) => eventually(`"${text}" is shown`, async () => (await messages(page)).find((one) => one.text === text && one.seq > 0));

async function write(page, text) {
  await page.run(() => document.getElementById("input").focus());
  await page.type(text);
  await page.key("Enter");
  return message(page, text);
}

async function picture(page, name) {
  if (!process.env.PICTURES) return;
  mkdirSync(process.env.PICTURES, { recursive: true });
  for (const [kind, width, height] of [["wide", 1000, 760], ["narrow", 360, 640]]) {
    await page.resize(width, height);
    await page.run(() => new Promise((resolve) => setTimeout(resolve, 350)));
    writeFileSync(join(process.env.PICTURES, `${name}-${kind}.png`), await page.picture());
  }
}

/** On the smallest screen nothing sticks out and every button can be hit. */
async function fits(page) {
  await page.resize(360, 640);
  const found = await page.run(() => ({
    width: document.documentElement.scrollWidth,
    small: [...document.querySelectorAll("button:not(.link)")].filter((one) => one.checkVisibility())
      .filter((one) => one.getBoundingClientRect().height < 36 || one.getBoundingClientRect().right > 360).map((one) => one.id),
    nameless: [...document.querySelectorAll("button")].filter((one) => one.checkVisibility() && !(one.getAttribute("aria-label") ?? one.textContent).trim()).length,
  }));
  await page.resize(1000, 760);
  assert.deepEqual(found, { width: 360, small: [], nameless: 0 });
}

describe("the page in a browser", { skip }, () => {
  it("shows the place in the queue, live, and lets the customer give up", async () => {
    const first = await customer();
    await first.press("escalate");
    await statusIs(first, "pending_manual");
    await says(first, "status", "You are next");
    const second = await customer({ languages: "zh-CN" });
    await second.press("escalate");
    await says(second, "status", "您排在第 2 位");
    await says(second, "detail", "共 2 人等待");
    assert.equal(await second.text("escalate"), null);
    await picture(second, "queue-zh");
    await picture(first, "queue-en");
    await fits(second);
    await fits(first);
    await first.press("cancel");
    await statusIs(first, "bot_active");
    // The line in the log was written in Chinese; the page says it in English.
    await message(first, "You are no longer waiting for a colleague. The assistant continues.");
    await says(first, "escalate", "Talk to a human");
    await says(second, "status", "下一位就是您");
    assert.equal((await lin.state(first.session)).status, "bot_active");
    await second.press("cancel");
    await statusIs(second, "bot_active");
    assert.deepEqual([...first.problems, ...second.problems], []);
  });

  it("shows the agent's typing and messages, and receipts go both ways", async () => {
    const page = await customer();
    await page.press("escalate");
    await statusIs(page, "pending_manual");
    await lin.takeOver(page.session);
    await says(page, "status", "You are talking to Lin Mei");
    await message(page, "Lin Mei has joined the conversation");
    const desk = lin.follow(page.session);

    const own = await write(page, "Where is my order?");
    assert.deepEqual([own.receipt, own.mark], ["sent", "Sent"]);
    await desk.seen("the customer typing", (event) => event.type === "typing" && event.role === "user");
    for (const [state, reach] of [["delivered", { delivered: own.seq }], ["read", { read: own.seq }]]) {
      await lin.reach(page.session, reach);
      await eventually(`the message is ${state}`, async () => (await message(page, own.text)).receipt === state);
    }
    assert.equal((await message(page, own.text)).mark, "Read");

    await types(lin, page, "Lin Mei is typing…");
    await picture(page, "typing-en");
    const seq = await lin.say(page.session, "It left on **Monday** <b>early</b>.");
    const heard = await message(page, "It left on **Monday** <b>early</b>.");
    assert.deepEqual([heard.role, heard.who], ["agent", "Lin Mei"]);
    await eventually("who has spoken no longer types", async () => (await page.text("typist")) === "");
    await desk.seen("that it was read", (event) => event.type === "receipt" && event.role === "user" && event.read >= seq);

    // A page that nobody looks at takes delivery and does not claim more.
    await page.run(() => Object.defineProperty(document, "hidden", { configurable: true, get: () => globalThis.isAway ?? true }));
    const unseen = await lin.say(page.session, "Are you still there?");
    await desk.seen("that it was delivered", (event) => event.type === "receipt" && event.role === "user" && event.delivered >= unseen);
    assert.equal((await lin.reach(page.session, {})).user.read, seq);
    await page.run(() => {
      globalThis.isAway = false;
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await desk.seen("that it was read, too", (event) => event.type === "receipt" && event.role === "user" && event.read >= unseen);

    await types(lin, page, "Lin Mei is typing…");
    await eventually("typing ends by itself", async () => (await page.text("typist")) === "");
    await write(page, "Thank you, that helps a lot. I will wait for the parcel until the end of the week then.");
    await picture(page, "agent-en");
    await fits(page);
    await desk.stop();
    assert.deepEqual(page.problems, []);
  });

  it("tells of every colleague who comes and goes, in the language it is read in", async () => {
    const bo = await shop.hire("bo-chen", "Bo");
    const page = await customer();
    await page.press("escalate");
    await statusIs(page, "pending_manual");
    await lin.takeOver(page.session);
    await lin.say(page.session, "您好，我是林梅，正在为您查询订单。");
    await message(page, "您好，我是林梅，正在为您查询订单。");
    await lin.reach(page.session, { read: (await write(page, "好的，谢谢！")).seq });
    await eventually("it was read", async () => (await message(page, "好的，谢谢！")).mark === "Read");
    await lin.release(page.session);
    await message(page, "The conversation with our team has ended. The assistant continues.");
    await page.press("escalate");
    await statusIs(page, "pending_manual");
    await bo.takeOver(page.session);
    await says(page, "status", "You are talking to Bo");
    await page.press("language");
    await says(page, "status", "Bo 正在为您服务");
    await message(page, "客服 Lin Mei 已接入，正在为您服务");
    await message(page, "人工服务已结束，智能助手继续为您服务");
    assert.equal((await message(page, "好的，谢谢！")).mark, "已读");
    assert.equal(await page.run(() => document.documentElement.lang), "zh-CN");
    await types(bo, page, "Bo 正在输入…");
    await picture(page, "agent-zh");
    await fits(page);
    await page.reload();
    await message(page, "客服 Bo 已接入，正在为您服务");
    await bo.close(page.session);
    await statusIs(page, "closed");
    await message(page, "会话已结束，感谢您的咨询");
    // An ended conversation is a way back to people, too.
    await page.press("escalate");
    await statusIs(page, "pending_manual");
    await page.press("cancel");
    await statusIs(page, "bot_active");
    assert.deepEqual(page.problems, []);
  });

  it("loads earlier messages and keeps the place", async () => {
    const page = await customer();
    await page.press("escalate");
    await statusIs(page, "pending_manual");
    await lin.takeOver(page.session);
    for (let count = 1; count <= 120; count += 1) await lin.say(page.session, `Line ${count}`);
    await message(page, "Line 120");
    await page.reload();
    await message(page, "Line 120");
    assert.equal((await messages(page)).length, 50);
    const place = () => page.run(() => {
      const row = [...document.querySelectorAll("[data-testid=message]")].find((one) => one.querySelector(".bubble p")?.textContent === "Line 71");
      return Math.round(row.getBoundingClientRect().top);
    });
    await page.run(() => (document.getElementById("scroll").scrollTop = 0));
    await page.until("the page knows that its reader is above", () => !document.getElementById("jump").hidden);
    const from = await place();
    await picture(page, "earlier-en");
    await page.resize(1000, 760);
    await page.run(() => (document.getElementById("scroll").scrollTop = 0));
    // By keyboard, as by mouse.
    await page.run(() => document.getElementById("earlier").focus());
    await page.key("Enter");
    await message(page, "Line 21");
    // A row that is no longer the first of its group loses the name above it.
    assert.ok(Math.abs((await place()) - from) <= 24, `${from} → ${await place()}`);
    assert.ok(await page.run(() => document.getElementById("scroll").scrollTop > 500));
    await page.press("earlier");
    await message(page, "Line 1");
    await eventually("nothing earlier is left", async () => (await page.text("earlier")) === null);
    const all = await messages(page);
    assert.deepEqual(all.map((one) => one.seq), all.map((one) => one.seq).toSorted((a, b) => a - b));
    assert.deepEqual(all.filter((one) => one.role === "agent").map((one) => one.text), Array.from({ length: 120 }, (_, at) => `Line ${at + 1}`));
    assert.deepEqual(page.problems, []);
  });

  it("promises an opening out of hours on the customer's clock, and takes the request back", async () => {
    // A shift of half an hour that begins in three hours.
    const hour = String((new Date().getUTCHours() + 3) % 24).padStart(2, "0");
    const shut = await openShop(program, { "hours.time_zone": "UTC", "hours.shift_start": `${hour}:00`, "hours.shift_end": `${hour}:30` });
    try {
      const page = await customer({ timeZone: "America/New_York" }, shut);
      await page.press("escalate");
      await statusIs(page, "after_hours_email");
      await says(page, "status", "Our team is off duty");
      const opens = new Date();
      opens.setUTCHours(opens.getUTCHours() + 3, 0, 0, 0);
      const clock = (locale) => new Intl.DateTimeFormat(locale, {
        weekday: "short", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", timeZone: "America/New_York",
      }).format(opens).replace(/\s/g, " ");
      const detail = async () => (await page.text("detail")).replace(/\s/g, " ");
      assert.ok((await detail()).includes(clock("en")), `${await detail()} | ${clock("en")}`);
      await write(page, "How long is the warranty?");
      await eventually("the assistant answers meanwhile", async () => (await messages(page)).some((one) => one.role === "assistant" && one.seq > 0));
      await picture(page, "shut-en");
      await fits(page);
      await page.press("language");
      await says(page, "status", "当前为非工作时间");
      assert.ok((await detail()).includes(clock("zh-CN")), `${await detail()} | ${clock("zh-CN")}`);
      await picture(page, "shut-zh");
      await fits(page);
      await page.press("cancel");
      await statusIs(page, "bot_active");
      await message(page, "已取消等待人工客服，智能助手继续为您服务");
      assert.deepEqual(page.problems, []);
    } finally {
      await shut.close();
    }
  });
});
