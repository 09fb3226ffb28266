import type { ChatMessage, Member } from "../protocol";
import { fill, h, uniqueId } from "./dom";
import { icon } from "./icons";
import { byName, nameOf } from "./words";

const most = 2_000;

/** The chat panel. */
export class Chat {
  readonly element: HTMLElement;
  readonly #list = h("div", { class: "messages", role: "log", "aria-label": "Messages", tabindex: 0 });
  readonly #empty = h("p", { class: "empty" }, "No messages yet. What you write here can be read by everybody in the meeting.");
  readonly #input: HTMLTextAreaElement;
  readonly #to: HTMLSelectElement;
  #lastFrom = "";
  onSend: (text: string, to: string | undefined) => void = () => undefined;

  constructor(onClose: () => void) {
    const [title, to, input] = [uniqueId("chat"), uniqueId("to"), uniqueId("text")];
    this.#to = h("select", { id: to });
    this.#input = h("textarea", { id: input, rows: 2, maxlength: most, placeholder: "Write a message", "aria-label": "Message" });
    const form = h(
      "form",
      { class: "write", onsubmit: (ev: Event) => this.#submit(ev) },
      h("div", { class: "to" }, h("label", { for: to }, "To"), this.#to),
      h("div", { class: "row" }, this.#input, h("button", { class: "button primary square", "aria-label": "Send message", title: "Send (Enter)" }, icon("send"))),
    );
    this.#input.addEventListener("keydown", (ev) => {
      if (ev.key === "Enter" && !ev.shiftKey && !ev.isComposing) this.#submit(ev);
    });
    const close = h("button", { class: "plain", type: "button", "aria-label": "Close chat", onclick: onClose }, icon("close"));
    this.element = h("aside", { class: "panel chat", "aria-labelledby": title }, h("header", {}, h("h2", { id: title }, "Chat"), close), this.#empty, this.#list, form);
    this.setMembers([]);
  }

  focus(): void {
    this.#input.focus();
  }

  setMembers(members: Member[]): void {
    const before = this.#to.value;
    const named = members.map((m) => ({ id: m.id, name: nameOf(m.name, m.id) })).sort((a, b) => byName.compare(a.name, b.name));
    fill(this.#to, new Option("Everybody", ""), named.map((m) => new Option(`${m.name} (private)`, m.id)));
    this.#to.value = members.some((m) => m.id === before) ? before : "";
  }

  add(m: ChatMessage, toName: string): void {
    this.#empty.hidden = true;
    const atEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 40;
    const head = `${m.from}|${m.private}|${toName}`;
    const time = new Date(m.time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const who = m.own ? "You" : nameOf(m.name, m.from);
    const note = m.private ? (m.own ? ` to ${toName}, private` : " to you, private") : "";
    const item = h("div", { class: `message${m.own ? " own" : ""}${m.private ? " private" : ""}` });
    if (head !== this.#lastFrom) item.append(h("p", { class: "head" }, h("b", {}, who), h("span", {}, note), h("time", { datetime: new Date(m.time).toISOString() }, time)));
    item.append(h("p", { class: "text" }, ...linked(m.text)));
    this.#lastFrom = head;
    this.#list.append(item);
    if (atEnd || m.own) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #submit(ev: Event): void {
    ev.preventDefault();
    const text = this.#input.value.trim();
    if (!text) return;
    this.onSend(text, this.#to.value || undefined);
    this.#input.value = "";
  }
}

/** Text with its http addresses made into links. */
function linked(text: string): (string | HTMLElement)[] {
  return text.split(/(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]])/).map((part, i) =>
    i % 2 === 1 ? h("a", { href: part, target: "_blank", rel: "noopener noreferrer" }, part) : part,
  );
}
