import { Emitter } from "./emitter";
import { restartAnswer, restartRequest, sessionAccept, sessionTerminate, sourceChange } from "./jingle";
import { planEncodings, type LocalSlots, type Slot, type SlotName } from "./local";
import { applyMappings, release, type Mapping } from "./maps";
import type { Content, Kind, Offer, Source, Transport } from "./media";
import { NS } from "./names";
import {
  codecsOffered, mungeSimulcast, preferCodec, randomSsrc, readContent, readSent, readTransport, splitSdp, writeCandidate, writeOffer,
  type Line, type SimulcastCache,
} from "./sdp";
import type { Stream } from "./stream";
import type { Element } from "./xml";

/** A source of somebody else, with the track it plays on. */
export interface RemoteTrack {
  source: Source;
  track: MediaStreamTrack;
}

/** What the transport of a session is up to. */
export type MediaState = "connecting" | "connected" | "interrupted" | "failed" | "closed";

interface SessionEvents {
  track: [RemoteTrack];
  untrack: [RemoteTrack];
  state: [MediaState];
  /** The focus refused our answer, or the browser its offer: nothing will come of it. */
  broken: [Error];
  /** The focus does not let us send this. */
  refused: [SlotName, Error];
}

export interface SessionOptions {
  stream: Stream;
  /** Our endpoint id and occupant JID. */
  id: string;
  ownJid: string;
  slots: LocalSlots;
  iceServers: RTCIceServer[];
  /** Preferred video codec, lower-case. */
  codec: string;
  simulcast: boolean;
  lastN: number;
}

const acceptTimeout = 10_000;
const gatherTime = 60;
const encodings = 3;

/**
 * Firefox differs twice: it does simulcast when the offer asks by rid, where
 * the others need their answer edited; and it needs spare m-lines, see below.
 */
const isFirefox = (): boolean => navigator.userAgent.includes("Firefox/");

/**
 * One Jingle session with the focus and the RTCPeerConnection behind it.
 *
 * The browser never hears Jingle: it is shown offers written on the server's
 * behalf, one m-line for each source, and always answers. Whatever changes,
 * on either side, is put into the list of m-lines and then negotiated anew.
 * m-lines of sources that went away are used again.
 */
export class Session extends Emitter<SessionEvents> {
  readonly pc: RTCPeerConnection;
  readonly offer: Offer;
  readonly tracks = new Map<string, RemoteTrack>();
  /** The bridge's half, of the latest ICE restart. */
  #transport: Transport;
  #generation = 0;
  #lines: Line[] = [];
  #slotLines = new Map<SlotName, Line>();
  #version = 1;
  #tasks: Promise<void> = Promise.resolve();
  #dirty = false;
  #accepted = false;
  #closed = false;
  #codec: string;
  #simulcast: SimulcastCache = new Map();
  /** Sources the focus knows of us, by name. */
  #signalled = new Map<string, Source>();
  /** What was last set on a slot's sender, to leave alone what is right. */
  #plans = new Map<SlotName, string>();

  constructor(
    offer: Offer,
    readonly options: SessionOptions,
  ) {
    super();
    this.offer = offer;
    this.#transport = offer.transport;
    this.#codec = options.codec;
    this.pc = new RTCPeerConnection({ iceServers: options.iceServers, bundlePolicy: "max-bundle", rtcpMuxPolicy: "require" });
    this.pc.addEventListener("connectionstatechange", () => this.#onState());
    this.pc.addEventListener("iceconnectionstatechange", () => this.#onState());
    this.#buildLines();
  }

  get sid(): string {
    return this.offer.sid;
  }

  /** Answers the offer. */
  start(): void {
    this.#run(async () => {
      await this.#negotiate();
      await this.#gather();
      await this.#accept();
      this.#accepted = true;
    });
  }

  /** Names of the video codecs that the focus offered. */
  get codecs(): string[] {
    return codecsOffered(this.offer.contents.find((c) => c.kind === "video"));
  }

