// Read streams of parts (one JSON array of streams from standard input) with the unmodified npm package `ai`:
// check each part with its schema, fold each stream into a message, and print the messages.
import { readFileSync } from "node:fs";
import { readUIMessageStream, uiMessageChunkSchema } from "ai";

const schema = uiMessageChunkSchema();

async function readOne(parts) {
  const invalid = [];
  for (const part of parts) {
    const checked = await schema.validate(part);
    if (!checked.success) invalid.push(part);
  }
  const stream = new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
  const errors = [];
  let message = null;
  for await (const state of readUIMessageStream({ stream, onError: (error) => errors.push(error.message) })) {
    message = state;
  }
  return { invalid, errors, message };
}

const streams = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await Promise.all(streams.map(readOne))));
