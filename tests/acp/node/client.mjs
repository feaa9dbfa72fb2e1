// An ACP client made of the official TypeScript SDK, led line by line by `tests/acp/process/typescript.py`.
//
// node client.mjs COMMAND ARGUMENT...: starts the agent, speaks the protocol through the SDK, and talks JSON lines
// with whoever leads it; the end of its input is the end of the agent's.
// In: {"id", "request", "params", "abortable"}, {"abort": ID}, {"notify", "params"}, {"answer": ASK, "result" |
// "error"}, {"raw": TEXT} (bytes to the agent as they are).
// Out: {"started": PID}, {"id", "result" | "error"}, {"update"}, {"notification", "params"}, {"ask": N, "method",
// "params"}, {"withdrawn": N}, {"invalid": WHAT, "of"} for what the SDK's own schemas refuse, {"wire": "in" | "out",
// "line"} for each message as it went over the wire, {"stderr": TEXT}, {"closed": CODE, "signal"}.
// It holds no scenario of its own.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Readable, Writable } from "node:stream";
import { client, methods, ndJsonStream, RequestError } from "@agentclientprotocol/sdk/unstable";
import * as schema from "./node_modules/@agentclientprotocol/sdk/dist/v1/unstable/schema/zod.gen.js";

const RESPONSES = {
  initialize: schema.zInitializeResponse,
  authenticate: schema.zAuthenticateResponse,
  logout: schema.zLogoutResponse,
  "session/new": schema.zNewSessionResponse,
  "session/load": schema.zLoadSessionResponse,
  "session/list": schema.zListSessionsResponse,
  "session/resume": schema.zResumeSessionResponse,
  "session/fork": schema.zForkSessionResponse,
  "session/close": schema.zCloseSessionResponse,
  "session/delete": schema.zDeleteSessionResponse,
  "session/set_mode": schema.zSetSessionModeResponse,
  "session/set_config_option": schema.zSetSessionConfigOptionResponse,
  "session/prompt": schema.zPromptResponse,
};

const say = (record) => process.stdout.write(JSON.stringify(record) + "\n");

const [command, ...args] = process.argv.slice(2);
const agent = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
agent.stderr.on("data", (data) => say({ stderr: data.toString() }));
agent.on("exit", (code, signal) => say({ closed: code, signal }));
agent.stdin.on("error", () => {}); // the agent may be gone; `closed` tells it
say({ started: agent.pid });

// What is not JSON never reaches the SDK's handlers, so each message is looked at as it passes.
function tapped(direction) {
  let rest = "";
  const decoder = new TextDecoder();
  return new TransformStream({
    transform(chunk, controller) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) say({ wire: direction, line });
      controller.enqueue(chunk);
    },
  });
}

const toAgent = tapped("out");
toAgent.readable.pipeTo(Writable.toWeb(agent.stdin)).catch(() => {});
const fromAgent = Readable.toWeb(agent.stdout).pipeThrough(tapped("in"));

const asked = new Map();
let asks = 0;
function ask(method) {
  return ({ params, signal }) =>
    new Promise((resolve, reject) => {
      const number = ++asks;
      asked.set(number, { resolve, reject });
      signal?.addEventListener("abort", () => say({ withdrawn: number }));
      say({ ask: number, method, params });
    });
}

function check(shape, value, of) {
  const checked = shape.safeParse(value);
  if (!checked.success) say({ invalid: checked.error.issues, of, value });
}

const app = client({ name: "naestro-tests" });
for (const method of [
  methods.client.session.requestPermission,
  methods.client.fs.readTextFile,
  methods.client.fs.writeTextFile,
  methods.client.terminal.create,
  methods.client.terminal.output,
  methods.client.terminal.release,
  methods.client.terminal.waitForExit,
  methods.client.terminal.kill,
  methods.client.elicitation.create,
]) {
  app.onRequest(method, ask(method));
}
app.onNotification("*", ({ method, params }) => say({ notification: method, params }));
app.onNotification(methods.client.session.update, ({ params }) => {
  check(schema.zSessionNotification, params, methods.client.session.update);
  say({ update: params });
});

const connection = app.connect(ndJsonStream(toAgent.writable, fromAgent));
const running = new Map();

async function request({ id, request: method, params, abortable }) {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const options = abortable ? { cancellationSignal: controller.signal } : undefined;
    const result = await connection.agent.request(method, params, options);
    await new Promise(setImmediate); // the SDK may settle an answer before the handlers of earlier updates ran
    if (RESPONSES[method]) check(RESPONSES[method], result, method);
    say({ id, result: result ?? null });
  } catch (error) {
    say({ id, error: { code: error.code ?? null, message: error.message, data: error.data ?? null } });
  } finally {
    running.delete(id);
  }
}

function answer({ answer: number, result, error }) {
  const { resolve, reject } = asked.get(number);
  asked.delete(number);
  if (error) reject(new RequestError(error.code, error.message, error.data));
  else resolve(result);
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if (told.request) request(told);
  else if (told.abort !== undefined) running.get(told.abort)?.abort();
  else if (told.notify) connection.agent.notify(told.notify, told.params);
  else if (told.answer) answer(told);
  else if (told.raw !== undefined) agent.stdin.write(told.raw);
}
agent.stdin.end();
