// A real Chromium, driven over a pipe by its own protocol: nothing to install but the browser.

import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 50;

/** The browser's path: $CHROMIUM, or the first known name in $PATH; null when there is none. */
export function findChromium() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths = process.env.CHROMIUM ? [process.env.CHROMIUM] : NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  }) ?? null;
}

/** Waits until `test` gives something true, and gives that. */
export async function eventually(what, test) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await test();
    if (value) return value;
    if (Date.now() > end) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Starts the browser. `close()` ends it. */
export async function launch(path) {
  const profile = mkdtempSync(join(tmpdir(), "switchboard-browser-"));
  const flags = [
    "--headless=new", "--remote-debugging-pipe", `--user-data-dir=${profile}`, "--no-first-run", "--disable-gpu",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    // Containers run tests as root and have no name spaces for the sandbox; the page comes from this machine.
    "--no-sandbox", "--hide-scrollbars", "--lang=en-US",
  ];
  const child = spawn(path, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const [, , , input, output] = child.stdio;
  const waiting = new Map();
  const listeners = new Set();
  let count = 0;
  let pending = "";

  output.setEncoding("utf8");
  output.on("data", (text) => {
    pending += text;
    const messages = pending.split("\0");
    pending = messages.pop();
    messages.map((message) => JSON.parse(message)).forEach(receive);
  });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  gone.then(() => waiting.forEach(({ reject }) => reject(new Error("the browser is gone"))));

  function receive({ id, result, error, method, params, sessionId }) {
    if (id === undefined) return listeners.forEach((listen) => listen(method, params, sessionId));
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error.message));
    else resolve(result);
  }

  function send(method, params = {}, sessionId = undefined) {
    count += 1;
    input.write(`${JSON.stringify({ id: count, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => waiting.set(count, { resolve, reject }));
  }

  return {
    /** A page with cookies and storage of its own. `problems` collects what the console complains about. */
    async page({ width = 1000, height = 760, languages = "en-US", timeZone = "Europe/Berlin", mobile = false } = {}) {
      const { browserContextId } = await send("Target.createBrowserContext");
      const { targetId } = await send("Target.createTarget", { url: "about:blank", browserContextId });
      const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
      const call = (method, params) => send(method, params, sessionId);
      const problems = [];
      listeners.add((method, params, from) => {
        if (from !== sessionId) return;
        if (method === "Runtime.exceptionThrown") problems.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
        if (method === "Log.entryAdded" && params.entry.level === "error") problems.push(`${params.entry.text} ${params.entry.url ?? ""}`);
      });
      await Promise.all([call("Page.enable"), call("Runtime.enable"), call("Log.enable")]);
      const { userAgent } = await send("Browser.getVersion");
      await call("Emulation.setUserAgentOverride", { userAgent, acceptLanguage: languages });
      await call("Emulation.setTimezoneOverride", { timezoneId: timeZone });
      await call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile });
      return pageOf(call, problems);
    },
    async close() {
      send("Browser.close").catch(() => {});
      await gone;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function pageOf(call, problems) {
  /** Runs a function of the page with JSON arguments and gives what it returns. */
  async function run(body, ...args) {
    const expression = `(${body})(${args.map((arg) => JSON.stringify(arg)).join(",")})`;
    const { result, exceptionDetails } = await call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }
  const selector = (testId) => `[data-testid="${testId}"]`;

  return {
    problems,
    run,
    open: (url) => call("Page.navigate", { url }),
    reload: () => call("Page.reload"),
    /** The text of an element; null when it is not there or not shown. */
    text: (testId) => run((where) => {
      const element = document.querySelector(where);
      return element?.checkVisibility() ? element.textContent.trim() : null;
    }, selector(testId)),
    until: (what, body, ...args) => eventually(what, () => run(body, ...args)),
    /** Presses a button as soon as it can be pressed. */
    press: (testId) => eventually(`${testId} can be pressed`, () => run((where) => {
      const element = document.querySelector(where);
      if (!element?.checkVisibility() || element.disabled) return false;
      element.click();
      return true;
    }, selector(testId))),
    /** Types with the keyboard into whatever has the focus. */
    type: (text) => call("Input.insertText", { text }),
    async key(key) {
      const code = { Enter: 13, Tab: 9 }[key];
      const event = { key, code: key, windowsVirtualKeyCode: code, text: key === "Enter" ? "\r" : undefined };
      await call("Input.dispatchKeyEvent", { type: "keyDown", ...event });
      await call("Input.dispatchKeyEvent", { type: "keyUp", ...event });
    },
    /** A picture of the page, as PNG bytes. */
    async picture() {
      const { data } = await call("Page.captureScreenshot", { format: "png" });
      return Buffer.from(data, "base64");
    },
    resize: (width, height) => call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false }),
  };
}
