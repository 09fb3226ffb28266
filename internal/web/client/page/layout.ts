/** Where tiles go. Pure arithmetic, so that it can be tested. */

export interface Grid {
  columns: number;
  rows: number;
  /** Size of a tile in px. */
  width: number;
  height: number;
}

const ratio = 16 / 9;
/** Narrower tiles say nothing; the grid scrolls instead. */
export const smallestTile = 150;

/** The grid that makes `count` tiles largest in a box of that size with that gap. */
export function bestGrid(count: number, boxWidth: number, boxHeight: number, gap: number): Grid {
  let best: Grid = { columns: 1, rows: Math.max(1, count), width: 0, height: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const rows = Math.ceil(count / columns);
    const width = Math.min((boxWidth - gap * (columns - 1)) / columns, ((boxHeight - gap * (rows - 1)) / rows) * ratio);
    if (width > best.width) best = { columns, rows, width, height: width / ratio };
  }
  return best.width >= smallestTile || count <= 1 ? floor(best) : scrollingGrid(count, boxWidth, gap);
}

function scrollingGrid(count: number, boxWidth: number, gap: number): Grid {
  const columns = Math.max(1, Math.floor((boxWidth + gap) / (smallestTile + gap)));
  const width = (boxWidth - gap * (columns - 1)) / columns;
  return floor({ columns, rows: Math.ceil(count / columns), width, height: width / ratio });
}

function floor(g: Grid): Grid {
  return { ...g, width: Math.max(0, Math.floor(g.width)), height: Math.max(0, Math.floor(g.height)) };
}

/** Picture heights that are asked for, smallest first. */
const steps = [90, 180, 360, 720, 1080, 2160];

/** The picture height that fills a tile: the smallest step that is not much smaller than it is. */
export function wantedHeight(tileHeight: number, pixelRatio: number): number {
  const need = tileHeight * Math.min(pixelRatio, 2) * 0.8;
  return steps.find((s) => s >= need) ?? steps.at(-1)!;
}
