import { NS, sleep } from "./names";
import { StanzaError } from "./stanza";
import type { Stream } from "./stream";
import { el } from "./xml";

/** What the focus answered to a conference request. */
export interface ConferenceReply {
  ready: boolean;
  focusJid: string;
  properties: Record<string, string>;
}

/** Why a conference cannot be joined before there is a room to talk to. */
export class RequestError extends Error {
  constructor(
    readonly reason: "authentication-required" | "unreachable" | "refused" | "not-live",
    message: string,
  ) {
    super(message);
    this.name = "RequestError";
  }
}

/** Thrown inside for a server that has no HTTP form; the IQ form is tried then. */
class NoHttpForm extends Error {}

interface Request {
  room: string;
  machineUid: string;
  token: string;
  signal: AbortSignal;
}

const longestWait = 120_000;

/**
 * Asks over HTTP for the conference to be set up, and again with growing
 * pauses while it is not ready. Returns undefined when the server has no such
 * address, so that the caller asks by IQ.
 */
export async function requestOverHttp(url: string, req: Request): Promise<ConferenceReply | undefined> {
  try {
    return await untilReady(() => post(url, req), req.signal);
  } catch (err) {
    if (err instanceof NoHttpForm) return undefined;
    throw err;
  }
}

/** The same over the XMPP stream. */
export function requestOverXmpp(stream: Stream, focus: string, req: Request): Promise<ConferenceReply> {
  return untilReady(() => ask(stream, focus, req), req.signal);
}

async function untilReady(attempt: () => Promise<ConferenceReply>, signal: AbortSignal): Promise<ConferenceReply> {
  for (let wait = 1000; ; wait = Math.min(2 * wait, longestWait)) {
    const reply = await attempt();
    if (reply.properties["live"] === "false") throw new RequestError("not-live", "the meeting has not started");
    if (reply.ready) return reply;
    await sleep(wait);
    signal.throwIfAborted();
  }
}

async function post(url: string, req: Request): Promise<ConferenceReply> {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (req.token) headers["Authorization"] = `Bearer ${req.token}`;
  const body = JSON.stringify({ room: req.room, machineUid: req.machineUid, properties: { rtcstatsEnabled: false } });
  let response: Response;
  try {
    response = await fetch(url, { method: "POST", headers, body, signal: req.signal });
  } catch (err) {
    req.signal.throwIfAborted();
    throw new RequestError("unreachable", String(err));
  }
  if ([404, 405, 501].includes(response.status)) throw new NoHttpForm();
  if (response.status === 401 || response.status === 403) throw new RequestError("authentication-required", "login needed");
  if (response.status >= 500) throw new RequestError("unreachable", `the server answered ${response.status}`);
  if (!response.ok) throw new RequestError("refused", `the server answered ${response.status}`);
  return fromJson(await response.json());
}

function fromJson(value: unknown): ConferenceReply {
  const v = (value ?? {}) as { ready?: unknown; focusJid?: unknown; properties?: unknown };
  const properties: Record<string, string> = {};
  for (const [k, p] of Object.entries((v.properties as object | undefined) ?? {})) properties[k] = String(p);
  return { ready: v.ready === true, focusJid: typeof v.focusJid === "string" ? v.focusJid : "", properties };
}

async function ask(stream: Stream, focus: string, req: Request): Promise<ConferenceReply> {
  const conference = el("conference", {
    xmlns: NS.focus,
    room: req.room,
    "machine-uid": req.machineUid,
    token: req.token || undefined,
  });
  let answer;
  try {
    answer = await stream.iq("set", focus, conference);
  } catch (err) {
    if (err instanceof StanzaError && err.condition === "not-authorized") {
      throw new RequestError("authentication-required", err.message);
    }
    throw new RequestError("refused", (err as Error).message);
  }
  const c = answer.child("conference");
  const properties: Record<string, string> = {};
  for (const p of c?.all("property") ?? []) properties[p.attr("name")] = p.attr("value");
  return { ready: c?.attr("ready") === "true", focusJid: c?.attr("focusjid") ?? "", properties };
}
