import type { Conference, EndReason, MediaState, Member, MuteKind, RemoteTrack, SlotName } from "../protocol";
import { Chat } from "./chat";
import { DeviceError, type Devices } from "./devices";
import { confirm, showHelp } from "./dialogs";
import { h, toggleClass } from "./dom";
import { icon } from "./icons";
import { mostTiles, people, stagedTile, tileStates, type View } from "./model";
import { Notices } from "./notices";
import { remember } from "./options";
import { People, type PersonAction } from "./people";
import { openSettings } from "./settings-dialog";
import { Shortcuts, type Shortcut } from "./shortcuts";
import { Sound } from "./sound";
import { Tiles, type Wanted } from "./tiles";
import { Toolbar, type ToolName } from "./toolbar";
import { duration, nameOf } from "./words";

const tools: ToolName[] = ["mic", "camera", "screen", "hand", "chat", "people", "tiles", "settings", "leave"];
/** Above this many people comings and goings are not announced. */
const quietFrom = 30;

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
  readonly #lock = h("span", { class: "lock", hidden: true }, icon("lock"), h("span", { class: "sr-only" }, "locked with a password"));
  #linkBad = false;
  readonly #lonely = h(
    "div",
    { class: "lonely", hidden: true },
    h("p", {}, "You are the only one here."),
    h("button", { type: "button", class: "button primary", onclick: () => void this.#copyAddress() }, icon("link"), "Copy the address to send to others"),
  );
  readonly #body = h("div", { class: "meeting" });
  readonly #abort = new AbortController();
  #panel: "" | "chat" | "people" = "";
  #unread = 0;
  #asGrid = false;
  #renderQueued = false;
  #talking = false;
  #started = Date.now();
  /** True while a device is being opened: a second press must wait. */
  #busy = new Set<SlotName>();

  constructor(
    readonly conference: Conference,
    readonly devices: Devices,
    readonly room: string,
  ) {
    this.#view = { conference, speaker: "", earlier: [], forwarded: undefined, pinned: "" };
    const canShare = navigator.mediaDevices?.getDisplayMedia !== undefined;
    this.#toolbar = new Toolbar(tools.filter((t) => t !== "screen" || canShare), (name) => this.#press(name));
    this.#chat = new Chat(() => this.#togglePanel("chat"));
    this.#people = new People(() => this.#togglePanel("people"), () => void this.#copyAddress());
    this.#shortcuts = new Shortcuts(this.#shortcutList(), { start: () => void this.#talk(true), end: () => void this.#talk(false) });
    this.#wire();
  }

  /** Shows the meeting until it ends. */
  run(root: HTMLElement): Promise<EndReason> {
    const header = h("header", { class: "top" }, h("h1", {}, this.room), this.#lock, this.#clock, this.#more);
    const center = h("main", { class: "center-column" }, header, this.#tiles.element, this.#lonely, this.#toolbar.element, this.#notices.element);
    this.#body.append(center, this.#sound.element);
    root.replaceChildren(this.#body);
    this.#shortcuts.listen(this.#abort.signal);
    const clock = setInterval(() => this.#tick(), 1000);
    this.#catchUp();
    this.#render();
    void keepAwake();
    return new Promise((resolve) => {
      const done = (end: EndReason): void => {
        clearInterval(clock);
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

  // Listening to the conference.

  #wire(): void {
    const c = this.conference;
    c.on("joined", (m) => this.#onJoined(m));
    c.on("left", (m) => this.#onLeft(m));
    c.on("changed", () => this.#queueRender());
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
    this.#tiles.onWanted = (w) => this.#tellWanted(w);
    this.#chat.onSend = (text, to) => c.say(text, to);
    this.#people.onAction = (id, action) => void this.#moderate(id, action);
    this.#sound.onBlocked = () => this.#askForClick();
    const signal = this.#abort.signal;
    document.addEventListener("visibilitychange", () => this.#onVisibility(), { signal });
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.#queueRender(), { signal });
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
    this.#chat.setMembers(this.conference.members);
  }

  #onJoined(m: Member): void {
    if (this.conference.state === "joined" && this.conference.members.length < quietFrom) this.#notices.say(`${nameOf(m.name, m.id)} joined`);
    this.#chat.setMembers(this.conference.members);
    this.#queueRender();
  }

  #onLeft(m: Member): void {
    if (this.conference.state === "joined" && this.conference.members.length < quietFrom) this.#notices.say(`${nameOf(m.name, m.id)} left`);
    this.#chat.setMembers(this.conference.members);
    this.#queueRender();
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
    [this.#view.speaker, this.#view.earlier] = [id, earlier];
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
    this.#release(kind === "audio" ? "a0" : kind === "video" ? "v0" : "v1");
    this.#notices.say(by ? `${nameOf(by, by)} turned your ${what} off` : `Your ${what} starts turned off in this meeting`);
  }

  #onModeration(kind: MuteKind, free: boolean): void {
    const what = kind === "audio" ? "microphone" : kind === "video" ? "camera" : "screen sharing";
    this.#notices.say(free ? `You may turn your ${what} on now` : `A moderator decides who may turn their ${what} on`);
  }

  #onRefused(slot: SlotName): void {
    const what = slot === "a0" ? "microphone" : slot === "v0" ? "camera" : "screen";
    this.#release(slot);
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
    const states = tileStates(this.#view);
    const staged = stagedTile(this.#view, states, this.#asGrid);
    this.#tiles.show(states, staged);
    const hidden = this.conference.members.length - [...states.values()].filter((s) => !s.desktop && !s.self).length;
    this.#more.textContent = hidden > 0 ? `and ${hidden} more` : "";
    this.#people.show(people(this.#view), this.conference.isModerator);
    this.#lock.hidden = !this.conference.info?.locked;
    this.#renderTools(staged !== "");
    this.#renderLink();
  }

  #renderTools(staged: boolean): void {
    const { slots } = this.conference;
    const [mic, camera, screen] = [slots.a0.track !== null, slots.v0.track !== null, slots.v1.track !== null];
    const t = this.#toolbar;
    t.set("mic", { icon: mic ? "mic" : "micOff", label: mic ? "Mute microphone" : "Unmute microphone", pressed: mic, off: !mic });
    t.set("camera", { icon: camera ? "camera" : "cameraOff", label: camera ? "Stop camera" : "Start camera", pressed: camera, off: !camera });
    t.set("screen", { icon: screen ? "screenOff" : "screen", label: screen ? "Stop sharing your screen" : "Share your screen", pressed: screen });
    t.set("hand", { icon: "hand", label: this.conference.raisedHand ? "Lower your hand" : "Raise your hand", pressed: this.conference.raisedHand });
    t.set("chat", { icon: "chat", label: this.#panel === "chat" ? "Close chat" : "Open chat", pressed: this.#panel === "chat", badge: this.#unread });
    t.set("people", { icon: "people", label: this.#panel === "people" ? "Close participants" : "Open participants", pressed: this.#panel === "people" });
    t.set("tiles", { icon: staged ? "tiles" : "stage", label: staged ? "Show everybody equally large" : "Show one large" });
    t.set("settings", { icon: "settings", label: "Settings" });
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
    this.#lonely.hidden = bad || c.members.length > 0;
  }

  #tick(): void {
    const since = this.conference.info?.created || this.#started;
    this.#clock.textContent = duration(Date.now() - since);
  }

  #tellWanted(w: Wanted): void {
    const heights = new Map(w.heights);
    for (const name of [...heights.keys()]) if (name.startsWith(`${this.conference.id}-`)) heights.delete(name);
    const { lastN } = this.conference.options.settings;
    // Who has no tile yet will get one in a moment, unless there are too many.
    const defaultHeight = this.conference.members.length < mostTiles ? 180 : 0;
    this.conference.setReceive({ lastN, onStage: w.onStage, selected: [], defaultHeight, heights });
  }

  // Doing.

  #press(name: ToolName): void {
    const does: Record<ToolName, () => void> = {
      mic: () => void this.toggle("a0"),
      camera: () => void this.toggle("v0"),
      screen: () => void this.toggle("v1"),
      hand: () => this.#toggleHand(),
      chat: () => this.#togglePanel("chat"),
      people: () => this.#togglePanel("people"),
      tiles: () => this.#toggleTiles(),
      settings: () => this.#openSettings(),
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
      s("p", "Open or close the list of participants", () => this.#press("people")),
      s("r", "Raise or lower your hand", () => this.#press("hand")),
      s("w", "Everybody equally large, or one large", () => this.#press("tiles")),
      s("s", "Full screen", () => void this.#toggleFullScreen()),
      ...digits,
      s("?", "This list", () => void showHelp(this.#shortcuts.help())),
      { key: "escape", label: "Esc", what: "Close the open panel or dialog", run: () => this.#panel && this.#togglePanel(this.#panel) },
    ];
  }

  /** Turns the microphone, the camera or screen sharing on or off. */
  async toggle(slot: SlotName): Promise<void> {
    if (this.#busy.has(slot)) return;
    if (this.conference.slots[slot].track) {
      this.#release(slot);
      this.#rememberDevices();
      return;
    }
    await this.#acquire(slot);
    this.#rememberDevices();
  }

  #rememberDevices(): void {
    const { a0, v0 } = this.conference.slots;
    remember({ micOn: a0.track !== null, cameraOn: v0.track !== null });
  }

  async #acquire(slot: SlotName): Promise<void> {
    const kind: MuteKind = slot === "a0" ? "audio" : slot === "v0" ? "video" : "desktop";
    if (!this.conference.mayUnmute(kind)) return this.#notices.error("A moderator has to allow that first. Raise your hand to ask.");
    this.#busy.add(slot);
    try {
      const d = this.devices;
      const track = await (slot === "a0" ? d.openMic() : slot === "v0" ? d.openCamera() : d.openScreen());
      if (track) this.use(slot, track);
    } catch (err) {
      this.#notices.error(err instanceof DeviceError ? err.message : String(err));
    } finally {
      this.#busy.delete(slot);
    }
  }

  /** Sends a track. A device that is pulled out, or a share ended elsewhere, mutes. */
  use(slot: SlotName, track: MediaStreamTrack): void {
    const before = this.conference.slots[slot].track;
    if (slot === "v1") track.contentHint = "detail";
    track.addEventListener("ended", () => this.conference.slots[slot].track === track && this.#release(slot));
    this.conference.setTrack(slot, track);
    before?.stop();
    this.#queueRender();
  }

  #release(slot: SlotName): void {
    const track = this.conference.slots[slot].track;
    this.conference.setTrack(slot, null);
    track?.stop();
    this.#queueRender();
  }

  /** Push to talk: the microphone is on while Space is down. */
  async #talk(down: boolean): Promise<void> {
    if (down && this.conference.slots.a0.track) return;
    this.#talking = down;
    if (down) await this.#acquire("a0");
    if (!this.#talking) this.#release("a0");
  }

  #toggleHand(): void {
    this.conference.raiseHand(!this.conference.raisedHand);
    this.#notices.announce(this.conference.raisedHand ? "Your hand is up" : "Your hand is down");
    this.#queueRender();
  }

  #togglePanel(which: "chat" | "people"): void {
    const tool = this.#panel;
    this.#panel = this.#panel === which ? "" : which;
    this.#chat.element.remove();
    this.#people.element.remove();
    if (this.#panel === "chat") this.#unread = 0;
    if (this.#panel) this.#body.insertBefore(this.#panel === "chat" ? this.#chat.element : this.#people.element, this.#sound.element);
    toggleClass(this.#body, "with-panel", this.#panel !== "");
    this.#render();
    if (this.#panel === "chat") this.#chat.focus();
    else if (this.#panel === "people") this.#people.element.querySelector<HTMLElement>("button")?.focus();
    else this.#toolbar.element.querySelector<HTMLElement>(`[data-tool=${tool}]`)?.focus();
  }

  #pin(key: string): void {
    this.#view.pinned = this.#view.pinned === key ? "" : key;
    this.#asGrid = this.#view.pinned === "";
    this.#render();
  }

  #pinNumber(n: number): void {
    const key = n === 0 ? "" : (this.#tiles.at(n - 1) ?? "");
    this.#view.pinned = key;
    this.#asGrid = key === "";
    this.#render();
  }

  /** From a large tile back to the grid; from the grid to whoever speaks. */
  #toggleTiles(): void {
    const states = tileStates(this.#view);
    if (stagedTile(this.#view, states, this.#asGrid)) {
      this.#view.pinned = "";
      this.#asGrid = true;
    } else {
      this.#asGrid = false;
      const speaker = `${this.#view.speaker}-v0`;
      if (!stagedTile(this.#view, states, false)) this.#view.pinned = states.has(speaker) ? speaker : ([...states.keys()][0] ?? "");
    }
    this.#render();
  }

  async #toggleFullScreen(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen?.();
  }

  async #moderate(id: string, action: PersonAction): Promise<void> {
    const m = this.conference.member(id);
    const name = nameOf(m?.name ?? "", id);
    if (action === "remove" && !(await confirm(`Remove ${name}?`, "They leave the meeting at once. They can come back unless you lock it.", "Remove"))) return;
    const does: Record<PersonAction, () => Promise<void>> = {
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
    const slot: SlotName = kind === "audioinput" ? "a0" : "v0";
    if (this.conference.slots[slot].track) await this.#acquire(slot);
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
