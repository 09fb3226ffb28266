import type { Candidate, Content, Direction, Extension, Group, Payload, Source, Transport } from "./media";
import { primaryAndRtx } from "./media";

/** One m-line of the offer that we make on behalf of the server. */
export interface Line {
  mid: string;
  content: Content;
  direction: Direction;
  /** Whose SSRCs the server sends on it. */
  source: Source | undefined;
  /** The bridge says whose it is (SSRC rewriting); the SSRCs stay. */
  mapped?: boolean;
  /** How many encodings to ask a browser for that does simulcast by rid; 0 for none. */
  rids: number;
}

/** Writes the remote offer: what the server would have sent had it spoken SDP (RFC 8829). */
export function writeOffer(lines: Line[], transport: Transport, version: number): string {
  const out = [
    "v=0",
    `o=- 1 ${version} IN IP4 0.0.0.0`,
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${lines.map((l) => l.mid).join(" ")}`,
    "a=msid-semantic: WMS *",
  ];
  if (lines.some((l) => l.content.mixedExtensions)) out.push("a=extmap-allow-mixed");
  lines.forEach((line, i) => out.push(...writeLine(line, transport, i === 0)));
  return out.join("\r\n") + "\r\n";
}

function writeLine(line: Line, transport: Transport, first: boolean): string[] {
  const head = line.content.kind === "application" ? dataHead(line.content) : mediaHead(line.content);
  const f = transport.fingerprint;
  return [
    ...head,
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${transport.ufrag}`,
    `a=ice-pwd:${transport.pwd}`,
    `a=fingerprint:${f.hash} ${f.value}`,
    `a=setup:${f.setup}`,
    `a=mid:${line.mid}`,
    ...(first ? transport.candidates.map(writeCandidate) : []),
    ...(line.content.kind === "application" ? dataBody(line.content) : mediaBody(line)),
  ];
}

const dataHead = (_: Content): string[] => ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel"];
const dataBody = (c: Content): string[] => [`a=sctp-port:${c.sctpPort}`, "a=max-message-size:262144"];

function mediaHead(c: Content): string[] {
  return [`m=${c.kind} 9 UDP/TLS/RTP/SAVPF ${c.payloads.map((p) => p.id).join(" ")}`];
}

function mediaBody(line: Line): string[] {
  const c = line.content;
  return [
    "a=rtcp:9 IN IP4 0.0.0.0",
    "a=rtcp-mux",
    `a=${line.direction}`,
    ...c.payloads.flatMap(writePayload),
    ...c.extensions.map((x) => `a=extmap:${x.id} ${x.uri}`),
    ...writeRids(line.rids),
    ...(line.source && line.direction.startsWith("send") ? writeSource(line.source) : []),
  ];
}

function writePayload(p: Payload): string[] {
  const channels = p.channels > 1 ? `/${p.channels}` : "";
  const out = [`a=rtpmap:${p.id} ${p.name}/${p.clockrate}${channels}`];
  if (p.parameters.length > 0) {
    out.push(`a=fmtp:${p.id} ${p.parameters.map(([k, v]) => (k ? `${k}=${v}` : v)).join(";").replace(/;+$/, "")}`);
  }
  return [...out, ...p.feedback.map((f) => `a=rtcp-fb:${p.id} ${f}`)];
}

/** RFC 8853; encodings go from the smallest to the largest. */
function writeRids(n: number): string[] {
  if (n < 2) return [];
  const ids = Array.from({ length: n }, (_, i) => String(i + 1));
  return [...ids.map((id) => `a=rid:${id} recv`), `a=simulcast:recv ${ids.join(";")}`];
}

function writeSource(s: Source): string[] {
  const ssrcs = primaryAndRtx(s);
  const out = [`a=msid:${s.msid}`];
  if (ssrcs.length === 2) out.push(`a=ssrc-group:FID ${ssrcs.join(" ")}`);
  for (const n of ssrcs) out.push(`a=ssrc:${n} cname:${s.cname ?? (s.owner || "-")}`, `a=ssrc:${n} msid:${s.msid}`);
  return out;
}

export function writeCandidate(c: Candidate): string {
  let line = `a=candidate:${c.foundation} ${c.component} ${c.protocol} ${c.priority} ${c.ip} ${c.port} typ ${c.type}`;
  if (c.relAddr) line += ` raddr ${c.relAddr} rport ${c.relPort}`;
  if (c.tcpType) line += ` tcptype ${c.tcpType}`;
  return `${line} generation 0`;
}

