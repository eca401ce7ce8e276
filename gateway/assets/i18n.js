// Product texts in Chinese and English, and what goes with a language: times, dates, numbers.

const TEXTS = {
  en: {
    title: "Customer service",
    otherLanguage: "中文",
    switchLanguage: "切换到中文",
    skip: "Skip to the message box",
    logLabel: "Conversation",
    welcome: "Hello! How can I help you today?",
    assistant: "Assistant",
    agent: "Support agent",
    you: "You",
    newConversation: "New conversation",
    newConversationDivider: "New conversation",
    escalate: "Talk to a human",
    escalating: "Connecting…",
    inputLabel: "Your message",
    placeholder: "Write a message…",
    send: "Send",
    hint: "Enter to send · Shift + Enter for a new line",
    counter: "{count} of {max} characters",
    tooLong: "{over} over the limit",
    sending: "Sending…",
    "receipt.sent": "Sent",
    "receipt.delivered": "Delivered",
    "receipt.read": "Read",
    earlier: "Load earlier messages",
    loadingEarlier: "Loading…",
    cancelWait: "Cancel waiting",
    cancelWaitLabel: "Cancel waiting and go on with the assistant",
    withdraw: "Withdraw",
    withdrawLabel: "Withdraw the request and go on with the assistant only",
    moment: "{instant} ({zone})",
    isTyping: "{name} is typing…",
    retry: "Try again",
    remove: "Remove",
    interrupted: "This answer was interrupted",
    typing: "{name} is writing",
    sources: "Sources",
    today: "Today",
    yesterday: "Yesterday",
    newMessages: "New messages",
    toBottom: "Go to the newest message",
    "status.bot_active": "AI assistant",
    "status.pending_manual": "Waiting for a colleague",
    "status.next": "You are next",
    "status.queue": "You are number {position} in the queue",
    "status.manual_live": "You are talking to {name}",
    "status.after_hours_email": "Our team is off duty",
    "status.due": "Our team is back",
    "status.closed": "This conversation has ended. Write a message to start again",
    "detail.keepWriting": "Keep writing, nothing gets lost",
    "detail.wait": "Estimated wait: {duration}",
    "detail.unknownWait": "The wait cannot be estimated yet",
    "detail.waiting": "{total} waiting",
    "detail.promise": "We will reply here from {when}. Until then the assistant answers",
    "detail.noPromise": "We will reply here as soon as we open. Until then the assistant answers",
    "detail.due": "A colleague will take up your request. Until then the assistant answers",
    "duration.moment": "less than a minute",
    "duration.minutes": "about {count} min",
    "duration.hours": "about {count} h",
    "notice.waiting": "A colleague was called and will join you shortly.",
    "notice.ai_unavailable": "Our assistant cannot answer right now. A colleague was called, please hold on.",
    "notice.answer_broke_off": "The answer broke off. A colleague was called, please hold on.",
    "notice.after_hours": "We are closed right now. Your request went to our team; we will get back to you when we open.",
    "notice.after_hours_until": "We are closed right now. Your request went to our team; we will get back to you from {when}.",
    "notice.wait_cancelled": "You are no longer waiting for a colleague. The assistant continues.",
    "notice.taken_over": "{agent} has joined the conversation",
    "notice.transferred": "The conversation went from {from} to {to}",
    "notice.owner_lost": "Your contact lost the connection. We are looking for another colleague, please hold on.",
    "notice.released": "The conversation with our team has ended. The assistant continues.",
    "notice.closed": "The conversation has ended. Thank you for contacting us.",
    "connection.connecting": "Connecting…",
    "connection.open": "Connected",
    "connection.reconnecting": "Reconnecting…",
    "connection.offline": "You are offline",
    "error.network": "Not sent. Please check your connection.",
    "error.server": "Not sent. The service is busy right now.",
    "error.MESSAGE_TOO_LONG": "Not sent. A message may have up to {max} characters.",
    "error.RATE_LIMITED": "Not sent. Too many messages at once, please wait a moment.",
    "error.SESSION_IN_MANUAL_MODE": "Not sent. The conversation was just passed to a colleague, please try again.",
    "error.session": "Not sent. The conversation has expired.",
    "error.other": "Not sent. {detail}",
    "error.unknown": "Not sent. Something went wrong.",
    wait: "Possible again in {seconds} s.",
    "toast.answerFailed": "The answer could not be completed. Please ask again or talk to a human.",
    "toast.escalateFailed": "We could not reach the team. Please try again.",
    "toast.cancelFailed": "The waiting could not be cancelled. Please try again.",
    "toast.earlierFailed": "Earlier messages could not be loaded. Please try again.",
    "toast.alreadyManual": "You are already talking to a colleague.",
    "toast.newFailed": "The new conversation could not be started. Please try again.",
    "toast.sessionRenewed": "Your earlier conversation has expired, a new one was started.",
  },
  zh: {
    title: "在线客服",
    otherLanguage: "EN",
    switchLanguage: "Switch to English",
    skip: "跳到输入框",
    logLabel: "对话记录",
    welcome: "您好！请问有什么可以帮您？",
    assistant: "智能助手",
    agent: "人工客服",
    you: "您",
    newConversation: "新对话",
    newConversationDivider: "新对话",
    escalate: "转人工",
    escalating: "正在转接…",
    inputLabel: "您的消息",
    placeholder: "请输入您的问题…",
    send: "发送",
    hint: "Enter 发送 · Shift + Enter 换行",
    counter: "{count} / {max} 字",
    tooLong: "超出 {over} 字",
    sending: "发送中…",
    "receipt.sent": "已发送",
    "receipt.delivered": "已送达",
    "receipt.read": "已读",
    earlier: "查看更早的消息",
    loadingEarlier: "正在加载…",
    cancelWait: "取消等待",
    cancelWaitLabel: "取消等待，继续使用智能助手",
    withdraw: "撤回请求",
    withdrawLabel: "撤回请求，继续只使用智能助手",
    moment: "{instant}（{zone}）",
    isTyping: "{name} 正在输入…",
    retry: "重新发送",
    remove: "删除",
    interrupted: "回答已中断",
    typing: "{name}正在输入",
    sources: "参考资料",
    today: "今天",
    yesterday: "昨天",
    newMessages: "有新消息",
    toBottom: "查看最新消息",
    "status.bot_active": "AI 智能助手为您服务",
    "status.pending_manual": "正在等待人工客服",
    "status.next": "下一位就是您",
    "status.queue": "您排在第 {position} 位",
    "status.manual_live": "{name} 正在为您服务",
    "status.after_hours_email": "当前为非工作时间",
    "status.due": "客服团队已上班",
    "status.closed": "本次对话已结束，发送消息即可重新开始",
    "detail.keepWriting": "您可以继续留言，内容不会丢失",
    "detail.wait": "预计等待：{duration}",
    "detail.unknownWait": "暂时无法估计等待时间",
    "detail.waiting": "共 {total} 人等待",
    "detail.promise": "我们会从 {when} 起在这里联系您，在此之前由智能助手回答",
    "detail.noPromise": "上班后我们会尽快在这里联系您，在此之前由智能助手回答",
    "detail.due": "客服会尽快处理您的请求，在此之前由智能助手回答",
    "duration.moment": "不到 1 分钟",
    "duration.minutes": "约 {count} 分钟",
    "duration.hours": "约 {count} 小时",
    "notice.waiting": "已为您转接人工客服，客服会尽快接入。",
    "notice.ai_unavailable": "智能助手暂时无法回答，已为您转接人工客服，请稍候。",
    "notice.answer_broke_off": "刚才的回答中断了，已为您转接人工客服，请稍候。",
    "notice.after_hours": "当前为非工作时间，您的请求已转给客服团队，我们会在下个工作时间尽快联系您。",
    "notice.after_hours_until": "当前为非工作时间，您的请求已转给客服团队，我们会从 {when} 起尽快联系您。",
    "notice.wait_cancelled": "已取消等待人工客服，智能助手继续为您服务",
    "notice.taken_over": "客服 {agent} 已接入，正在为您服务",
    "notice.transferred": "会话已从 {from} 转接至 {to}",
    "notice.owner_lost": "您的客服暂时离线，正在为您转接其他客服，请稍候。",
    "notice.released": "人工服务已结束，智能助手继续为您服务",
    "notice.closed": "会话已结束，感谢您的咨询",
    "connection.connecting": "正在连接…",
    "connection.open": "已连接",
    "connection.reconnecting": "正在重新连接…",
    "connection.offline": "网络已断开",
    "error.network": "未发送，请检查网络连接。",
    "error.server": "未发送，服务繁忙。",
    "error.MESSAGE_TOO_LONG": "未发送，每条消息最多 {max} 字。",
    "error.RATE_LIMITED": "未发送，消息发送过于频繁，请稍候。",
    "error.SESSION_IN_MANUAL_MODE": "未发送，对话刚刚转给人工客服，请重新发送。",
    "error.session": "未发送，对话已过期。",
    "error.other": "未发送：{detail}",
    "error.unknown": "未发送，出现了问题。",
    wait: "{seconds} 秒后可重试。",
    "toast.answerFailed": "回答未能完成，请重新提问或转人工。",
    "toast.escalateFailed": "暂时无法转接人工，请重试。",
    "toast.cancelFailed": "暂时无法取消等待，请重试。",
    "toast.earlierFailed": "暂时无法加载更早的消息，请重试。",
    "toast.alreadyManual": "人工客服已在为您服务。",
    "toast.newFailed": "无法开始新对话，请重试。",
    "toast.sessionRenewed": "之前的对话已过期，已为您开始新的对话。",
  },
};

