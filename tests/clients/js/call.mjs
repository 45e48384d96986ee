// Run one command of the AWS SDK for JavaScript against an endpoint, and print what came of it as JSON.
// Arguments: endpoint, command's name, its input, after how many events to abort (0: never), and "1" for HTTP/1.1.
import { BedrockClient, ListInferenceProfilesCommand } from "@aws-sdk/client-bedrock";
import * as runtime from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const [endpoint, name, input, abortAfter, version] = process.argv.slice(2);
const options = { endpoint, region: "us-east-1" };
if (version === "1") options.requestHandler = new NodeHttpHandler();

function decode(bytes) {
  return JSON.parse(new TextDecoder().decode(bytes));
}

async function readEvents(stream, controller) {
  const events = [];
  for await (const event of stream) {
    events.push(event.chunk ? decode(event.chunk.bytes) : event);
    if (events.length === Number(abortAfter)) controller.abort();
  }
  return events;
}

async function run() {
  if (name === "ListInferenceProfiles") {
    const client = new BedrockClient(options);
    return client.send(new ListInferenceProfilesCommand(JSON.parse(input)));
  }
  const client = new runtime.BedrockRuntimeClient(options);
  const controller = new AbortController();
  const command = new runtime[`${name}Command`](JSON.parse(input));
  const reply = await client.send(command, { abortSignal: controller.signal });
  const stream = name === "InvokeModelWithResponseStream" ? reply.body : reply.stream;
  if (stream) return { events: await readEvents(stream, controller), $metadata: reply.$metadata };
  if (name === "InvokeModel") return { body: decode(reply.body), $metadata: reply.$metadata };
  return reply;
}

try {
  console.log(JSON.stringify({ reply: await run() }));
} catch (error) {
  const { name: kind, message, $metadata: metadata } = error;
  console.log(JSON.stringify({ error: { name: kind, message, metadata } }));
}
process.exit(0);
