import type { Conference, MuteKind, SlotName } from "../protocol";
import { DeviceError, type Devices } from "./devices";
import type { Notices } from "./notices";
import { remember } from "./options";

/** Opens devices and sends what they give: microphone, camera, screen. */
export class Sending {
  #talking = false;
  /** Slots of which a device is being opened: a second press must wait. */
  readonly #busy = new Set<SlotName>();

  constructor(
    readonly conference: Conference,
    readonly devices: Devices,
    readonly notices: Notices,
    readonly changed: () => void,
  ) {}

  /** Turns the microphone, the camera or screen sharing on or off. */
  async toggle(slot: SlotName): Promise<void> {
    if (this.#busy.has(slot)) return;
    if (this.conference.slots[slot].track) this.release(slot);
    else await this.acquire(slot);
    const { a0, v0 } = this.conference.slots;
    remember({ micOn: a0.track !== null, cameraOn: v0.track !== null });
  }

  async acquire(slot: SlotName): Promise<void> {
    const kind: MuteKind = slot === "a0" ? "audio" : slot === "v0" ? "video" : "desktop";
    if (!this.conference.mayUnmute(kind)) return this.notices.error("A moderator has to allow that first. Raise your hand to ask.");
    this.#busy.add(slot);
    try {
      const d = this.devices;
      const track = await (slot === "a0" ? d.openMic() : slot === "v0" ? d.openCamera() : d.openScreen());
      if (track) this.use(slot, track);
    } catch (err) {
      this.notices.error(err instanceof DeviceError ? err.message : String(err));
    } finally {
      this.#busy.delete(slot);
    }
  }

  /** Sends a track. A device that is pulled out, or a share ended elsewhere, mutes. */
  use(slot: SlotName, track: MediaStreamTrack): void {
    const before = this.conference.slots[slot].track;
    if (slot === "v1") track.contentHint = "detail";
    track.addEventListener("ended", () => this.conference.slots[slot].track === track && this.release(slot));
    this.conference.setTrack(slot, track);
    before?.stop();
    this.changed();
  }

  release(slot: SlotName): void {
    const track = this.conference.slots[slot].track;
    this.conference.setTrack(slot, null);
    track?.stop();
    this.changed();
  }

  /** Push to talk: the microphone is on while Space is down. */
  async talk(down: boolean): Promise<void> {
    if (down && this.conference.slots.a0.track) return;
    this.#talking = down;
    if (down) await this.acquire("a0");
    if (!this.#talking) this.release("a0");
  }

  /** Another device was chosen. */
  async changeDevice(kind: "audioinput" | "videoinput"): Promise<void> {
    const slot: SlotName = kind === "audioinput" ? "a0" : "v0";
    if (this.conference.slots[slot].track) await this.acquire(slot);
  }
}
