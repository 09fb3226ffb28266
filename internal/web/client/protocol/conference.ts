import { BridgeChannel, receiveMessage, type BridgeMessage, type ReceiveConstraints } from "./channel";
import { answerCommon, connect, fetchServices, keepAlive } from "./connection";
import { Emitter } from "./emitter";
import type { ConferenceEvents, ConferenceOptions, ConferenceState, EndReason } from "./events";
import { parseOffer, parseRestart, parseSources } from "./jingle";
import { joinError } from "./join";
import { readMappings } from "./maps";
import { LocalSlots, muteKindOf, type SlotName } from "./local";
import { endpointId, NS, nodeOf, roomNode, sleep, type MuteKind } from "./names";
import type { Member, OwnPresence, RoomStatus } from "./presence";
import { Recovery } from "./recovery";
import { Room, type RoomInfo } from "./room";
import { belongsTo, Session, type MediaState, type RemoteTrack } from "./session";
import { chooseCodec, iceServers, type Service } from "./settings";
import { refusalOf, resultOf } from "./stanza";
import { EndpointStats, readStats, type SessionStats } from "./stats";
import type { Stream, StreamState } from "./stream";
import { el, type Element } from "./xml";

const restartAttempts = 3;
const restartInterval = 5_500;
const statsEvery = 10_000;
const longestRejoin = 30_000;
const focusAbsence = 15_000;

/** A meeting, from the address to the tracks. It survives lost connections. */
export class Conference extends Emitter<ConferenceEvents> {
  readonly slots = new LocalSlots();
  #state: ConferenceState = "idle";
  #stream: Stream | undefined;
  #room: Room | undefined;
  #session: Session | undefined;
  #channel: BridgeChannel | undefined;
  #own: OwnPresence;
  #focusUserJid = "";
  #services: Service[] = [];
  #receive: ReceiveConstraints = { lastN: -1, onStage: [], selected: [], defaultHeight: 180, heights: new Map() };
  #recovery: Recovery | undefined;
  #restarts = 0;
  #startedOver = 0;
  #lastRestart = 0;
  #abort = new AbortController();
  #stats = new EndpointStats();
  #timer: ReturnType<typeof setInterval> | undefined;
  #focusGone: ReturnType<typeof setTimeout> | undefined;
  #moderated = new Set<string>();
  #approved = new Set<string>();
  #password = "";
  /** What a moderator had silenced of us: the bridge drops it until we say that it is on again. */
  #silenced = new Set<MuteKind>();

  constructor(readonly options: ConferenceOptions) {
    super();
    this.#own = { name: options.name, sources: new Map(), codecs: options.settings.codecs, raisedHand: 0, properties: new Map() };
    this.#receive.lastN = options.settings.lastN;
    globalThis.addEventListener?.("online", () => {
      this.#stream?.hurry();
      this.#recovery?.networkChanged();
    });
  }

  get state(): ConferenceState {
    return this.#state;
  }

  /** Our endpoint id; "" before we are in. */
  get id(): string {
    return this.#room?.id ?? "";
  }

