// Paints what stands around the log: who answers, the place in the queue, who is typing, the way back.

import { plain } from "./markdown.js";
import { promisedOpening } from "./notices.js";
import { WAITING } from "./state.js";

const byId = (id) => document.getElementById(id);

/** A live region speaks when it is written to, so it is written to only when there is news. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** What the banner says: a line, and what there is to add. Pure. */
export function describe(state, i18n, now) {
  const { status, queue } = state;
  const key = `status.${status}`;
  // A request of last night has a place, too, once its time has come.
  if (WAITING.has(status) && queue) {
    const place = queue.position === 1 ? i18n.t("status.next") : i18n.t("status.queue", queue);
    const wait = queue.wait === null
      ? i18n.t("detail.unknownWait")
      : i18n.t("detail.wait", { duration: i18n.duration(queue.wait) });
    return { text: place, detail: queue.total > 1 ? `${wait} · ${i18n.t("detail.waiting", queue)}` : wait };
  }
  if (status === "pending_manual") return { text: i18n.t(key), detail: i18n.t("detail.keepWriting") };
  if (status === "after_hours_email") {
    const opens = promisedOpening(state.log);
    if (opens !== null && opens <= now) return { text: i18n.t("status.due"), detail: i18n.t("detail.due") };
    const detail = opens === null ? i18n.t("detail.noPromise") : i18n.t("detail.promise", { when: i18n.moment(opens) });
    return { text: i18n.t(key), detail };
  }
  const name = plain(state.agentName || i18n.t("agent"));
  return { text: i18n.has(key) ? i18n.t(key, { name }) : "", detail: "" };
}

/** `handlers`: escalate(), cancelWait(), earlier(). `busy`: what is being asked of the server. */
export function createPanel({ handlers }) {
  const banner = byId("banner");
  const escalate = byId("escalate");
  const cancel = byId("cancel");
  const earlier = byId("earlier");
  const typist = byId("typist");

  escalate.addEventListener("click", () => handlers.escalate());
  cancel.addEventListener("click", () => handlers.cancelWait());
  earlier.addEventListener("click", () => handlers.earlier());

  function renderBanner(state, i18n, busy) {
    const { text, detail } = describe(state, i18n, Date.now());
    put(byId("status"), text);
    put(byId("detail"), detail);
    byId("status").dataset.status = state.status;
    banner.dataset.status = state.status;
    const mayEscalate = state.status === "bot_active" || state.status === "closed";
    const mayCancel = WAITING.has(state.status);
    // A button that goes must not take the keyboard's place with it, nor leave it on one that undoes what was just done.
    const losesFocus = (button, stays) => document.activeElement === button && !stays;
    if (losesFocus(escalate, mayEscalate) || losesFocus(cancel, mayCancel)) byId("input").focus();
    escalate.hidden = !mayEscalate;
    escalate.disabled = busy.escalating || !state.loaded;
    put(byId("escalate-text"), i18n.t(busy.escalating ? "escalating" : "escalate"));
    cancel.hidden = !mayCancel;
    cancel.disabled = busy.cancelling || !state.loaded;
    const isWaiting = state.status === "pending_manual";
    put(cancel, i18n.t(isWaiting ? "cancelWait" : "withdraw"));
    cancel.title = i18n.t(isWaiting ? "cancelWaitLabel" : "withdrawLabel");
    cancel.setAttribute("aria-label", cancel.title);
  }

  function renderTypist(state, i18n) {
    const name = plain(state.typist?.name || i18n.t("agent"));
    put(byId("typist-text"), state.typist ? i18n.t("isTyping", { name }) : "");
    typist.dataset.shown = state.typist ? "yes" : "no";
  }

  function renderEarlier(state, i18n) {
    const { exists, loading } = state.earlier;
    const isShown = state.loaded && exists;
    // The last page takes the button away from under the keyboard.
    if (!isShown && document.activeElement === earlier) byId("scroll").focus();
    earlier.hidden = !isShown;
    earlier.setAttribute("aria-disabled", String(loading));
    put(earlier, i18n.t(loading ? "loadingEarlier" : "earlier"));
  }

  return {
    render(state, i18n, busy) {
      renderBanner(state, i18n, busy);
      renderTypist(state, i18n);
      renderEarlier(state, i18n);
    },
  };
}
