import { NS, resourceOf } from "./names";
import type { Candidate, Content, Direction, Kind, Offer, Payload, Source, Transport } from "./media";
import { parseObject } from "./presence";
import { el, type Element } from "./xml";

/** Reads a session-initiate (XEP-0166 §7.2.3). Throws when it lacks what a session needs. */
export function parseOffer(jingle: Element): Offer {
  const contents = jingle.all("content");
  const first = contents.map((c) => c.child("transport", NS.ice)).find((t) => t !== undefined);
  if (!first) throw new Error("Jingle: no transport");
  const session = jingle.child("bridge-session");
  return {
    sid: jingle.attr("sid"),
    initiator: jingle.attr("initiator"),
    contents: contents.map(parseContent),
    transport: parseTransport(first),
    sources: parseSources(jingle),
    webSockets: contents.flatMap((c) => c.child("transport")?.all("web-socket").map((w) => w.attr("url")) ?? []),
    bridgeSession: { id: session?.attr("id") ?? "", region: session?.attr("region") ?? "" },
  };
}

const directions: Record<string, Direction> = { initiator: "sendonly", responder: "recvonly", none: "inactive" };

function parseContent(c: Element): Content {
  const d = c.child("description");
  const media = d?.attr("media") || c.attr("name");
  return {
    name: c.attr("name"),
    kind: media === "audio" || media === "video" ? media : "application",
    direction: directions[c.attr("senders")] ?? "sendrecv",
    payloads: d?.all("payload-type").map((p) => parsePayload(p, d)) ?? [],
    extensions: d?.all("rtp-hdrext").map((x) => ({ id: Number(x.attr("id")), uri: x.attr("uri") })) ?? [],
    mixedExtensions: d?.child("extmap-allow-mixed") !== undefined,
    sctpPort: Number(c.path("transport", "sctpmap")?.attr("number")) || 5000,
  };
}

/** Feedback of the description counts for every payload type (XEP-0293 §3). */
function parsePayload(p: Element, description: Element): Payload {
  const feedback = [...p.all("rtcp-fb"), ...description.all("rtcp-fb")];
  return {
    id: Number(p.attr("id")),
    name: p.attr("name"),
    clockrate: Number(p.attr("clockrate")) || 0,
    channels: Number(p.attr("channels")) || 1,
    parameters: p.all("parameter").map((x) => [x.attr("name"), x.attr("value")]),
    feedback: feedback.map((f) => `${f.attr("type")} ${f.attr("subtype")}`.trim()),
  };
}

export function parseTransport(t: Element): Transport {
  const f = t.child("fingerprint", NS.dtls);
  return {
    ufrag: t.attr("ufrag"),
    pwd: t.attr("pwd"),
    fingerprint: { hash: f?.attr("hash") ?? "", setup: f?.attr("setup") || "actpass", value: f?.text().trim() ?? "" },
    candidates: t.all("candidate").map(parseCandidate),
  };
}

function parseCandidate(c: Element): Candidate {
  return {
    foundation: c.attr("foundation"),
    component: Number(c.attr("component")) || 1,
    protocol: c.attr("protocol").toLowerCase(),
    priority: Number(c.attr("priority")) || 0,
    ip: c.attr("ip"),
    port: Number(c.attr("port")),
    type: c.attr("type"),
    relAddr: c.attr("rel-addr"),
    relPort: Number(c.attr("rel-port")) || 0,
    tcpType: c.attr("tcptype"),
  };
}

/** The sources of a Jingle element, in XML (XEP-0339) and in Jitsi's compact JSON form. */
export function parseSources(jingle: Element): Source[] {
  const sources = new Map<string, Source>();
  for (const c of jingle.all("content")) {
    for (const d of c.all("description")) parseDescriptionSources(d, d.attr("media") || c.attr("name"), sources);
  }
  const json = jingle.child("json-message", NS.jitmeet);
  if (json) parseJsonSources(json.text(), sources);
  return [...sources.values()].filter((s) => s.ssrcs.length > 0 && s.msid !== "");
}