  /** Everybody else, without the focus. */
  get members(): Member[] {
    return [...(this.#room?.members.values() ?? [])].filter((m) => m.id !== "focus");
  }

  member(id: string): Member | undefined {
    return this.#room?.members.get(id);
  }

  get isModerator(): boolean {
    return this.#room?.self?.role === "moderator";
  }

  get info(): RoomInfo | undefined {
    return this.#room?.info;
  }

  get mediaState(): MediaState {
    return this.#session?.state ?? "closed";
  }

  /** The media session's id in Jingle, "" while there is none; for tests and logs. */
  get sid(): string {
    return this.#session?.sid ?? "";
  }

  get name(): string {
    return this.#own.name;
  }

  get raisedHand(): boolean {
    return this.#own.raisedHand > 0;
  }

  /** Tracks of the others, as they are now. */
  get tracks(): RemoteTrack[] {
    return [...(this.#session?.tracks.values() ?? [])];
  }

  // Coming and going.

  /** Enters the meeting. After a JoinError "password" call it again with one. */
  async join(password = ""): Promise<void> {
    try {
      if (!this.#stream || this.#stream.state === "offline") {
        this.#setState("connecting");
        await this.#connect();
      }
      await this.#enter(password);
    } catch (err) {
      throw joinError(err);
    }
    this.#password = password;
    this.#setState("joined");
    void keepAlive(this.options.settings, roomNode(this.options.room), this.#abort.signal, () => void this.#rejoin());
    this.#timer ??= setInterval(() => void this.#reportStats(), statsEvery);
  }

  async #connect(): Promise<void> {
    const { settings, room, token, socket } = this.options;
    const o = { settings, room: roomNode(room), token: token ?? "", socket, signal: this.#abort.signal };
    const { stream, focusUserJid } = await connect(o, (s) => this.#listen(s));
    this.#stream = stream;
    this.#focusUserJid = focusUserJid;
    void fetchServices(stream, settings.domain).then((found) => found.length > 0 && (this.#services = found));
  }

  #listen(stream: Stream): void {
    stream.on("stanza", (s) => this.#onStanza(stream, s));
    stream.on("state", (s) => this.#onStreamState(s));
    stream.on("lost", (err) => {
      this.#room?.abandon(err);
      void this.#rejoin();
    });
  }

  async #enter(password: string): Promise<void> {
    const stream = this.#stream!;
    const id = endpointId(stream.jid);
    this.#own.sources = this.slots.sourceInfo(id);
    const room = new Room(stream, `${roomNode(this.options.room)}@${this.options.settings.muc}`, id, this.#own);
    this.#room = room;
    room.on("joined", (m) => this.#onJoined(m));
    room.on("changed", (m) => this.#onChanged(m));
    room.on("left", (m, status) => this.#onLeft(m, status));
    room.on("out", (status) => this.#onOut(room, status));
    room.on("chat", (m) => this.emit("chat", m));
    room.on("subject", (s) => this.emit("subject", s));
    room.on("configured", (i) => this.emit("info", i));
    room.on("muted", (kind, by) => this.#onMuted(kind, by));
    room.on("json", (m, from) => this.#onJson(m, from));
    await room.join(password);
  }

  /** Leaves for good. */
  leave(): void {
    this.#end({ kind: "left", by: "", reason: "" });
  }

  #end(reason: EndReason): void {
    if (this.#state === "ended") return;
    const session = this.#session;
    if (session && this.#stream?.state === "online") void session.terminate("success", "", false).catch(() => undefined);
    if (reason.kind === "left") this.#room?.leave();
    this.#dropMedia();
    this.#stream?.close();
    this.#abort.abort();
    clearInterval(this.#timer);
    this.#setState("ended");
    this.emit("ended", reason);
  }

  #setState(state: ConferenceState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }

  #onStreamState(s: StreamState): void {
    if (s === "resuming" && this.#state === "joined") this.#setState("reconnecting");
    if (s === "online" && this.#state === "reconnecting" && this.#room?.self) this.#setState("joined");
  }

  /** Starts over with a new session at the server, until it works or we are told to stop. */
  async #rejoin(): Promise<void> {
    if (this.#state !== "joined" && this.#state !== "reconnecting") return;
    this.#setState("reconnecting");
    this.#forgetRoom();
    for (let wait = 1000; !this.#abort.signal.aborted; wait = Math.min(2 * wait, longestRejoin)) {
      await sleep(wait * (0.5 + Math.random() / 2));
      if (this.#abort.signal.aborted) return;
      try {
        await this.#connect();
        await this.#enter(this.#password);
        return this.#setState("joined");
      } catch (err) {
        this.#stream?.close();
        const reason = joinError(err).reason;
        if (reason !== "unreachable" && reason !== "failed") return this.#end({ kind: "failed", by: "", reason });
      }
    }
  }

  #forgetRoom(): void {
    this.#dropMedia();
    const room = this.#room;
    this.#room = undefined;
    this.#silenced.clear();
    this.#stream?.close();
    this.#stream = undefined;
    const status: RoomStatus = { codes: new Set(), actor: "", reason: "", destroyed: undefined };
    for (const m of room?.members.values() ?? []) if (m.id !== "focus") this.emit("left", m, status);
  }

  // What we tell and ask.

  /** Puts a track into a slot, or takes it away to be muted. */
  setTrack(name: SlotName, track: MediaStreamTrack | null): void {
    const slot = this.slots.set(name, track);
    this.#session?.slotChanged(slot);
    this.#own.sources = this.slots.sourceInfo(this.id);
    this.#room?.publish();
    if (slot.kind === "video") this.#tellVideoType(name);
    const kind = muteKindOf[name];
    if (track && this.#silenced.delete(kind)) void this.#room?.mute(this.id, kind, false).catch(() => undefined);
  }

  setName(name: string): void {
    this.#own.name = name;
    this.#room?.publish();
  }

  raiseHand(up: boolean): void {
    this.#own.raisedHand = up ? Date.now() : 0;
    this.#room?.publish();
  }

  /** Says which pictures are wanted, and how large. */
  setReceive(c: ReceiveConstraints): void {
    const before = JSON.stringify(receiveMessage(this.#receive));
    this.#receive = c;
    const message = receiveMessage(c);
    if (JSON.stringify(message) !== before) this.#channel?.send(message);
  }

  /** Writes to everybody, or to one member. */
  say(text: string, to?: string): void {
    this.#room?.say(text, to);
  }

  mute(id: string, kind: MuteKind): Promise<void> {
    return this.#room?.mute(id, kind) ?? Promise.resolve();
  }

  kick(id: string, reason = ""): Promise<void> {
    return this.#room?.kick(id, reason) ?? Promise.resolve();
  }

  grantModerator(id: string): Promise<void> {
    return this.#room?.grantModerator(id) ?? Promise.resolve();
  }

  lock(password: string): Promise<void> {
    return this.#room?.lock(password) ?? Promise.resolve();
  }

  /** Whether the room's rules let us send this kind now. */
  mayUnmute(kind: MuteKind): boolean {
    return this.isModerator || !this.#moderated.has(kind) || this.#approved.has(kind);
  }

  // Stanzas.

  #onStanza(stream: Stream, s: Element): void {
    if (s.name === "iq") {
      if (s.child("jingle", NS.jingle)) return this.#onJingle(s);
      if (answerCommon(stream, s) || this.#room?.handle(s)) return;
      return stream.refuse(s);
    }
    if (this.#room?.handle(s)) return;
    const json = s.child("json-message", NS.jitmeet);
    if (json) this.#onServiceJson(json.text());
  }

  #onServiceJson(text: string): void {
    try {
      this.#onJson(JSON.parse(text) as Record<string, unknown>, "");
    } catch {
      // A service we do not know speaks otherwise.
    }
  }

  #onMuted(kind: MuteKind, by: string): void {
    this.#silenced.add(kind);
    this.emit("muted", kind, this.member(by)?.name || by);
  }

  #onJson(m: Record<string, unknown>, from: string): void {
    const trusted = from === "" || from === this.#room?.jid;
    if (!trusted) return;
    if (m["type"] === "room_metadata") this.#onMetadata((m["metadata"] ?? {}) as Record<string, unknown>);
    if (m["type"] === "av_moderation") this.#onModeration(m);
  }

  #onMetadata(metadata: Record<string, unknown>): void {
    if (Array.isArray(metadata["services"])) {
      this.#services = (metadata["services"] as Service[]).map((s) => ({ ...s, port: String(s.port) }));
    }
    const start = metadata["startMuted"] as { audio?: unknown; video?: unknown } | undefined;
    if (this.#room?.self || !start) return;
    if (start.audio === true) this.emit("muted", "audio", "");
    if (start.video === true) this.emit("muted", "video", "");
  }

  #onModeration(m: Record<string, unknown>): void {
    const kind = m["mediaType"] as MuteKind;
    if ("whitelists" in m) return;
    if (typeof m["enabled"] === "boolean") {
      if (m["enabled"]) this.#moderated.add(kind);
      else this.#moderated.delete(kind);
      this.#approved.delete(kind);
    } else if (m["removed"] === true) this.#approved.delete(kind);
    else if (m["approved"] === true) this.#approved.add(kind);
    else return;
    this.emit("moderation", kind, this.mayUnmute(kind));
  }

  #onJoined(m: Member): void {
    if (m.id === "focus") return clearTimeout(this.#focusGone);
    this.#chooseCodec();
    this.emit("joined", m);
  }

  #onChanged(m: Member): void {
    if (m.id === "focus") return;
    this.#chooseCodec();
    this.emit("changed", m);
  }

  #onLeft(m: Member, status: RoomStatus): void {
    if (m.id === "focus") {
      // Without a focus nothing works; it may be on its way back.
      this.#focusGone = setTimeout(() => void this.#rejoin(), focusAbsence);
      return;
    }
    this.#session?.removeOwner(m.id);
    this.#chooseCodec();
    this.emit("left", m, status);
  }

  #onOut(room: Room, status: RoomStatus): void {
    if (room !== this.#room || this.#state === "ended" || this.#state === "connecting") return;
    if (status.destroyed) return this.#end({ kind: "destroyed", by: "", reason: status.destroyed.reason });
    if (status.codes.has(307)) {
      const by = room.members.get(status.actor)?.name ?? "";
      return this.#end({ kind: "kicked", by, reason: status.reason });
    }
    void this.#rejoin();
  }

  #chooseCodec(): void {
    const session = this.#session;
    session?.useCodec(this.#codecFor(session.codecs));
  }

  #codecFor(offered: string[]): string {
    return chooseCodec(this.options.settings.codecs, offered, this.members.map((m) => m.codecs));
  }

  // The media session.

  #onJingle(iq: Element): void {
    const jingle = iq.child("jingle", NS.jingle)!;
    const stream = this.#stream!;
    if (jingle.attr("action") === "session-initiate") return this.#onInitiate(iq, jingle);
    const session = this.#session;
    if (!belongsTo(session, iq)) {
      return stream.send(refusalOf(iq, "cancel", "item-not-found", el("unknown-session", { xmlns: "urn:xmpp:jingle:errors:1" })));
    }
    switch (jingle.attr("action")) {
      case "source-add":
        session.addSources(parseSources(jingle));
        break;
      case "source-remove":
        session.removeSources(parseSources(jingle).map((s) => s.name));
        break;
      case "session-terminate":
        this.#dropMedia();
        break;
      case "transport-info": {
        const restart = parseRestart(jingle);
        if (restart) session.restarted(restart.transport, restart.generation);
        break;
      }
      case "transport-replace":
        break;
      default:
        return stream.send(refusalOf(iq, "cancel", "bad-request"));
    }
    stream.send(resultOf(iq));
  }

  /** Only the focus may offer; between participants there are no sessions here. */
  #onInitiate(iq: Element, jingle: Element): void {
    const stream = this.#stream!;
    const room = this.#room;
    const focus = room?.members.get("focus");
    const trusted = focus?.realJid.startsWith(`${this.#focusUserJid}/`) || this.#focusUserJid === "";
    if (!room || iq.attr("from") !== room.focusJid || !focus || !trusted) {
      return stream.send(refusalOf(iq, "cancel", "service-unavailable"));
    }
    if (jingle.attr("sid") === this.#session?.sid) return stream.send(refusalOf(iq, "cancel", "service-unavailable"));
    stream.send(resultOf(iq));
    try {
      this.#startSession(room, jingle);
    } catch (err) {
      this.#end({ kind: "failed", by: "", reason: String(err) });
    }
  }

  #startSession(room: Room, jingle: Element): void {
    this.#dropMedia();
    const offer = parseOffer(jingle);
    if (!offer.initiator) offer.initiator = room.focusJid;
    const { settings } = this.options;
    const session = new Session(offer, {
      stream: this.#stream!, id: room.id, ownJid: room.ownJid, slots: this.slots, lastN: settings.lastN,
      iceServers: iceServers(this.#services, settings.useTurnUdp), simulcast: settings.simulcast, codec: settings.codecs[0] ?? "vp8",
    });
    this.#session = session;
    this.#recovery = new Recovery(session, settings.iceRestart && offer.bridgeSession.id !== "", (why) => void this.#restart(session, why));
    session.useCodec(this.#codecFor(session.codecs));
    session.on("track", (t) => this.emit("track", t));
    session.on("untrack", (t) => this.emit("untrack", t));
    session.on("refused", (slot, err) => this.emit("refused", slot, err));
    session.on("state", (s) => this.#onMediaState(session, s));
    session.on("broken", (err) => void this.#restart(session, err.message));
    this.#openChannel(session);
    session.start();
    this.emit("media", session.state);
  }

  #dropMedia(): void {
    this.#channel?.close();
    this.#channel = undefined;
    const session = this.#session;
    this.#session = undefined;
    this.#recovery?.close();
    this.#recovery = undefined;
    session?.close();
    for (const slot of this.slots.all) slot.maxHeight = -1;
    if (session) this.emit("media", "closed");
  }

  #onMediaState(session: Session, s: MediaState): void {
    if (session !== this.#session) return;
    this.emit("media", s);
    if (s === "connected") [this.#restarts, this.#startedOver] = [0, 0];
    this.#recovery?.onState(s);
  }

  /**
   * Asks the focus for a new session. After three in vain the meeting is
   * joined anew, and after three of those it is over.
   */
  async #restart(session: Session, why: string): Promise<void> {
    if (session !== this.#session || this.#state === "ended") return;
    if (this.#restarts >= restartAttempts) return this.#startOver();
    const pause = Math.random() * 1000 * 2 ** this.#restarts++;
    // The focus refuses a second request within five seconds.
    await sleep(Math.max(pause, this.#lastRestart + restartInterval - Date.now()));
    if (session !== this.#session || session.state === "connected") return;
    this.#lastRestart = Date.now();
    try {
      await session.terminate("connectivity-error", why, true);
    } catch {
      if (session === this.#session && this.#stream?.state === "online") await this.#startOver();
    }
  }

  async #startOver(): Promise<void> {
    if (++this.#startedOver > restartAttempts) return this.#end({ kind: "failed", by: "", reason: "media" });
    this.#restarts = 0;
    await this.#rejoin();
  }

  // The bridge channel.

  #openChannel(session: Session): void {
    const channel = this.#makeChannel(session);
    this.#channel = channel;
    channel?.on("open", () => this.#onChannelOpen(channel));
    channel?.on("message", (m) => this.#onBridge(m));
  }

  /** The WebSocket can reconnect, so it is taken when there is a choice and nobody says otherwise. */
  #makeChannel(session: Session): BridgeChannel | undefined {
    const { contents, webSockets } = session.offer;
    const data = contents.some((c) => c.kind === "application");
    const url = webSockets[0];
    if (data && (this.options.settings.preferSctp || !url)) return BridgeChannel.overDataChannel(session.pc);
    return url ? BridgeChannel.overWebSocket(url) : undefined;
  }

  #onChannelOpen(channel: BridgeChannel): void {
    channel.send(receiveMessage(this.#receive));
    this.#tellVideoType("v0");
    this.#tellVideoType("v1");
  }

  #tellVideoType(name: SlotName): void {
    const slot = this.slots[name];
    if (!slot.used) return;
    const videoType = slot.track ? slot.videoType : "none";
    this.#channel?.send({ colibriClass: "SourceVideoTypeMessage", sourceName: `${this.id}-${name}`, videoType });
  }

  #onBridge(m: BridgeMessage): void {
    switch (m.colibriClass) {
      case "DominantSpeakerEndpointChangeEvent":
        if (m["silence"] === true) return;
        return this.emit("speaker", String(m["dominantSpeakerEndpoint"]), list(m["previousSpeakers"]));
      case "ForwardedSources":
        return this.emit("forwarded", new Set(list(m["forwardedSources"])));
      case "AudioSourcesMap":
      case "VideoSourcesMap":
        return this.#session?.mapSources(readMappings(m));
      case "SenderSourceConstraints":
        return this.#onConstraint(String(m["sourceName"]), Number(m["maxHeight"]));
      case "EndpointStats":
        return this.emit("endpointStats", String(m["from"]), m);
      case "EndpointConnectivityStatusChangeEvent":
        return this.emit("connectivity", String(m["endpoint"]), String(m["active"]) === "true");
      case "ConnectionStats":
        return this.emit("downlink", Number(m["estimatedDownlinkBandwidth"]) || 0, m["bridgeBusy"] === true);
    }
  }

  #onConstraint(source: string, maxHeight: number): void {
    const slot = this.slots.all.find((s) => source === `${this.id}-${s.name}`);
    if (!slot || !Number.isFinite(maxHeight) || slot.maxHeight === maxHeight) return;
    slot.maxHeight = maxHeight;
    this.#session?.constraintChanged(slot);
  }

  async #reportStats(): Promise<void> {
    const session = this.#session;
    if (!session || !this.#channel?.isOpen) return;
    const height = this.slots.v0.track?.getSettings().height ?? 0;
    try {
      const stats = this.#stats.next(await readStats(session), Date.now(), height);
      this.#channel?.send({ colibriClass: "EndpointStats", ...stats });
    } catch {
      // The session ended while its statistics were read.
    }
  }

  /** Statistics of the media session; undefined while there is none. */
  stats(): Promise<SessionStats | undefined> {
    return this.#session ? readStats(this.#session) : Promise.resolve(undefined);
  }

  /** Breaks the XMPP socket as a bad network would. For tests. */
  dropSocket(): void {
    this.#stream?.drop();
  }

  /** Breaks the bridge channel. For tests. */
  dropChannel(): void {
    this.#channel?.drop();
  }

  get channelOpen(): boolean {
    return this.#channel?.isOpen ?? false;
  }

  /** The node of the JID the server gave us; for tests and logs. */
  get user(): string {
    return nodeOf(this.#stream?.jid ?? "");
  }
}

function list(v: unknown): string[] {
  return Array.isArray(v) ? v.map(String) : [];
}
