// Wires the parts: session, log, events, sending, language.

import { ApiError, createApi, randomHex, uuid } from "./api.js";
import { backoffMs, createEvents } from "./events.js";
import { chooseLanguage, createI18n, otherLanguage } from "./i18n.js";
import { selectItems } from "./items.js";
import { createOutbox } from "./outbox.js";
import { createReceipts, createTyping } from "./signals.js";
import { parseObject } from "./sse.js";
import { hasGap, initialState, reduce } from "./state.js";
import { createView } from "./view.js";

const MAX_CHARACTERS = 2000;
const SESSION_KEY = "switchboard.session";
const LANGUAGE_KEY = "switchboard.language";
const DIVIDERS_KEY = "switchboard.dividers";
const OUTBOX_KEY = "switchboard.outbox";
const MAX_DIVIDERS = 20;
/** Statuses with which the server says that it does not know this visitor in this session. */
const LOST = new Set([401, 403, 404]);

const base = new URL("./api/v1/", document.baseURI).href;
const api = createApi(base);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Storage that a browser may refuse; then the page forgets when it is closed. */
function keep(storage) {
  const memory = new Map();
  return {
    get(key) {
      try {
        return storage().getItem(key);
      } catch {
        return memory.get(key) ?? null;
      }
    },
    set(key, value) {
      memory.set(key, value);
      try {
        if (value === null) storage().removeItem(key);
        else storage().setItem(key, value);
      } catch {
        // Kept in memory.
      }
    },
  };
}

const local = keep(() => localStorage);
const tab = keep(() => sessionStorage);

// ---- state ----

const store = { state: initialState(), dispatch };
const busy = { escalating: false, cancelling: false };
let unseen = 0;
let i18n = createI18n(chooseLanguage(local.get(LANGUAGE_KEY), navigator.languages ?? [navigator.language]));
let bot = { isKnown: false, name: "", welcome: "", icon: "./logo.svg" };
let isPaintDue = false;
let savedTail = null;

function dispatch(action) {
  const before = store.state;
  store.state = reduce(before, action);
  if (store.state === before) return;
  if (store.state.tail !== before.tail) saveOutbox();
  if (store.state.dividers !== before.dividers) saveDividers();
  if (hasGap(store.state) && !hasGap(before)) events.refresh();
  if (action.type === "event" && document.hidden) countUnseen(before);
  receipts.look();
  schedulePaint();
}

function schedulePaint() {
  if (isPaintDue) return;
  isPaintDue = true;
  // Hidden pages get no animation frames.
  if (document.hidden) setTimeout(paint, 100);
  else requestAnimationFrame(paint);
}

function paint() {
  isPaintDue = false;
  view.render(store.state, selectItems(store.state), busy);
  receipts.look();
}

/** Unsent messages outlive a reload of the tab. */
function saveOutbox() {
  const { session, tail } = store.state;
  const items = tail.filter((item) => item.kind === "own");
  const text = items.length > 0 ? JSON.stringify({ session, items }) : null;
  if (text !== savedTail) tab.set(OUTBOX_KEY, text);
  savedTail = text;
}

function saveDividers() {
  const { session, dividers } = store.state;
  local.set(DIVIDERS_KEY, JSON.stringify({ session, list: dividers.slice(-MAX_DIVIDERS) }));
}

function countUnseen(before) {
  const isForeign = (entry) => entry.role !== "user" && entry.seq > before.head;
  unseen += store.state.log.filter(isForeign).length;
  view.title(unseen);
}

// ---- session ----

/** Repeats `work` until it succeeds or fails for good (`isFinal`). */
async function persist(work, isFinal) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof ApiError && isFinal(error)) throw error;
      const asked = (error.retryAfter ?? 0) * 1000;
      if (attempt === 1) dispatch({ type: "connection", value: "reconnecting" });
      await sleep(Math.max(asked, backoffMs(attempt, Math.random())));
    }
  }
}

async function createSession() {
  const key = uuid();
  const userId = `session_${randomHex(16)}`;
  const created = await persist(() => api.createSession(userId, key), () => false);
  const name = created.session_name ?? userId;
  local.set(SESSION_KEY, name);
  dispatch({ type: "session", name });
  try {
    dispatch({ type: "snapshot", session: await persist(() => api.session(name), (error) => LOST.has(error.status)) });
  } catch {
    // Nothing was written yet: an empty log is the truth.
    dispatch({ type: "snapshot", session: { history: [] } });
  }
}

async function openSession() {
  const name = local.get(SESSION_KEY);
  if (!name) return createSession();
  try {
    const session = await persist(() => api.session(name), (error) => LOST.has(error.status));
    dispatch({ type: "session", name });
    restore(name);
    dispatch({ type: "snapshot", session });
  } catch {
    local.set(SESSION_KEY, null);
    await createSession();
  }
}

function restore(name) {
  const dividers = parseObject(local.get(DIVIDERS_KEY) ?? "");
  if (dividers?.session === name && Array.isArray(dividers.list)) dispatch({ type: "dividers", list: dividers.list });
  const outbox = parseObject(tab.get(OUTBOX_KEY) ?? "");
  if (outbox?.session === name && Array.isArray(outbox.items)) dispatch({ type: "restored", items: outbox.items });
}

let recovery = null;

/** Replaces a session that the server does not know any more. Callers share one replacement. */
function recover() {
  recovery ??= (async () => {
    local.set(SESSION_KEY, null);
    await createSession();
    view.toast(i18n.t("toast.sessionRenewed"));
    events.open();
  })().finally(() => (recovery = null));
  return recovery;
}

