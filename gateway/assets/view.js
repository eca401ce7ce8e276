// Paints the page from items and state. Elements are kept by key, so that only what changed moves.

import { fillMessage, make, showReceipt } from "./message.js";
import { createPanel } from "./panel.js";

/** How far from the end the reader may be and still be taken along by new text. */
const FOLLOW_PX = 96;
const TOAST_MS = 6_000;
const HUSH_MS = 500;
const LONGEST_INPUT_PX = 168;

const byId = (id) => document.getElementById(id);

/**
 * `handlers`: submit(text), writing(), retry(cmid), remove(cmid), escalate(), cancelWait(), earlier(), newConversation(),
 * language(), looked().
 */
export function createView({ handlers, max, base }) {
  const app = byId("app");
  const scroll = byId("scroll");
  const log = byId("log");
  const input = byId("input");
  const send = byId("send");
  const counter = byId("counter");
  const toast = byId("toast");
  const jump = byId("jump");
  const panel = createPanel({ handlers });
  const shown = new Map();
  let context = { handlers, max, base, i18n: null, bot: null };
  let composing = false;
  let follows = true;
  let toastTimer = null;
  let hushTimer = null;
  let newest = 0;

  // ---- composer ----

  const textLength = () => [...input.value.normalize("NFC")].length;

  function measure() {
    const { i18n } = context;
    const count = textLength();
    const over = count - max;
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, LONGEST_INPUT_PX)}px`;
    counter.textContent = over > 0 ? i18n.t("tooLong", { over }) : `${count} / ${max}`;
    counter.classList.toggle("over", over > 0);
    counter.setAttribute("aria-label", over > 0 ? i18n.t("tooLong", { over }) : i18n.t("counter", { count, max }));
    counter.setAttribute("role", over > 0 ? "alert" : "note");
    input.setAttribute("aria-invalid", String(over > 0));
    send.disabled = over > 0 || input.value.trim() === "";
  }

  function submit() {
    const text = input.value.trim();
    if (text === "" || textLength() > max) return;
    input.value = "";
    measure();
    input.focus();
    follows = true;
    handlers.submit(text);
  }

  input.addEventListener("input", () => {
    measure();
    if (input.value.trim() !== "") handlers.writing();
  });
  input.addEventListener("compositionstart", () => (composing = true));
  input.addEventListener("compositionend", () => (composing = false));
  input.addEventListener("keydown", (event) => {
    // Enter that picks a word in an input method is not a command to send (229: older engines).
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || composing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  });
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  byId("new-conversation").addEventListener("click", () => handlers.newConversation());
  byId("language").addEventListener("click", () => handlers.language());

  // ---- scrolling ----

  const distance = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight;

  function toEnd() {
    scroll.scrollTop = scroll.scrollHeight;
  }

  function showJump(hasNew) {
    jump.hidden = follows;
    if (follows) jump.classList.remove("new");
    else if (hasNew) jump.classList.add("new");
    const isNew = jump.classList.contains("new");
    byId("jump-text").textContent = isNew ? context.i18n.t("newMessages") : "";
    jump.setAttribute("aria-label", context.i18n.t(isNew ? "newMessages" : "toBottom"));
  }

  scroll.addEventListener("scroll", () => {
    follows = distance() < FOLLOW_PX;
    if (context.i18n) showJump(false);
    handlers.looked();
  });
  jump.addEventListener("click", () => {
    follows = true;
    toEnd();
    showJump(false);
    input.focus();
  });
  new ResizeObserver(() => follows && toEnd()).observe(scroll);

  /** Gives a function that brings what the reader looks at back to where it was. */
  function holdPlace() {
    if (follows) return toEnd;
    const top = scroll.getBoundingClientRect().top;
    const anchor = [...log.querySelectorAll(".message")].find((element) => element.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top;
    return () => {
      if (anchor?.isConnected) scroll.scrollTop += anchor.getBoundingClientRect().top - before;
    };
  }

  /** The newest logged message of which the reader sees something; 0 when there is none. */
  function seen() {
    const bottom = scroll.getBoundingClientRect().bottom;
    const rows = [...log.querySelectorAll(".message:not([data-seq=''])")];
    return Number(rows.findLast((element) => element.getBoundingClientRect().top < bottom - 8)?.dataset.seq ?? 0);
  }

  // ---- log ----

  function separator(key, className, text) {
    return { key, kind: "separator", className, text };
  }

  /** Adds the greeting and the days to the items. */
  function withFrame(items, hasEarlier) {
    const { i18n, bot } = context;
    const now = Date.now();
    const framed = bot.isKnown && !hasEarlier ? [{ key: "welcome", kind: "welcome", content: bot.welcome || i18n.t("welcome") }] : [];
    let lastDay = i18n.day(now, now);
    for (const item of items) {
      const day = item.kind === "message" && item.at !== null ? i18n.day(item.at, now) : lastDay;
      if (day !== lastDay) framed.push(separator(`day:${new Date(item.at).toDateString()}`, "day", day));
      lastDay = day;
      if (item.kind === "divider") framed.push(separator(item.key, "divider", i18n.t("newConversationDivider")));
      else framed.push(item);
    }
    return framed;
  }

  function paint(element, item) {
    if (item.kind === "separator") {
      element.className = `separator ${item.className}`;
      if (item.className === "divider") element.dataset.testid = "divider";
      element.replaceChildren(make("span", { text: item.text }));
      return;
    }
    const isWelcome = item.kind === "welcome";
    const welcome = { role: "assistant", state: "done", at: null, seq: null, sources: [], first: true, last: false };
    fillMessage(element, isWelcome ? { ...welcome, content: item.content } : item, context);
    // The greeting is not part of the log.
    if (isWelcome) element.dataset.testid = "welcome";
  }

  function renderLog(items, hasEarlier) {
    const restorePlace = holdPlace();
    const look = `${context.i18n.language}|${context.bot.name}|${context.bot.icon}`;
    const framed = withFrame(items, hasEarlier);
    const keys = new Set(framed.map((item) => item.key));
    let place = log.firstElementChild;
    const before = newest;
    let hasNew = false;
    let hasOlder = false;
    for (const item of framed) {
      // A receipt changes in place.
      const signature = look + JSON.stringify({ ...item, receipt: null });
      let row = shown.get(item.key);
      if (!row) {
        row = { element: make("div"), signature: null };
        const isNews = item.kind === "message" && (item.seq === null || item.seq > before);
        const isEntering = isNews && app.dataset.ready && !shown.has(item.replaces);
        hasOlder = hasOlder || (item.kind === "message" && !isNews);
        shown.set(item.key, row);
        paint(row.element, item);
        if (isEntering) row.element.classList.add("enter");
        hasNew = hasNew || isNews;
      } else if (row.signature !== signature) {
        paint(row.element, item);
      } else if (item.kind === "message" && row.element.dataset.receipt !== (item.receipt ?? "")) {
        showReceipt(row.element, item, context);
      }
      row.signature = signature;
      if (row.element === place) place = place.nextElementSibling;
      else log.insertBefore(row.element, place);
    }
    for (const [key, row] of shown) {
      if (keys.has(key)) continue;
      row.element.remove();
      shown.delete(key);
    }
    tick();
    newest = items.reduce((seq, item) => Math.max(seq, item.seq ?? 0), 0);
    restorePlace();
    showJump(hasNew);
    if (hasOlder) hush();
  }

  /** What was written long ago is no news to be read out. */
  function hush() {
    log.setAttribute("aria-live", "off");
    clearTimeout(hushTimer);
    hushTimer = setTimeout(() => log.setAttribute("aria-live", "polite"), HUSH_MS);
  }

  /** Brings waiting times up to date. */
  function tick() {
    for (const element of log.querySelectorAll("[data-retry-at]")) {
      const seconds = Math.ceil((Number(element.dataset.retryAt) - Date.now()) / 1000);
      element.textContent = seconds > 0 ? context.i18n.t("wait", { seconds }) : "";
      element.parentElement.querySelector("[data-testid=retry]").disabled = seconds > 0;
    }
  }

  // ---- the rest ----

  function renderConnection(value) {
    const connection = byId("connection");
    connection.dataset.state = value;
    const text = context.i18n.t(`connection.${value}`);
    if (connection.textContent !== text) connection.textContent = text;
  }

  return {
    /** Puts all fixed texts into a language and takes up what is known about the bot. */
    dress(i18n, bot) {
      context = { ...context, i18n, bot };
      document.documentElement.lang = i18n.locale;
      for (const element of document.querySelectorAll("[data-i18n]")) element.textContent = i18n.t(element.dataset.i18n);
      for (const element of document.querySelectorAll("[data-i18n-label]")) {
        element.setAttribute("aria-label", i18n.t(element.dataset.i18nLabel));
        element.title = i18n.t(element.dataset.i18nLabel);
      }
      log.setAttribute("aria-label", i18n.t("logLabel"));
      scroll.setAttribute("aria-label", i18n.t("logLabel"));
      input.placeholder = i18n.t("placeholder");
      const language = byId("language");
      language.textContent = i18n.t("otherLanguage");
      language.setAttribute("aria-label", i18n.t("switchLanguage"));
      byId("bot-name").textContent = bot.name || i18n.t("title");
      byId("bot-icon").src = bot.icon;
      app.hidden = false;
      measure();
    },

    render(state, items, busy) {
      log.setAttribute("aria-busy", String(!state.loaded));
      byId("new-conversation").disabled = !state.loaded;
      panel.render(state, context.i18n, busy);
      renderConnection(state.connection);
      renderLog(state.loaded ? items : [], state.earlier.exists);
      if (state.loaded) app.dataset.ready = "yes";
    },

    tick,
    seen,

    toast(text) {
      clearTimeout(toastTimer);
      toast.textContent = text;
      toast.hidden = false;
      toastTimer = setTimeout(() => (toast.hidden = true), TOAST_MS);
    },

    /** Puts the number of unseen messages before the page's title. */
    title(unseen) {
      const name = context.bot.name || context.i18n.t("title");
      document.title = unseen > 0 ? `(${unseen}) ${name}` : name;
    },

    focusInput: () => input.focus(),
  };
}
