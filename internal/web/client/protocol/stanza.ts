import { NS } from "./names";
import { el, type Child, type Element } from "./xml";

/** A stanza error (RFC 6120 §8.3) that somebody sent us. */
export class StanzaError extends Error {
  constructor(
    /** The defined condition, such as "not-authorized". */
    readonly condition: string,
    readonly type: string,
    /** The <error/> element with what else it holds. */
    readonly element: Element | undefined,
  ) {
    super(element?.child("text")?.text() || condition);
    this.name = "StanzaError";
  }

  /** Whether the error carries a child of that name beside its condition. */
  has(name: string): boolean {
    return this.element?.child(name) !== undefined;
  }
}

/** The error inside a stanza of type "error". */
export function errorOf(stanza: Element): StanzaError {
  const e = stanza.child("error");
  const named = e?.elements().filter((c) => c.name !== "text") ?? [];
  const condition = named.find((c) => c.ns === NS.stanzas) ?? named[0];
  return new StanzaError(condition?.name ?? "undefined-condition", e?.attr("type") ?? "", e);
}

/** The empty or filled result of an IQ. */
export function resultOf(iq: Element, ...children: Child[]): Element {
  return el("iq", { type: "result", id: iq.attr("id"), to: iq.attr("from") || undefined }, ...children);
}

/** An error reply to an IQ. */
export function refusalOf(iq: Element, type: string, condition: string, extra?: Element): Element {
  return el(
    "iq",
    { type: "error", id: iq.attr("id"), to: iq.attr("from") || undefined },
    el("error", { type }, el(condition, { xmlns: NS.stanzas }), extra),
  );
}
