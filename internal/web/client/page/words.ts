/** Sentences for people. Errors say what happened and what to do about it. */
import type { EndReason, JoinReason } from "../protocol";

export type Device = "microphone" | "camera" | "screen";

/** Why a device cannot be had, and what helps. */
export function deviceError(err: unknown, device: Device): string {
  const name = err instanceof Error ? err.name : "";
  if (!globalThis.isSecureContext) {
    return `Browsers allow a ${device} only on pages that were loaded over https. Ask for an address that begins with https://.`;
  }
  switch (name) {
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${device} was found. Connect one and try again; until then you can take part without it.`;
    case "NotAllowedError":
    case "SecurityError":
      return device === "screen"
        ? "The screen was not shared, because the browser was not allowed to."
        : `The browser does not let this page use your ${device}. Click the lock or camera sign beside the address, allow the ${device}, and try again.`;
    case "NotReadableError":
    case "AbortError":
      return `Your ${device} cannot be opened. Perhaps another program is using it: close that program and try again.`;
  }
  return `Your ${device} cannot be used (${err instanceof Error ? err.message : String(err)}).`;
}

const joinTexts: Record<JoinReason, string> = {
  password: "This meeting is locked. Enter its password to join.",
  lobby: "A moderator has to let you in to this meeting. Ask them to open it, then try again.",
  full: "The meeting is full. Try again when somebody has left.",
  "not-allowed": "You may not join this meeting.",
  "authentication-required": "Only people who are logged in may start this meeting. Wait until it has begun, then try again.",
  unreachable: "The server cannot be reached. Check your internet connection and try again.",
  "not-live": "The meeting has not started yet. Try again in a moment.",
  failed: "Joining did not work.",
};

export function joinError(reason: JoinReason, message: string): string {
  return reason === "failed" && message ? `${joinTexts.failed} The server said: ${message}.` : joinTexts[reason];
}

/** Title and explanation of the page after a meeting. */
export function goodbye(end: EndReason): [string, string] {
  switch (end.kind) {
    case "left":
      return ["You have left the meeting", ""];
    case "kicked":
      return ["You were removed from the meeting", [end.by ? `${end.by} removed you.` : "", end.reason].filter(Boolean).join(" ")];
    case "destroyed":
      return ["The meeting has ended", end.reason || "It was ended for everybody."];
    case "failed":
      if (end.reason === "media") return ["Sound and pictures do not get through", "Perhaps a firewall on your side blocks them. Try another network, or ask whoever looks after yours to allow UDP."];
      return ["The meeting was interrupted", joinTexts[end.reason as JoinReason] ?? "The connection could not be restored."];
  }
}

/** Up to two letters to stand for a person without a picture; the number of one who is called by it. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const number = words.at(-1)?.match(/^\d.{0,3}$/u);
  if (number) return number[0];
  const letters = words.length > 1 ? [words[0]!, words.at(-1)!] : words;
  return letters.map((w) => [...w][0]!.toLocaleUpperCase()).join("") || "?";
}

/** A colour, always the same for a person: an angle on the colour circle. */
export function hue(id: string): number {
  let n = 0;
  for (const c of id) n = (n * 31 + c.codePointAt(0)!) % 360;
  return n;
}

export const nameOf = (name: string, id: string): string => name || `Guest ${id.slice(0, 4)}`;

/** Compares names as people sort them: "Guest 9" before "Guest 10". */
export const byName = new Intl.Collator(undefined, { sensitivity: "base", numeric: true });

export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${two(minutes)}:${two(s % 60)}`;
}

/** Letters as they compare when somebody looks for a name: without case and marks. */
const plain = (text: string): string => text.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase();

/** Whether a name has every word of what was typed. */
export function matches(name: string, query: string): boolean {
  const inside = plain(name);
  return plain(query).split(/\s+/).every((word) => inside.includes(word));
}
