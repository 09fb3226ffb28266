/** What a client must know of a deployment; the wire meaning of config.js. */
export interface Settings {
  domain: string;
  /** Domain of the rooms. */
  muc: string;
  /** Where conference requests go as IQs. */
  focus: string;
  /** Bare JID of the focus's user; learned from the conference request when empty. */
  focusUserJid: string;
  websocket: string;
  conferenceRequestUrl: string;
  keepAliveUrl: string;
  /** ms; negative is off. */
  keepAlive: number;
  /** Video codecs, lower-case, best liked first. */
  codecs: string[];
  preferSctp: boolean;
  simulcast: boolean;
  lastN: number;
  resolution: number;
  startAudioMuted: number;
  startVideoMuted: number;
  useTurnUdp: boolean;
  shard: string;
  /** Whether ICE may be restarted within a session. */
  iceRestart: boolean;
}

type Tree = { [key: string]: unknown };

const defaultCodecs = ["vp8", "vp9", "h264", "av1"];

/** Reads the `config` object of a config.js, ours or a stock deployment's. */
export function readConfig(config: unknown): Settings {
  const domain = text(config, "hosts", "domain");
  const mobile = /Android|iPhone|iPad/.test(globalThis.navigator?.userAgent ?? "");
  return {
    domain,
    muc: text(config, "hosts", "muc") || `conference.${domain}`,
    focus: text(config, "hosts", "focus") || `focus.${domain}`,
    focusUserJid: text(config, "focusUserJid"),
    websocket: text(config, "websocket"),
    conferenceRequestUrl: text(config, "conferenceRequestUrl"),
    keepAliveUrl: text(config, "websocketKeepAliveUrl"),
    keepAlive: numberAt(60_000, config, "websocketKeepAlive"),
    codecs: readCodecs(at(config, "videoQuality", mobile ? "mobileCodecPreferenceOrder" : "codecPreferenceOrder")),
    preferSctp: at(config, "bridgeChannel", "preferSctp") !== false,
    simulcast: at(config, "disableSimulcast") !== true,
    lastN: numberAt(-1, config, "channelLastN"),
    resolution: numberAt(720, config, "resolution"),
    startAudioMuted: numberAt(-1, config, "startAudioMuted"),
    startVideoMuted: numberAt(-1, config, "startVideoMuted"),
    useTurnUdp: at(config, "useTurnUdp") === true,
    shard: text(config, "deploymentInfo", "shard"),
    iceRestart: at(config, "enableIceRestart") === true,
  };
}

function at(tree: unknown, ...path: string[]): unknown {
  let v: unknown = tree;
  for (const key of path) v = typeof v === "object" && v !== null ? (v as Tree)[key] : undefined;
  return v;
}

function text(tree: unknown, ...path: string[]): string {
  const v = at(tree, ...path);
  return typeof v === "string" ? v : "";
}

function numberAt(otherwise: number, tree: unknown, ...path: string[]): number {
  const v = at(tree, ...path);
  return typeof v === "number" ? v : otherwise;
}

function readCodecs(v: unknown): string[] {
  const list = Array.isArray(v) ? v.map((c) => String(c).toLowerCase()) : [];
  return list.length > 0 ? list : defaultCodecs;
}

/** The codec everybody can decode that we like best. Members who tell none do not count. */
export function chooseCodec(ours: string[], offered: string[], members: string[][]): string {
  const everybody = (c: string): boolean => members.every((list) => list.length === 0 || list.includes(c));
  return ours.find((c) => offered.includes(c) && everybody(c)) ?? offered[0] ?? "vp8";
}

/** STUN and TURN servers as XEP-0215 or the room's metadata list them. */
export interface Service {
  type: string;
  host: string;
  port: string;
  transport: string;
  username: string;
  password: string;
}

/** A bridge has a public address: only TURN over TCP helps where UDP is blocked. */
export function iceServers(services: Service[], useTurnUdp: boolean): RTCIceServer[] {
  const turn = services.filter((s) => s.type.startsWith("turn") && (useTurnUdp || s.transport === "tcp"));
  return turn.map((s) => ({
    urls: `${s.type}:${s.host}${s.port ? `:${s.port}` : ""}${s.transport === "udp" || !s.transport ? "" : `?transport=${s.transport}`}`,
    username: s.username,
    credential: s.password,
  }));
}
