import type { Mode } from "./stage";
import { qualities, type Quality } from "./wanted";

/** What an address, and this browser's memory, say about how to join. */
export interface PageOptions {
  prejoin: boolean;
  name: string;
  audioMuted: boolean;
  videoMuted: boolean;
  /** Height of the camera picture to ask for; 0 leaves it to config.js. */
  resolution: number;
  /** JWT from `?jwt=`. */
  token: string;
}

/**
 * Reads the options of an address: those of Jitsi
 * (`#config.prejoinConfig.enabled=false&userInfo.displayName="Ada"`) and our
 * short forms (`#config.prejoin=false&name=Ada&resolution=360`).
 */
export function readOptions(url: URL): PageOptions {
  const hash = new Map<string, unknown>();
  for (const [k, v] of new URLSearchParams(url.hash.replace(/^#/, ""))) hash.set(k, readValue(v));
  const first = (...names: string[]): unknown => names.map((n) => hash.get(n)).find((v) => v !== undefined);
  return {
    prejoin: first("config.prejoinConfig.enabled", "config.prejoin", "config.prejoinPageEnabled", "prejoin") !== false,
    name: String(first("userInfo.displayName", "name") ?? ""),
    audioMuted: first("config.startWithAudioMuted", "audioMuted") === true,
    videoMuted: first("config.startWithVideoMuted", "videoMuted") === true,
    resolution: Number(first("config.resolution", "resolution")) || 0,
    token: url.searchParams.get("jwt") ?? url.searchParams.get("token") ?? "",
  };
}

/** The parts of config.js that an address may change: none of them says where to connect. */
const changeable = [
  "videoQuality.codecPreferenceOrder", "videoQuality.mobileCodecPreferenceOrder", "resolution", "channelLastN", "disableSimulcast",
  "startAudioMuted", "startVideoMuted", "bridgeChannel.preferSctp",
];

/** The config with what `#config.<key>=<JSON>` of the address changes in it. */
export function applyAddress(config: unknown, url: URL): unknown {
  const out = structuredClone(config ?? {}) as Record<string, unknown>;
  const hash = new URLSearchParams(url.hash.replace(/^#/, ""));
  for (const path of changeable) {
    const text = hash.get(`config.${path}`);
    if (text === null) continue;
    const [first = "", second] = path.split(".");
    if (second === undefined) out[first] = readValue(text);
    else out[first] = { ...(out[first] as object | undefined), [second]: readValue(text) };
  }
  return out;
}

/** Values are JSON where they can be: `false`, `360`, `"Ada"`. */
function readValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** What this browser remembers of its user, when it may. */
export interface Memory {
  name: string;
  mic: string;
  camera: string;
  speaker: string;
  micOn: boolean;
  cameraOn: boolean;
  mode: Mode;
  quality: Quality;
}

const key = "plenum.user";
const nothing: Memory = { name: "", mic: "", camera: "", speaker: "", micOn: true, cameraOn: true, mode: "tiles", quality: "best" };

export function recall(): Memory {
  try {
    const m = { ...nothing, ...(JSON.parse(localStorage.getItem(key) ?? "{}") as Partial<Memory>) };
    return qualities.includes(m.quality) ? m : { ...m, quality: nothing.quality };
  } catch {
    return { ...nothing };
  }
}

export function remember(change: Partial<Memory>): void {
  try {
    localStorage.setItem(key, JSON.stringify({ ...recall(), ...change }));
  } catch {
    // Storage is blocked: nothing is remembered.
  }
}
