/** The protocol library: everything a Jitsi client says on the wire, and no user interface. */
export { BridgeChannel, receiveMessage, type BridgeMessage, type ReceiveConstraints } from "./channel";
export { Conference } from "./conference";
export { Emitter } from "./emitter";
export type { ConferenceEvents, ConferenceOptions, ConferenceState, EndReason } from "./events";
export { JoinError, type JoinReason } from "./join";
export type { SlotName } from "./local";
export type { Source } from "./media";
export { roomNode, type MuteKind } from "./names";
export type { Member, RoomStatus, SourceState } from "./presence";
export type { ChatMessage, RoomInfo } from "./room";
export type { MediaState, RemoteTrack } from "./session";
export { readConfig, type Settings } from "./settings";
export { StanzaError } from "./stanza";
export { enough, usual, type ReceivedStats, type SentStats, type SessionStats } from "./stats";
