import { DeviceError, Meter, type Devices } from "./devices";
import { fill, h, setProps, toggleClass, uniqueId } from "./dom";
import { icon } from "./icons";
import { recall, remember, type PageOptions } from "./options";
import { devicePickers } from "./settings-dialog";
import { hue, initials } from "./words";

/** What somebody decided before joining. */
export interface JoinChoice {
  name: string;
  mic: MediaStreamTrack | null;
  camera: MediaStreamTrack | null;
}

/** ms to wait for devices after Join was pressed; the browser may be asking its person. */
const patience = 2_000;

/** The page before a meeting: name, a look in the mirror, devices. */
export class Prejoin {
  readonly #video = h("video", { autoplay: true, playsinline: true, muted: true, "aria-label": "Your camera picture" });
  readonly #avatar = h("div", { class: "avatar", "aria-hidden": "true" });
  readonly #level = h("div", { class: "meter", role: "meter", "aria-label": "Microphone level", "aria-valuemin": 0, "aria-valuemax": 100 }, h("div", {}));
  readonly #problems = h("div", { class: "problems", role: "alert" });
  readonly #pickers = h("div", { class: "pickers" });
  readonly #name: HTMLInputElement;
  readonly #meter = new Meter();
  readonly #micButton = h("button", { type: "button", class: "tool" });
  readonly #cameraButton = h("button", { type: "button", class: "tool" });
  #mic: MediaStreamTrack | null = null;
  #camera: MediaStreamTrack | null = null;
  readonly #notes = new Map<string, string>();
  #opening: Promise<void> = Promise.resolve();
  #over = false;

  constructor(
    readonly devices: Devices,
    readonly room: string,
    readonly options: PageOptions,
  ) {
    this.#name = h("input", { id: uniqueId("name"), value: options.name || recall().name, maxlength: 80, autocomplete: "name", placeholder: "How others will see you" });
    this.#video.muted = true;
  }

  /** Shows the page and resolves when somebody presses Join. */
  run(root: HTMLElement): Promise<JoinChoice> {
    return new Promise((resolve) => {
      const join = (ev: Event): void => {
        ev.preventDefault();
        // Who is quick still gets the devices that are about to open.
        void Promise.race([this.#opening, new Promise((done) => setTimeout(done, patience))]).then(() => resolve(this.#choice()));
      };
      root.replaceChildren(this.#page(join));
      this.#micButton.addEventListener("click", () => void this.#toggleMic());
      this.#cameraButton.addEventListener("click", () => void this.#toggleCamera());
      this.#name.addEventListener("input", () => this.#render());
      this.#name.focus();
      this.#render();
      this.#opening = this.#openBoth();
    });
  }

  #page(join: (ev: Event) => void): HTMLElement {
    const preview = h("div", { class: "preview tile self" }, this.#avatar, this.#video, h("div", { class: "toolbar" }, this.#micButton, this.#cameraButton));
    return h(
      "main",
      { class: "prejoin" },
      h("div", { class: "mirror" }, preview, this.#level),
      h(
        "form",
        { class: "card", onsubmit: join },
        h("p", { class: "brand" }, icon("people"), "plenum"),
        h("h1", {}, this.room),
        h("div", { class: "field" }, h("label", { for: this.#name.id }, "Your name"), this.#name),
        this.#pickers,
        this.#problems,
        h("button", { class: "button primary large wide" }, "Join meeting"),
      ),
    );
  }

  async #openBoth(): Promise<void> {
    const memory = recall();
    if (memory.micOn && !this.options.audioMuted) await this.#openMic();
    if (memory.cameraOn && !this.options.videoMuted) await this.#openCamera();
    this.#fillPickers();
  }

  #fillPickers(): void {
    fill(this.#pickers, devicePickers(this.devices, (kind) => void this.#deviceChanged(kind)));
  }

  async #deviceChanged(kind: MediaDeviceKind): Promise<void> {
    if (kind === "audioinput" && this.#mic) await this.#openMic();
    if (kind === "videoinput" && this.#camera) await this.#openCamera();
  }

  async #openMic(): Promise<void> {
    this.#closeMic();
    this.#mic = await this.#try("microphone", () => this.devices.openMic());
    if (this.#mic) this.#meter.start(this.#mic, (level) => this.#showLevel(level));
    this.#render();
  }

  async #openCamera(): Promise<void> {
    this.#closeCamera();
    this.#camera = await this.#try("camera", () => this.devices.openCamera());
    this.#video.srcObject = this.#camera ? new MediaStream([this.#camera]) : null;
    this.#render();
  }

  #closeMic(): void {
    this.#meter.stop();
    this.#mic?.stop();
    this.#mic = null;
    this.#showLevel(0);
  }

  #closeCamera(): void {
    this.#camera?.stop();
    this.#camera = null;
    this.#video.srcObject = null;
  }

  async #try(what: string, open: () => Promise<MediaStreamTrack>): Promise<MediaStreamTrack | null> {
    this.#notes.delete(what);
    try {
      const track = await open();
      if (!this.#over) return track;
      track.stop(); // nobody would ever turn it off
      return null;
    } catch (err) {
      this.#notes.set(what, err instanceof DeviceError ? err.message : String(err));
      return null;
    } finally {
      fill(this.#problems, [...this.#notes.values()].map((text) => h("p", {}, text)));
    }
  }

  async #toggleMic(): Promise<void> {
    if (this.#mic) this.#closeMic();
    else await this.#openMic();
    remember({ micOn: this.#mic !== null });
    this.#render();
    this.#fillPickers();
  }

  async #toggleCamera(): Promise<void> {
    if (this.#camera) this.#closeCamera();
    else await this.#openCamera();
    remember({ cameraOn: this.#camera !== null });
    this.#render();
    this.#fillPickers();
  }

  #showLevel(level: number): void {
    const percent = Math.round(100 * level);
    (this.#level.firstElementChild as HTMLElement).style.width = `${percent}%`;
    this.#level.setAttribute("aria-valuenow", String(percent));
  }

  #render(): void {
    const name = this.#name.value;
    this.#avatar.textContent = initials(name);
    this.#avatar.style.setProperty("--hue", String(hue(name)));
    const mic = this.#mic !== null;
    const camera = this.#camera !== null;
    setToggle(this.#micButton, mic, mic ? "mic" : "micOff", mic ? "Turn microphone off" : "Turn microphone on");
    setToggle(this.#cameraButton, camera, camera ? "camera" : "cameraOff", camera ? "Turn camera off" : "Turn camera on");
    toggleClass(this.#video.parentElement!, "has-video", camera);
  }

  #choice(): JoinChoice {
    this.#over = true;
    this.#meter.stop();
    const name = this.#name.value.trim();
    remember({ name });
    return { name, mic: this.#mic, camera: this.#camera };
  }
}

function setToggle(button: HTMLButtonElement, on: boolean, name: "mic" | "micOff" | "camera" | "cameraOff", label: string): void {
  setProps(button, { "aria-label": label });
  toggleClass(button, "off", !on);
  fill(button, icon(name), h("span", { class: "tip", "aria-hidden": "true" }, label));
}
