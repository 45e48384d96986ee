// Play scenarios with the unmodified npm package `@anthropic-ai/sdk`, and print what it has then, as JSON.
// Arguments: the gateway's URL, its key, and the scenarios' names. `abort` finds the emulator in EMULATOR_URL.
import Anthropic from "@anthropic-ai/sdk";
import { waitForOutcome } from "./outcome.mjs";

const [url, apiKey, ...names] = process.argv.slice(2);
const client = new Anthropic({ apiKey, baseURL: url, maxRetries: 0 });
const model = "us.anthropic.claude-sonnet-4-6";
const pixel =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M/wHwAEBgIApD5fRAAAAABJRU5ErkJggg==";
const weather = { name: "get_weather", input_schema: { type: "object", properties: { city: { type: "string" } } } };

function ask(content, more = {}) {
  return { model, max_tokens: 100, messages: [{ role: "user", content }], ...more };
}

async function failureOf(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    const { status, type, message, requestID } = error;
    const wait = error.headers?.get("retry-after") ?? null;
    return { name: error.constructor.name, status: status ?? null, type: type ?? null, message, requestID, wait };
  }
}

const scenarios = {
  async plain() {
    const whole = await client.messages.create(ask("hello"));
    const streamed = await client.messages.stream(ask("hello")).finalMessage();
    const events = [];
    for await (const event of await client.messages.create({ ...ask("hello"), stream: true })) events.push(event.type);
    return { whole, streamed, events };
  },

  async tools() {
    const forced = { tools: [weather], tool_choice: { type: "tool", name: "get_weather" } };
    const first = await client.messages.stream(ask("what is the weather in Oslo?", forced)).finalMessage();
    const call = first.content.find((block) => block.type === "tool_use");
    const messages = [
      { role: "user", content: "what is the weather in Oslo?" },
      { role: "assistant", content: first.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "sunny" }] },
    ];
    const answer = await client.messages.create({ ...ask(""), messages, tools: [weather] });
    return { reason: first.stop_reason, input: call.input, answer: answer.content };
  },

  async images() {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } };
    const source = { type: "text", media_type: "text/plain", data: "Basalt cools fast. ".repeat(200) };
    const thinking = { thinking: { type: "enabled", budget_tokens: 1024 }, max_tokens: 2000 };
    const question = { type: "text", text: "what is it?" };
    const bare = await client.messages.create(ask([question], thinking));
    const message = await client.messages.stream(ask([image, question], thinking)).finalMessage();
    const read = await client.messages.create(ask([{ type: "document", source }, question], thinking));
    return {
      kinds: message.content.map((block) => block.type),
      signed: Boolean(message.content[0].signature),
      inputs: [bare, message, read].map((one) => one.usage.input_tokens),
    };
  },

  async count() {
    const counted = await client.messages.countTokens({ model, messages: [{ role: "user", content: "hello" }] });
    const { usage } = await client.messages.create(ask("hello"));
    return { counted: counted.input_tokens, billed: usage.input_tokens };
  },

  async refusals() {
    const wrong = new Anthropic({ apiKey: "wrong", baseURL: url, maxRetries: 0 });
    return {
      key: await failureOf(wrong.messages.create(ask("hello"))),
      model: await failureOf(client.messages.create({ ...ask("hello"), model: "nosuchmodel" })),
      field: await failureOf(client.messages.create({ ...ask("hello"), max_tokens: "many" })),
    };
  },

  async throttled() {
    return {
      whole: await failureOf(client.messages.create(ask("hello"))),
      stream: await failureOf(client.messages.create({ ...ask("hello"), stream: true })),
    };
  },

  async midstream() {
    const pieces = [];
    const stream = client.messages.stream(ask("emulate 40 tokens")).on("text", (text) => pieces.push(text));
    return { error: await failureOf(stream.finalMessage()), text: pieces.join("") };
  },

  async abort() {
    const stream = client.messages.stream(ask("emulate 4000 tokens", { max_tokens: 4000 }));
    stream.on("text", () => stream.abort());
    const error = await failureOf(stream.finalMessage());
    return { error, outcome: await waitForOutcome(process.env.EMULATOR_URL) };
  },
};

const played = {};
for (const name of names) played[name] = await scenarios[name]();
console.log(JSON.stringify(played));
process.exit(0);
