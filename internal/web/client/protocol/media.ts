/** The nouns of a media session, between Jingle on one side and SDP on the other. */

export type Kind = "audio" | "video";

/** Bits of `senders` as SDP says them from the server's point of view. */
export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";

export interface Payload {
  id: number;
  name: string;
  clockrate: number;
  channels: number;
  /** Name and value; a parameter without a name is its value alone. */
  parameters: [string, string][];
  feedback: string[];
}

export interface Extension {
  id: number;
  uri: string;
}

/** One m-line's worth of an offer or an answer. */
export interface Content {
  name: string;
  kind: Kind | "application";
  direction: Direction;
  payloads: Payload[];
  extensions: Extension[];
  mixedExtensions: boolean;
  /** SCTP port of a data content. */
  sctpPort: number;
}

export interface Candidate {
  foundation: string;
  component: number;
  protocol: string;
  priority: number;
  ip: string;
  port: number;
  type: string;
  relAddr: string;
  relPort: number;
  tcpType: string;
}

export interface Transport {
  ufrag: string;
  pwd: string;
  fingerprint: { hash: string; setup: string; value: string };
  candidates: Candidate[];
}

export interface Group {
  semantics: "FID" | "SIM";
  ssrcs: number[];
}

/** One audio or video thing that somebody sends, with all its SSRCs. */
export interface Source {
  /** Such as "0a1b2c3d-v0". */
  name: string;
  /** Endpoint id; "jvb" for the bridge's own. */
  owner: string;
  kind: Kind;
  videoType: "camera" | "desktop";
  msid: string;
  ssrcs: number[];
  groups: Group[];
  /** The canonical name in SDP; the owner when missing. */
  cname?: string;
}

/** A session-initiate. */
export interface Offer {
  sid: string;
  /** Occupant JID of the focus. */
  initiator: string;
  contents: Content[];
  transport: Transport;
  sources: Source[];
  /** Bridge channel addresses, as offered. */
  webSockets: string[];
  bridgeSession: { id: string; region: string };
}

/** The m-line a source goes to is chosen by its first SSRC; its RTX partner follows. */
export function primaryAndRtx(s: Source): number[] {
  const first = s.ssrcs[0];
  if (first === undefined) return [];
  const pair = s.groups.find((g) => g.semantics === "FID" && g.ssrcs[0] === first);
  return pair ? pair.ssrcs.slice(0, 2) : [first];
}
