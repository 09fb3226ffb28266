import { receiveMessage, type BridgeMessage, type Conference, type EndReason, type MediaState, type Member, type MuteKind, type RemoteTrack, type SlotName } from "../protocol";
import { Chat } from "./chat";
import type { Devices } from "./devices";
import { choose, confirm, showHelp } from "./dialogs";
import { h, toggleClass } from "./dom";
import { icon } from "./icons";
import { Links } from "./links";
import { candidates, people, picture, updateSeats, type View } from "./model";
import { News } from "./news";
import { Notices } from "./notices";
import { recall, remember } from "./options";
import { Order } from "./order";
import { OwnLink } from "./own-link";
import { People, type PersonAction } from "./people";
import { openQuality } from "./quality";
import { Sending } from "./sending";
import { openSettings } from "./settings-dialog";
import { Shortcuts, type Shortcut } from "./shortcuts";
import { Sound } from "./sound";
import { Stage } from "./stage";
import { Tiles, type Visible } from "./tiles";
import { Toolbar, type ToolName } from "./toolbar";
import { Wanted, type Quality } from "./wanted";
import { duration, nameOf } from "./words";

const tools: ToolName[] = ["mic", "camera", "screen", "hand", "chat", "people", "tiles", "quality", "settings", "more", "leave"];
/** ms in which comings and goings are gathered before they are told, and how many people make that longer. */
const newsEvery = 1_500;
const newsEveryInCrowd = 6_000;
const crowd = 30;
/** A panel covers everything on screens as narrow as this; see app.css. */
const narrow = "(max-width: 52rem)";

