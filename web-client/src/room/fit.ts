/** The largest 16:9 tiles of which `count` fit a rectangle. */
export interface Fit {
  columns: number;
  width: number;
  height: number;
  /** They do not fit at a readable size: the grid scrolls. */
  scrolls: boolean;
}

const ASPECT = 16 / 9;

export function fitTiles(count: number, width: number, height: number, gap: number, least: number): Fit {
  if (count <= 0 || width <= 0 || height <= 0) return { columns: 1, width: 0, height: 0, scrolls: false };
  let best = { columns: 1, width: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = ((height - gap * (rows - 1)) / rows) * ASPECT;
    const fits = Math.floor(Math.min(byWidth, byHeight));
    if (fits > best.width) best = { columns, width: fits };
  }
  if (best.width >= least) {
    return { ...best, height: Math.floor(best.width / ASPECT), scrolls: false };
  }
  const columns = Math.max(1, Math.floor((width + gap) / (least + gap)));
  const size = Math.floor((width - gap * (columns - 1)) / columns);
  return { columns, width: size, height: Math.floor(size / ASPECT), scrolls: true };
}
