import { Emitter } from "./emitter";
import { parseObject } from "./presence";

/** A message of the bridge channel: a JSON object that names its class. */
export interface BridgeMessage {
  colibriClass: string;
  [key: string]: unknown;
}

interface ChannelEvents {
  open: [];
  message: [BridgeMessage];
  close: [];
}

const firstRetry = 1_000;
const longestRetry = 60_000;

/**
 * The channel between us and the bridge: a WebSocket, which comes back by
 * itself, or a data channel, which lives as long as its session.
 */
export class BridgeChannel extends Emitter<ChannelEvents> {
  #send: ((text: string) => void) | undefined;
  #socket: WebSocket | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #wait = firstRetry;
  #closed = false;

  /** Opens a WebSocket and keeps it open. */
  static overWebSocket(url: string): BridgeChannel {
    const c = new BridgeChannel();
    c.#connect(url);
    return c;
  }

  static overDataChannel(pc: RTCPeerConnection): BridgeChannel {
    const c = new BridgeChannel();
    const dc = pc.createDataChannel("JVB data channel", { protocol: "http://jitsi.org/protocols/colibri" });
    dc.onopen = () => c.#opened((text) => dc.send(text));
    dc.onmessage = (ev) => c.#received(ev.data);
    dc.onclose = () => c.#gone();
    return c;
  }

  get isOpen(): boolean {
    return this.#send !== undefined;
  }

  /** Sends a message; says false when the channel is not open. */
  send(message: BridgeMessage): boolean {
    if (!this.#send) return false;
    try {
      this.#send(JSON.stringify(message));
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#socket?.close(1000);
    this.#gone();
  }

  /** Breaks the WebSocket, as a bad network would. For tests. */
  drop(): void {
    this.#socket?.close(4000);
  }

  #connect(url: string): void {
    if (this.#closed) return;
    let socket: WebSocket;
    try {
      socket = new WebSocket(url);
    } catch {
      return; // not an address; there will be no channel
    }
    this.#socket = socket;
    socket.onopen = () => {
      this.#wait = firstRetry;
      this.#opened((text) => socket.send(text));
    };
    socket.onmessage = (ev) => this.#received(ev.data);
    socket.onclose = () => {
      this.#gone();
      if (this.#closed) return;
      this.#retry = setTimeout(() => this.#connect(url), this.#wait);
      this.#wait = Math.min(2 * this.#wait, longestRetry);
    };
  }

  #opened(send: (text: string) => void): void {
    this.#send = send;
    this.emit("open");
  }

  #received(data: unknown): void {
    if (typeof data !== "string") return;
    const m = parseObject(data);
    if (typeof m["colibriClass"] === "string") this.emit("message", m as BridgeMessage);
  }

  #gone(): void {
    if (!this.#send) return;
    this.#send = undefined;
    this.emit("close");
  }
}

/** What we would like to receive; the bridge gives what it can. */
export interface ReceiveConstraints {
  /** How many videos at most; -1 is no limit. */
  lastN: number;
  /** Sources shown large, best first. */
  onStage: string[];
  /** Sources that should come before others. */
  selected: string[];
  /** Height in lines for sources not named below. */
  defaultHeight: number;
  heights: Map<string, number>;
}

export function receiveMessage(c: ReceiveConstraints): BridgeMessage {
  const constraints: Record<string, { maxHeight: number }> = {};
  for (const [name, maxHeight] of c.heights) constraints[name] = { maxHeight };
  return {
    colibriClass: "ReceiverVideoConstraints",
    lastN: c.lastN,
    onStageSources: c.onStage,
    selectedSources: c.selected,
    defaultConstraints: { maxHeight: c.defaultHeight },
    constraints,
  };
}