function parseDescriptionSources(d: Element, media: string, out: Map<string, Source>): void {
  if (media !== "audio" && media !== "video") return;
  for (const s of d.all("source", NS.source)) {
    const owner = resourceOf(s.child("ssrc-info")?.attr("owner") ?? "") || (s.child("ssrc-info")?.attr("owner") ?? "");
    const msid = s.all("parameter").find((p) => p.attr("name") === "msid")?.attr("value") ?? "";
    const desktop = s.attr("videoType").startsWith("desktop");
    addSsrc(out, media, owner, s.attr("name"), msid, desktop, Number(s.attr("ssrc")));
  }
  for (const g of d.all("ssrc-group", NS.source)) {
    addGroup(out, g.attr("semantics"), g.all("source").map((s) => Number(s.attr("ssrc"))));
  }
}

function addSsrc(
  out: Map<string, Source>, kind: Kind, owner: string, name: string, msid: string, desktop: boolean, ssrc: number,
): void {
  if (!Number.isInteger(ssrc) || ssrc < 1 || ssrc > 0xffffffff || !name) return;
  let s = out.get(name);
  if (!s) {
    s = { name, owner, kind, videoType: desktop ? "desktop" : "camera", msid, ssrcs: [], groups: [] };
    out.set(name, s);
  }
  if (!s.ssrcs.includes(ssrc)) s.ssrcs.push(ssrc);
}

function addGroup(out: Map<string, Source>, semantics: string, ssrcs: number[]): void {
  if (semantics !== "FID" && semantics !== "SIM") return;
  const owner = [...out.values()].find((s) => ssrcs.length > 0 && ssrcs.every((n) => s.ssrcs.includes(n)));
  owner?.groups.push({ semantics, ssrcs });
}

interface JsonSource {
  s?: unknown;
  n?: unknown;
  m?: unknown;
  v?: unknown;
}

function parseJsonSources(text: string, out: Map<string, Source>): void {
  const owners = parseObject(text)["sources"];
  if (typeof owners !== "object" || owners === null) return;
  for (const [owner, lists] of Object.entries(owners)) {
    if (!Array.isArray(lists)) continue;
    addJson(out, "video", owner, lists[0], lists[1]);
    addJson(out, "audio", owner, lists[2], lists[3]);
  }
}

function addJson(out: Map<string, Source>, kind: Kind, owner: string, sources: unknown, groups: unknown): void {
  for (const s of listOf<JsonSource>(sources)) {
    addSsrc(out, kind, owner, String(s.n ?? ""), String(s.m ?? ""), s.v === "d", Number(s.s));
  }
  for (const g of listOf<unknown[]>(groups)) {
    const [letter, ...ssrcs] = g;
    addGroup(out, letter === "f" ? "FID" : letter === "s" ? "SIM" : "", ssrcs.map(Number));
  }
}

function listOf<T>(value: unknown): T[] {
  return Array.isArray(value) ? (value as T[]) : [];
}

// What we send.

/** Our half of a session, as session-accept carries it. */
export interface Answer {
  sid: string;
  initiator: string;
  responder: string;
  contents: Content[];
  transport: Transport;
  sources: Source[];
  /** How many videos we want at first; -1 says nothing. */
  lastN: number;
}

export function sessionAccept(a: Answer): Element {
  const names = a.contents.map((c) => c.name);
  return el(
    "jingle",
    { xmlns: NS.jingle, action: "session-accept", initiator: a.initiator, responder: a.responder, sid: a.sid },
    el("group", { xmlns: NS.grouping, semantics: "BUNDLE" }, names.map((name) => el("content", { name }))),
    a.contents.map((c) => acceptedContent(a, c)),
  );
}

function acceptedContent(a: Answer, c: Content): Element {
  const transport = transportElement(a.transport);
  const attrs = { creator: "responder", name: c.name, senders: "both" };
  if (c.kind === "application") {
    transport.children.push(
      el("sctpmap", { xmlns: NS.sctp, number: c.sctpPort, protocol: "webrtc-datachannel", streams: 1024 }),
    );
    return el("content", attrs, el("description", { xmlns: NS.rtp, media: "application" }), transport);
  }
  const lastN = c.kind === "video" && a.lastN >= 0 ? el("initial-last-n", { xmlns: NS.lastN, value: a.lastN }) : undefined;
  const description = el(
    "description",
    { xmlns: NS.rtp, media: c.kind },
    c.payloads.map(payloadElement),
    sourceElements(a.sources.filter((s) => s.kind === c.kind)),
    el("rtcp-mux"),
    c.extensions.map((x) => el("rtp-hdrext", { xmlns: NS.extension, id: x.id, uri: x.uri })),
    c.mixedExtensions ? el("extmap-allow-mixed", { xmlns: NS.extension }) : undefined,
  );
  return el("content", attrs, lastN, description, transport);
}

