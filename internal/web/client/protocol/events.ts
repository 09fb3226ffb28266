import type { SlotName } from "./local";
import type { MuteKind } from "./names";
import type { Member, RoomStatus } from "./presence";
import type { ChatMessage, RoomInfo } from "./room";
import type { MediaState, RemoteTrack } from "./session";
import type { Settings } from "./settings";
import type { Socket } from "./stream";

export interface ConferenceOptions {
  settings: Settings;
  /** The room's name as in the address. */
  room: string;
  /** Display name. */
  name: string;
  /** JWT, when the deployment wants one. */
  token?: string;
  /** Makes XMPP sockets; for tests. */
  socket?: (url: string) => Socket;
}

/** idle -> connecting -> joined <-> reconnecting -> ended. */
export type ConferenceState = "idle" | "connecting" | "joined" | "reconnecting" | "ended";

/** Why it is over. */
export interface EndReason {
  kind: "left" | "kicked" | "destroyed" | "failed";
  /** Display name of who did it, when somebody did. */
  by: string;
  reason: string;
}

export interface ConferenceEvents {
  state: [ConferenceState];
  ended: [EndReason];
  joined: [Member];
  changed: [Member];
  left: [Member, RoomStatus];
  track: [RemoteTrack];
  untrack: [RemoteTrack];
  /** What the media transport does; "closed" also when there is nobody to send to. */
  media: [MediaState];
  /** Who speaks now, and who did before, latest first. */
  speaker: [string, string[]];
  /** Names of the video sources that the bridge sends us now. */
  forwarded: [Set<string>];
  /** What somebody tells of their connection, as their client words it (EndpointStats). */
  endpointStats: [string, Record<string, unknown>];
  /** Whether the bridge still hears of somebody. */
  connectivity: [string, boolean];
  /** Estimated bit/s that the bridge can send us; and whether it sends less, because it has too much to do. */
  downlink: [number, boolean];
  chat: [ChatMessage];
  subject: [string];
  info: [RoomInfo];
  /** Somebody silenced us; the page should take the track away. by is "" for the room's rules. */
  muted: [MuteKind, string];
  /** We may not unmute without being let, or may again. */
  moderation: [MuteKind, boolean];
  /** The server did not let us send this. */
  refused: [SlotName, Error];
}
