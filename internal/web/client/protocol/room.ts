import { capsElement } from "./caps";
import { Emitter } from "./emitter";
import { muteNS, NS, bareOf, resourceOf, type MuteKind } from "./names";
import {
  parseMember, parseObject, parseStatus, presenceElements,
  type Member, type OwnPresence, type RoomStatus,
} from "./presence";
import { errorOf, StanzaError } from "./stanza";
import type { Stream } from "./stream";
import { el, type Element } from "./xml";

/** One chat message. */
export interface ChatMessage {
  id: string;
  /** Endpoint id of who wrote it; "" when that is unknown. */
  from: string;
  name: string;
  text: string;
  /** Sent to one person alone. */
  private: boolean;
  /** Endpoint id of that person when we wrote it; else "". */
  to: string;
  /** Written by us. */
  own: boolean;
  /** In ms since 1970. */
  time: number;
  /** From before we came. */
  history: boolean;
}

export interface RoomEvents {
  joined: [Member];
  changed: [Member];
  left: [Member, RoomStatus];
  /** We are out of the room. */
  out: [RoomStatus];
  chat: [ChatMessage];
  subject: [string];
  /** A json-message, of the room's services or of another occupant. */
  json: [Record<string, unknown>, string];
  /** The room's configuration changed. */
  configured: [RoomInfo];
  /** The focus wants us to be silent. The second is the occupant who asked for it. */
  muted: [MuteKind, string];
}

/** What disco#info on the room tells. */
export interface RoomInfo {
  locked: boolean;
  membersOnly: boolean;
  meetingId: string;
  /** When the meeting began, in ms since 1970; 0 when unknown. */
  created: number;
}

const joinTimeout = 20_000;

/** A multi-user chat room (XEP-0045) seen by one occupant. */
export class Room extends Emitter<RoomEvents> {
  /** Everybody but us, focus included, by id. */
  readonly members = new Map<string, Member>();
  /** Our own entry, once we are in. */
  self: Member | undefined;
  info: RoomInfo = { locked: false, membersOnly: false, meetingId: "", created: 0 };
  #joining: { resolve: () => void; reject: (err: Error) => void; timer: ReturnType<typeof setTimeout> } | undefined;

  constructor(
    readonly stream: Stream,
    /** Bare JID. */
    readonly jid: string,
    /** Our nickname, the endpoint id. */
    readonly id: string,
    readonly own: OwnPresence,
  ) {
    super();
  }

  get ownJid(): string {
    return `${this.jid}/${this.id}`;
  }

  get focusJid(): string {
    return `${this.jid}/focus`;
  }

