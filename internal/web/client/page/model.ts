import type { Conference, Member } from "../protocol";
import type { Links } from "./links";
import { arrange } from "./layout";
import { Order } from "./order";
import type { Person } from "./people";
import type { Candidates, Stage } from "./stage";
import type { TileState } from "./tile";
import type { Picture } from "./tiles";
import { byName, nameOf } from "./words";

/** What the page knows beside the conference itself. */
export interface View {
  conference: Conference;
  links: Links;
  stage: Stage;
  order: Order;
  speaker: string;
  /** Video sources that the bridge forwards; undefined while it has not said. */
  forwarded: Set<string> | undefined;
  /** Screens of the others in the order they were shared. */
  screens: string[];
  /** Pictures of others are shown. */
  pictures: boolean;
}

const cameraOf = (id: string): string => `${id}-v0`;
const ownerOf = (key: string): string => key.slice(0, key.lastIndexOf("-"));

/** Brings what is remembered of places up to date with who is there. */
export function updateSeats(v: View): void {
  const { members } = v.conference;
  v.order.update(members.map((m) => m.id), (id) => cameraOn(v.conference.member(id)));
  v.screens = inOrder(v.screens, members.flatMap(screensOf));
}

/** Keeps the order of what was there before; what is new comes last. */
export function inOrder(before: readonly string[], now: readonly string[]): string[] {
  const here = new Set(now);
  const known = new Set(before);
  return [...before.filter((s) => here.has(s)), ...now.filter((s) => !known.has(s))];
}

function screensOf(m: Member): string[] {
  return [...m.sources].flatMap(([name, s]) => (s.videoType === "desktop" && !s.muted ? [name] : []));
}

/** What could be shown large. */
export function candidates(v: View): Candidates {
  const { id } = v.conference;
  const all = new Set([...v.screens, ...ownScreens(v), ...v.order.seats.map(cameraOf), cameraOf(id)]);
  const speaker = v.speaker !== id && v.conference.member(v.speaker) ? cameraOf(v.speaker) : "";
  const first = v.order.seats[0];
  return { all, screens: v.screens, speaker, first: cameraOf(first ?? id) };
}

/** What the tiles are to show now. */
export function picture(v: View): Picture {
  const tracks: Tracks = new Map(v.conference.tracks.map((t) => [t.source.name, t.track]));
  const staged = v.stage.key;
  const self = cameraOf(v.conference.id);
  const screens = [...v.screens, ...ownScreens(v)].filter((key) => key !== staged);
  const seats = v.order.seats.map(cameraOf);
  const others = seats.filter((key) => key !== staged);
  const count = screens.length + others.length + (staged === self ? 0 : 1);
  return {
    staged,
    count,
    arrange: (perPage) => {
      const people = perPage - screens.length - (staged === self ? 0 : 1);
      // Who is on stage has a seat too, which is empty in the strip.
      const seat = seats.indexOf(staged);
      v.order.front = Math.max(0, people + (seat >= 0 && seat <= people ? 1 : 0));
      return staged === self ? [...screens, ...others] : arrange(screens, others, self, perPage);
    },
    state: (key) => tileState(v, tracks, key),
  };
}

type Tracks = Map<string, MediaStreamTrack>;

function ownScreens(v: View): string[] {
  return v.conference.slots.v1.track ? [`${v.conference.id}-v1`] : [];
}

function tileState(v: View, tracks: Tracks, key: string): TileState {
  const c = v.conference;
  const id = ownerOf(key);
  const own = id === c.id;
  const desktop = own ? key.endsWith("-v1") : v.screens.includes(key);
  if (own) return desktop ? { ...ownTile(v, key), desktop: true, video: c.slots.v1.track, speaking: false, handUp: false } : ownTile(v, key);
  const m = c.member(id);
  return m ? otherTile(v, tracks, m, key, desktop) : { ...ownTile(v, key), name: nameOf("", id), self: false, video: null };
}

function otherTile(v: View, tracks: Tracks, m: Member, source: string, desktop: boolean): TileState {
  const state = m.sources.get(source);
  const on = state !== undefined && !state.muted && (desktop || state.videoType !== "desktop");
  const link = v.links.of(m.id, source, on && v.pictures, v.forwarded);
  return {
    name: nameOf(m.name, m.id), self: false, desktop, video: on && v.pictures ? (tracks.get(source) ?? null) : null, micMuted: micMuted(m),
    speaking: !desktop && v.speaker === m.id && !micMuted(m), handUp: !desktop && m.raisedHand > 0, pinned: v.stage.pinned === source,
    paused: link.suspended ? link.text : "", connection: { bars: link.bars, text: link.text }, avatarUrl: desktop ? "" : m.avatarUrl,
  };
}

function ownTile(v: View, key: string): TileState {
  const { slots, id, name } = v.conference;
  return {
    name: nameOf(name, id), self: true, desktop: false, video: slots.v0.track, micMuted: slots.a0.track === null,
    speaking: v.speaker === id && slots.a0.track !== null, handUp: v.conference.raisedHand, pinned: v.stage.pinned === key, paused: "",
    connection: v.links.own(), avatarUrl: "",
  };
}

function micMuted(m: Member): boolean {
  return m.sources.get(`${m.id}-a0`)?.muted ?? true;
}

function cameraOn(m: Member | undefined): boolean {
  return m?.sources.get(cameraOf(m.id))?.muted === false;
}

/** The list of participants: we first, then raised hands as they went up, then by name. */
export function people(v: View): Person[] {
  const c = v.conference;
  const self: Person = {
    id: c.id, name: nameOf(c.name, c.id), self: true, moderator: c.isModerator, micMuted: c.slots.a0.track === null,
    cameraOff: c.slots.v0.track === null, handUp: c.raisedHand, pinned: v.stage.pinned === cameraOf(c.id),
  };
  const others = c.members.map((m) => ({ person: personOf(v, m), hand: m.raisedHand || Infinity }));
  others.sort((a, b) => (a.hand === b.hand ? byName.compare(a.person.name, b.person.name) : a.hand - b.hand));
  return [self, ...others.map((o) => o.person)];
}

function personOf(v: View, m: Member): Person {
  return {
    id: m.id, name: nameOf(m.name, m.id), self: false, moderator: m.role === "moderator", micMuted: micMuted(m),
    cameraOff: !cameraOn(m), handUp: m.raisedHand > 0, pinned: v.stage.pinned === cameraOf(m.id),
  };
}
