// An MCP client made of the official TypeScript SDK: goes through every tool once and prints what came, as JSON.
//
// node client.mjs ERA stdio COMMAND ARGUMENT...   or   node client.mjs ERA http URL TOKEN WORKSPACE
// ERA is "legacy" or "2026-07-28". The person behind it answers every form with yes.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const [era, kind, ...rest] = process.argv.slice(2);
const mode = era === "legacy" ? "legacy" : { pin: era };
const client = new Client(
  { name: "typescript", version: "1" },
  { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode } },
);
const asked = [];
client.setRequestHandler("elicitation/create", async (request) => {
  asked.push(request.params.message);
  return { action: "accept", content: { answer: "yes" } };
});
const transport =
  kind === "stdio"
    ? new StdioClientTransport({ command: rest[0], args: rest.slice(1), env: process.env })
    : new StreamableHTTPClientTransport(new URL(rest[0]), {
        requestInit: { headers: { Authorization: `Bearer ${rest[1]}`, "Naestro-Workspace": rest[2] } },
      });
await client.connect(transport);
const told = [];
const call = async (name, args) => {
  const options = { onprogress: (progress) => told.push(progress.message) };
  const result = await client.callTool({ name, arguments: args }, options);
  return { name, isError: result.isError ?? false, text: result.content[0].text, value: result.structuredContent };
};
const { tools } = await client.listTools();
const results = [
  await call("search_code", { regex: "^def" }),
  await call("read_code", { target: "calc.py" }),
  await call("repo_map", {}),
  await call("ask_council", { task: "Make add in calc.py add its arguments", mode: "orchestrate" }),
  await call("runs", {}),
  await call("test", { target: "nothing.py" }),
  await call("review", { target: "calc.py" }),
  await call("respond", { run: "nothing" }),
  await call("search_code", { query: "x", unknown: 1 }),
];
const { resources } = await client.listResources();
const read = await client.readResource({ uri: "naestro://file/calc.py" });
const prompt = await client.getPrompt({ name: "explain", arguments: { target: "calc.py" } });
process.stdout.write(
  JSON.stringify({
    server: client.getServerVersion(),
    tools: tools.map((tool) => tool.name),
    results,
    asked,
    told: told.length,
    resources: resources.length,
    file: read.contents[0].text,
    prompt: prompt.messages.length,
  }),
);
await client.close();
