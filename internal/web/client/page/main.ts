import { Conference, JoinError, readConfig, type EndReason, type Settings } from "../protocol";
import { DeviceError, Devices } from "./devices";
import { askPassword } from "./dialogs";
import { h } from "./dom";
import { showGoodbye, showProblem } from "./goodbye";
import { installHooks, setCurrent, setPhase } from "./hooks";
import { Meeting } from "./meeting";
import { applyAddress, readOptions, recall, type PageOptions } from "./options";
import { Prejoin, type JoinChoice } from "./prejoin";
import { showWelcome } from "./welcome";
import { joinError } from "./words";

const meta = (name: string): string => document.querySelector<HTMLMetaElement>(`meta[name=${name}]`)?.content ?? "";

function start(): void {
  installHooks();
  const root = document.getElementById("app")!;
  const room = meta("plenum-room");
  if (!room) return showWelcome(root, meta("plenum-tenant"));
  const address = new URL(location.href);
  const settings = readConfig(applyAddress((globalThis as { config?: unknown }).config, address));
  if (!settings.websocket) {
    void showProblem(root, room, "This server has no meetings: its configuration names no address to join them.").then(() => location.reload());
    return;
  }
  void visit(root, room, settings, readOptions(address));
}

/** From the page before a meeting to the page after it, and round again. */
async function visit(root: HTMLElement, room: string, settings: Settings, options: PageOptions): Promise<never> {
  const devices = new Devices();
  devices.resolution = options.resolution || settings.resolution;
  for (let first = true; ; first = false) {
    setPhase("prejoin");
    const choice = first && !options.prejoin ? await withoutPage(devices, options) : await new Prejoin(devices, room, options).run(root);
    await meet(root, room, settings, options, devices, choice);
  }
}

/** What the page before the meeting would have decided. */
async function withoutPage(devices: Devices, options: PageOptions): Promise<JoinChoice> {
  const open = async (wanted: boolean, get: () => Promise<MediaStreamTrack>): Promise<MediaStreamTrack | null> => {
    try {
      return wanted ? await get() : null;
    } catch (err) {
      if (err instanceof DeviceError) return null;
      throw err;
    }
  };
  const mic = await open(!options.audioMuted, () => devices.openMic());
  const camera = await open(!options.videoMuted, () => devices.openCamera());
  return { name: options.name || recall().name, mic, camera };
}

async function meet(root: HTMLElement, room: string, settings: Settings, options: PageOptions, devices: Devices, choice: JoinChoice): Promise<void> {
  const conference = new Conference({ settings, room, name: choice.name, token: options.token });
  const meeting = new Meeting(conference, devices, room);
  setCurrent(meeting);
  if (choice.mic) meeting.use("a0", choice.mic);
  if (choice.camera) meeting.use("v0", choice.camera);
  try {
    showJoining(root, room);
    await enter(conference);
    muteInLargeMeeting(conference, settings);
    const end = await meeting.run(root);
    await afterwards(root, room, end, meeting.minutes);
  } catch (err) {
    conference.leave();
    const reason = err instanceof JoinError ? err.reason : "failed";
    await showProblem(root, room, joinError(reason, err instanceof Error ? err.message : String(err)));
  } finally {
    for (const slot of conference.slots.all) slot.track?.stop();
    setCurrent(undefined);
  }
}

function showJoining(root: HTMLElement, room: string): void {
  root.replaceChildren(h("main", { class: "card center" }, h("p", { class: "row", role: "status" }, h("span", { class: "spinner", "aria-hidden": "true" }), `Joining ${room}…`)));
}

/** Joins, asking for the password as often as it takes. */
async function enter(conference: Conference): Promise<void> {
  let password = "";
  for (let asked = false; ; asked = true) {
    try {
      return await conference.join(password);
    } catch (err) {
      if (!(err instanceof JoinError) || err.reason !== "password") throw err;
      password = await askPassword(asked);
      if (!password) throw err;
    }
  }
}

/** config.js may want latecomers to start silent. */
function muteInLargeMeeting(c: Conference, s: Settings): void {
  const others = c.members.length;
  const silence = (slot: "a0" | "v0"): void => {
    const track = c.slots[slot].track;
    c.setTrack(slot, null);
    track?.stop();
  };
  if (s.startAudioMuted >= 0 && others >= s.startAudioMuted) silence("a0");
  if (s.startVideoMuted >= 0 && others >= s.startVideoMuted) silence("v0");
}

async function afterwards(root: HTMLElement, room: string, end: EndReason, minutes: string): Promise<void> {
  setPhase("goodbye");
  setCurrent(undefined);
  await showGoodbye(root, room, end, minutes);
}

start();