// Reading the answer that the browser made.

/** An m-line of a local description with its attribute lines. */
export class Section {
  readonly lines: string[];
  constructor(text: string) {
    this.lines = text.split(/\r?\n/).filter(Boolean);
  }

  /** Values of all `a=<name>:<value>` lines. */
  values(name: string): string[] {
    const prefix = `a=${name}:`;
    return this.lines.filter((l) => l.startsWith(prefix)).map((l) => l.slice(prefix.length));
  }

  value(name: string): string {
    return this.values(name)[0] ?? "";
  }

  has(name: string): boolean {
    return this.lines.includes(`a=${name}`);
  }

  get mid(): string {
    return this.value("mid");
  }

  get kind(): string {
    return /^m=(\S+)/.exec(this.lines[0] ?? "")?.[1] ?? "";
  }

  get rejected(): boolean {
    return /^m=\S+ 0 /.test(this.lines[0] ?? "");
  }

  get sends(): boolean {
    return !this.rejected && (this.has("sendrecv") || this.has("sendonly"));
  }
}

/** Splits a description into its session part and its m-lines. */
export function splitSdp(sdp: string): { session: Section; media: Section[] } {
  const [session = "", ...media] = sdp.split(/(?=^m=)/m);
  return { session: new Section(session), media: media.map((m) => new Section(m)) };
}

/** Payload types and extensions of an m-line. */
export function readContent(s: Section, name: string): Content {
  return {
    name,
    kind: s.kind === "audio" || s.kind === "video" ? s.kind : "application",
    direction: "sendrecv",
    payloads: s.kind === "application" ? [] : readPayloads(s),
    extensions: s.values("extmap").map(readExtension),
    mixedExtensions: s.has("extmap-allow-mixed"),
    sctpPort: Number(s.value("sctp-port")) || 5000,
  };
}

function readPayloads(s: Section): Payload[] {
  const order = (s.lines[0] ?? "").split(" ").slice(3).map(Number);
  return order.flatMap((id) => {
    const map = /^\d+ ([^/]+)\/(\d+)(?:\/(\d+))?/.exec(s.values("rtpmap").find((v) => v.startsWith(`${id} `)) ?? "");
    if (!map) return [];
    const fmtp = s.values("fmtp").find((v) => v.startsWith(`${id} `))?.slice(String(id).length + 1) ?? "";
    const feedback = s.values("rtcp-fb").filter((v) => v.startsWith(`${id} `)).map((v) => v.slice(String(id).length + 1).trim());
    return [{ id, name: map[1]!, clockrate: Number(map[2]), channels: Number(map[3]) || 1, parameters: readFmtp(fmtp), feedback }];
  });
}

function readFmtp(text: string): [string, string][] {
  return text.split(";").map((p) => p.trim()).filter(Boolean).map((p) => {
    const i = p.indexOf("=");
    return i < 0 ? ["", p] : [p.slice(0, i), p.slice(i + 1)];
  });
}

function readExtension(v: string): Extension {
  const [id = "", uri = ""] = v.split(" ");
  return { id: parseInt(id, 10), uri };
}

/** ICE and DTLS of a description; both may stand at session or media level. */
export function readTransport(sdp: string): Transport {
  const { session, media } = splitSdp(sdp);
  const first = media.find((m) => !m.rejected && m.value("ice-ufrag")) ?? session;
  const pick = (name: string): string => first.value(name) || session.value(name);
  const [hash = "", value = ""] = pick("fingerprint").split(" ");
  return {
    ufrag: pick("ice-ufrag"),
    pwd: pick("ice-pwd"),
    fingerprint: { hash, value, setup: pick("setup") || "active" },
    candidates: first.values("candidate").flatMap(readCandidate),
  };
}

/** Candidates with host names (mDNS) are of no use to a server. */
function readCandidate(v: string): Candidate[] {
  const f = v.split(" ");
  if (f.length < 8 || f[4]!.endsWith(".local") || f[2]!.toLowerCase() !== "udp") return [];
  const after = (word: string): string => f[f.indexOf(word) + 1] ?? "";
  const related = f.includes("raddr");
  return [
    {
      foundation: f[0]!, component: Number(f[1]), protocol: "udp", priority: Number(f[3]), ip: f[4]!, port: Number(f[5]), type: f[7]!,
      relAddr: related ? after("raddr") : "", relPort: related ? Number(after("rport")) : 0, tcpType: "",
    },
  ];
}

