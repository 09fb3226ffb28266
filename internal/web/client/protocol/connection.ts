import { discoInfo } from "./caps";
import { NS, sleep } from "./names";
import { requestOverHttp, requestOverXmpp, type ConferenceReply } from "./request";
import { resultOf } from "./stanza";
import { Stream, withParameter, type Socket } from "./stream";
import type { Service, Settings } from "./settings";
import { el, type Element } from "./xml";

/** What is needed to get from an address to a room that can be entered. */
export interface ConnectionOptions {
  settings: Settings;
  /** Node of the room's JID. */
  room: string;
  /** JWT, when the deployment wants one. */
  token: string;
  socket: ((url: string) => Socket) | undefined;
  signal: AbortSignal;
}

/** A stream that is logged in, and the focus that has been asked in. */
export interface Connection {
  stream: Stream;
  focusUserJid: string;
}

/**
 * Asks for the conference, over HTTP before the stream opens where the
 * deployment has that, and logs in. `prepare` sees the stream before its
 * first stanza.
 */
export async function connect(o: ConnectionOptions, prepare: (s: Stream) => void): Promise<Connection> {
  const { settings } = o;
  const request = { room: `${o.room}@${settings.muc}`, machineUid: machineUid(), token: o.token, signal: o.signal };
  let reply: ConferenceReply | undefined;
  if (settings.conferenceRequestUrl) {
    reply = await requestOverHttp(withParameter(settings.conferenceRequestUrl, "room", o.room), request);
  }
  o.signal.throwIfAborted();
  const stream = new Stream({ url: serviceUrl(o), domain: settings.domain, ...(o.socket ? { socket: o.socket } : {}) });
  prepare(stream);
  o.signal.addEventListener("abort", () => stream.close());
  await stream.connect();
  reply ??= await requestOverXmpp(stream, settings.focus, request);
  o.signal.throwIfAborted();
  return { stream, focusUserJid: reply.focusJid || settings.focusUserJid };
}

/** Servers find room and token of a session in the query. */
function serviceUrl(o: ConnectionOptions): string {
  const url = withParameter(o.settings.websocket, "room", o.room);
  return o.token ? withParameter(url, "token", o.token) : url;
}

/** A random name for this browser; it lets a server tell devices apart, not people. */
function machineUid(): string {
  const key = "plenum.machine";
  try {
    const known = localStorage.getItem(key);
    if (known) return known;
    const fresh = crypto.randomUUID();
    localStorage.setItem(key, fresh);
    return fresh;
  } catch {
    return "none"; // storage is blocked
  }
}

/** Answers what any XMPP entity should answer; says false when it was something else. */
export function answerCommon(stream: Stream, iq: Element): boolean {
  if (iq.attr("type") !== "get") return false;
  const query = iq.child("query", NS.disco);
  if (query) stream.send(resultOf(iq, discoInfo(query)));
  else if (iq.child("ping", NS.ping)) stream.send(resultOf(iq));
  else return false;
  return true;
}

/** TURN and STUN servers of the domain (XEP-0215); none when it has none. */
export async function fetchServices(stream: Stream, domain: string): Promise<Service[]> {
  try {
    const answer = await stream.iq("get", domain, el("services", { xmlns: NS.extdisco }), 3_000);
    const list = answer.child("services")?.all("service") ?? [];
    return list.map((s) => ({
      type: s.attr("type"), host: s.attr("host"), port: s.attr("port"), transport: s.attr("transport"),
      username: s.attr("username"), password: s.attr("password"),
    }));
  } catch {
    return [];
  }
}

/**
 * Makes a plain GET beside the WebSocket every minute or two, so that load
 * balancers see the session as alive, until `signal` aborts. onShard hears
 * when another server answers than before.
 */
export async function keepAlive(s: Settings, room: string, signal: AbortSignal, onShard: (shard: string) => void): Promise<void> {
  if (s.keepAlive < 0) return;
  const url = withParameter(s.keepAliveUrl || s.websocket.replace(/^ws/, "http"), "room", room);
  for (let wait = 5_000; !signal.aborted; wait = s.keepAlive * (1 + Math.random())) {
    await sleep(wait);
    if (signal.aborted) return;
    try {
      const shard = (await fetch(url, { cache: "no-store", signal })).headers.get("x-jitsi-shard");
      if (shard && s.shard && shard !== s.shard) onShard(shard);
    } catch {
      // The stream has its own ways to notice a dead network.
    }
  }
}