  /** Enters. Rejects with a StanzaError when the room does not let us in. */
  join(password = ""): Promise<void> {
    const x = el("x", { xmlns: NS.muc }, password ? el("password", {}, password) : undefined);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#joinFailed(new Error("the room does not answer")), joinTimeout);
      this.#joining = { resolve, reject, timer };
      this.stream.send(this.#presence(x));
    });
  }

  /** Tells the others our present state. Does nothing before we are in. */
  publish(): void {
    if (this.self) this.stream.send(this.#presence());
  }

  leave(): void {
    this.stream.send(el("presence", { to: this.ownJid, type: "unavailable" }));
  }

  #presence(x?: Element): Element {
    return el("presence", { to: this.ownJid }, x, capsElement(), presenceElements(this.own));
  }

  /** Gives up waiting to be let in: the stream is gone. */
  abandon(err: Error): void {
    this.#joinFailed(err);
  }

  #joinFailed(err: Error): void {
    const joining = this.#joining;
    this.#joining = undefined;
    if (!joining) return;
    clearTimeout(joining.timer);
    joining.reject(err);
  }

  /** Takes a stanza of the stream; false when it is none of this room's. */
  handle(stanza: Element): boolean {
    if (bareOf(stanza.attr("from")) !== this.jid) return false;
    if (stanza.name === "presence") this.#onPresence(stanza);
    else if (stanza.name === "message") this.#onMessage(stanza);
    else return this.#onIq(stanza);
    return true;
  }

  #onPresence(p: Element): void {
    const id = resourceOf(p.attr("from"));
    switch (p.attr("type")) {
      case "error":
        return this.#joinFailed(errorOf(p));
      case "unavailable":
        return this.#onUnavailable(id, p);
      case "":
        return id === this.id ? this.#onSelf(p) : this.#onMember(id, p);
    }
  }

  #onSelf(p: Element): void {
    this.self = parseMember(p);
    const joining = this.#joining;
    this.#joining = undefined;
    if (joining) {
      clearTimeout(joining.timer);
      joining.resolve();
      void this.#refreshInfo();
    }
    this.emit("changed", this.self);
  }

  #onMember(id: string, p: Element): void {
    const known = this.members.has(id);
    const member = parseMember(p);
    this.members.set(id, member);
    this.emit(known ? "changed" : "joined", member);
  }

  #onUnavailable(id: string, p: Element): void {
    const status = parseStatus(p);
    if (id === this.id || status.codes.has(110)) {
      this.self = undefined;
      this.#joinFailed(new StanzaError("gone", "cancel", undefined));
      return this.emit("out", status);
    }
    const member = this.members.get(id);
    if (!member) return;
    this.members.delete(id);
    this.emit("left", member, status);
  }

  #onMessage(m: Element): void {
    if (m.child("x", NS.mucUser)?.all("status").some((s) => s.attr("code") === "104")) void this.#refreshInfo();
    const json = m.child("json-message", NS.jitmeet);
    const delay = m.child("delay", NS.delay);
    if (json && !delay) return this.emit("json", parseObject(json.text()), m.attr("from"));
    const subject = m.child("subject");
    if (subject && m.attr("type") === "groupchat" && !m.child("body")) return this.emit("subject", subject.text());
    const body = m.child("body")?.text();
    if (body !== undefined && m.attr("type") !== "error") this.emit("chat", this.#chat(m, body, delay));
  }

  #chat(m: Element, text: string, delay: Element | undefined): ChatMessage {
    const from = resourceOf(m.attr("from"));
    const stamp = Date.parse(delay?.attr("stamp") ?? "");
    return {
      id: m.attr("id") || crypto.randomUUID(),
      from,
      name: (from === this.id ? this.own.name : this.members.get(from)?.name) || m.child("display-name")?.text() || "",
      text,
      private: m.attr("type") === "chat",
      to: "",
      own: from === this.id,
      time: Number.isNaN(stamp) ? Date.now() : stamp,
      history: delay !== undefined,
    };
  }

  /** Mute orders come from the focus and are not answered. */
  #onIq(iq: Element): boolean {
    const mute = iq.child("mute");
    if (!mute || iq.attr("from") !== this.focusJid) return false;
    const kind = (["audio", "video", "desktop"] as const).find((k) => mute.ns === muteNS(k));
    if (kind && mute.text() === "true") this.emit("muted", kind, resourceOf(mute.attr("actor")));
    return true;
  }

  async #refreshInfo(): Promise<void> {
    try {
      this.info = parseInfo(await this.stream.iq("get", this.jid, el("query", { xmlns: NS.disco })));
      this.emit("configured", this.info);
    } catch {
      // Without it there is no clock and no lock sign; the meeting goes on.
    }
  }

  /** Writes to everybody, or to one. The room sends group messages back to us; private ones it does not. */
  say(text: string, to?: string): void {
    const id = crypto.randomUUID();
    const target = to ? `${this.jid}/${to}` : this.jid;
    this.stream.send(el("message", { to: target, type: to ? "chat" : "groupchat", id }, el("body", {}, text)));
    if (!to) return;
    const own = { id, from: this.id, name: this.own.name, private: true, to, own: true, history: false };
    this.emit("chat", { ...own, text, time: Date.now() });
  }

  /**
   * Asks the focus to silence somebody, which needs the moderator role; or,
   * with `on` false, tells it that we, whom it had silenced, may be heard again.
   */
  async mute(id: string, kind: MuteKind, on = true): Promise<void> {
    await this.stream.iq("set", this.focusJid, el("mute", { xmlns: muteNS(kind), jid: `${this.jid}/${id}` }, String(on)));
  }

  /** Removes somebody from the room (XEP-0045 §8.2). */
  async kick(id: string, reason = ""): Promise<void> {
    const item = el("item", { nick: id, role: "none" }, el("reason", {}, reason));
    await this.stream.iq("set", this.jid, el("query", { xmlns: NS.mucAdmin }, item));
  }

  /** Makes somebody moderator too. */
  async grantModerator(id: string): Promise<void> {
    const jid = bareOf(this.members.get(id)?.realJid ?? "");
    const item = el("item", { affiliation: "owner", jid });
    await this.stream.iq("set", this.jid, el("query", { xmlns: NS.mucAdmin }, item));
  }

  /** Locks the room with a password, or opens it again with "" (XEP-0045 §10.2). */
  async lock(password: string): Promise<void> {
    const form = el(
      "x",
      { xmlns: NS.form, type: "submit" },
      field("FORM_TYPE", "http://jabber.org/protocol/muc#roomconfig"),
      field("muc#roomconfig_roomsecret", password),
      field("muc#roomconfig_passwordprotectedroom", password ? "1" : "0"),
    );
    await this.stream.iq("set", this.jid, el("query", { xmlns: NS.mucOwner }, form));
  }
}

function field(name: string, value: string): Element {
  return el("field", { var: name }, el("value", {}, value));
}

function parseInfo(iq: Element): RoomInfo {
  const query = iq.child("query", NS.disco);
  const has = (name: string): boolean => query?.all("feature").some((f) => f.attr("var") === name) ?? false;
  const fields = query?.child("x", NS.form)?.all("field") ?? [];
  const value = (name: string): string => fields.find((f) => f.attr("var") === name)?.child("value")?.text() ?? "";
  return {
    locked: has("muc_passwordprotected"),
    membersOnly: has("muc_membersonly"),
    meetingId: value("muc#roominfo_meetingId"),
    created: Number(value("muc#roominfo_created_timestamp")) || 0,
  };
}
