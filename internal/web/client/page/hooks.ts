import type { BridgeMessage, Conference, SessionStats } from "../protocol";
import type { Meeting } from "./meeting";

/** What tests and curious people can ask of the page, as `window.plenum`. */
export interface Hooks {
  /** "welcome", "prejoin", or the state of the conference. */
  state: string;
  conference: Conference | undefined;
  stats(): Promise<PageStats>;
  /** What can be seen of the meeting now, and what is asked for. */
  readonly screen: ScreenState | undefined;
  /** Break connections as a bad network would. */
  dropSocket(): void;
  dropChannel(): void;
}

export interface ScreenState {
  mode: string;
  quality: string;
  /** Key of the large tile, "" for none. */
  staged: string;
  /** Keys of the tiles that can be seen, the large one first. */
  visible: string[];
  /** Pages count from 0. */
  page: number;
  pages: number;
  /** The ReceiverVideoConstraints that were last set. */
  asked: BridgeMessage;
  /** How often they were. */
  asks: number;
}

export interface PageStats {
  state: string;
  id: string;
  name: string;
  moderator: boolean;
  members: { id: string; name: string; sources: Record<string, unknown> }[];
  media: string;
  sid: string;
  channelOpen: boolean;
  speaker: string;
  forwarded: string[];
  tracks: string[];
  received: SessionStats["received"];
  sent: SessionStats["sent"];
  rtt: number;
}

let current: Meeting | undefined;
let phase = "welcome";

export function setPhase(name: string): void {
  phase = name;
}

export function setCurrent(meeting: Meeting | undefined): void {
  current = meeting;
}

function screen(m: Meeting): ScreenState {
  const { tiles, view, quality } = m;
  return { mode: view.stage.mode, quality, staged: view.stage.key, visible: tiles.visible, page: tiles.page, pages: tiles.pages, asked: m.asked, asks: m.asks };
}

async function stats(): Promise<PageStats> {
  const c = current?.conference;
  const s = await c?.stats();
  return {
    state: state(),
    id: c?.id ?? "",
    name: c?.name ?? "",
    moderator: c?.isModerator ?? false,
    members: (c?.members ?? []).map((m) => ({ id: m.id, name: m.name, sources: Object.fromEntries(m.sources) })),
    media: c?.mediaState ?? "closed",
    sid: c?.sid ?? "",
    channelOpen: c?.channelOpen ?? false,
    speaker: current?.view.speaker ?? "",
    forwarded: [...(current?.view.forwarded ?? [])],
    tracks: (c?.tracks ?? []).map((t) => t.source.name),
    received: s?.received ?? [],
    sent: s?.sent ?? [],
    rtt: s?.rtt ?? 0,
  };
}

const state = (): string => current?.conference.state ?? phase;

export function installHooks(): void {
  const hooks: Hooks = {
    get state() {
      return state();
    },
    get conference() {
      return current?.conference;
    },
    stats,
    get screen() {
      return current && screen(current);
    },
    dropSocket: () => current?.conference.dropSocket(),
    dropChannel: () => current?.conference.dropChannel(),
  };
  (globalThis as unknown as { plenum: Hooks }).plenum = hooks;
}
