// The real program with one agent who works over REST, for the tests of the page.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { eventually } from "./chromium.mjs";

const ADMIN_PASSWORD = "Tram-gravel-71-lantern";
const AGENT_PASSWORD = "Quartz-meadow-48-kettle";
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The built program: $SWITCHBOARD, or the one in the target folder; null when there is none. */
export function findProgram() {
  const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
  const paths = process.env.SWITCHBOARD ? [process.env.SWITCHBOARD] : ["debug", "quick"].map((profile) => join(target, profile, "switchboard"));
  return paths.find((path) => existsSync(path)) ?? null;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Starts the program with `settings` by dotted key, and waits until it is ready. */
export async function openShop(program, settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), "switchboard-page-"));
  const port = await freePort();
  const all = {
    "gateway.listen": `127.0.0.1:${port}`,
    "database.data_dir": join(folder, "data"),
    "agent_auth.admin_password": ADMIN_PASSWORD,
    "hours.shift_start": "00:00",
    "hours.shift_end": "24:00",
    "hours.weekends_disabled": "false",
    "session.routing.auto_assign": "false",
    ...settings,
  };
  const limits = ["auth", "chat", "write", "read", "new_sessions"].map((name) => [`gateway.rate.${name}_per_minute`, "0"]);
  const variables = [...Object.entries(all), ...limits].map(([key, value]) => [`SWITCHBOARD__${key.toUpperCase().replaceAll(".", "__")}`, value]);
  const environment = { ...process.env, ...Object.fromEntries(variables) };
  const child = spawn(program, ["up"], { cwd: folder, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (log = (log + text).slice(-8_000)));
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const base = `http://127.0.0.1:${port}`;

  async function close() {
    child.kill("SIGTERM");
    await gone;
    rmSync(folder, { recursive: true, force: true });
  }

  async function call(method, path, { token, body } = {}) {
    const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
    const response = await fetch(`${base}/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  async function logIn(username, password) {
    const { access_token: token, agent } = await call("POST", "auth/agent/login", { body: { username, password, device_id: "tests" } });
    return { token, agent };
  }

  /** An agent who is there. */
  async function hire(username, name) {
    const admin = await logIn("admin", ADMIN_PASSWORD);
    const account = { username, password: AGENT_PASSWORD, name, role: "agent", max_sessions: 20 };
    await call("POST", "agents", { token: admin.token, body: account });
    const { token, agent } = await logIn(username, AGENT_PASSWORD);
    const post = (path, body = {}) => call("POST", path, { token, body });
    await call("PUT", "agent/status", { token, body: { status: "online" } });
    return {
      name,
      takeOver: (session) => post(`sessions/${session}/takeover`, { agent_id: username, agent_name: name }),
      say: async (session, content) => (await post(`sessions/${session}/messages`, { content })).data.seq,
      type: (session) => post(`sessions/${session}/typing`),
      /** Tells how far the agent has come; gives how far both have. */
      reach: async (session, reach) => (await post(`sessions/${session}/receipts`, reach)).data,
      transfer: (session, to) => post(`sessions/${session}/transfer`, { from_agent_id: username, to_agent_id: to.username, to_agent_name: to.name, reason: "knows more" }),
      release: (session) => post(`sessions/${session}/release`, { agent_id: username, reason: "resolved" }),
      close: (session) => post(`sessions/${session}/close`),
      state: async (session) => (await call("GET", `sessions/${session}`, { token })).data.session,
      username, id: agent.id,
      /** Follows a session; `seen(test)` waits for an event. `stop()` ends it. */
      follow: (session) => follow(`${base}/api/v1/sessions/${session}/events`, token),
    };
  }

  try {
    await eventually("the program is ready", async () => {
      if (child.exitCode !== null) throw new Error(`the program ended:\n${log}`);
      return fetch(`${base}/readyz`).then((answer) => answer.ok, () => false);
    });
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`${error.message}\n${log}`);
  }
  return { base, hire, close };
}

function follow(url, token) {
  const abort = new AbortController();
  const events = [];
  const reading = (async () => {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` }, signal: abort.signal });
    let text = "";
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const lines = text.split("\n");
      text = lines.pop();
      events.push(...lines.filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6))));
    }
  })().catch(() => {});
  return {
    seen: (what, test) => eventually(`the agent sees ${what}`, () => events.find(test)),
    stop: () => (abort.abort(), reading),
  };
}