/** The page of a running meeting: it shows a Conference and steers it. */
export class Meeting {
  readonly #view: View;
  readonly #notices = new Notices();
  readonly #sound = new Sound();
  readonly #tiles = new Tiles();
  readonly #toolbar: Toolbar;
  readonly #chat: Chat;
  readonly #people: People;
  readonly #shortcuts: Shortcuts;
  readonly #clock = h("span", { class: "clock" });
  readonly #more = h("span", { class: "clock" });
  readonly #ownLink = new OwnLink();
  readonly #lock = h("span", { class: "lock", hidden: true }, icon("lock"), h("span", { class: "sr-only" }, "locked with a password"));
  #linkBad = false;
  readonly #sending: Sending;
  readonly #links: Links;
  readonly #wanted = new Wanted();
  readonly #news = new News();
  readonly #audioOnly = h(
    "div",
    { class: "audio-only", role: "status", hidden: true },
    h("p", {}, "Audio only: pictures of the others are turned off."),
    h("button", { type: "button", class: "button small", onclick: () => this.setQuality("best") }, "Turn pictures on"),
  );
  readonly #lonely = h(
    "div",
    { class: "lonely", hidden: true },
    h("p", {}, "You are the only one here."),
    h("button", { type: "button", class: "button primary", onclick: () => void this.#copyAddress() }, icon("link"), "Copy the address to send to others"),
  );
  readonly #body = h("div", { class: "meeting" });
  readonly #abort = new AbortController();
  /** Whose hands are up, and who should be brought to the first page. */
  readonly #hands = new Set<string>();
  readonly #toBring = new Set<string>();
  #panel: "" | "chat" | "people" = "";
  #unread = 0;
  #renderQueued = false;
  #newsTimer: ReturnType<typeof setTimeout> | undefined;
  #chatMembers = "";
  #started = Date.now();
  #quality: Quality = recall().quality;
  #visible: Visible = { shown: [], staged: "", away: false };

  constructor(
    readonly conference: Conference,
    readonly devices: Devices,
    readonly room: string,
  ) {
    this.#links = new Links(conference, () => this.#queueRender());
    this.#view = {
      conference, links: this.#links, stage: new Stage(recall().mode), order: new Order(), speaker: "", forwarded: undefined, screens: [],
      pictures: this.#quality !== "audio",
    };
    this.#sending = new Sending(conference, devices, this.#notices, () => this.#queueRender());
    const canShare = navigator.mediaDevices?.getDisplayMedia !== undefined;
    this.#toolbar = new Toolbar(tools.filter((t) => t !== "screen" || canShare), (name, byKeyboard) => this.#press(name, byKeyboard));
    this.#chat = new Chat(() => this.#togglePanel("chat"));
    this.#people = new People(() => this.#togglePanel("people"), () => void this.#copyAddress());
    this.#shortcuts = new Shortcuts(this.#shortcutList(), { start: () => void this.#sending.talk(true), end: () => void this.#sending.talk(false) });
    this.#wire();
    this.#tellWanted(); // nothing is on the screen yet
  }

  /** Shows the meeting until it ends. */
  run(root: HTMLElement): Promise<EndReason> {
    const header = h("header", { class: "top" }, h("h1", {}, this.room), this.#lock, this.#clock, this.#more, this.#ownLink.element);
    const center = h("main", { class: "center-column" }, header, this.#audioOnly, this.#tiles.element, this.#lonely, this.#toolbar.element, this.#notices.element);
    this.#body.append(center, this.#sound.element);
    root.replaceChildren(this.#body);
    this.#shortcuts.listen(this.#abort.signal);
    this.#links.listen(this.#abort.signal);
    const clock = setInterval(() => this.#tick(), 1000);
    this.#catchUp();
    this.#render();
    void keepAwake();
    return new Promise((resolve) => {
      const done = (end: EndReason): void => {
        clearInterval(clock);
        clearTimeout(this.#newsTimer);
        this.#abort.abort();
        document.querySelectorAll("dialog").forEach((d) => d.remove());
        resolve(end);
      };
      this.conference.on("ended", done);
    });
  }

  /** How long the meeting was on screen, in words; "" for less than a minute. */
  get minutes(): string {
    const ms = Date.now() - this.#started;
    return ms < 60_000 ? "" : duration(ms);
  }

  get view(): View {
    return this.#view;
  }

  get tiles(): Tiles {
    return this.#tiles;
  }

  /** What the bridge was last asked for, and how often; for tests. */
  asked: BridgeMessage = { colibriClass: "" };
  asks = 0;

  get quality(): Quality {
    return this.#quality;
  }

  /** Sends a track from now on. */
  use(slot: SlotName, track: MediaStreamTrack): void {
    this.#sending.use(slot, track);
  }

  // Listening to the conference.

  #wire(): void {
    const c = this.conference;
    c.on("joined", (m) => this.#onJoined(m));
    c.on("left", (m) => this.#onLeft(m));
    c.on("changed", (m) => this.#onChanged(m));
    c.on("track", (t) => this.#onTrack(t));
    c.on("untrack", (t) => this.#onUntrack(t));
    c.on("speaker", (id, earlier) => this.#onSpeaker(id, earlier));
    c.on("forwarded", (names) => this.#onForwarded(names));
    c.on("chat", (m) => this.#onChat(m));
    c.on("muted", (kind, by) => this.#onMuted(kind, by));
    c.on("moderation", (kind, free) => this.#onModeration(kind, free));
    c.on("refused", (slot) => this.#onRefused(slot));
    c.on("state", () => this.#queueRender());
    c.on("media", (s) => this.#onMedia(s));
    c.on("info", () => this.#queueRender());
    this.#tiles.onPin = (key) => this.#pin(key);
    this.#tiles.onVisible = (v) => {
      this.#visible = v;
      this.#tellWanted();
    };
    this.#chat.onSend = (text, to) => c.say(text, to);
    this.#people.onAction = (id, action) => void this.#moderate(id, action);
    this.#ownLink.onPress = (text) => this.#notices.say(text);
    this.#sound.onBlocked = () => this.#askForClick();
    const signal = this.#abort.signal;
    document.addEventListener("visibilitychange", () => this.#onVisibility(), { signal });
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.#queueRender(), { signal });
    matchMedia(narrow).addEventListener("change", () => this.#cover(), { signal });
    window.addEventListener("pagehide", () => c.leave(), { signal });
  }

  #onVisibility(): void {
    this.#tiles.pageShown(!document.hidden);
    if (!document.hidden) void keepAwake();
  }

  /** What happened between joining and being shown. */
  #catchUp(): void {
    for (const t of this.conference.tracks) this.#onTrack(t);
    this.#sound.useSpeaker(this.devices.speaker);
    for (const m of this.conference.members) if (m.raisedHand > 0) this.#toBring.add(m.id);
  }

  #onJoined(m: Member): void {
    this.#news.came(m.id, nameOf(m.name, m.id));
    this.#tellNews();
    this.#onChanged(m);
  }

  #onLeft(m: Member): void {
    this.#hands.delete(m.id);
    this.#news.went(m.id, nameOf(m.name, m.id));
    this.#tellNews();
    this.#queueRender();
  }

  /** A hand that goes up comes where it is seen. */
  #onChanged(m: Member): void {
    if (m.raisedHand === 0) this.#hands.delete(m.id);
    else if (!this.#hands.has(m.id)) {
      this.#hands.add(m.id);
      this.#toBring.add(m.id);
    }
    this.#queueRender();
  }

  /** Waits for more of the same: a crowd that comes is one sentence. */
  #tellNews(): void {
    if (this.conference.state !== "joined") return void this.#news.take();
    this.#newsTimer ??= setTimeout(() => {
      this.#newsTimer = undefined;
      for (const text of this.#news.take()) this.#notices.say(text);
    }, this.conference.members.length < crowd ? newsEvery : newsEveryInCrowd);
  }

  #onTrack(t: RemoteTrack): void {
    if (t.source.kind === "audio") this.#sound.add(t);
    this.#queueRender();
  }

  #onUntrack(t: RemoteTrack): void {
    if (t.source.kind === "audio") this.#sound.remove(t.source.name);
    this.#queueRender();
  }

  #onSpeaker(id: string, earlier: string[]): void {
    // Whom we did not hear because we came later counts as well.
    const now = performance.now();
    if (this.#view.speaker === "") earlier.forEach((e, i) => (this.#view.order.heard(e, now - 1000 * (i + 1)), this.#toBring.add(e)));
    this.#view.speaker = id;
    this.#queueRender();
  }

  #onMedia(state: MediaState): void {
    if (state === "closed") [this.#view.speaker, this.#view.forwarded] = ["", undefined];
    this.#queueRender();
  }

  #onForwarded(names: Set<string>): void {
    this.#view.forwarded = names;
    this.#queueRender();
  }

  #onChat(m: Parameters<Chat["add"]>[0]): void {
    const name = nameOf(m.name, m.from);
    this.#chat.add(m, nameOf(this.conference.member(m.to)?.name ?? "", m.to));
    if (m.own || m.history || this.#panel === "chat") return;
    this.#unread++;
    this.#notices.announce(`Message from ${name}: ${m.text}`);
    this.#queueRender();
  }

  /** A moderator, or the room's rules, made us silent. */
  #onMuted(kind: MuteKind, by: string): void {
    const what = { audio: "microphone", video: "camera", desktop: "screen sharing" }[kind];
    this.#sending.release(kind === "audio" ? "a0" : kind === "video" ? "v0" : "v1");
    this.#notices.say(by ? `${nameOf(by, by)} turned your ${what} off` : `Your ${what} starts turned off in this meeting`);
  }

  #onModeration(kind: MuteKind, free: boolean): void {
    const what = kind === "audio" ? "microphone" : kind === "video" ? "camera" : "screen sharing";
    this.#notices.say(free ? `You may turn your ${what} on now` : `A moderator decides who may turn their ${what} on`);
  }

  #onRefused(slot: SlotName): void {
    const what = slot === "a0" ? "microphone" : slot === "v0" ? "camera" : "screen";
    this.#sending.release(slot);
    this.#notices.error(`The meeting does not take your ${what} now: too many are on, or a moderator has not allowed it.`);
  }

  // Showing.

  #queueRender(): void {
    if (this.#renderQueued) return;
    this.#renderQueued = true;
    requestAnimationFrame(() => {
      this.#renderQueued = false;
      this.#render();
    });
    // Frames do not come to hidden pages.
    if (document.hidden) setTimeout(() => this.#renderQueued && ((this.#renderQueued = false), this.#render()), 100);
  }

  #render(): void {
    updateSeats(this.#view);
    this.#settle();
    const staged = this.#view.stage.key !== "";
    this.#tiles.show(picture(this.#view));
    const all = this.conference.members.length + 1;
    this.#more.textContent = all > 2 ? `${all} people` : "";
    this.#renderPanel();
    this.#lock.hidden = !this.conference.info?.locked;
    this.#audioOnly.hidden = this.#quality !== "audio";
    this.#renderTools(staged);
    this.#renderLink();
  }

  /** What is not open need not be up to date. */
  #renderPanel(): void {
    if (this.#panel === "people") this.#people.show(people(this.#view), this.conference.isModerator);
    if (this.#panel !== "chat") return;
    const names = this.conference.members.map((m) => `${m.id} ${m.name}`).join();
    if (names === this.#chatMembers) return;
    this.#chatMembers = names;
    this.#chat.setMembers(this.conference.members);
  }

  /** Decides who sits where and who is large. */
  #settle(): void {
    const { order, stage, speaker, screens } = this.#view;
    const now = performance.now();
    const isKept = (id: string): boolean => stage.pinned === `${id}-v0` || stage.key === `${id}-v0`;
    if (speaker !== this.conference.id && this.conference.member(speaker)) {
      order.heard(speaker, now);
      this.#toBring.add(speaker);
    }
    for (const id of this.#toBring) if (order.bring(id, now, isKept) || id !== speaker) this.#toBring.delete(id);
    const before = stage.choose(candidates(this.#view), now);
    // Who leaves the stage sits down where the new one got up: nobody else moves.
    const isPerson = (key: string): boolean => order.seats.includes(idOf(key)) && !screens.includes(key);
    if (before !== stage.key && !stage.pinned && isPerson(before) && isPerson(stage.key)) order.swap(idOf(before), idOf(stage.key));
  }

  #renderTools(staged: boolean): void {
    const { slots } = this.conference;
    const [mic, camera, screen] = [slots.a0.track !== null, slots.v0.track !== null, slots.v1.track !== null];
    const t = this.#toolbar;
    t.set("mic", { icon: mic ? "mic" : "micOff", label: mic ? "Mute microphone" : "Unmute microphone", active: mic, off: !mic });
    t.set("camera", { icon: camera ? "camera" : "cameraOff", label: camera ? "Stop camera" : "Start camera", active: camera, off: !camera });
    t.set("screen", { icon: screen ? "screenOff" : "screen", label: screen ? "Stop sharing your screen" : "Share your screen", active: screen });
    t.set("hand", { icon: "hand", label: this.conference.raisedHand ? "Lower your hand" : "Raise your hand", active: this.conference.raisedHand });
    t.set("chat", { icon: "chat", label: this.#panel === "chat" ? "Close chat" : "Open chat", active: this.#panel === "chat", badge: this.#unread });
    t.set("people", { icon: "people", label: this.#panel === "people" ? "Close participants" : "Open participants", active: this.#panel === "people" });
    t.set("tiles", { icon: staged ? "tiles" : "stage", label: staged ? "Show everybody equally large" : "Show one large" });
    const quality = { best: "best", standard: "standard", low: "low", audio: "audio only" }[this.#quality];
    t.set("quality", { icon: "quality", label: `Video quality: ${quality}`, off: this.#quality === "audio" });
    t.set("settings", { icon: "settings", label: "Settings" });
    t.set("more", { icon: "more", label: "More" });
    t.set("leave", { icon: "leave", label: "Leave the meeting" });
  }

  /** Says what is wrong with the connection, and when it is well again. */
  #renderLink(): void {
    const c = this.conference;
    const media = c.mediaState;
    const away = c.state === "reconnecting";
    const bad = away || media === "interrupted" || media === "failed";
    if (bad) this.#notices.hold("link", away ? "Connection lost. Coming back…" : "Sound and pictures are interrupted. Coming back…");
    else if (this.#linkBad) {
      this.#notices.clear("link");
      this.#notices.say("The connection is back");
    }
    this.#linkBad = bad;
    const news = this.#ownLink.show(this.#links.own(), performance.now());
    if (news) this.#notices.announce(news);
    this.#lonely.hidden = bad || c.members.length > 0;
  }

  #tick(): void {
    const since = this.conference.info?.created || this.#started;
    this.#clock.textContent = duration(Date.now() - since);
    // A speaker may have had to wait for a seat or the stage.
    if (this.#toBring.size > 0 || this.#view.stage.mode === "stage") this.#queueRender();
  }

  #tellWanted(): void {
    const { lastN } = this.conference.options.settings;
    const wanted = this.#wanted.next({ ...this.#visible, quality: this.#quality, pixelRatio: devicePixelRatio, lastN });
    const message = receiveMessage(wanted);
    if (JSON.stringify(message) !== JSON.stringify(this.asked)) this.asks++;
    this.asked = message;
    this.conference.setReceive(wanted);
    this.#links.asked(wanted);
  }

  // Doing.

  #press(name: ToolName, byKeyboard = false): void {
    const does: Record<ToolName, () => void> = {
      mic: () => void this.#sending.toggle("a0"),
      camera: () => void this.#sending.toggle("v0"),
      screen: () => void this.#sending.toggle("v1"),
      hand: () => this.#toggleHand(),
      chat: () => this.#togglePanel("chat"),
      people: () => this.#togglePanel("people", byKeyboard),
      tiles: () => this.#toggleTiles(),
      quality: () => void openQuality(this.#quality, (q) => this.setQuality(q)),
      settings: () => this.#openSettings(),
      more: () => void this.#openMore(),
      leave: () => this.conference.leave(),
    };
    does[name]();
  }

  #shortcutList(): Shortcut[] {
    const s = (key: string, what: string, run: () => void): Shortcut => ({ key, label: key.toUpperCase(), what, run });
    const digits = Array.from({ length: 10 }, (_, i): Shortcut => ({
      key: String(i), label: i === 1 ? "1 – 9" : i === 0 ? "0" : "", what: i === 0 ? "Show everybody equally large" : "Show that participant large",
      run: () => this.#pinNumber(i),
    }));
    return [
      s("m", "Microphone on or off", () => this.#press("mic")),
      s("v", "Camera on or off", () => this.#press("camera")),
      s("d", "Share the screen, or stop", () => this.#press("screen")),
      s("c", "Open or close chat", () => this.#press("chat")),
      s("p", "Open or close the list of participants", () => this.#press("people", true)),
      s("r", "Raise or lower your hand", () => this.#press("hand")),
      s("w", "Everybody equally large, or one large", () => this.#press("tiles")),
      s("a", "Video quality", () => this.#press("quality")),
      { key: "pageup", label: "Page Up", what: "Previous page of participants", run: () => this.#tiles.turn(-1) },
      { key: "pagedown", label: "Page Down", what: "Next page of participants", run: () => this.#tiles.turn(1) },
      { key: "arrowleft", label: "", what: "", run: () => this.#tiles.turn(-1), onPageOnly: true },
      { key: "arrowright", label: "", what: "", run: () => this.#tiles.turn(1), onPageOnly: true },
      s("s", "Full screen", () => void this.#toggleFullScreen()),
      ...digits,
      s("?", "This list", () => void showHelp(this.#shortcuts.help())),
      { key: "escape", label: "Esc", what: "Close the open panel or dialog", run: () => this.#panel && this.#togglePanel(this.#panel) },
    ];
  }

  #toggleHand(): void {
    this.conference.raiseHand(!this.conference.raisedHand);
    this.#notices.announce(this.conference.raisedHand ? "Your hand is up" : "Your hand is down");
    this.#queueRender();
  }

  #togglePanel(which: "chat" | "people", byKeyboard = false): void {
    const tool = this.#panel;
    this.#panel = this.#panel === which ? "" : which;
    this.#chat.element.remove();
    this.#people.element.remove();
    this.#cover();
    if (this.#panel === "chat") this.#unread = 0;
    if (this.#panel) this.#body.insertBefore(this.#panel === "chat" ? this.#chat.element : this.#people.element, this.#sound.element);
    toggleClass(this.#body, "with-panel", this.#panel !== "");
    this.#render();
    if (this.#panel === "chat") this.#chat.focus();
    else if (this.#panel === "people") this.#people.focus(byKeyboard);
    else this.#toolbar.element.querySelector<HTMLElement>(`[data-tool=${tool}]`)?.focus();
  }

  /** On small screens an open panel hides all tiles. */
  #cover(): void {
    this.#tiles.cover(this.#panel !== "" && matchMedia(narrow).matches);
  }

  #pin(key: string): void {
    this.#view.stage.pin(key);
    this.#notices.announce(this.#view.stage.pinned ? "Kept on stage" : "No longer kept on stage");
    this.#render();
  }

  #pinNumber(n: number): void {
    const key = this.#tiles.at(n - 1);
    if (n === 0 && this.#view.stage.key) this.#toggleTiles();
    else if (n > 0 && key && key !== this.#view.stage.pinned) this.#pin(key);
  }

  /** From a large tile back to the grid; from the grid to whoever speaks. */
  #toggleTiles(): void {
    remember({ mode: this.#view.stage.toggle(this.#view.screens) });
    this.#render();
  }

  /** Limits the pictures of others; kept for the next meeting. */
  setQuality(q: Quality): void {
    this.#quality = q;
    this.#view.pictures = q !== "audio";
    remember({ quality: q });
    this.#tellWanted();
    this.#render();
  }

  async #toggleFullScreen(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen?.();
  }

  async #moderate(id: string, action: PersonAction): Promise<void> {
    if (action === "pin") return this.#pin(`${id}-v0`);
    const m = this.conference.member(id);
    const name = nameOf(m?.name ?? "", id);
    if (action === "remove" && !(await confirm(`Remove ${name}?`, "They leave the meeting at once. They can come back unless you lock it.", "Remove"))) return;
    const does: Record<Exclude<PersonAction, "pin">, () => Promise<void>> = {
      mute: () => this.conference.mute(id, "audio"),
      "stop-camera": () => this.conference.mute(id, "video"),
      "make-moderator": () => this.conference.grantModerator(id),
      remove: () => this.conference.kick(id),
    };
    try {
      await does[action]();
    } catch {
      this.#notices.error(`That did not work: the meeting did not allow it.`);
    }
  }

  async #openMore(): Promise<void> {
    const hidden = this.#toolbar.hidden.filter(([name]) => name !== "more");
    const chosen = await choose("More", hidden);
    if (chosen) this.#press(chosen as ToolName);
  }

  #openSettings(): void {
    const c = this.conference;
    void openSettings({
      devices: this.devices,
      name: c.name,
      moderator: c.isModerator,
      locked: c.info?.locked ?? false,
      deviceChanged: (kind) => void this.#deviceChanged(kind),
      rename: (name) => {
        remember({ name });
        c.setName(name);
        this.#queueRender();
      },
      lock: (password) => void this.#setLock(password),
      help: () => void showHelp(this.#shortcuts.help()),
    });
  }

  async #setLock(password: string): Promise<void> {
    try {
      await this.conference.lock(password);
      this.#notices.say(password ? "The meeting is locked now" : "The meeting is open now");
    } catch {
      this.#notices.error("The meeting did not allow that.");
    }
  }

  async #deviceChanged(kind: MediaDeviceKind): Promise<void> {
    if (kind === "audiooutput") return this.#sound.useSpeaker(this.devices.speaker);
    await this.#sending.changeDevice(kind);
  }

  async #copyAddress(): Promise<void> {
    const address = location.origin + location.pathname;
    try {
      await navigator.clipboard.writeText(address);
      this.#notices.say("The meeting's address was copied");
    } catch {
      this.#notices.say(`The meeting's address is ${address}`);
    }
  }

  #askForClick(): void {
    this.#notices.say("Click anywhere to hear the others");
    document.addEventListener("click", () => this.#sound.resume(), { once: true });
    document.addEventListener("keydown", () => this.#sound.resume(), { once: true });
  }
}

/** Keeps a phone's screen on; the browser ends it whenever the page is hidden. */
async function keepAwake(): Promise<void> {
  try {
    await navigator.wakeLock?.request("screen");
  } catch {
    // Low battery, or not allowed: the screen goes dark as usual.
  }
}

const idOf = (key: string): string => key.slice(0, key.lastIndexOf("-"));