  addSources(sources: Source[]): void {
    for (const s of sources) this.#addSource(s);
    this.#changed();
  }

  removeSources(names: string[]): void {
    for (const name of names) {
      const line = this.#lines.find((l) => l.source?.name === name && !this.#isSlotLine(l));
      if (line) [line.source, line.direction] = [undefined, "inactive"];
    }
    this.#changed();
  }

  removeOwner(owner: string): void {
    const owned = this.#lines.filter((l) => l.source?.owner === owner);
    owned.filter((l) => l.mapped).forEach(release);
    const names = owned.flatMap((l) => (l.mapped ? [] : [l.source!.name]));
    if (names.length > 0) this.removeSources(names);
    else this.#relabelled();
  }

  /** The bridge tells what its SSRCs carry. */
  mapSources(mappings: Mapping[]): void {
    if (applyMappings(this.#lines, mappings, (kind) => this.#freeLine(kind))) this.#changed();
    else this.#relabelled();
  }

  /** Call it after a slot got or lost its track. */
  slotChanged(slot: Slot): void {
    const known = this.#signalled.has(`${this.options.id}-${slot.name}`);
    if (slot.track && !known) return this.#changed();
    this.#run(async () => {
      await this.#sender(slot.name)?.replaceTrack(slot.track);
      await this.#setEncodings(slot);
    });
  }

  /** Call it after a slot's maxHeight changed. */
  constraintChanged(slot: Slot): void {
    this.#run(() => this.#setEncodings(slot));
  }

  useCodec(codec: string): void {
    if (codec === this.#codec) return;
    this.#codec = codec;
    this.#changed();
  }

  /** Ends the session without telling anybody. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.pc.close();
    for (const t of this.tracks.values()) this.emit("untrack", t);
    this.tracks.clear();
    this.emit("state", "closed");
  }

  /** Tells the focus that the session is over; with restart it makes a new one. */
  async terminate(reason: string, text: string, restart: boolean): Promise<void> {
    const { sid, initiator, bridgeSession } = this.offer;
    await this.#send(sessionTerminate(sid, initiator, bridgeSession.id, reason, text, restart));
  }

  /** Asks for new ICE credentials within the session; the answer is given to restarted. */
  async requestRestart(): Promise<void> {
    const { sid, initiator, bridgeSession } = this.offer;
    await this.#send(restartRequest(sid, initiator, bridgeSession.id));
  }

  /**
   * Takes the bridge's half of an ICE restart and answers with ours. Both
   * sides use the old path until the new one is connected. Candidates come
   * after the negotiation: in the offer they would make Chromium give up the
   * old path at once.
   */
  restarted(transport: Transport, generation: number): void {
    this.#run(async () => {
      if (generation <= this.#generation) return;
      this.#generation = generation;
      const { fingerprint } = this.#transport;
      this.#transport = { ...transport, fingerprint, candidates: [] };
      await this.#negotiate();
      const first = this.#lines[0]!;
      for (const c of transport.candidates) {
        await this.pc.addIceCandidate({ candidate: writeCandidate(c).slice(2), sdpMid: first.mid, sdpMLineIndex: 0 });
      }
      this.#transport.candidates = transport.candidates;
      await this.#gather();
      const mine = readTransport(this.pc.localDescription?.sdp ?? "");
      await this.#send(restartAnswer(this.offer.sid, this.offer.initiator, first.content.name, mine, generation));
    });
  }

