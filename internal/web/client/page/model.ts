import type { Conference, Member } from "../protocol";
import type { Person } from "./people";
import type { TileState } from "./tile";
import { nameOf } from "./words";

/** What the page knows beside the conference itself. */
export interface View {
  conference: Conference;
  speaker: string;
  /** Who spoke before, latest first. */
  earlier: string[];
  /** Video sources that the bridge forwards; undefined while it has not said. */
  forwarded: Set<string> | undefined;
  pinned: string;
}

/** A page with more tiles than this is slow and tells nothing; the list has everybody. */
export const mostTiles = 49;

/** All tiles, screens first, then the others, ourselves last. */
export function tileStates(v: View): Map<string, TileState> {
  const c = v.conference;
  const tracks: Tracks = new Map(c.tracks.map((t) => [t.source.name, t.track]));
  const screens: [string, TileState][] = [];
  for (const m of c.members) {
    for (const [name, s] of m.sources) if (s.videoType === "desktop" && !s.muted) screens.push([name, screenTile(v, tracks, m, name)]);
  }
  if (c.slots.v1.track) screens.push([`${c.id}-v1`, ownScreen(v)]);
  const people = shownMembers(v).map((m): [string, TileState] => [`${m.id}-v0`, personTile(v, tracks, m)]);
  return new Map([...screens, ...people, [`${c.id}-v0`, ownTile(v)]]);
}

type Tracks = Map<string, MediaStreamTrack>;

/** In a large meeting those who speak, ask to or are seen, in the order they came. */
function shownMembers(v: View): Member[] {
  const all = v.conference.members;
  if (all.length < mostTiles) return all;
  const recent = [v.speaker, ...v.earlier];
  const rank = (m: Member): number => {
    if (v.pinned === `${m.id}-v0`) return 0;
    const spoke = recent.indexOf(m.id);
    if (spoke >= 0) return 1 + spoke;
    return 100 + (m.raisedHand > 0 ? 0 : m.sources.get(`${m.id}-v0`)?.muted === false ? 1 : 2);
  };
  const chosen = new Set([...all].sort((a, b) => rank(a) - rank(b)).slice(0, mostTiles - 1));
  return all.filter((m) => chosen.has(m));
}

function personTile(v: View, tracks: Tracks, m: Member): TileState {
  const source = `${m.id}-v0`;
  const state = m.sources.get(source);
  const on = state !== undefined && !state.muted && state.videoType !== "desktop";
  return {
    name: nameOf(m.name, m.id), self: false, desktop: false, video: on ? (tracks.get(source) ?? null) : null, micMuted: micMuted(m),
    speaking: v.speaker === m.id && !micMuted(m), handUp: m.raisedHand > 0, pinned: v.pinned === source,
    paused: on && v.forwarded !== undefined && !v.forwarded.has(source), avatarUrl: m.avatarUrl,
  };
}

function screenTile(v: View, tracks: Tracks, m: Member, source: string): TileState {
  return {
    name: nameOf(m.name, m.id), self: false, desktop: true, video: tracks.get(source) ?? null, micMuted: false, speaking: false, handUp: false,
    pinned: v.pinned === source, paused: v.forwarded !== undefined && !v.forwarded.has(source), avatarUrl: "",
  };
}

function ownTile(v: View): TileState {
  const { slots, id, name } = v.conference;
  return {
    name: nameOf(name, id), self: true, desktop: false, video: slots.v0.track, micMuted: slots.a0.track === null,
    speaking: v.speaker === id && slots.a0.track !== null, handUp: v.conference.raisedHand, pinned: v.pinned === `${id}-v0`, paused: false, avatarUrl: "",
  };
}

function ownScreen(v: View): TileState {
  return { ...ownTile(v), desktop: true, video: v.conference.slots.v1.track, speaking: false, handUp: false, pinned: v.pinned === `${v.conference.id}-v1` };
}

function micMuted(m: Member): boolean {
  return m.sources.get(`${m.id}-a0`)?.muted ?? true;
}

/** The list of participants: we first. */
export function people(v: View): Person[] {
  const c = v.conference;
  const self: Person = {
    id: c.id, name: nameOf(c.name, c.id), self: true, moderator: c.isModerator, micMuted: c.slots.a0.track === null,
    cameraOff: c.slots.v0.track === null, handUp: c.raisedHand,
  };
  const others = c.members.map((m): Person => ({
    id: m.id, name: nameOf(m.name, m.id), self: false, moderator: m.role === "moderator", micMuted: micMuted(m),
    cameraOff: m.sources.get(`${m.id}-v0`)?.muted ?? true, handUp: m.raisedHand > 0,
  }));
  return [self, ...others];
}

/** The tile that should be large: the pinned one, else the latest screen of somebody else. */
export function stagedTile(v: View, tiles: Map<string, TileState>, asGrid: boolean): string {
  if (v.pinned && tiles.has(v.pinned)) return v.pinned;
  if (asGrid) return "";
  const screens = [...tiles].filter(([, s]) => s.desktop && !s.self);
  return screens.at(-1)?.[0] ?? "";
}
