// Ask each model of a list four times: Converse, its stream, its native body, and that one's stream.
// Arguments: endpoint, a file with a JSON list of {modelId, messages, body}, and the file for a JSON list of what came.
import { readFileSync, writeFileSync } from "node:fs";
import * as runtime from "@aws-sdk/client-bedrock-runtime";

const [endpoint, questions, answers] = process.argv.slice(2);
const client = new runtime.BedrockRuntimeClient({ endpoint, region: "us-east-1" });

function decode(bytes) {
  return JSON.parse(new TextDecoder().decode(bytes));
}

async function collect(stream) {
  const events = [];
  for await (const event of stream) events.push(event.chunk ? decode(event.chunk.bytes) : event);
  return events;
}

async function ask({ modelId, messages, body }) {
  const inferenceConfig = { maxTokens: 1000 };
  const converse = { modelId, messages, inferenceConfig };
  const whole = await client.send(new runtime.ConverseCommand(converse));
  const events = await client.send(new runtime.ConverseStreamCommand(converse));
  const native = await client.send(new runtime.InvokeModelCommand({ modelId, body }));
  const chunks = await client.send(new runtime.InvokeModelWithResponseStreamCommand({ modelId, body }));
  return {
    whole: { output: whole.output, stopReason: whole.stopReason, usage: whole.usage },
    events: await collect(events.stream),
    native: decode(native.body),
    chunks: await collect(chunks.body),
  };
}

const replies = [];
for (const one of JSON.parse(readFileSync(questions, "utf8"))) replies.push(await ask(one));
writeFileSync(answers, JSON.stringify(replies));
process.exit(0);
