// The server's own lines in the log are written once, in the customer's language of that time. Here they
// are recognised, so that the page can say the same in the language that it is read in. A line that is
// none of them is shown as it is. tests/browser/people.test.mjs compares them with shared/domain/src/notice.rs.

const NOTICES = [
  ["waiting", /^已为您转接人工客服，请稍候，客服会尽快接入。$/],
  ["waiting", /^You have been handed over to our team\. A colleague will join you shortly\.$/],
  ["ai_unavailable", /^很抱歉，智能助手暂时无法回答，已为您转接人工客服，请稍候。$/],
  ["ai_unavailable", /^Our assistant cannot answer right now\. You have been handed over to our team, please hold on\.$/],
  ["answer_broke_off", /^很抱歉，刚才的回答中断了，已为您转接人工客服，请稍候。$/],
  ["answer_broke_off", /^The answer broke off\. You have been handed over to our team, please hold on\.$/],
  ["after_hours", /^当前为非工作时间，您的请求已转给客服团队，我们会在(?<promise>.+)起尽快联系您。$/],
  ["after_hours", /^We are closed right now\. Your request went to our team; we will get back to you (?<promise>.+)\.$/],
  ["wait_cancelled", /^已取消等待人工客服，AI 助手继续为您服务$/],
  ["wait_cancelled", /^You are no longer waiting for a colleague\. The assistant continues\.$/],
  ["taken_over", /^客服【(?<agent>.+)】已接入，正在为您服务$/],
  ["taken_over", /^(?<agent>.+) has joined and is here to help$/],
  ["transferred", /^会话已从【(?<from>.*)】转接至【(?<to>.+)】$/],
  ["transferred", /^You have been transferred from (?<from>.*) to (?<to>.+)$/],
  ["owner_lost", /^很抱歉，您的客服暂时离线，正在为您转接其他客服，请稍候。$/],
  ["owner_lost", /^Your contact has lost the connection\. We are looking for a colleague, please hold on\.$/],
  ["released", /^人工服务已结束，AI 助手已接管对话$/],
  ["released", /^The conversation with our team has ended\. The assistant continues\.$/],
  ["closed", /^会话已结束，感谢您的咨询$/],
  ["closed", /^The conversation has ended\. Thank you for contacting us\.$/],
];

/** `{kind, values}` of one of the server's own lines, or null. `at`: when it was written, ms. */
export function readNotice(text, at) {
  for (const [kind, pattern] of NOTICES) {
    const match = pattern.exec(text);
    if (!match) continue;
    const { promise, ...values } = match.groups ?? {};
    return { kind, values, opens: promise && at !== null ? instantOf(promise, at) : null };
  }
  return null;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const CHINESE = /(\d{1,2})月(\d{1,2})日 (\d\d):(\d\d)（(UTC[^）]*)）/;
const ENGLISH = /(\d{1,2}) ([A-Z][a-z]{2}) (\d\d):(\d\d) \((UTC[^)]*)\)/;

/** The instant, in ms, of an opening as the shop's clock shows it; the year is that of the next such day after `at`. */
export function instantOf(promise, at) {
  const chinese = CHINESE.exec(promise);
  const english = ENGLISH.exec(promise);
  if (!chinese && !english) return null;
  const [day, month] = chinese
    ? [Number(chinese[2]), Number(chinese[1]) - 1]
    : [Number(english[1]), MONTHS.indexOf(english[2])];
  const [hour, minute, zone] = (chinese ?? english).slice(3);
  const offset = /^UTC(?:([+-])(\d{1,2})(?::(\d\d))?)?$/.exec(zone);
  if (!offset || month < 0 || month > 11) return null;
  const minutes = (Number(offset[2] ?? 0) * 60 + Number(offset[3] ?? 0)) * (offset[1] === "-" ? -1 : 1);
  const inYear = (year) => Date.UTC(year, month, day, Number(hour), Number(minute)) - minutes * 60_000;
  const year = new Date(at).getUTCFullYear();
  // A promise is about the future; half a day leaves room for the shop's own calendar day.
  return [year - 1, year, year + 1].map(inYear).find((instant) => instant >= at - 43_200_000) ?? null;
}

/** When the shop opens, as the newest line about it in the log promised: ms, or null when none is known. */
export function promisedOpening(log) {
  for (const entry of log.toReversed()) {
    if (entry.role !== "system") continue;
    const notice = readNotice(entry.content, entry.timestamp === null ? null : entry.timestamp * 1000);
    if (notice?.kind === "after_hours") return notice.opens;
  }
  return null;
}
