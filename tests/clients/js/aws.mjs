// Play scenarios with the unmodified AWS SDK for JavaScript, and print what it has then, as JSON.
// Arguments: the gateway's URL, "1" or "2" for the version of HTTP, and the scenarios' names.
// `abort` finds the emulator in EMULATOR_URL.
import { BedrockClient, ListFoundationModelsCommand } from "@aws-sdk/client-bedrock";
import * as runtime from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { waitForOutcome } from "./outcome.mjs";

const [endpoint, version, ...names] = process.argv.slice(2);
const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
const options = { endpoint, region: "us-east-1", credentials, maxAttempts: 1 };
if (version === "1") options.requestHandler = new NodeHttpHandler();
const client = new runtime.BedrockRuntimeClient(options);
const modelId = "us.anthropic.claude-sonnet-4-6";
const pixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M/wHwAEBgIApD5fRAAAAABJRU5ErkJggg==",
  "base64",
);
const tool = { toolSpec: { name: "weather", inputSchema: { json: { type: "object" } } } };
const body = JSON.stringify({
  anthropic_version: "bedrock-2023-05-31",
  max_tokens: 50,
  messages: [{ role: "user", content: "hello" }],
});

function ask(content, more = {}) {
  return { modelId, messages: [{ role: "user", content }], ...more };
}

function textOf(events) {
  return events.map((event) => event.contentBlockDelta?.delta?.text ?? "").join("");
}

async function collect(stream, events = []) {
  for await (const event of stream) events.push(event);
  return events;
}

async function failureOf(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { name: error.name, status: error.$metadata?.httpStatusCode ?? null, message: error.message };
  }
}

const scenarios = {
  async plain() {
    const whole = await client.send(new runtime.ConverseCommand(ask([{ text: "hello" }])));
    const reply = await client.send(new runtime.ConverseStreamCommand(ask([{ text: "hello" }])));
    const native = await client.send(new runtime.InvokeModelCommand({ modelId, body }));
    const stream = await client.send(new runtime.InvokeModelWithResponseStreamCommand({ modelId, body }));
    const chunks = (await collect(stream.body)).map((event) => JSON.parse(new TextDecoder().decode(event.chunk.bytes)));
    return {
      whole: whole.output.message.content[0].text,
      streamed: textOf(await collect(reply.stream)),
      native: JSON.parse(new TextDecoder().decode(native.body)).content[0].text,
      chunks: chunks.map((chunk) => chunk.delta?.text ?? "").join(""),
    };
  },

  async tools() {
    const toolConfig = { tools: [tool], toolChoice: { tool: { name: "weather" } } };
    const reply = await client.send(new runtime.ConverseStreamCommand(ask([{ text: "hello" }], { toolConfig })));
    const events = await collect(reply.stream);
    const input = events.map((event) => event.contentBlockDelta?.delta?.toolUse?.input ?? "").join("");
    const { toolUseId } = events.find((event) => event.contentBlockStart?.start?.toolUse).contentBlockStart.start.toolUse;
    const messages = [
      { role: "user", content: [{ text: "hello" }] },
      { role: "assistant", content: [{ toolUse: { toolUseId, name: "weather", input: JSON.parse(input) } }] },
      { role: "user", content: [{ toolResult: { toolUseId, content: [{ text: "sunny" }] } }] },
    ];
    const answer = await client.send(
      new runtime.ConverseCommand({ modelId, messages, toolConfig: { tools: [tool] } }),
    );
    return { input: JSON.parse(input), answer: answer.output.message.content[0] };
  },

  async images() {
    const image = { image: { format: "png", source: { bytes: pixel } } };
    const bare = await client.send(new runtime.ConverseCommand(ask([{ text: "what is it?" }])));
    const seen = await client.send(new runtime.ConverseCommand(ask([image, { text: "what is it?" }])));
    return { inputs: [bare, seen].map((answer) => answer.usage.inputTokens) };
  },

  async lists() {
    const control = new BedrockClient(options);
    const { modelSummaries } = await control.send(new ListFoundationModelsCommand({}));
    const input = { converse: { messages: [{ role: "user", content: [{ text: "hello" }] }] } };
    const { inputTokens } = await client.send(new runtime.CountTokensCommand({ modelId, input }));
    return { models: modelSummaries.length, inputTokens };
  },

  async refusals() {
    return {
      model: await failureOf(client.send(new runtime.ConverseCommand({ ...ask([{ text: "x" }]), modelId: "nosuch" }))),
      field: await failureOf(
        client.send(new runtime.ConverseCommand(ask([{ text: "x" }], { inferenceConfig: { temperature: 7 } }))),
      ),
    };
  },

  async throttled() {
    return { stream: await failureOf(client.send(new runtime.ConverseStreamCommand(ask([{ text: "x" }])))) };
  },

  async midstream() {
    const events = [];
    const read = async () => {
      const reply = await client.send(new runtime.ConverseStreamCommand(ask([{ text: "emulate 40 tokens" }])));
      await collect(reply.stream, events);
    };
    return { error: await failureOf(read()), text: textOf(events) };
  },

  async midnative() {
    const events = [];
    const long = JSON.stringify({ ...JSON.parse(body), messages: [{ role: "user", content: "emulate 40 tokens" }] });
    const read = async () => {
      const reply = await client.send(new runtime.InvokeModelWithResponseStreamCommand({ modelId, body: long }));
      await collect(reply.body, events);
    };
    const error = await failureOf(read());
    const chunks = events.map((event) => JSON.parse(new TextDecoder().decode(event.chunk.bytes)));
    return { error, text: chunks.map((chunk) => chunk.delta?.text ?? "").join("") };
  },

  async abort() {
    const controller = new AbortController();
    const read = async () => {
      const long = ask([{ text: "emulate 4000 tokens" }], { inferenceConfig: { maxTokens: 4000 } });
      const reply = await client.send(new runtime.ConverseStreamCommand(long), { abortSignal: controller.signal });
      for await (const event of reply.stream) if (event.contentBlockDelta) controller.abort();
    };
    const error = await failureOf(read());
    return { error, outcome: await waitForOutcome(process.env.EMULATOR_URL) };
  },
};

const played = {};
for (const name of names) played[name] = await scenarios[name]();
console.log(JSON.stringify(played));
process.exit(0);
