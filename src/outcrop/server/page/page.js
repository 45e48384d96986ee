// @ts-check
/**
 * The page: one conversation at a time with one model, over the raw dialect of `/ws/model`.
 *
 * `Conversation` is one socket and knows no document; `Announcer` and `Transcript` speak and draw; `Page` decides. Text
 * from the network becomes text nodes alone: nothing here parses HTML, and the content security policy would refuse it.
 */

/** @typedef {{model: string, streaming: boolean, label: string}} Choice */
/** @typedef {"Not connected" | "Connecting" | "Ready" | "Answering" | "Closed"} Phase as the page shows it */
/** @typedef {{prompt: string, answer: Text, element: HTMLElement}} Exchange */
/** @typedef {{ready(): void, text(text: string): void, done(): void, closed(code: number, why: string): void}} Sink */

const KEY_SLOT = "outcrop.key";
/** A key travels as a subprotocol, which takes the characters of an HTTP token only (RFC 9110, section 5.6.2). */
const KEY_PATTERN = /^[\w!#$%&'*+.^`|~-]+$/;
const NEAR_END_PIXELS = 120;
const SILENCE_SECONDS = 15;
const MAX_SPOKEN = 12;
const SENTENCES = /^[^]*(?:[.!?…:](?=\s)|[。！？؟।\n])/u;

/** One socket, which is one conversation: the server forgets it when the socket closes. */
class Conversation {
  /** Whether it has answered something, which the model won't know once the socket is gone. */
  hasMemory = false;
  /** A prompt that waits for the socket to open. @type {string | null} */
  unsent = null;
  isOpen = false;
  isAwaiting = false;
  hasText = false;

  /** @param {Choice} choice @param {string | null} key @param {Sink} listener */
  constructor(choice, key, listener) {
    this.choice = choice;
    this.listener = listener;
    const url = new URL("ws/model", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const { model, streaming } = choice;
    url.search = `${new URLSearchParams({ model, streaming: `${streaming}`, memory: "1", done: "1" })}`;
    this.socket = new WebSocket(url, key === null ? [] : ["outcrop", `outcrop.key.${key}`]);
    this.socket.onopen = () => {
      this.isOpen = true;
      if (this.unsent !== null) this.socket.send(this.unsent);
      this.unsent = null;
      listener.ready();
    };
    this.socket.onmessage = (event) => this.take(String(event.data));
    this.socket.onclose = (event) => listener.closed(event.code, event.reason);
  }

  /** @param {string} prompt */
  send(prompt) {
    this.isAwaiting = true;
    this.hasText = false;
    if (this.isOpen) this.socket.send(prompt);
    else this.unsent = prompt;
  }

  /** Closes the socket and reports nothing more; the server then ends its call to Bedrock. */
  leave() {
    this.socket.onmessage = this.socket.onclose = null;
    // Browsers report it as an error when a socket is closed before it has opened.
    this.socket.onopen = () => this.socket.close(1000);
    if (this.isOpen) this.socket.close(1000);
  }

  /** @param {string} text */
  take(text) {
    if (!this.isAwaiting) return this.listener.closed(1011, "text came that no prompt asked for");
    // The empty message ends an answer. A whole answer is one message, which may itself be empty, before it.
    this.isAwaiting = text !== "" || !(this.choice.streaming || this.hasText);
    this.hasText = this.hasMemory = true;
    if (this.isAwaiting) this.listener.text(text);
    else this.listener.done();
  }
}

/** Speaks to screen readers: states, and answers by the sentence, since single tokens would be noise. */
class Announcer {
  region = find("announcer", HTMLElement);
  rest = "";

  /** @param {string} words */
  say(words) {
    if (words.trim()) this.region.append(make("p", "", words.trim()));
    while (this.region.childElementCount > MAX_SPOKEN) this.region.firstElementChild?.remove();
  }

  /** @param {string} piece @param {boolean} isEnd */
  feed(piece, isEnd = false) {
    this.rest += piece;
    const sentences = isEnd ? this.rest : (SENTENCES.exec(this.rest)?.[0] ?? "");
    this.rest = this.rest.slice(sentences.length);
    this.say(sentences);
  }
}

/** The prompts and answers of this visit. Follows new text only for those who are reading at its end. */
class Transcript {
  section = find("transcript", HTMLElement);
  follows = true;
  top = 0;

  constructor() {
    addEventListener("resize", () => this.follow());
    addEventListener("scroll", () => {
      // Only scrolling upwards lets go, however little: new text may come between our own scrolling and its report.
      if (scrollY < this.top) this.follows = distanceToEnd() < 2;
      else if (distanceToEnd() < NEAR_END_PIXELS) this.follows = true;
      this.top = scrollY;
    });
  }

  /** @param {string} prompt @param {Choice} choice @returns {Exchange} */
  add(prompt, choice) {
    const answer = document.createTextNode("");
    const element = make("article", "exchange", make("h2", "", "You"), make("div", "prompt", prompt));
    element.append(make("h3", "", choice.label), make("div", "answer", answer));
    element.dataset.outcome = "running";
    this.section.append(element);
    this.follows = true;
    this.follow();
    return { prompt, answer, element };
  }

  /** @param {string} why what follows is a new conversation */
  divide(why) {
    if (this.section.lastElementChild?.className === "divider") this.section.lastElementChild.remove();
    this.section.append(make("p", "divider", why, " A new one starts here: the model does not know what is above."));
    this.follow();
  }

  follow() {
    requestAnimationFrame(() => this.follows && scrollBy({ top: distanceToEnd(), behavior: "instant" }));
  }
}

class Page {
  model = find("model", HTMLSelectElement);
  other = find("other", HTMLInputElement);
  streaming = find("streaming", HTMLInputElement);
  prompt = find("prompt", HTMLTextAreaElement);
  sendButton = find("send", HTMLButtonElement);
  stopButton = find("stop", HTMLButtonElement);
  keyForm = find("key-form", HTMLFormElement);
  key = find("key", HTMLInputElement);
  state = find("state", HTMLElement);
  transcript = new Transcript();
  announcer = new Announcer();
  conversation = /** @type {Conversation | null} */ (null);
  exchange = /** @type {Exchange | null} the one that runs */ (null);
  silence = 0;

  constructor() {
    addEventListener("submit", (event) => event.preventDefault());
    find("composer", HTMLFormElement).addEventListener("submit", () => this.submit());
    find("choice", HTMLFormElement).addEventListener("submit", () => this.prompt.focus());
    find("choice", HTMLFormElement).addEventListener("change", () => this.choose());
    find("again", HTMLElement).onclick = () => void (this.model.length ? this.connect() : this.start());
    this.keyForm.addEventListener("submit", () => this.takeKey());
    this.stopButton.addEventListener("click", () => this.stop());
    this.prompt.addEventListener("input", () => this.fit());
    addEventListener("keydown", (event) => {
      // Keys that end a composition (Japanese, Chinese, …) are not meant for us. Safari tells by the code 229 only.
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Escape") this.stop();
      if (event.key !== "Enter" || event.shiftKey || event.target !== this.prompt) return;
      event.preventDefault();
      this.submit();
    });
  }

  /** Learns what answers here and which models there are, and connects to the first. */
  async start() {
    if (this.state.dataset.phase === "Connecting") return;
    this.show("Connecting", "reading the list of models.");
    const health = await this.readHealth();
    if (!health) return this.show("Closed", "the server can't be reached. Check the network and the server.");
    const key = sessionStorage.getItem(KEY_SLOT);
    if (health.key_required && key === null) return this.askKey("this server wants a key.");
    const answer = await fetchJson("api/models", key);
    const why = answer?.body?.error?.message ?? "the answer is not a list of models";
    if (answer?.status === 401) return this.askKey(`the server says: “${why}”.`);
    if (!answer?.body?.models) return this.show("Closed", `${why}. Try again in a moment.`);
    if (!this.model.length) this.list(answer.body.models);
    this.connect();
    if (document.activeElement === document.body) this.prompt.focus();
  }

  /** Reads the server's health, and says unmistakably when its answers are simulated. */
  async readHealth() {
    const health = (await fetchJson("healthz", null))?.body;
    if (!health?.version) return null;
    find("banner", HTMLElement).hidden = health.upstream !== "emulator";
    find("banner-notice", HTMLElement).textContent = health.notice;
    find("version", HTMLElement).textContent = `outcrop ${health.version} · ${health.upstream} · ${health.region}`;
    return health;
  }

  /** @param {{name: string, model_id: string, title: string, provider: string}[]} models */
  list(models) {
    const groups = /** @type {Map<string, HTMLOptGroupElement>} */ (new Map());
    for (const { name, model_id, title, provider } of models) {
      // A name that ends its model ID is the catalogue's own; any other is short for something.
      const isShort = name !== model_id && !model_id.endsWith(`.${name}`);
      const label = isShort ? "Short names" : provider;
      const group = groups.get(label) ?? Object.assign(document.createElement("optgroup"), { label });
      groups.set(label, group);
      group.append(new Option(isShort ? `${name} (${title})` : title, name));
    }
    this.model.replaceChildren(...groups.values(), new Option("Other…", ""));
  }

  choice() {
    const model = this.model.value || this.other.value.trim();
    const streaming = this.streaming.checked;
    return { model, streaming, label: `${model}, ${streaming ? "streaming" : "whole answers"}` };
  }

  choose() {
    const choice = this.choice();
    if (this.conversation?.choice.label === choice.label) return;
    this.forget("You chose another model or mode, which ended the conversation.");
    if (choice.model) this.connect();
    else this.show("Not connected", "enter a model ID or an ARN.");
  }

  /** Opens a socket for the choice, and draws what it reports. */
  connect() {
    this.conversation = new Conversation(this.choice(), sessionStorage.getItem(KEY_SLOT), {
      ready: () => {
        this.showConversation();
        // What answers at this address may be another server than before.
        void this.readHealth();
      },
      text: (piece) => {
        this.exchange?.answer.appendData(piece);
        this.announcer.feed(piece);
        this.showConversation();
        this.transcript.follow();
      },
      done: () => {
        this.finish("complete");
        this.showConversation();
      },
      closed: (code, reason) => void this.fail(code, reason),
    });
    this.showConversation();
    return this.conversation;
  }

  submit() {
    const prompt = this.prompt.value;
    if (!prompt.trim() || this.exchange) return;
    if (!this.keyForm.hidden) return this.key.focus();
    if (!this.model.length) return void this.start();
    if (!this.choice().model) return this.other.focus();
    const conversation = this.conversation ?? this.connect();
    this.exchange = this.transcript.add(prompt, conversation.choice);
    this.prompt.value = "";
    this.fit();
    conversation.send(prompt);
    this.showConversation();
  }

  /** Ends the running answer: the socket closes, and the server ends its call to Bedrock. */
  stop() {
    const { exchange, conversation } = this;
    if (!exchange || !conversation) return;
    const mark = exchange.answer.data ? "Stopped: this is not the whole answer." : "Stopped before any text came.";
    if (conversation.unsent !== null) this.giveBack(exchange.prompt);
    this.finish("stopped", mark);
    this.show("Not connected", "you stopped the answer. The next prompt connects again.");
    this.forget("You stopped the answer, which ended the conversation.");
  }

  /** Says why a socket closed; the prompt that it left goes back. @param {number} code @param {string} reason */
  async fail(code, reason) {
    const lost = this.exchange;
    const meaning = document.getElementById(`close-${code}`) ?? find("close-other", HTMLElement);
    const remedy = meaning.nextElementSibling?.textContent;
    const words = `${meaning.textContent} (${code}).`;
    const quote = reason ? ` The server says: “${reason}”.` : "";
    const advice = lost ? `${remedy} Your prompt is back in its field.` : remedy;
    if (lost) this.giveBack(lost.prompt);
    const mark = lost?.answer.data ? "Cut off, this is not the whole answer" : "Not answered";
    this.finish("failed", `${mark}: ${words}${quote}`);
    this.show("Closed", `${words}${lost ? "" : quote} ${advice}`);
    this.forget("The connection closed, which ended the conversation.");
    if (code === 4401) return this.askKey(`${words}${quote}`);
    // A browser tells nothing of why a connection broke; whether the server still answers is half of the reason.
    if (code !== 1006) return;
    const found = (await this.readHealth()) ? "The server does answer." : "The server can't be reached.";
    if (this.state.dataset.phase === "Closed") this.show("Closed", `${words} ${found} ${advice}`);
  }

  /** @param {"complete" | "stopped" | "failed"} outcome @param {string} mark what is said under the answer */
  finish(outcome, mark = "") {
    this.announcer.feed("", true);
    if (!this.exchange) return;
    this.exchange.element.dataset.outcome = outcome;
    if (mark) this.exchange.element.append(make("p", "mark", mark));
    this.announcer.say(mark);
    this.exchange = null;
    this.transcript.follow();
  }

  /** @param {string} why the conversation is over */
  forget(why) {
    if (this.conversation?.hasMemory) this.transcript.divide(why);
    this.conversation?.leave();
    this.conversation = null;
  }

  /** @param {string} why */
  askKey(why) {
    sessionStorage.removeItem(KEY_SLOT);
    this.keyForm.hidden = false;
    this.show("Not connected", why);
    this.key.focus();
  }

  takeKey() {
    const key = this.key.value.trim();
    if (!KEY_PATTERN.test(key)) return this.show("Not connected", "the key has signs that no key has; copy it again.");
    sessionStorage.setItem(KEY_SLOT, key);
    this.key.value = "";
    this.keyForm.hidden = true;
    this.prompt.focus();
    void this.start();
  }

  showConversation() {
    if (!this.conversation) return;
    const { choice, isOpen } = this.conversation;
    this.show(isOpen ? (this.exchange ? "Answering" : "Ready") : "Connecting", choice.label);
    if (!isOpen || !this.exchange) return;
    const silent = `${choice.label}; no text for ${SILENCE_SECONDS} seconds. It may still come; Stop ends the call.`;
    this.silence = setTimeout(() => this.show("Answering", silent), SILENCE_SECONDS * 1000);
  }

  /** Shows the state in words, and says it when it changes. @param {Phase} phase @param {string} detail */
  show(phase, detail) {
    clearTimeout(this.silence);
    const { activeElement } = document;
    const [name, words] = this.state.children;
    if (name.textContent !== phase || words.textContent !== detail) this.announcer.say(`${phase}: ${detail}`);
    this.state.dataset.phase = name.textContent = phase;
    words.textContent = detail;
    const isBusy = this.exchange !== null;
    this.sendButton.hidden = isBusy;
    this.stopButton.hidden = !isBusy;
    find("choice-fields", HTMLFieldSetElement).disabled = isBusy || !this.model.length;
    // A button that goes away would take the keyboard's focus with it.
    if (!activeElement?.checkVisibility()) this.prompt.focus();
  }

  /** Puts a prompt back before what was written meanwhile. @param {string} prompt */
  giveBack(prompt) {
    this.prompt.value = this.prompt.value.trim() ? `${prompt}\n\n${this.prompt.value}` : prompt;
    this.fit();
  }

  fit() {
    this.transcript.follow();
    if (CSS.supports("field-sizing", "content")) return;
    this.prompt.style.height = "auto";
    this.prompt.style.height = `${this.prompt.scrollHeight + 2}px`;
  }
}

/** Returns null for no answer, or one that is not JSON. @param {string} path @param {string | null} key */
async function fetchJson(path, key) {
  try {
    const headers = key === null ? undefined : { authorization: `Bearer ${key}` };
    const response = await fetch(path, { headers, signal: AbortSignal.timeout(10_000) });
    return { status: response.status, body: await response.json() };
  } catch {
    return null;
  }
}

const distanceToEnd = () => document.documentElement.scrollHeight - innerHeight - scrollY;

/** @param {string} tag @param {string} className @param {(string | Node)[]} content strings become text */
function make(tag, className, ...content) {
  const element = Object.assign(document.createElement(tag), { className });
  element.append(...content);
  return element;
}

/** @template {HTMLElement} T @param {string} id @param {{new(): T}} type @returns {T} */
function find(id, type) {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new TypeError(`element ${id} is not a ${type.name}`);
}

void new Page().start();
