import { Emitter } from "./emitter";
import { NS } from "./names";
import { errorOf, refusalOf, StanzaError } from "./stanza";
import { el, parse, type Element } from "./xml";

/** The part of WebSocket that is used; tests put their own in its place. */
export interface Socket {
  onopen: ((ev: never) => void) | null;
  onmessage: ((ev: { data: unknown }) => void) | null;
  onclose: ((ev: never) => void) | null;
  onerror: ((ev: never) => void) | null;
  send(data: string): void;
  close(): void;
}

export interface StreamOptions {
  /** ws:// or wss:// address, with `room` and `token` in its query. */
  url: string;
  /** The XMPP domain to log in to. */
  domain: string;
  /** Makes a socket; default: `new WebSocket(url, "xmpp")`. */
  socket?: (url: string) => Socket;
}

/**
 * offline: never connected or given up. connecting: first handshake.
 * online: stanzas flow. resuming: the socket is gone, the session is not.
 */
export type StreamState = "offline" | "connecting" | "online" | "resuming";

interface StreamEvents {
  state: [StreamState];
  /** A presence or message, or an IQ that nobody waits for. */
  stanza: [Element];
  /** The session is over and cannot be resumed. */
  lost: [Error];
}

interface Waiting {
  resolve: (iq: Element) => void;
  reject: (err: Error) => void;
  timer: ReturnType<typeof setTimeout>;
}

/** Times in milliseconds. */
export const timing = {
  handshake: 10_000,
  iq: 15_000,
  pingEvery: 10_000,
  pingTimeout: 5_000,
  pingFailures: 2,
  /** Longest hibernation when the server names none (XEP-0198 §3: `max`). */
  hibernation: 60_000,
  resumeFirst: 500,
  resumeMost: 8_000,
};

/** How many stanzas may go out before an acknowledgement is asked for. */
const ackEvery = 5;

/**
 * An XMPP session over WebSocket (RFC 7395): anonymous login, XEP-0198
 * acknowledgements and resumption, XMPP ping. It reconnects by itself while
 * the session can be resumed and says `lost` when it no longer can.
 */
