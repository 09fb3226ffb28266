/** Which rows of a long list are drawn. Pure arithmetic. */

export interface Viewport {
  /** All in px. */
  scrollTop: number;
  height: number;
  rowHeight: number;
  count: number;
  /** The row that is higher than the others, -1 for none, and by how much. */
  open: number;
  extra: number;
  /** Rows drawn beyond each edge, so that scrolling shows no holes. */
  beyond: number;
}

/** The rows from `first` up to but not including `end`. */
export interface Rows {
  first: number;
  end: number;
}

export function visibleRows(v: Viewport): Rows {
  const at = (y: number): number => {
    const openEnd = (v.open + 1) * v.rowHeight + v.extra;
    if (v.open < 0 || y < (v.open + 1) * v.rowHeight) return Math.floor(y / v.rowHeight);
    return y < openEnd ? v.open : Math.floor((y - v.extra) / v.rowHeight);
  };
  const clamp = (i: number): number => Math.max(0, Math.min(v.count, i));
  const top = Math.max(0, Math.min(v.scrollTop, totalHeight(v) - v.height));
  return { first: clamp(at(top) - v.beyond), end: clamp(at(top + Math.max(0, v.height)) + 1 + v.beyond) };
}

export function rowTop(v: Viewport, i: number): number {
  return i * v.rowHeight + (v.open >= 0 && i > v.open ? v.extra : 0);
}

export function totalHeight(v: Viewport): number {
  return v.count * v.rowHeight + (v.open >= 0 ? v.extra : 0);
}