  #send(jingle: Element): Promise<Element> {
    return this.options.stream.iq("set", this.offer.initiator, jingle, acceptTimeout);
  }

  // Everything that touches the peer connection goes through here, one after the other.
  #run(task: () => Promise<void>): void {
    this.#tasks = this.#tasks.then(async () => {
      if (this.#closed) return;
      try {
        await task();
      } catch (err) {
        if (!this.#closed) this.emit("broken", err as Error);
      }
    });
  }

  /** Several changes in a row make one negotiation. */
  #changed(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#run(async () => {
      await this.#negotiate();
      if (this.#accepted) await this.#tellSources();
    });
  }

  /** Nothing to negotiate; but tracks may be somebody else's now. */
  #relabelled(): void {
    this.#run(async () => this.#collectTracks());
  }

  // The list of m-lines.

  #buildLines(): void {
    for (const c of this.offer.contents) {
      if (this.#lines.some((l) => l.content.kind === c.kind)) continue;
      this.#push(c, c.kind === "application" ? "sendrecv" : c.direction);
    }
    this.#claim("a0", "audio");
    this.#claim("v0", "video");
    if (isFirefox()) this.#spareLines();
    for (const s of this.offer.sources) this.#addSource(s);
  }

  /**
   * COMPAT(Firefox): while a payload type is received on one m-line only,
   * Firefox gives it every packet of an SSRC it does not know, and the source
   * that is announced a moment later stays mute on its own m-line. So there is
   * always a second m-line, with an SSRC that nobody sends.
   */
  #spareLines(): void {
    for (const kind of ["audio", "video"] as const) {
      const content = this.offer.contents.find((c) => c.kind === kind);
      if (!content) continue;
      const source: Source = {
        name: `spare-${kind}`, owner: "jvb", kind, videoType: "camera", msid: `mixedmslabel spare${kind}`, ssrcs: [randomSsrc()], groups: [],
      };
      this.#push(content, "sendonly").source = source;
    }
  }

  #push(content: Content, direction: Line["direction"]): Line {
    const line: Line = { mid: String(this.#lines.length), content, direction, source: undefined, rids: 0 };
    this.#lines.push(line);
    return line;
  }

  /** The first m-line of a kind is where we send; the bridge's own source shares it. */
  #claim(name: SlotName, kind: Content["kind"]): void {
    const line = this.#lines.find((l) => l.content.kind === kind);
    if (!line) return;
    this.#slotLines.set(name, line);
    line.source = this.offer.sources.find((s) => s.kind === kind && isBridgeOwn(s));
    if (name === "v0" && this.options.simulcast && isFirefox()) line.rids = encodings;
  }

  #addSource(s: Source): void {
    if (isBridgeOwn(s) || s.owner === this.options.id || this.#lines.some((l) => l.source?.name === s.name)) return;
    const line = this.#freeLine(s.kind);
    if (line) [line.source, line.direction] = [s, "sendonly"];
  }

  #freeLine(kind: Kind): Line | undefined {
    const content = this.offer.contents.find((c) => c.kind === kind);
    if (!content) return undefined;
    const free = this.#lines.find((l) => l.direction === "inactive" && l.content.kind === kind && !this.#isSlotLine(l));
    return free ?? this.#push(content, "sendonly");
  }

  #isSlotLine(line: Line): boolean {
    return [...this.#slotLines.values()].includes(line);
  }

  // Negotiation.

  async #negotiate(): Promise<void> {
    this.#dirty = false;
    this.#orderCodecs();
    this.#screenLine();
    await this.pc.setRemoteDescription({ type: "offer", sdp: writeOffer(this.#lines, this.#transport, this.#version++) });
    for (const slot of this.options.slots.all) await this.#attach(slot);
    const answer = await this.pc.createAnswer();
    await this.pc.setLocalDescription({ type: "answer", sdp: this.#munge(answer.sdp ?? "") });
    this.#plans.clear();
    for (const slot of this.options.slots.all) await this.#setEncodings(slot);
    this.#collectTracks();
  }

  #orderCodecs(): void {
    for (const name of ["v0", "v1"] as const) {
      const line = this.#slotLines.get(name);
      if (line) line.content = preferCodec(line.content, this.#codec);
    }
  }

  /** The screen gets an m-line of its own when it is first shared. */
  #screenLine(): void {
    const { v1 } = this.options.slots;
    const content = this.offer.contents.find((c) => c.kind === "video");
    if (!v1.used || !content || this.#slotLines.has("v1")) return;
    this.#slotLines.set("v1", this.#push(preferCodec(content, this.#codec), "recvonly"));
  }

  #transceiver(name: SlotName): RTCRtpTransceiver | undefined {
    const mid = this.#slotLines.get(name)?.mid;
    return mid === undefined ? undefined : this.pc.getTransceivers().find((t) => t.mid === mid);
  }

  #sender(name: SlotName): RTCRtpSender | undefined {
    return this.#transceiver(name)?.sender;
  }

  async #attach(slot: Slot): Promise<void> {
    const t = this.#transceiver(slot.name);
    if (!t || !slot.used) return;
    await t.sender.replaceTrack(slot.track);
    t.direction = slot.name === "v1" ? "sendonly" : "sendrecv";
  }

  #munge(sdp: string): string {
    const line = this.#slotLines.get("v0");
    if (!line || !this.options.simulcast || isFirefox()) return sdp;
    return mungeSimulcast(sdp, line.mid, this.#simulcast);
  }

  async #setEncodings(slot: Slot): Promise<void> {
    const sender = this.#sender(slot.name);
    if (slot.kind !== "video" || !sender || !slot.track) return;
    const p = sender.getParameters();
    if (!p.encodings?.length) return;
    const height = slot.track.getSettings().height ?? 720;
    const plan = planEncodings(p.encodings.length, height, slot.maxHeight, this.#codec, slot.videoType === "desktop");
    const text = JSON.stringify([slot.track.id, plan]);
    if (this.#plans.get(slot.name) === text) return;
    this.#plans.set(slot.name, text);
    await setParameters(sender, plan);
  }

  #collectTracks(): void {
    const playing = new Map<string, Line>();
    for (const l of this.#lines) if (l.source?.name && !isBridgeOwn(l.source) && !this.#isSlotLine(l)) playing.set(l.source.name, l);
    for (const [name, t] of this.tracks) {
      if (playing.get(name)?.source === t.source) continue;
      this.tracks.delete(name);
      this.emit("untrack", t);
    }
    for (const [name, line] of playing) {
      const track = this.pc.getTransceivers().find((t) => t.mid === line.mid)?.receiver.track;
      if (!track || this.tracks.has(name)) continue;
      const remote = { source: line.source!, track };
      this.tracks.set(name, remote);
      this.emit("track", remote);
    }
  }

  /**
   * Waits a moment for candidates: they can only go into session-accept, and
   * a server that has them need not wait for our first check to get through.
   */
  #gather(): Promise<void> {
    const { pc } = this;
    if (pc.iceGatheringState === "complete") return Promise.resolve();
    return new Promise((resolve) => {
      pc.addEventListener("icegatheringstatechange", () => pc.iceGatheringState === "complete" && resolve());
      setTimeout(resolve, gatherTime);
    });
  }

  // Telling the focus.

  async #accept(): Promise<void> {
    const sdp = this.pc.localDescription?.sdp ?? "";
    const { media } = splitSdp(sdp);
    const contents = this.offer.contents.flatMap((c) => {
      const line = this.#lines.find((l) => l.content.kind === c.kind);
      const section = media.find((m) => m.mid === line?.mid);
      return section && !section.rejected ? [readContent(section, c.name)] : [];
    });
    this.#signalled = new Map(this.#localSources().map((s) => [s.name, s]));
    const answer = {
      sid: this.offer.sid, initiator: this.offer.initiator, responder: this.options.ownJid, contents,
      transport: readTransport(sdp), sources: [...this.#signalled.values()], lastN: this.options.lastN,
    };
    await this.#send(sessionAccept(answer));
    await this.#tellSources();
  }

  /** What the local description says we send. */
  #localSources(): Source[] {
    const { media } = splitSdp(this.pc.localDescription?.sdp ?? "");
    return this.options.slots.all.flatMap((slot) => {
      const section = media.find((m) => m.mid === this.#slotLines.get(slot.name)?.mid);
      if (!slot.used || !section?.sends) return [];
      const { ssrcs, groups } = readSent(section);
      return ssrcs.length > 0 ? [this.#localSource(slot, ssrcs, groups)] : [];
    });
  }

  #localSource(slot: Slot, ssrcs: number[], groups: Source["groups"]): Source {
    const index = slot.name.slice(1);
    return {
      name: `${this.options.id}-${slot.name}`, owner: this.options.id, kind: slot.kind, videoType: slot.videoType,
      msid: `${this.options.id}-${slot.kind}-${index}-1 ${this.options.id}-${slot.name}-1`, ssrcs, groups,
    };
  }

  /** Announces what changed since the focus last heard of it. */
  async #tellSources(): Promise<void> {
    const now = new Map(this.#localSources().map((s) => [s.name, s]));
    const changed = (a: Source, b: Source | undefined): boolean => JSON.stringify(a) !== JSON.stringify(b);
    const gone = [...this.#signalled.values()].filter((s) => changed(s, now.get(s.name)));
    const added = [...now.values()].filter((s) => changed(s, this.#signalled.get(s.name)));
    if (gone.length > 0) await this.#tell("source-remove", gone);
    if (added.length > 0) await this.#tell("source-add", added);
    this.#signalled = now;
  }

  async #tell(action: "source-add" | "source-remove", sources: Source[]): Promise<void> {
    try {
      await this.#send(sourceChange(action, this.offer.sid, this.offer.initiator, sources));
    } catch (err) {
      if (action === "source-remove") return; // it forgets them with the session
      for (const s of sources) this.emit("refused", s.name.slice(-2) as SlotName, err as Error);
    }
  }

  #onState(): void {
    if (this.#closed) return;
    this.emit("state", this.state);
  }

  get state(): MediaState {
    if (this.#closed) return "closed";
    const { connectionState, iceConnectionState } = this.pc;
    if (connectionState === "failed" || iceConnectionState === "failed") return "failed";
    if (connectionState === "disconnected" || iceConnectionState === "disconnected") return "interrupted";
    return connectionState === "connected" ? "connected" : "connecting";
  }

  /** The name of the source that an m-line carries, ours or another's. */
  nameOf(mid: string): string {
    const line = this.#lines.find((l) => l.mid === mid);
    const slot = [...this.#slotLines].find(([, l]) => l === line)?.[0];
    return slot ? `${this.options.id}-${slot}` : (line?.source?.name ?? "");
  }
}

/** The bridge sends feedback from SSRCs of its own; they never carry media. */
function isBridgeOwn(s: Source): boolean {
  return s.owner === "jvb" || s.msid.startsWith("mixedmslabel");
}

/** Sets a plan; a browser that knows no scalability modes gets it without them. */
async function setParameters(sender: RTCRtpSender, plan: ReturnType<typeof planEncodings>): Promise<void> {
  for (const withMode of [true, false]) {
    const p = sender.getParameters();
    p.encodings.forEach((e, i) => {
      const { scalabilityMode, ...rest } = plan[i]!;
      Object.assign(e, rest, withMode && scalabilityMode ? { scalabilityMode } : {});
      if (!withMode) delete (e as { scalabilityMode?: string }).scalabilityMode;
    });
    try {
      return await sender.setParameters(p);
    } catch (err) {
      if (!withMode) throw err;
    }
  }
}

/** Whether a Jingle IQ is addressed to this session. */
export function belongsTo(session: Session | undefined, iq: Element): session is Session {
  const jingle = iq.child("jingle", NS.jingle);
  return session !== undefined && jingle?.attr("sid") === session.sid && iq.attr("from") === session.offer.initiator;
}
