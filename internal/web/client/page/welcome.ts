import { h, uniqueId } from "./dom";
import { icon } from "./icons";

const adjectives = ["amber", "brave", "calm", "clear", "early", "gentle", "golden", "green", "happy", "light", "lucky", "merry", "quiet", "silver", "swift", "warm"];
const nouns = ["bridge", "brook", "canyon", "cloud", "field", "forest", "garden", "harbor", "island", "lake", "meadow", "mountain", "orchard", "river", "spring", "valley"];

/** A name for a meeting that nobody will guess by chance. */
export function inventName(): string {
  const pick = (list: string[]): string => list[crypto.getRandomValues(new Uint32Array(1))[0]! % list.length]!;
  const digits = String(crypto.getRandomValues(new Uint32Array(1))[0]! % 10000).padStart(4, "0");
  return `${pick(adjectives)}-${pick(nouns)}-${digits}`;
}

/** What stands in an address: no characters that mean something there. */
export function cleanName(text: string): string {
  return text.trim().replace(/[/?&:'"<>\\#]+/g, "").replace(/\s+/g, "-");
}

/** The page at "/": type a name, go. */
export function showWelcome(root: HTMLElement, tenant: string): void {
  const id = uniqueId("room");
  const idea = inventName();
  const input = h("input", { id, placeholder: idea, maxlength: 120, autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
  const go = (ev: Event): void => {
    ev.preventDefault();
    const room = cleanName(input.value) || idea;
    location.assign(`${tenant ? `/${encodeURIComponent(tenant)}` : ""}/${encodeURIComponent(room)}`);
  };
  root.replaceChildren(
    h(
      "main",
      { class: "card center welcome" },
      h("p", { class: "brand" }, icon("people"), "plenum"),
      h("h1", {}, "Meet right here, in your browser"),
      h("p", { class: "lead" }, "Name a meeting to start or join it, then send its address to the others. Nothing to install, no account."),
      h("form", { class: "row", onsubmit: go }, h("label", { class: "sr-only", for: id }, "Name of the meeting"), input, h("button", { class: "button primary large" }, "Go")),
    ),
  );
  input.focus();
}
