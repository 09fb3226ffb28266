import { fillDeviceSelect, type Devices } from "./devices";
import { openDialog } from "./dialogs";
import { h, uniqueId } from "./dom";

const kinds: [MediaDeviceKind, string][] = [
  ["audioinput", "Microphone"],
  ["videoinput", "Camera"],
  ["audiooutput", "Speaker"],
];

/** Labelled choices of all devices; changed is told after each choice. */
export function devicePickers(devices: Devices, changed: (kind: MediaDeviceKind) => void): HTMLElement[] {
  return kinds.flatMap(([kind, label]) => {
    if (kind === "audiooutput" && !("setSinkId" in HTMLMediaElement.prototype)) return [];
    const id = uniqueId(kind);
    const select = h("select", { id, "data-kind": kind });
    select.addEventListener("change", () => {
      devices.choose(kind, select.value);
      changed(kind);
    });
    const field = h("div", { class: "field" }, h("label", { for: id }, label), select);
    // Without permission nothing is known of the devices: an empty choice would only be in the way.
    void fillDeviceSelect(select, devices, kind).then((any) => (field.hidden = !any));
    return [field];
  });
}

export interface SettingsActions {
  devices: Devices;
  name: string;
  moderator: boolean;
  locked: boolean;
  deviceChanged: (kind: MediaDeviceKind) => void;
  rename: (name: string) => void;
  lock: (password: string) => void;
  help: () => void;
}

/** The settings of a running meeting. */
export function openSettings(a: SettingsActions): Promise<string> {
  return openDialog("Settings", (close) => {
    const name = uniqueId("name");
    const input = h("input", { id: name, value: a.name, maxlength: 80, autocomplete: "name" });
    input.addEventListener("change", () => a.rename(input.value.trim()));
    const help = (): void => {
      close("");
      a.help();
    };
    return [
      h("div", { class: "field" }, h("label", { for: name }, "Your name"), input),
      ...devicePickers(a.devices, a.deviceChanged),
      ...(a.moderator ? [lockField(a)] : []),
      h("div", { class: "row end" }, h("button", { type: "button", class: "button", onclick: help }, "Keyboard shortcuts"), h("button", { type: "button", class: "button primary", onclick: () => close("") }, "Done")),
    ];
  });
}

/** Moderators can lock a meeting with a password. */
function lockField(a: SettingsActions): HTMLElement {
  const id = uniqueId("lock");
  const input = h("input", { id, type: "text", maxlength: 80, autocomplete: "off", placeholder: a.locked ? "Locked; leave empty to unlock" : "No password" });
  const set = (ev: Event): void => {
    ev.preventDefault();
    a.lock(input.value);
    input.placeholder = input.value ? "Locked; leave empty to unlock" : "No password";
    input.value = "";
  };
  return h("form", { class: "field", onsubmit: set }, h("label", { for: id }, "Password for this meeting"), h("div", { class: "row" }, input, h("button", { class: "button" }, "Set")));
}
