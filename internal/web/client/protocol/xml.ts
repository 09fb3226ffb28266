/**
 * The XML that XMPP allows (RFC 6120 §11.1): elements, attributes, text. No
 * comments, processing instructions or DTD. Written here and not left to
 * DOMParser, because the library also runs where there is none.
 */

const entities: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
const maxDepth = 64;

export type Attrs = Record<string, string | number | boolean | undefined>;
export type Child = Element | string;

/** One XML element. Attributes whose value is undefined are not written. */
export class Element {
  constructor(
    readonly name: string,
    /** The namespace: resolved when parsed, the own `xmlns` when built. */
    readonly ns: string,
    readonly attrs: Record<string, string>,
    readonly children: Child[],
  ) {}

  attr(name: string): string {
    return this.attrs[name] ?? "";
  }

  has(name: string): boolean {
    return name in this.attrs;
  }

  elements(): Element[] {
    return this.children.filter((c): c is Element => typeof c !== "string");
  }

  /** The first child element of that name; ns "" takes any namespace. */
  child(name: string, ns = ""): Element | undefined {
    return this.elements().find((c) => c.name === name && (ns === "" || c.ns === ns));
  }

  all(name: string, ns = ""): Element[] {
    return this.elements().filter((c) => c.name === name && (ns === "" || c.ns === ns));
  }

  /** Follows child names downwards. */
  path(...names: string[]): Element | undefined {
    let e: Element | undefined = this;
    for (const name of names) e = e?.child(name);
    return e;
  }

  /** The element's own text, without that of its children. */
  text(): string {
    return this.children.filter((c) => typeof c === "string").join("");
  }

  toString(): string {
    const attrs = Object.entries(this.attrs).map(([k, v]) => ` ${k}="${escape(v)}"`);
    if (this.children.length === 0) return `<${this.name}${attrs.join("")}/>`;
    const inner = this.children.map((c) => (typeof c === "string" ? escape(c) : c.toString()));
    return `<${this.name}${attrs.join("")}>${inner.join("")}</${this.name}>`;
  }
}

/** Builds an element; give `xmlns` as an attribute. Empty children are left out. */
export function el(name: string, attrs: Attrs = {}, ...children: (Child | undefined | null | Child[])[]): Element {
  const own: Record<string, string> = {};
  for (const [k, v] of Object.entries(attrs)) if (v !== undefined) own[k] = String(v);
  const kids = children.flat().filter((c): c is Child => c !== undefined && c !== null && c !== "");
  return new Element(name, own["xmlns"] ?? "", own, kids);
}

/** Escapes text for element content and for attributes alike. Characters XML forbids become U+FFFD. */
export function escape(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replace(/[<>&"']/g, (c) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&apos;" })[c] ?? c);
}

/** Parses exactly one element; throws when the text is anything else. */
export function parse(text: string): Element {
  const p = new Parser(text.replace(/^<\?xml[^>]*\?>\s*/, ""));
  return p.document();
}

interface Scope {
  [prefix: string]: string;
}

class Parser {
  #pos = 0;
  constructor(readonly src: string) {}

  document(): Element {
    this.#space();
    const e = this.#element({ "": "" }, 0);
    this.#space();
    if (this.#pos < this.src.length) throw this.#error("text after the element");
    return e;
  }

  #error(what: string): Error {
    return new Error(`XML: ${what} at ${this.#pos}`);
  }

  #space(): void {
    while (/\s/.test(this.src[this.#pos] ?? "")) this.#pos++;
  }

  #expect(s: string): void {
    if (!this.src.startsWith(s, this.#pos)) throw this.#error(`no ${JSON.stringify(s)}`);
    this.#pos += s.length;
  }

  #match(re: RegExp): string {
    re.lastIndex = this.#pos;
    const m = re.exec(this.src);
    if (!m) throw this.#error("unexpected text");
    this.#pos = re.lastIndex;
    return m[0];
  }

  #name(): string {
    return this.#match(/[A-Za-z_\u0080-\uffff][-A-Za-z0-9_.:\u0080-\uffff]*/y);
  }

  #element(outer: Scope, depth: number): Element {
    if (depth > maxDepth) throw this.#error("too deep");
    this.#expect("<");
    const name = this.#name();
    const attrs = this.#attributes();
    const scope = scopeOf(outer, attrs);
    const [prefix, local] = splitName(name);
    const ns = scope[prefix];
    if (ns === undefined) throw this.#error(`unknown prefix ${prefix}`);
    const children: Child[] = [];
    if (this.src[this.#pos] === "/") {
      this.#expect("/>");
    } else {
      this.#expect(">");
      this.#content(children, scope, depth);
      this.#expect(name);
      this.#space();
      this.#expect(">");
    }
    return new Element(local, ns, attrs, children);
  }

  #attributes(): Record<string, string> {
    const attrs: Record<string, string> = {};
    for (;;) {
      this.#space();
      const c = this.src[this.#pos];
      if (c === ">" || c === "/" || c === undefined) return attrs;
      const name = this.#name();
      if (name in attrs) throw this.#error(`attribute ${name} twice`);
      this.#space();
      this.#expect("=");
      this.#space();
      const quoted = this.#match(/"[^"<]*"|'[^'<]*'/y);
      attrs[name] = unescape(quoted.slice(1, -1));
    }
  }

  /** Reads children up to and including the "</" of the closing tag. */
  #content(children: Child[], scope: Scope, depth: number): void {
    for (;;) {
      const end = this.src.indexOf("<", this.#pos);
      if (end < 0) throw this.#error("element is not closed");
      if (end > this.#pos) children.push(unescape(this.src.slice(this.#pos, end)));
      this.#pos = end;
      if (this.src.startsWith("</", end)) {
        this.#pos += 2;
        return;
      }
      if (this.src.startsWith("<![CDATA[", end)) children.push(this.#cdata());
      else children.push(this.#element(scope, depth + 1));
    }
  }

  #cdata(): string {
    const end = this.src.indexOf("]]>", this.#pos);
    if (end < 0) throw this.#error("CDATA is not closed");
    const text = this.src.slice(this.#pos + 9, end);
    this.#pos = end + 3;
    return text;
  }
}

function splitName(name: string): [string, string] {
  const i = name.indexOf(":");
  return i < 0 ? ["", name] : [name.slice(0, i), name.slice(i + 1)];
}

function scopeOf(outer: Scope, attrs: Record<string, string>): Scope {
  let scope = outer;
  for (const [k, v] of Object.entries(attrs)) {
    if (k !== "xmlns" && !k.startsWith("xmlns:")) continue;
    if (scope === outer) scope = Object.create(outer) as Scope;
    scope[k.slice(6)] = v;
  }
  return scope;
}

function unescape(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(#x[0-9a-fA-F]+|#[0-9]+|[a-z]+);|&/g, (whole, ref: string | undefined) => {
    if (ref === undefined) throw new Error("XML: bare &");
    if (ref[0] === "#") {
      const code = ref[1] === "x" ? parseInt(ref.slice(2), 16) : parseInt(ref.slice(1), 10);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
    }
    const c = entities[ref];
    if (c === undefined) throw new Error(`XML: unknown entity ${whole}`);
    return c;
  });
}
