/** Where tiles go. Pure arithmetic, so that it can be tested. */

export interface Grid {
  columns: number;
  rows: number;
  /** Size of a tile in px. */
  width: number;
  height: number;
}

/** A grid of which a page holds so many tiles. */
export interface Paged extends Grid {
  perPage: number;
}

const ratio = 16 / 9;
/** Narrower tiles say nothing: what does not fit goes to another page. Phones are held closer. */
export const smallestTile = (boxWidth: number): number => (boxWidth < 700 ? 150 : 200);
/** More pictures at once tell nobody anything, and cost. */
export const mostTiles = 49;
/** Room for the buttons that turn pages, in px. */
export const pagerHeight = 44;

/** The grid that makes `count` tiles largest in a box of that size with that gap. */
export function bestGrid(count: number, boxWidth: number, boxHeight: number, gap: number): Grid {
  let best: Grid = { columns: 1, rows: Math.max(1, count), width: 0, height: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const rows = Math.ceil(count / columns);
    const width = Math.min((boxWidth - gap * (columns - 1)) / columns, ((boxHeight - gap * (rows - 1)) / rows) * ratio);
    if (width > best.width) best = { columns, rows, width, height: width / ratio };
  }
  return floor(best);
}

/** The same, but with pages where tiles would be too small or too many. */
export function pagedGrid(count: number, boxWidth: number, boxHeight: number, gap: number): Paged {
  const smallest = smallestTile(boxWidth);
  if (count <= mostTiles) {
    const all = bestGrid(count, boxWidth, boxHeight, gap);
    if (all.width >= smallest || count <= 1) return { ...all, perPage: Math.max(1, count) };
  }
  const height = boxHeight - pagerHeight;
  const most = Math.max(1, Math.floor((boxWidth + gap) / (smallest + gap)));
  const pages = Array.from({ length: most }, (_, i) => fullPage(i + 1, boxWidth, height, gap));
  // A few tiles less are no loss where the others fill the box better.
  const enough = 0.75 * Math.max(...pages.map((p) => p.perPage));
  const area = (p: Paged): number => p.perPage * p.width * p.height;
  return pages.filter((p) => p.perPage >= enough).reduce((best, p) => (area(p) > area(best) ? p : best));
}

/** As many rows of that many columns as there is room for. */
function fullPage(columns: number, boxWidth: number, boxHeight: number, gap: number): Paged {
  const width = (boxWidth - gap * (columns - 1)) / columns;
  const rows = Math.max(1, Math.floor((boxHeight + gap) / (width / ratio + gap)));
  const perPage = Math.min(mostTiles, columns * rows);
  return { ...bestGrid(perPage, boxWidth, boxHeight, gap), perPage };
}

/** Where the small pictures are beside the large one. */
export interface Strip extends Paged {
  /** To the right, below with the pager beside, or below with the pager under it. */
  side: "right" | "below" | "under";
}

/** The strip beside a large picture: on the side that leaves most of it. */
export function stripLayout(count: number, boxWidth: number, boxHeight: number, gap: number): Strip {
  if (boxWidth < 700 && boxHeight > boxWidth) return phoneStrip(count, boxWidth, boxHeight, gap);
  const tile = boxWidth < 700 ? { width: 128, height: 72 } : { width: 176, height: 99 };
  const stage = (w: number, h: number): number => Math.min(w, h * ratio);
  const right = stage(boxWidth - tile.width - gap, boxHeight) >= stage(boxWidth, boxHeight - tile.height - gap);
  const along = right ? boxHeight : boxWidth;
  const size = (right ? tile.height : tile.width) + gap;
  const fits = Math.max(1, Math.floor((along + gap) / size));
  // Below, the pager stands beside the pictures; on the right under them.
  const perPage = count <= fits ? Math.max(1, count) : Math.max(1, Math.floor((along + gap - (right ? pagerHeight : stripPager)) / size));
  const [columns, rows] = right ? [1, perPage] : [perPage, 1];
  return { side: right ? "right" : "below", columns, rows, ...tile, perPage };
}

/** Width of the pager of a strip that lies below, in px. */
const stripPager = 120;

/** Upright phones have room for two rows, and for the pager under them. */
function phoneStrip(count: number, boxWidth: number, boxHeight: number, gap: number): Strip {
  const columns = boxWidth < 480 ? 3 : 4;
  const width = Math.max(0, (boxWidth - gap * (columns - 1)) / columns);
  const rows = count > columns && boxHeight > 1.4 * boxWidth ? 2 : 1;
  return { side: "under", columns, rows, perPage: columns * rows, width: Math.floor(width), height: Math.floor(width / ratio) };
}

function floor(g: Grid): Grid {
  return { ...g, width: Math.max(0, Math.floor(g.width)), height: Math.max(0, Math.floor(g.height)) };
}

/** How high a picture of common shape is where it is shown whole in a box. */
export const containedHeight = (width: number, height: number): number => Math.min(height, width / ratio);

/**
 * What is on which page: screens, then the others as they are seated; we are
 * the last of the first page, so that one always finds oneself.
 */
export function arrange(screens: string[], others: readonly string[], self: string, perPage: number): string[] {
  const all = [...screens, ...others];
  all.splice(Math.max(0, Math.min(all.length, perPage - 1)), 0, self);
  return all;
}

/** Number of pages; there is always one. */
export const pagesOf = (count: number, perPage: number): number => Math.max(1, Math.ceil(count / Math.max(1, perPage)));
