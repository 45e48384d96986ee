// What a page does with the package `ai`, step by step; each returns what the page then has.
import { lastAssistantMessageIsCompleteWithToolCalls, readUIMessageStream } from "ai";
import { Chat, listen, now, open, relay } from "./ai_sdk_chat.mjs";

const ENOUGH = 60;

export async function ask({ id = "chat", messages, prompts, regenerate = [], parts, ...options }) {
  const noted = listen();
  const chat = new Chat({ id, messages, transport: open({ ...options, ...noted }) });
  if (parts) await chat.sendMessage({ parts });
  for (const prompt of prompts ?? []) await chat.ask(prompt);
  const before = chat.messages;
  for (const at of regenerate) await chat.regenerate({ messageId: at === null ? undefined : chat.messages[at].id });
  return { ...chat.report(), before, frames: noted.frames };
}

export async function two_at_once({ prompts, models, ...options }) {
  const noted = listen();
  const transport = open({ ...options, ...noted });
  const chats = prompts.map((_, at) => new Chat({ id: `chat-${at}`, transport }));
  await Promise.all(chats.map((chat, at) => chat.ask(prompts[at], { body: { model: models[at] } })));
  const frames = noted.frames.map(({ type, requestId }) => [type, requestId]);
  return { chats: chats.map((chat) => chat.report()), sockets: noted.sockets.length, frames };
}

// The transport and the reader of streams alone, without a chat's state.
export async function read_stream({ prompt, ...options }) {
  const transport = open(options);
  const messages = [{ id: "m1", role: "user", parts: [{ type: "text", text: prompt }] }];
  const stream = await transport.sendMessages({ chatId: "bare", trigger: "submit-message", messages });
  let message;
  for await (const state of readUIMessageStream({ stream, terminateOnError: true })) message = state;
  return { message, nothing: await transport.reconnectToStream({ chatId: "another" }) };
}

// Stop in mid-answer: in the package, or by the gateway's route. Then go on with the chat.
export async function stop({ prompt, next, by_route: byRoute, ...options }) {
  const chat = new Chat({ id: "chat", transport: open(options) });
  const answered = chat.ask(prompt);
  await chat.hasText(ENOUGH);
  const stoppedAt = now();
  const route = byRoute && (await call(options, "POST", "chat/chat/stop"));
  if (!byRoute) await chat.stop();
  await answered;
  const kept = chat.report();
  // At once: the package does not wait for the server when it stops.
  await chat.ask(next);
  const turn = await hasEnded(options, kept.messages.at(-1).metadata.turnId);
  return { kept, stoppedAt, route, turn, ...chat.report() };
}

async function hasEnded(options, turnId) {
  for (;;) {
    const turn = await call(options, "GET", `turns/${turnId}`);
    if (turn.state !== "running") return turn;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function call({ url, key }, method, path) {
  const headers = { "content-type": "application/json", ...(key && { "x-api-key": key }) };
  const response = await fetch(`${url}/api/${path}`, { method, headers });
  return { http: response.status, ...(await response.json()) };
}

// Lose the network in mid-answer, and resume: in the same chat, or as a page that was loaded anew would.
export async function drop({ prompt, fresh, ...options }) {
  const network = await relay(options.url);
  const first = new Chat({ id: "chat", transport: open({ ...options, url: network.url }) });
  const answered = first.ask(prompt);
  await first.hasText(ENOUGH);
  network.cut();
  await answered;
  const lost = first.report();
  const transport = open(options);
  const chat = fresh ? new Chat({ id: "chat", transport, messages: structuredClone(first.messages) }) : first;
  await chat.resumeStream();
  return { lost, ...chat.report() };
}

export async function resume_nothing(options) {
  const chat = new Chat({ id: "never-used", transport: open(options) });
  await chat.resumeStream();
  return chat.report();
}

// Load the page anew just after an answer has ended.
export async function resume_finished({ prompt, ...options }) {
  const first = new Chat({ id: "chat", transport: open(options) });
  await first.ask(prompt);
  const chat = new Chat({ id: "chat", transport: open(options), messages: structuredClone(first.messages) });
  await chat.resumeStream();
  return { first: first.report(), ...chat.report() };
}

// Ask in a second tab while the first one's answer still comes.
export async function ask_twice({ prompt, ...options }) {
  const transport = open(options);
  const [one, other] = [1, 2].map(() => new Chat({ id: "chat", transport }));
  const answered = one.ask(prompt);
  await one.hasText(1);
  await other.ask("and another");
  await answered;
  return { one: one.report(), other: other.report() };
}

// Fail, then ask once more on the same chat.
export async function fail({ prompt, next, ...options }) {
  const chat = new Chat({ id: "chat", transport: open(options) });
  await chat.ask(prompt);
  const failed = chat.report();
  await chat.ask(next, { body: { model: "llama3" } });
  return { failed: structuredClone(failed), ...chat.report() };
}

// Let the model call a tool that the page carries out; the package sends the result by itself.
export async function call_tool({ prompt, output, ...options }) {
  const transport = open(options);
  const sendAutomaticallyWhen = lastAssistantMessageIsCompleteWithToolCalls;
  const chat = new Chat({ id: "chat", transport, sendAutomaticallyWhen });
  await chat.ask(prompt);
  const asked = chat.report();
  const { metadata, parts } = asked.messages.at(-1);
  const { toolCallId } = parts.find((part) => part.type === "tool-weather");
  await chat.addToolOutput({ tool: "weather", toolCallId, output });
  await chat.until(({ status, lastMessage }) => status === "ready" && lastMessage.metadata.turnId !== metadata.turnId);
  return { asked, ...chat.report() };
}

// Tell the gateway to stop while an answer comes.
export async function drain({ prompt, pid, ...options }) {
  const noted = listen();
  const chat = new Chat({ id: "chat", transport: open({ ...options, ...noted }) });
  const answered = chat.ask(prompt);
  await chat.hasText(1);
  process.kill(pid, "SIGTERM");
  await answered;
  return { ...chat.report(), frames: noted.frames };
}

// Ask, and keep the socket open until so many pings have come; then ask again.
export async function sit({ prompt, pings, ...options }) {
  const noted = listen();
  const chat = new Chat({ id: "chat", transport: open({ ...options, ...noted }) });
  await chat.ask(prompt);
  const counted = () => noted.frames.filter((frame) => frame.event === "ping").length;
  while (counted() < pings) await new Promise((resolve) => setTimeout(resolve, 10));
  await chat.ask(prompt);
  return { ...chat.report(), frames: noted.frames, sockets: noted.sockets.length };
}
