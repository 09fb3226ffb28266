/** Small helpers to make and change elements. */

type Value = string | number | boolean | undefined | null | ((ev: never) => void);
export type Props = Record<string, Value>;
export type Content = Node | string | undefined | null | false;

/**
 * Makes an element. Props beginning with "on" are listeners, booleans are
 * attributes that are there or not, the rest is set as text.
 */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...content: (Content | Content[])[]): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  setProps(e, props);
  e.append(...content.flat().filter((c): c is Node | string => c !== undefined && c !== null && c !== false));
  return e;
}

export function setProps(e: Element, props: Props): void {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") e.addEventListener(name.slice(2), value as EventListener);
    else if (value === false || value === undefined || value === null) e.removeAttribute(name);
    else e.setAttribute(name, value === true ? "" : String(value));
  }
}

/** Replaces all content. */
export function fill(e: Element, ...content: (Content | Content[])[]): void {
  e.replaceChildren(...content.flat().filter((c): c is Node | string => c !== undefined && c !== null && c !== false));
}

export function toggleClass(e: Element, name: string, on: boolean): void {
  e.classList.toggle(name, on);
}

let ids = 0;

/** An id for an element, to point labels at. */
export const uniqueId = (prefix: string): string => `${prefix}-${++ids}`;

/** Whether a key press belongs to a field somebody writes in. */
export function isWriting(target: EventTarget | null): boolean {
  const e = target as HTMLElement | null;
  return e instanceof HTMLElement && (e.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName));
}
