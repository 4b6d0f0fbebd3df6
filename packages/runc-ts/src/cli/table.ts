const CELL_WIDTH_MIN = 12;
const PADDING = 3;

/** Columns in the way of the originals' tables: at least twelve wide, three apart, the last one ragged. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_none, column) => Math.max(CELL_WIDTH_MIN, ...rows.map((row) => (row[column] ?? '').length + PADDING)));
  return rows.map((row) => `${row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('')}\n`).join('');
}
