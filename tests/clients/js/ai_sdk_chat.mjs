// The unmodified npm package `ai`, with what a page puts around it: a chat's state, and a note of all that it is told.
import { AbstractChat, DefaultChatTransport, WebSocketChatTransport } from "ai";
import { connect, createServer } from "node:net";

class State {
  error = undefined;
  #status = "ready";
  #messages;
  #watchers = new Set();

  constructor(messages) {
    this.#messages = messages;
  }

  get status() {
    return this.#status;
  }

  set status(status) {
    this.#status = status;
    this.#tell();
  }

  get messages() {
    return this.#messages;
  }

  set messages(messages) {
    this.#messages = messages;
    this.#tell();
  }

  pushMessage = (message) => (this.messages = [...this.messages, message]);
  popMessage = () => (this.messages = this.messages.slice(0, -1));
  replaceMessage = (at, message) => (this.messages = this.messages.with(at, structuredClone(message)));
  snapshot = (value) => structuredClone(value);

  until(condition) {
    return new Promise((resolve) => {
      const watcher = () => {
        if (!condition(this)) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
      watcher();
    });
  }

  #tell() {
    for (const watcher of this.#watchers) watcher();
  }
}

export class Chat extends AbstractChat {
  constructor({ messages = [], ...init }) {
    const told = { errors: [], data: [], finishes: [] };
    super({
      ...init,
      state: new State(messages),
      onError: (error) => told.errors.push(error.message),
      onData: (part) => told.data.push(part),
      onFinish: ({ isAbort, isDisconnect, isError, finishReason }) =>
        told.finishes.push({ isAbort, isDisconnect, isError, finishReason }),
    });
    this.told = told;
  }

  ask(text, options) {
    return this.sendMessage({ text }, options);
  }

  // Resolves once the answer that is coming has so many characters.
  hasText(characters) {
    return this.until(({ lastMessage: last }) => last?.role === "assistant" && textOf(last).length >= characters);
  }

  until(condition) {
    return this.state.until(() => condition(this));
  }

  report() {
    return structuredClone({ status: this.status, error: this.error?.message, messages: this.messages, ...this.told });
  }
}

function textOf(message) {
  return message.parts.filter((part) => part.type === "text").map((part) => part.text).join("");
}

// Node's own WebSocket, with a note of every frame that comes.
export function listen() {
  const sockets = [];
  const frames = [];
  class Noted extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
      this.addEventListener("message", (event) => frames.push(JSON.parse(event.data)));
    }
  }
  return { sockets, frames, webSocket: Noted };
}

// A transport of either binding. `key` goes where a page can put it: a subprotocol, or a header.
export function open({ url, binding = "socket", body = {}, key, webSocket }) {
  const options = { body: { model: "llama3", ...body } };
  if (binding === "socket") {
    const protocols = key && ["outcrop", `outcrop.key.${key}`];
    return new WebSocketChatTransport({ ...options, url: `${url}/api/chat`, protocols, webSocket });
  }
  const headers = key && { Authorization: `Bearer ${key}` };
  return new DefaultChatTransport({ ...options, api: `${url}/api/chat`, headers });
}

// A network between client and gateway that can be cut: every connection is reset, new ones are taken.
export async function relay(url) {
  const { hostname, port } = new URL(url);
  const ends = new Set();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [from, to] of [[near, far], [far, near]]) {
      ends.add(from);
      from.on("error", () => {});
      from.on("close", () => {
        ends.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const end of ends) end.resetAndDestroy();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, cut };
}

// Seconds of the monotonic clock that all processes of the machine share.
export function now() {
  return Number(process.hrtime.bigint()) / 1e9;
}
