import type { EndReason } from "../protocol";
import { h } from "./dom";
import { goodbye } from "./words";

/** The page after a meeting. Resolves when somebody wants to come back. */
export function showGoodbye(root: HTMLElement, room: string, end: EndReason, minutes: string): Promise<void> {
  const [title, text] = goodbye(end);
  return new Promise((resolve) => {
    const again = h("button", { type: "button", class: "button primary large", onclick: () => resolve() }, end.kind === "left" ? "Join again" : "Try to join again");
    root.replaceChildren(
      h(
        "main",
        { class: "card center" },
        h("h1", { tabindex: -1 }, title),
        text && h("p", { class: "lead" }, text),
        h("p", { class: "quiet" }, `${room}${minutes ? ` · ${minutes}` : ""}`),
        h("div", { class: "row" }, again, h("a", { class: "button large", href: "/" }, "Back to the start page")),
      ),
    );
    root.querySelector("h1")?.focus();
  });
}

/** The page when joining failed. Resolves when somebody wants to try again. */
export function showProblem(root: HTMLElement, room: string, text: string): Promise<void> {
  return new Promise((resolve) => {
    root.replaceChildren(
      h(
        "main",
        { class: "card center" },
        h("h1", { tabindex: -1 }, "You are not in the meeting"),
        h("p", { class: "lead", role: "alert" }, text),
        h("p", { class: "quiet" }, room),
        h("div", { class: "row" }, h("button", { type: "button", class: "button primary large", onclick: () => resolve() }, "Try again"), h("a", { class: "button large", href: "/" }, "Back to the start page")),
      ),
    );
    root.querySelector("h1")?.focus();
  });
}