function payloadElement(p: Payload): Element {
  const channels = p.channels > 1 ? p.channels : undefined;
  return el(
    "payload-type",
    { id: p.id, name: p.name, clockrate: p.clockrate, channels },
    p.parameters.map(([name, value]) => el("parameter", { name: name || undefined, value })),
    p.feedback.map((f) => {
      const [type, subtype] = f.split(" ");
      return el("rtcp-fb", { xmlns: NS.feedback, type, subtype });
    }),
  );
}

function transportElement(t: Transport, generation?: number): Element {
  const { hash, setup, value } = t.fingerprint;
  return el(
    "transport",
    { xmlns: NS.ice, ufrag: t.ufrag, pwd: t.pwd, "ice-generation": generation },
    el("fingerprint", { xmlns: NS.dtls, hash, setup }, value),
    t.candidates.map((c, i) =>
      el("candidate", {
        id: `c${i}`, component: c.component, foundation: c.foundation, generation: 0, ip: c.ip, network: 0, port: c.port,
        priority: c.priority, protocol: c.protocol, type: c.type, tcptype: c.tcpType || undefined,
        "rel-addr": c.relAddr || undefined, "rel-port": c.relPort || undefined,
      }),
    ),
  );
}

export function sourceElements(sources: Source[]): Element[] {
  return sources.flatMap((s) => [
    ...s.ssrcs.map((ssrc) => sourceElement(s, ssrc)),
    ...s.groups.map((g) =>
      el("ssrc-group", { xmlns: NS.source, semantics: g.semantics }, g.ssrcs.map((n) => el("source", { xmlns: NS.source, ssrc: n }))),
    ),
  ]);
}

function sourceElement(s: Source, ssrc: number): Element {
  const videoType = s.kind === "video" ? s.videoType : undefined;
  return el("source", { xmlns: NS.source, ssrc, name: s.name, videoType }, el("parameter", { name: "msid", value: s.msid }));
}

/** source-add and source-remove (XEP-0339's way of changing a session). */
export function sourceChange(action: "source-add" | "source-remove", sid: string, initiator: string, sources: Source[]): Element {
  const kinds = (["audio", "video"] as const).filter((k) => sources.some((s) => s.kind === k));
  return el(
    "jingle",
    { xmlns: NS.jingle, action, initiator, sid },
    kinds.map((k) =>
      el(
        "content",
        { creator: "responder", name: k, senders: "both" },
        el("description", { xmlns: NS.rtp, media: k }, sourceElements(sources.filter((s) => s.kind === k))),
      ),
    ),
  );
}

/** Asks for new ICE credentials within the session. */
export function restartRequest(sid: string, initiator: string, bridgeSession: string): Element {
  return el(
    "jingle",
    { xmlns: NS.jingle, action: "session-info", initiator, sid },
    el("bridge-session", { xmlns: NS.focus, id: bridgeSession, "ice-restart": true }),
  );
}

/** The bridge's half of an ICE restart; undefined for trickled candidates. */
export function parseRestart(jingle: Element): { transport: Transport; generation: number } | undefined {
  const t = jingle.child("content")?.child("transport", NS.ice);
  const generation = Number(t?.attr("ice-generation"));
  if (!t || !Number.isInteger(generation) || generation <= 0 || !t.attr("ufrag") || !t.attr("pwd")) return undefined;
  return { transport: parseTransport(t), generation };
}

/** Our half of an ICE restart. */
export function restartAnswer(sid: string, initiator: string, name: string, transport: Transport, generation: number): Element {
  return el(
    "jingle",
    { xmlns: NS.jingle, action: "transport-info", initiator, sid },
    el("content", { creator: "responder", name }, transportElement(transport, generation)),
  );
}

/** Ends a session; restart asks the focus for a new one. */
export function sessionTerminate(sid: string, initiator: string, bridgeSession: string, reason: string, text: string, restart: boolean): Element {
  return el(
    "jingle",
    { xmlns: NS.jingle, action: "session-terminate", initiator, sid },
    el("reason", {}, el(reason), text ? el("text", {}, text) : undefined),
    el("bridge-session", { xmlns: NS.focus, id: bridgeSession, restart }),
  );
}
