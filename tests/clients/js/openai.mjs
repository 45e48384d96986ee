// Play one scenario with the unmodified npm package `openai`, and print what it has then, as JSON.
// Arguments: the scenario's name, and the gateway's URL. `abort` finds the emulator in EMULATOR_URL.
import OpenAI from "openai";
import { waitForOutcome } from "./outcome.mjs";

const [name, url] = process.argv.slice(2);
const client = new OpenAI({ apiKey: "any", baseURL: `${url}/v1`, maxRetries: 0 });
const model = "gpt-4o";
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

function ask(content) {
  return { model, messages: [{ role: "user", content }] };
}

async function collect(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

async function failureOf(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { name: error.constructor.name, status: error.status ?? null, code: error.code ?? null };
  }
}

const scenarios = {
  async chat() {
    const whole = await client.chat.completions.create(ask("emulate 30 tokens"));
    const runner = client.chat.completions.stream({
      ...ask("emulate 30 tokens"),
      stream_options: { include_usage: true },
    });
    const streamed = await runner.finalChatCompletion();
    return { whole, streamed, models: (await collect(await client.models.list())).map((one) => one.id) };
  },

  async image() {
    const pixel =
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M/wHwAEBgIApD5fRAAAAABJRU5ErkJggg==";
    const image = { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } };
    const question = { type: "text", text: "what is it?" };
    const bare = await client.chat.completions.create(ask([question]));
    const seen = await client.chat.completions.create(ask([image, question]));
    return { inputs: [bare, seen].map((one) => one.usage.prompt_tokens) };
  },

  async tools() {
    const tools = [{ type: "function", function: { name: "get_weather", parameters } }];
    const pieces = [];
    const runner = client.chat.completions.stream({ ...ask("what is the weather in Oslo?"), tools });
    runner.on("tool_calls.function.arguments.delta", (event) => pieces.push(event.arguments_delta));
    const { choices } = await runner.finalChatCompletion();
    return { pieces, call: choices[0].message.tool_calls[0], reason: choices[0].finish_reason };
  },

  async errors() {
    const before = await failureOf(client.chat.completions.create({ ...ask("hello"), stream: true }));
    const response = await failureOf(client.responses.create({ model, input: "hello" }));
    const unknown = await failureOf(client.chat.completions.create({ ...ask("hello"), model: "no-such-model" }));
    return { before, response, unknown };
  },

  async midstream() {
    const seen = [];
    const read = async () => {
      const stream = await client.chat.completions.create({ ...ask("emulate 40 tokens"), stream: true });
      for await (const chunk of stream) seen.push(chunk.choices[0].delta.content ?? "");
    };
    return { error: await failureOf(read()), text: seen.join("") };
  },

  async abort() {
    const stream = await client.chat.completions.create({ ...ask("emulate 4000 tokens"), stream: true });
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    return { outcome: await waitForOutcome(process.env.EMULATOR_URL) };
  },

  async resume() {
    const seen = [];
    const stream = await client.responses.create({ model, input: "emulate 300 tokens", stream: true });
    for await (const event of stream) {
      seen.push(event);
      if (seen.length === 12) break;
    }
    const { id } = seen[0].response;
    const options = { stream: true, starting_after: seen.at(-1).sequence_number };
    const events = [...seen, ...(await collect(await client.responses.retrieve(id, options)))];
    return { events, found: await client.responses.retrieve(id) };
  },

  async background() {
    const begun = await client.responses.create({ model, input: "emulate 4000 tokens", background: true });
    const cancelled = await client.responses.cancel(begun.id);
    await client.responses.delete(begun.id);
    const gone = await failureOf(client.responses.retrieve(begun.id));
    return { begun: begun.status, cancelled: cancelled.status, gone };
  },

  async conversation() {
    const tools = [{ type: "function", name: "get_weather", parameters, strict: false }];
    const first = await client.responses.create({ model, input: "what is the weather in Oslo?", tools });
    const call = first.output.find((item) => item.type === "function_call");
    const input = [{ type: "function_call_output", call_id: call.call_id, output: "12 degrees" }];
    const second = await client.responses.create({ model, input, tools, previous_response_id: first.id });
    const items = await collect(await client.responses.inputItems.list(second.id, { order: "asc" }));
    return { call, text: second.output_text, kinds: items.map((item) => item.type) };
  },
};

const found = await scenarios[name]();
process.stdout.write(JSON.stringify(found), () => process.exit(0));
