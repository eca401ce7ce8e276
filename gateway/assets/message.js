// Builds the DOM of one message. Text enters only as text nodes.

import { failureText } from "./i18n.js";
import { blocks, inline, plain, safeHref } from "./markdown.js";

/** An element with classes, text and children; the page has no other way to make one. */
export function make(tag, { className, text, attributes = {}, children = [] } = {}) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const SPAN_TAGS = { bold: "strong", code: "code" };

function spans(text) {
  return inline(text).map((span) =>
    span.type === "text" ? document.createTextNode(span.text) : make(SPAN_TAGS[span.type], { text: span.text }),
  );
}

function block(part) {
  if (part.type === "p") return make("p", { children: spans(part.text) });
  const list = make(part.type, { children: part.items.map((item) => make("li", { children: spans(item) })) });
  if (part.type === "ol") list.start = part.start;
  return list;
}

function content(item) {
  if (item.role === "assistant") return blocks(item.content).map(block);
  return [make("p", { text: plain(item.content) })];
}

function typing(label) {
  const dots = [0, 1, 2].map(() => make("i"));
  return make("span", { className: "typing", attributes: { role: "img", "aria-label": label }, children: dots });
}

/** Who speaks, as shown above the first message of a run. */
function speaker(item, context) {
  if (item.role === "user") return context.i18n.t("you");
  if (item.role === "agent") return plain(item.agentName || context.i18n.t("agent"));
  return context.bot.name || context.i18n.t("assistant");
}

function avatar(item, context) {
  if (item.role === "agent") {
    const initial = [...speaker(item, context)][0].toUpperCase();
    return make("span", { className: "avatar initial", text: initial, attributes: { "aria-hidden": "true" } });
  }
  const attributes = { src: context.bot.icon, alt: "", width: "32", height: "32" };
  return make("img", { className: "avatar", attributes });
}

function sources(item, context) {
  const rows = item.sources
    .filter((source) => source !== null && typeof source === "object")
    .map((source) => {
      const href = safeHref(source.url, context.base);
      const title = plain(String(source.title || source.url || source.article_id || ""));
      const attributes = { href, rel: "noopener nofollow", target: "_blank" };
      return make("li", { children: [href ? make("a", { text: title, attributes }) : make("span", { text: title })] });
    });
  const label = make("span", { className: "sources-label", text: context.i18n.t("sources") });
  const attributes = { "data-testid": "sources" };
  return make("div", { className: "sources", attributes, children: [label, make("ol", { children: rows })] });
}

function failure(item, context) {
  const { i18n, handlers } = context;
  const children = [make("span", { text: failureText(i18n, item.error, context.max) })];
  if (item.error.retryAt) children.push(make("span", { attributes: { "data-retry-at": String(item.error.retryAt) } }));
  const actions = [
    ["retry", handlers.retry],
    ["remove", handlers.remove],
  ];
  for (const [name, run] of actions) {
    const attributes = { type: "button", "data-testid": name };
    const button = make("button", { className: "link", text: i18n.t(name), attributes });
    button.addEventListener("click", () => run(item.cmid));
    children.push(button);
  }
  return make("div", { className: "failure", attributes: { role: "alert" }, children });
}

function meta(item, context) {
  const parts = [];
  if (item.at !== null && item.state !== "sending") {
    const attributes = { datetime: new Date(item.at).toISOString() };
    parts.push(make("time", { text: context.i18n.time(item.at), attributes }));
  }
  if (item.state === "sending") parts.push(make("span", { text: context.i18n.t("sending") }));
  // The bubble says the same to those who listen.
  if (item.tellsReceipt) parts.push(make("span", { className: "receipt", attributes: { "aria-hidden": "true" } }));
  return make("div", { className: "meta", children: parts });
}

function bubble(item, context) {
  const children = content(item);
  if (item.state === "streaming" && item.content === "") {
    children.push(typing(context.i18n.t("typing", { name: speaker(item, context) })));
  }
  if (item.receipt) children[0].append(make("span", { className: "tick", attributes: { role: "img", "aria-live": "off" } }));
  const element = make("div", { className: "bubble", attributes: { dir: "auto" }, children });
  // A text that grows would be read out piece by piece; the finished one is read out as a whole.
  if (item.state === "streaming") element.setAttribute("aria-live", "off");
  return element;
}

/** Shows how far an own message has come. In place, so that nobody has to listen to the message again. */
export function showReceipt(element, item, context) {
  const text = item.receipt ? context.i18n.t(`receipt.${item.receipt}`) : "";
  element.dataset.receipt = item.receipt ?? "";
  const tick = element.querySelector(".tick");
  tick?.setAttribute("aria-label", text);
  if (tick) tick.title = text;
  const told = element.querySelector(".meta .receipt");
  if (told) told.textContent = text;
}

/** The server's own lines in the page's language; others as they are. */
function note({ content: text, notice }, { i18n }) {
  if (!notice) return plain(text);
  if (notice.kind !== "after_hours") return plain(i18n.t(`notice.${notice.kind}`, notice.values));
  return notice.opens === null
    ? i18n.t("notice.after_hours")
    : i18n.t("notice.after_hours_until", { when: i18n.moment(notice.opens) });
}

/** Fills `element` with the message. It may hold an earlier state of the same message. */
export function fillMessage(element, item, context) {
  const isGrowing = element.dataset.state === "streaming" && item.state === "streaming" && element.firstChild;
  element.className = `message ${item.role}${item.first ? " first" : ""}${item.last ? " last" : ""}`;
  Object.assign(element.dataset, { testid: "message", role: item.role, seq: item.seq ?? "", state: item.state });
  // Nobody has to be told what they wrote themselves, least of all each time that its neighbours change.
  if (item.role === "user") element.setAttribute("aria-live", "off");
  if (isGrowing) {
    element.querySelector(".bubble").replaceWith(bubble(item, context));
    return;
  }
  if (item.role === "system") {
    element.dataset.notice = item.notice?.kind ?? "";
    element.replaceChildren(make("p", { className: "note", text: note(item, context), attributes: { dir: "auto" } }));
    return;
  }
  const isShownName = item.first && item.role !== "user";
  const name = make("span", { className: isShownName ? "who" : "sr", text: speaker(item, context) });
  const stack = make("div", { className: "stack", children: [name, bubble(item, context)] });
  if (item.state === "interrupted") {
    stack.append(make("p", { className: "interrupted", text: context.i18n.t("interrupted") }));
  }
  if (item.sources.length > 0) stack.append(sources(item, context));
  if (item.state === "failed") stack.append(failure(item, context));
  else if ((item.last && item.at !== null) || item.state === "sending") stack.append(meta(item, context));
  element.replaceChildren(...(item.role === "user" ? [] : [avatar(item, context)]), stack);
  showReceipt(element, item, context);
}
