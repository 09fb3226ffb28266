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
}

const key = "plenum.user";
const nothing: Memory = { name: "", mic: "", camera: "", speaker: "", micOn: true, cameraOn: true };

export function recall(): Memory {
  try {
    return { ...nothing, ...(JSON.parse(localStorage.getItem(key) ?? "{}") as Partial<Memory>) };
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
