import { NS, resourceOf } from "./names";
import { el, type Element } from "./xml";

/** What a presence's SourceInfo says of one source. */
export interface SourceState {
  muted: boolean;
  videoType: "camera" | "desktop";
}

/** An occupant of the room, as their last presence describes them. */
export interface Member {
  /** Nickname in the room and endpoint id at the bridge. */
  id: string;
  /** The occupant JID. */
  jid: string;
  /** The full real JID, when the room shows it. */
  realJid: string;
  role: string;
  affiliation: string;
  name: string;
  /** Sources by name, from SourceInfo. */
  sources: Map<string, SourceState>;
  /** Video codecs the member can decode, best liked first; empty when not told. */
  codecs: string[];
  features: Set<string>;
  /** When the hand was raised, in ms since 1970; 0 when it is down. */
  raisedHand: number;
  avatarUrl: string;
  /** The other jitsi_participant_ properties. */
  properties: Map<string, string>;
}

/** What a muc#user child says about a presence (XEP-0045). */
export interface RoomStatus {
  codes: Set<number>;
  actor: string;
  reason: string;
  destroyed: { reason: string; jid: string } | undefined;
}

export function parseMember(presence: Element): Member {
  const jid = presence.attr("from");
  const item = presence.child("x", NS.mucUser)?.child("item");
  const properties = propertiesOf(presence);
  return {
    id: resourceOf(jid),
    jid,
    realJid: item?.attr("jid") ?? "",
    role: item?.attr("role") ?? "",
    affiliation: item?.attr("affiliation") ?? "",
    name: presence.child("nick", NS.nick)?.text().trim() ?? "",
    sources: parseSourceInfo(presence, resourceOf(jid)),
    codecs: codecsOf(properties),
    features: new Set(presence.child("features")?.all("feature").map((f) => f.attr("var"))),
    raisedHand: Number(properties.get("raisedHand")) || 0,
    avatarUrl: presence.child("avatar-url")?.text() ?? "",
    properties,
  };
}

function propertiesOf(presence: Element): Map<string, string> {
  const prefix = "jitsi_participant_";
  const found = presence.elements().filter((c) => c.name.startsWith(prefix));
  return new Map(found.map((c) => [c.name.slice(prefix.length), c.text()]));
}

function codecsOf(properties: Map<string, string>): string[] {
  return (properties.get("codecList") ?? properties.get("codecType") ?? "").toLowerCase().split(",").filter(Boolean);
}

/** Sources that do not belong to the sender are left out. */
export function parseSourceInfo(presence: Element, owner: string): Map<string, SourceState> {
  const out = new Map<string, SourceState>();
  const text = presence.child("SourceInfo")?.text();
  if (text === undefined) return legacySources(presence, owner);
  const info = parseObject(text);
  for (const [name, value] of Object.entries(info)) {
    if (!name.startsWith(`${owner}-`) || typeof value !== "object" || value === null) continue;
    const { muted, videoType } = value as { muted?: unknown; videoType?: unknown };
    out.set(name, { muted: muted === true, videoType: videoType === "desktop" ? "desktop" : "camera" });
  }
  return out;
}

/** COMPAT(clients without SourceInfo): one flag for each kind. */
function legacySources(presence: Element, owner: string): Map<string, SourceState> {
  const out = new Map<string, SourceState>();
  const videoType = presence.child("videoType")?.text() === "desktop" ? "desktop" : "camera";
  const audio = presence.child("audiomuted");
  const video = presence.child("videomuted");
  if (audio) out.set(`${owner}-a0`, { muted: audio.text() === "true", videoType: "camera" });
  if (video) out.set(`${owner}-v0`, { muted: video.text() === "true", videoType });
  return out;
}

/** Parses JSON that should be an object; anything else becomes an empty one. */
export function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

export function parseStatus(presence: Element): RoomStatus {
  const x = presence.child("x", NS.mucUser);
  const item = x?.child("item");
  const destroy = x?.child("destroy");
  return {
    codes: new Set(x?.all("status").map((s) => Number(s.attr("code")))),
    actor: item?.child("actor")?.attr("nick") ?? "",
    reason: item?.child("reason")?.text() || presence.child("status")?.text() || "",
    destroyed: destroy && { reason: destroy.child("reason")?.text() ?? "", jid: destroy.attr("jid") },
  };
}

/** What we tell of ourselves. Every presence carries all of it. */
export interface OwnPresence {
  name: string;
  sources: Map<string, SourceState>;
  codecs: string[];
  raisedHand: number;
  properties: Map<string, string>;
}

/** The extension elements of our presence, caps apart. */
export function presenceElements(own: OwnPresence): Element[] {
  const info: Record<string, { muted: boolean; videoType?: string }> = {};
  for (const [name, s] of own.sources) {
    info[name] = s.videoType === "desktop" ? { muted: s.muted, videoType: "desktop" } : { muted: s.muted };
  }
  const out = [
    el("SourceInfo", {}, JSON.stringify(info)),
    el("jitsi_participant_codecList", {}, own.codecs.join(",")),
  ];
  if (own.name) out.push(el("nick", { xmlns: NS.nick }, own.name));
  if (own.raisedHand) out.push(el("jitsi_participant_raisedHand", {}, String(own.raisedHand)));
  for (const [k, v] of own.properties) out.push(el(`jitsi_participant_${k}`, {}, v));
  return out;
}
