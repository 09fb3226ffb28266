import { h, uniqueId, type Content } from "./dom";
import { icon } from "./icons";

/**
 * Opens a modal dialog. The browser keeps the focus inside and closes it on
 * Esc; afterwards the focus is where it was. Resolves when it is closed.
 */
export function openDialog(title: string, build: (close: (value: string) => void) => Content[], closable = true): Promise<string> {
  const id = uniqueId("dialog");
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": id });
  const before = document.activeElement as HTMLElement | null;
  const close = (value: string): void => dialog.close(value);
  const cross = h("button", { class: "plain", type: "button", "aria-label": "Close", onclick: () => close("") }, icon("close"));
  dialog.append(h("header", {}, h("h2", { id }, title), closable && cross), ...(build(close).filter(Boolean) as Node[]));
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("click", (ev) => ev.target === dialog && closable && close(""));
    dialog.addEventListener("cancel", (ev) => !closable && ev.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus();
      resolve(dialog.returnValue);
    });
    dialog.showModal();
  });
}

/** Asks for the password of a locked meeting; "" when the person gives up. */
export function askPassword(wrong: boolean): Promise<string> {
  return openDialog("This meeting is locked", (close) => {
    const id = uniqueId("password");
    const input = h("input", { id, type: "password", autocomplete: "off", required: true, autofocus: true });
    const submit = (ev: Event): void => {
      ev.preventDefault();
      close(input.value);
    };
    return [
      h(
        "form",
        { onsubmit: submit },
        wrong && h("p", { class: "problem", role: "alert" }, "That password is not right. Try another."),
        h("label", { for: id }, "Password"),
        input,
        h("div", { class: "row end" }, h("button", { type: "button", class: "button", onclick: () => close("") }, "Cancel"), h("button", { class: "button primary" }, "Join")),
      ),
    ];
  });
}

/** Asks before something that cannot be undone. */
export async function confirm(title: string, text: string, action: string): Promise<boolean> {
  const answer = await openDialog(title, (close) => [
    h("p", {}, text),
    h(
      "div",
      { class: "row end" },
      h("button", { type: "button", class: "button", onclick: () => close("") }, "Cancel"),
      h("button", { type: "button", class: "button danger", autofocus: true, onclick: () => close("yes") }, action),
    ),
  ]);
  return answer === "yes";
}

/** Lists the keyboard shortcuts. */
export function showHelp(shortcuts: [string, string][]): Promise<string> {
  return openDialog("Keyboard shortcuts", () => [
    h("dl", { class: "keys" }, shortcuts.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)))),
  ]);
}

/** Lets somebody choose one of some actions; "" when they do not. */
export function choose(title: string, actions: [value: string, label: string][]): Promise<string> {
  return openDialog(title, (close) => [
    h("div", { class: "choices" }, actions.map(([value, label]) => h("button", { type: "button", class: "button wide", onclick: () => close(value) }, label))),
  ]);
}