/** The language to start with: the remembered one, else the first of the browser's that we speak. */
export function chooseLanguage(remembered, preferred) {
  if (remembered in TEXTS) return remembered;
  for (const tag of preferred) {
    const language = tag.toLowerCase().split("-")[0];
    if (language in TEXTS) return language;
  }
  return "en";
}

/** Texts and formats of one language. */
export function createI18n(language) {
  const locale = language === "zh" ? "zh-CN" : "en";
  const time = new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" });
  const dayTime = { weekday: "short", month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };
  const instant = new Intl.DateTimeFormat(locale, dayTime);
  const zone = new Intl.DateTimeFormat(locale, { timeZoneName: "short" });
  const date = new Intl.DateTimeFormat(locale, { weekday: "short", month: "short", day: "numeric" });

  /** The text for `key` with `{name}` places filled from `values`. */
  function t(key, values = {}) {
    return TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  }

  function day(at, now) {
    const midnight = (value) => new Date(value).setHours(0, 0, 0, 0);
    const daysAgo = Math.round((midnight(now) - midnight(at)) / 86_400_000);
    if (daysAgo === 0) return t("today");
    return daysAgo === 1 ? t("yesterday") : date.format(at);
  }

  /** A wait of `seconds`, in words, never more exact than it is known. */
  function duration(seconds) {
    if (seconds < 60) return t("duration.moment");
    const minutes = Math.ceil(seconds / 60);
    if (minutes < 90) return t("duration.minutes", { count: minutes });
    return t("duration.hours", { count: Math.round(minutes / 60) });
  }

  /** An instant with day and time, on the clock of whoever looks at the page. */
  function moment(at) {
    const name = zone.formatToParts(at).find((part) => part.type === "timeZoneName")?.value ?? "";
    return t("moment", { instant: instant.format(at), zone: name });
  }

  return {
    language,
    locale,
    t,
    day,
    duration,
    moment,
    time: (at) => time.format(at),
    has: (key) => key in TEXTS[language],
  };
}

/** The other language the page can be switched to. */
export function otherLanguage(language) {
  return language === "zh" ? "en" : "zh";
}

/** Tells why a message was not sent. `error` is {status, code, detail}. */
export function failureText(i18n, error, max) {
  const { status, code, detail } = error;
  if (status === 0 || status === 408) return i18n.t("error.network");
  if (code && i18n.has(`error.${code}`)) return i18n.t(`error.${code}`, { max });
  if (status === 413) return i18n.t("error.MESSAGE_TOO_LONG", { max });
  if (status === 429) return i18n.t("error.RATE_LIMITED");
  if (status === 401 || status === 403 || status === 404) return i18n.t("error.session");
  if (status >= 500) return i18n.t("error.server");
  return detail ? i18n.t("error.other", { detail }) : i18n.t("error.unknown");
}