/** The SSRCs that an m-line sends, primaries from the smallest encoding to the largest. */
export interface SentSsrcs {
  ssrcs: number[];
  groups: Group[];
}

export function readSent(s: Section): SentSsrcs {
  const all = [...new Set(s.values("ssrc").map((v) => parseInt(v, 10)))];
  const groups = s.values("ssrc-group").flatMap((v): Group[] => {
    const [semantics, ...ids] = v.trim().split(" ");
    return semantics === "FID" || semantics === "SIM" ? [{ semantics, ssrcs: ids.map(Number) }] : [];
  });
  const fid = groups.filter((g) => g.semantics === "FID");
  const rtx = new Set(fid.map((g) => g.ssrcs[1]));
  const primaries = groups.find((g) => g.semantics === "SIM")?.ssrcs ?? all.filter((n) => !rtx.has(n));
  if (primaries.length > 1 && !groups.some((g) => g.semantics === "SIM")) {
    // Firefox lists the encodings of an rid simulcast in order and without a group.
    groups.unshift({ semantics: "SIM", ssrcs: primaries });
  }
  return { ssrcs: [...primaries, ...fid.map((g) => g.ssrcs[1]!)], groups };
}

/** SSRCs that were added to an m-line to make it a simulcast; the same ones every time. */
export type SimulcastCache = Map<string, SentSsrcs>;

/**
 * Gives the video m-line `mid` three encodings with SSRCs of their own, the
 * way Chromium has understood since before RFC 8853: a SIM group in the local
 * description. Lines that are not sent or have it already stay as they are.
 */
export function mungeSimulcast(sdp: string, mid: string, cache: SimulcastCache): string {
  const parts = sdp.split(/(?=^m=)/m);
  return parts.map((part) => (new Section(part).mid === mid ? mungeSection(part, mid, cache) : part)).join("");
}

function mungeSection(text: string, mid: string, cache: SimulcastCache): string {
  const s = new Section(text);
  const sent = readSent(s);
  if (!s.sends || sent.ssrcs.length === 0 || sent.groups.some((g) => g.semantics === "SIM")) return text;
  const wanted = cache.get(mid) ?? expand(sent);
  cache.set(mid, wanted);
  const cname = /cname:(\S+)/.exec(s.values("ssrc").join(" "))?.[1] ?? "plenum";
  const msid = s.value("msid") || "- -";
  const kept = s.lines.filter((l) => !l.startsWith("a=ssrc"));
  for (const g of wanted.groups) kept.push(`a=ssrc-group:${g.semantics} ${g.ssrcs.join(" ")}`);
  for (const n of wanted.ssrcs) kept.push(`a=ssrc:${n} cname:${cname}`, `a=ssrc:${n} msid:${msid}`);
  return kept.join("\r\n") + "\r\n";
}

function expand(sent: SentSsrcs): SentSsrcs {
  const [first, rtx] = sent.ssrcs as [number, number | undefined];
  const primaries = [first, randomSsrc(), randomSsrc()];
  const groups: Group[] = [{ semantics: "SIM", ssrcs: primaries }];
  if (rtx === undefined) return { ssrcs: primaries, groups };
  const rtxs = [rtx, randomSsrc(), randomSsrc()];
  primaries.forEach((p, i) => groups.push({ semantics: "FID", ssrcs: [p, rtxs[i]!] }));
  return { ssrcs: [...primaries, ...rtxs], groups };
}

export function randomSsrc(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0]! % 0xfffffffe) + 1;
}

/** Puts the payload types of `codec` and their retransmissions first: browsers send with the first. */
export function preferCodec(c: Content, codec: string): Content {
  const wanted = new Set(c.payloads.filter((p) => p.name.toLowerCase() === codec).map((p) => p.id));
  if (wanted.size === 0) return c;
  const rank = (p: Payload): number => {
    if (wanted.has(p.id)) return 0;
    const apt = p.parameters.find(([k]) => k === "apt")?.[1];
    return apt !== undefined && wanted.has(Number(apt)) ? 1 : 2;
  };
  return { ...c, payloads: [...c.payloads].sort((a, b) => rank(a) - rank(b)) };
}

/** Names of the video codecs that a content offers, lower-case, without retransmission. */
export function codecsOffered(c: Content | undefined): string[] {
  const names = c?.payloads.map((p) => p.name.toLowerCase()) ?? [];
  return [...new Set(names.filter((n) => n !== "rtx" && n !== "red" && n !== "ulpfec"))];
}