export class Stream extends Emitter<StreamEvents> {
  /** The full JID that the server bound. */
  jid = "";
  #state: StreamState = "offline";
  #socket: Socket | undefined;
  #authenticated = false;
  #waiting = new Map<string, Waiting>();
  #nextId = 1;
  #sm = new Acks();
  #connected: { resolve: () => void; reject: (err: Error) => void } | undefined;
  #handshake: ReturnType<typeof setTimeout> | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  #pingFailures = 0;
  #heard = false;
  #lostAt = 0;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly options: StreamOptions) {
    super();
  }

  get state(): StreamState {
    return this.#state;
  }

  /** Logs in. Call it once. */
  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#connected = { resolve, reject };
      this.#setState("connecting");
      this.#open();
    });
  }

  /** Sends a stanza; while the socket is away it waits for the resumption. */
  send(stanza: Element): void {
    if (this.#state === "offline") return;
    const frame = withNamespace(stanza);
    this.#sm.sent(frame);
    if (this.#state !== "online") return;
    this.#write(frame);
    if (this.#sm.wantsAck()) this.#write(`<r xmlns="${NS.sm}"/>`);
  }

  /** Sends an IQ and waits for its answer; rejects with a StanzaError when it is one. */
  iq(type: "get" | "set", to: string, payload: Element, timeout = timing.iq): Promise<Element> {
    const id = `p${this.#nextId++}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new StanzaError("remote-server-timeout", "wait", undefined));
      }, timeout);
      this.#waiting.set(id, { resolve, reject, timer });
      this.send(el("iq", { type, to: to || undefined, id }, payload));
    });
  }

  /** Ends the session in good order (RFC 7395 §3.6). */
  close(): void {
    if (this.#state === "online") this.#write(`<close xmlns="${NS.framing}"/>`);
    this.#finish(undefined);
  }

  /** Breaks the socket without a word, as a bad network would. For tests. */
  drop(): void {
    this.#socketGone(this.#socket);
  }

  #setState(state: StreamState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }

  #open(): void {
    const url = this.#sm.id ? withParameter(this.options.url, "previd", this.#sm.id) : this.options.url;
    this.#authenticated = false;
    let socket: Socket;
    try {
      socket = this.options.socket?.(url) ?? (new WebSocket(url, "xmpp") as unknown as Socket);
    } catch (err) {
      this.#finish(err as Error);
      return;
    }
    this.#socket = socket;
    this.#handshake = setTimeout(() => this.#socketGone(socket), timing.handshake);
    socket.onopen = () => this.#write(openFrame(this.options.domain));
    socket.onmessage = (ev) => this.#socket === socket && this.#receive(String(ev.data));
    socket.onclose = () => this.#socketGone(socket);
    socket.onerror = () => this.#socketGone(socket);
  }

  #write(frame: string): void {
    try {
      this.#socket?.send(frame);
    } catch {
      // The socket is closing; its close event does the rest.
    }
  }

  #receive(frame: string): void {
    this.#heard = true;
    let e: Element;
    try {
      e = parse(frame);
    } catch {
      this.#socketGone(this.#socket);
      return;
    }
    if (e.name === "iq" || e.name === "message" || e.name === "presence") this.#receiveStanza(e);
    else this.#receiveNonza(e);
  }

  #receiveNonza(e: Element): void {
    switch (`${e.name} ${e.ns}`) {
      case `features ${NS.streams}`:
        return this.#onFeatures(e);
      case `success ${NS.sasl}`:
        this.#authenticated = true;
        return this.#write(openFrame(this.options.domain));
      case `failure ${NS.sasl}`:
        return this.#finish(new Error(e.child("text")?.text() || "not authorized"));
      case `enabled ${NS.sm}`:
        return this.#sm.enabled(e);
      case `resumed ${NS.sm}`:
        return this.#onResumed(e);
      case `failed ${NS.sm}`:
        return this.#onSmFailed(e);
      case `r ${NS.sm}`:
        return this.#write(`<a xmlns="${NS.sm}" h="${this.#sm.received}"/>`);
      case `a ${NS.sm}`:
        return this.#sm.acknowledged(Number(e.attr("h")));
      case `error ${NS.streams}`:
        return this.#finish(new Error(`stream error: ${e.elements()[0]?.name ?? "unknown"}`));
      case `close ${NS.framing}`:
        return this.#socketGone(this.#socket);
    }
  }

  #onFeatures(features: Element): void {
    if (!this.#authenticated) {
      const offered = features.child("mechanisms", NS.sasl)?.all("mechanism").map((m) => m.text()) ?? [];
      if (!offered.includes("ANONYMOUS")) return this.#finish(new Error("the server wants a password"));
      return this.#write(`<auth xmlns="${NS.sasl}" mechanism="ANONYMOUS"/>`);
    }
    if (this.#sm.id) {
      return this.#write(`<resume xmlns="${NS.sm}" h="${this.#sm.received}" previd="${this.#sm.id}"/>`);
    }
    this.#write(withNamespace(el("iq", { type: "set", id: "bind" }, el("bind", { xmlns: NS.bind }))));
    this.#sm.offered = features.child("sm", NS.sm) !== undefined;
  }

  #onBound(iq: Element): void {
    if (iq.attr("type") === "error") return this.#finish(errorOf(iq));
    this.jid = iq.path("bind", "jid")?.text() ?? "";
    if (this.#sm.offered) {
      this.#write(`<enable xmlns="${NS.sm}" resume="true"/>`);
      this.#sm.enableSent();
    }
    this.#online();
  }

  #onResumed(e: Element): void {
    this.#sm.acknowledged(Number(e.attr("h")));
    this.#online();
    for (const frame of this.#sm.unacknowledged()) this.#write(frame);
    this.#write(`<r xmlns="${NS.sm}"/>`);
  }

  /** Either the session is unknown to the server, or it refuses XEP-0198. */
  #onSmFailed(e: Element): void {
    if (this.#state === "online") this.#sm.refused();
    else this.#finish(new Error(`the session cannot be resumed: ${e.elements()[0]?.name ?? "unknown"}`));
  }

  #online(): void {
    clearTimeout(this.#handshake);
    this.#attempt = 0;
    this.#pingFailures = 0;
    this.#startPing();
    this.#setState("online");
    this.#connected?.resolve();
    this.#connected = undefined;
  }

  #receiveStanza(e: Element): void {
    this.#sm.got();
    const id = e.attr("id");
    if (e.name !== "iq") return this.emit("stanza", e);
    const type = e.attr("type");
    if (type === "get" || type === "set") return this.emit("stanza", e);
    if (id === "bind") return this.#onBound(e);
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (type === "error") waiting.reject(errorOf(e));
    else waiting.resolve(e);
  }

  #startPing(): void {
    clearInterval(this.#ping);
    this.#ping = setInterval(() => void this.#checkAlive(), timing.pingEvery);
  }

  /** Asks for a sign of life when there was none since the last time. */
  async #checkAlive(): Promise<void> {
    const heard = this.#heard;
    this.#heard = false;
    if (heard || this.#state !== "online") return;
    const socket = this.#socket;
    try {
      await this.iq("get", this.options.domain, el("ping", { xmlns: NS.ping }), timing.pingTimeout);
      this.#pingFailures = 0;
    } catch {
      if (socket === this.#socket && ++this.#pingFailures >= timing.pingFailures) this.#socketGone(socket);
    }
  }

  #socketGone(socket: Socket | undefined): void {
    if (socket !== this.#socket || this.#state === "offline") return;
    this.#detach();
    if (this.#state === "connecting" || !this.#sm.id) {
      return this.#finish(new Error(this.#state === "connecting" ? "the server cannot be reached" : "connection lost"));
    }
    if (this.#state === "online") this.#lostAt = Date.now();
    this.#setState("resuming");
    const left = this.#lostAt + this.#sm.hibernation - Date.now();
    if (left <= 0) return this.#finish(new Error("connection lost"));
    this.#retry = setTimeout(() => this.#open(), Math.min(left, resumeDelay(this.#attempt++)));
  }

  #detach(): void {
    clearTimeout(this.#handshake);
    clearInterval(this.#ping);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    try {
      socket.close();
    } catch {
      // It was closed already.
    }
  }

  /** Tries the resumption at once; for when the network is said to be back. */
  hurry(): void {
    if (this.#state !== "resuming" || this.#socket) return;
    clearTimeout(this.#retry);
    this.#open();
  }

  /** Ends for good: on purpose when there is no error. */
  #finish(err: Error | undefined): void {
    if (this.#state === "offline") return;
    this.#detach();
    clearTimeout(this.#retry);
    this.#setState("offline");
    for (const w of this.#waiting.values()) {
      clearTimeout(w.timer);
      w.reject(err ?? new Error("the connection was closed"));
    }
    this.#waiting.clear();
    const connected = this.#connected;
    this.#connected = undefined;
    connected?.reject(err ?? new Error("the connection was closed"));
    if (!connected && err) this.emit("lost", err);
  }

  /** Answers an IQ that nobody understood (RFC 6120 §8.2.3). */
  refuse(iq: Element): void {
    this.send(refusalOf(iq, "cancel", "service-unavailable"));
  }
}

/** Bookkeeping of XEP-0198: what was sent, what came, what was acknowledged. */
class Acks {
  id = "";
  offered = false;
  received = 0;
  hibernation = timing.hibernation;
  #counting = false;
  #acked = 0;
  #queue: string[] = [];
  #sinceAsked = 0;

  /** From here on both sides count. What waits was not sent before. */
  enableSent(): void {
    this.#counting = true;
    this.received = 0;
  }

  enabled(e: Element): void {
    if (e.attr("resume") === "true" || e.attr("resume") === "1") this.id = e.attr("id");
    const max = Number(e.attr("max"));
    if (max > 0) this.hibernation = max * 1000;
    this.received = 0;
  }

  refused(): void {
    this.#counting = false;
    this.#queue = [];
  }

  sent(frame: string): void {
    if (!this.#counting) return;
    this.#queue.push(frame);
    this.#sinceAsked++;
  }

  got(): void {
    if (this.#counting) this.received++;
  }

  wantsAck(): boolean {
    if (this.#sinceAsked < ackEvery) return false;
    this.#sinceAsked = 0;
    return true;
  }

  /** The counter is modulo 2^32 (XEP-0198 §4). */
  acknowledged(h: number): void {
    const n = Math.min((h - this.#acked) >>> 0, this.#queue.length);
    this.#queue.splice(0, n);
    this.#acked = h;
  }

  unacknowledged(): string[] {
    return [...this.#queue];
  }
}

function openFrame(domain: string): string {
  return el("open", { xmlns: NS.framing, to: domain, version: "1.0" }).toString();
}

function withNamespace(stanza: Element): string {
  if (stanza.attrs["xmlns"]) return stanza.toString();
  return el(stanza.name, { xmlns: NS.client, ...stanza.attrs }, ...stanza.children).toString();
}

/** Sets one query parameter of an address. */
export function withParameter(url: string, name: string, value: string): string {
  const u = new URL(url);
  u.searchParams.set(name, value);
  return u.toString();
}

/** Half a second at first, growing to eight; spread so that not all come at once. */
function resumeDelay(attempt: number): number {
  const most = Math.min(timing.resumeMost, timing.resumeFirst * 2 ** attempt);
  return most * (0.5 + Math.random() / 2);
}