// ---- parts ----

const events = createEvents({
  address: () => api.eventsUrl(store.state.session, store.state.cursor),
  check: async () => {
    try {
      await api.session(store.state.session);
      return true;
    } catch (error) {
      if (!LOST.has(error.status)) throw error;
      await recover();
      return false;
    }
  },
  onEvent: (event, id) => dispatch({ type: "event", event, id, at: Date.now() }),
  onConnection: (value) => dispatch({ type: "connection", value }),
});

const outbox = createOutbox({
  api,
  store,
  recover,
  onAnswerFailed: () => view.toast(i18n.t("toast.answerFailed")),
  // The answer that counts comes with the events, unless they have just broken off.
  onReplaced: () => store.state.connection === "open" || events.refresh(),
});

const typing = createTyping({ api, store });
const receipts = createReceipts({ api, store, seen: () => (document.hidden ? 0 : view.seen()) });

const view = createView({
  max: MAX_CHARACTERS,
  base: document.baseURI,
  handlers: {
    submit: (content) => {
      typing.reset();
      outbox.submit(uuid(), content);
    },
    writing: () => typing.touch(),
    looked: () => receipts.look(),
    retry: (cmid) => outbox.retry(cmid),
    remove: (cmid) => dispatch({ type: "dropped", cmid }),
    escalate,
    cancelWait,
    earlier,
    newConversation,
    language: () => setLanguage(otherLanguage(i18n.language)),
  },
});

/** Three tries under one key: the server does it once. */
async function attemptThrice(work) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const mayHelp = error.status === 0 || error.status >= 500;
      if (attempt === 2 || !mayHelp) throw error;
      await sleep(backoffMs(attempt, Math.random()));
    }
  }
}

/** A request about the status, once at a time; what the server answers counts until the events say more. */
async function changeStatus(flag, work, explain) {
  if (busy[flag]) return;
  busy[flag] = true;
  schedulePaint();
  const before = store.state.statusSeq;
  try {
    const { data } = await attemptThrice(work);
    if (data?.status && store.state.statusSeq === before) {
      dispatch({ type: "status", status: data.status, agentName: data.assigned_agent?.name });
    }
  } catch (error) {
    const key = explain(error);
    if (key) view.toast(i18n.t(key));
  } finally {
    busy[flag] = false;
    schedulePaint();
  }
}

function escalate() {
  const [session, key] = [store.state.session, uuid()];
  const explain = (error) => (error.code === "MANUAL_IN_PROGRESS" ? "toast.alreadyManual" : "toast.escalateFailed");
  view.focusInput();
  return changeStatus("escalating", () => api.escalate(session, key), explain);
}

function cancelWait() {
  const [session, key] = [store.state.session, uuid()];
  // Somebody was faster; the banner shows who.
  const explain = (error) => (error.code === "INVALID_STATUS" ? null : "toast.cancelFailed");
  view.focusInput();
  return changeStatus("cancelling", () => api.cancelWait(session, key), explain);
}

async function earlier() {
  const { session, log, earlier: known } = store.state;
  if (known.loading || log.length === 0) return;
  const before = log[0].seq;
  dispatch({ type: "earlier_asked" });
  try {
    const page = await attemptThrice(() => api.earlier(session, before));
    if (store.state.session !== session) return;
    dispatch({ type: "earlier", before, messages: page.messages ?? [], hasMore: page.has_more === true });
  } catch {
    dispatch({ type: "earlier_failed" });
    view.toast(i18n.t("toast.earlierFailed"));
  }
}

async function newConversation() {
  const { dividers, head, log, tail } = store.state;
  const isFresh = log.length + tail.length === 0 || dividers.at(-1)?.after === head;
  view.focusInput();
  if (isFresh) return;
  const key = uuid();
  try {
    await attemptThrice(() => api.newConversation(store.state.session, key));
    dispatch({ type: "divider", at: Date.now() });
  } catch {
    view.toast(i18n.t("toast.newFailed"));
  }
}

function setLanguage(language) {
  local.set(LANGUAGE_KEY, language);
  dress(language);
  schedulePaint();
}

function dress(language) {
  i18n = createI18n(language);
  view.dress(i18n, bot);
  view.title(unseen);
}

/** Only images of this origin may be shown; anything else falls back to the logo. */
function iconOf(url) {
  try {
    const icon = new URL(url, document.baseURI);
    return icon.origin === location.origin && url ? icon.href : "./logo.svg";
  } catch {
    return "./logo.svg";
  }
}

async function loadBot() {
  const isFinal = (error) => error.status !== 0 && error.status < 500;
  const { bot: info } = await persist(() => api.botInfo(), isFinal).catch(() => ({ bot: {} }));
  bot = { isKnown: true, name: info.name ?? "", welcome: info.welcome ?? "", icon: iconOf(info.icon_url) };
  dress(i18n.language);
  schedulePaint();
}

// ---- start ----

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unseen = 0;
  view.title(0);
  receipts.look();
});
setInterval(() => {
  view.tick();
  dispatch({ type: "tick", now: Date.now() });
  // A promise is kept or passes without an event.
  if (store.state.status === "after_hours_email") schedulePaint();
}, 1000);

dress(i18n.language);
paint();
loadBot();
await openSession();
events.open();
outbox.resume();
