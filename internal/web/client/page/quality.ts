import { openDialog } from "./dialogs";
import { h, uniqueId } from "./dom";
import type { Quality } from "./wanted";

const texts: Record<Quality, [name: string, what: string]> = {
  best: ["Best", "Everybody as sharp as they are shown"],
  standard: ["Standard", "Up to 360 lines; screens up to 1080. Saves data"],
  low: ["Low", "Up to 180 lines; screens up to 720. For weak connections"],
  audio: ["Audio only", "No pictures of others. Your own camera stays as it is"],
};

/** Asks how good pictures of others should be; chosen is told at once. */
export function openQuality(now: Quality, chosen: (q: Quality) => void): Promise<string> {
  const name = uniqueId("quality");
  return openDialog("Video quality", (close) => [
    h(
      "form",
      { class: "choices", method: "dialog" },
      (Object.keys(texts) as Quality[]).map((q) => {
        const input = h("input", { type: "radio", name, value: q, checked: q === now, autofocus: q === now, onchange: () => chosen(q) });
        return h("label", { class: "choice" }, input, h("span", {}, h("b", {}, texts[q][0]), h("span", { class: "quiet" }, texts[q][1])));
      }),
      h("p", { class: "quiet" }, "Your connection and the size of your window may limit it further."),
      h("div", { class: "row end" }, h("button", { type: "button", class: "button primary", onclick: () => close("") }, "Done")),
    ),
  ]);
}
