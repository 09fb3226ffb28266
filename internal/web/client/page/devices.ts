import { deviceError, type Device } from "./words";
import { recall, remember } from "./options";

/** A device could not be had; the message is for the person. */
export class DeviceError extends Error {}

/** The camera and microphone of this browser, and what was chosen of them. */
export class Devices {
  mic = recall().mic;
  camera = recall().camera;
  speaker = recall().speaker;
  /** Height of the camera picture to ask for. */
  resolution = 720;

  async openMic(): Promise<MediaStreamTrack> {
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...exactly(this.mic) };
    return this.#open("microphone", { audio }, { audio: { echoCancellation: true } });
  }

  async openCamera(): Promise<MediaStreamTrack> {
    const height = { ideal: this.resolution };
    const size = { height, width: { ideal: Math.round((this.resolution * 16) / 9) }, frameRate: { max: 30 } };
    return this.#open("camera", { video: { ...size, ...exactly(this.camera) } }, { video: size });
  }

  /** Asks which screen or window to show. Null when the person changed their mind. */
  async openScreen(): Promise<MediaStreamTrack | null> {
    if (!navigator.mediaDevices?.getDisplayMedia) throw new DeviceError("This browser cannot share a screen.");
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: false });
      return stream.getVideoTracks()[0] ?? null;
    } catch (err) {
      if (err instanceof Error && err.name === "NotAllowedError") return null;
      throw new DeviceError(deviceError(err, "screen"));
    }
  }

  /** A device that was chosen once may be gone: then any other will do. */
  async #open(device: Device, wanted: MediaStreamConstraints, any: MediaStreamConstraints): Promise<MediaStreamTrack> {
    if (!navigator.mediaDevices?.getUserMedia) throw new DeviceError(deviceError(new Error(), device));
    try {
      return await this.#first(wanted);
    } catch (err) {
      const gone = err instanceof Error && (err.name === "OverconstrainedError" || err.name === "NotFoundError");
      try {
        if (gone) return await this.#first(any);
      } catch {
        // The first error says more.
      }
      throw new DeviceError(deviceError(err, device));
    }
  }

  async #first(c: MediaStreamConstraints): Promise<MediaStreamTrack> {
    return (await navigator.mediaDevices.getUserMedia(c)).getTracks()[0]!;
  }

  async list(kind: MediaDeviceKind): Promise<MediaDeviceInfo[]> {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    return all.filter((d) => d.kind === kind && d.deviceId !== "");
  }

  choose(kind: MediaDeviceKind, id: string): void {
    if (kind === "audioinput") remember({ mic: (this.mic = id) });
    else if (kind === "videoinput") remember({ camera: (this.camera = id) });
    else remember({ speaker: (this.speaker = id) });
  }

  chosen(kind: MediaDeviceKind): string {
    return kind === "audioinput" ? this.mic : kind === "videoinput" ? this.camera : this.speaker;
  }
}

function exactly(deviceId: string): MediaTrackConstraints {
  return deviceId ? { deviceId: { exact: deviceId } } : {};
}

/** Measures how loud a track is. */
export class Meter {
  #context: AudioContext | undefined;
  #frame = 0;

  /** Calls onLevel with 0..1 some thirty times a second until stop. */
  start(track: MediaStreamTrack, onLevel: (level: number) => void): void {
    this.stop();
    const context = new AudioContext();
    this.#context = context;
    const analyser = context.createAnalyser();
    analyser.fftSize = 512;
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let shown = 0;
    const tick = (): void => {
      analyser.getFloatTimeDomainData(samples);
      const level = Math.min(1, 4 * Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length));
      shown = Math.max(level, shown * 0.85);
      onLevel(shown);
      this.#frame = requestAnimationFrame(tick);
    };
    tick();
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    void this.#context?.close();
    this.#context = undefined;
  }
}

/** Fills a choice of devices; says whether there are any that this page may know of. */
export async function fillDeviceSelect(select: HTMLSelectElement, devices: Devices, kind: MediaDeviceKind): Promise<boolean> {
  const found = await devices.list(kind);
  const chosen = devices.chosen(kind);
  const options = found.map((d, i) => new Option(d.label || `${names[kind]} ${i + 1}`, d.deviceId, false, d.deviceId === chosen));
  select.replaceChildren(...options);
  select.disabled = options.length < 2;
  return options.length > 0;
}

const names: Record<MediaDeviceKind, string> = { audioinput: "Microphone", videoinput: "Camera", audiooutput: "Speaker" };
