import { cpus } from 'node:os';

/** A ratio may be so much worse than its target before the quick run fails: it is short, and machines are noisy. */
const QUICK_TOLERANCE = 1.5;

export function machine() {
  const processors = cpus();
  return { node: process.version, cpu: processors[0]?.model.trim() ?? 'unknown', cores: processors.length };
}

/** Median, range and verdict of each row that was measured. */
export function judge(rows, figures, isQuick) {
  return rows
    .filter(({ key }) => figures.has(key))
    .map((row) => {
      const sorted = figures.get(row.key).toSorted((a, b) => a - b);
      const median = medianOf(sorted);
      const result = { ...row, median, min: sorted[0], max: sorted.at(-1), rounds: sorted.length };
      return { ...result, ...verdictOf(result, isQuick) };
    });
}

function medianOf(sorted) {
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function verdictOf({ median, atMost, atLeast, unit }, isQuick) {
  if (atMost === undefined && atLeast === undefined) return { verdict: '', failed: false };
  if (meets(median, { atMost, atLeast }, 1)) return { verdict: 'met', failed: false };
  const isMachines = unit !== '';
  const failed = !isQuick || (!isMachines && !meets(median, { atMost, atLeast }, QUICK_TOLERANCE));
  return { verdict: 'missed', failed };
}

function meets(value, { atMost, atLeast }, tolerance) {
  return atMost === undefined ? value >= atLeast / tolerance : value <= atMost * tolerance;
}

export function labelOf({ what, unit }) {
  return unit === '' ? what : `${what} (${unit})`;
}

export function targetOf({ atMost, atLeast }) {
  if (atMost === undefined) return atLeast === undefined ? '' : `≥ ${number(atLeast)}`;
  return `≤ ${number(atMost)}`;
}

export function table(results) {
  const lines = [['', 'median', 'min', 'max', 'target', '']];
  for (const { what, unit, median, min, max, atMost, atLeast, verdict, failed } of results) {
    const figures = [median, min, max].map(number);
    const target = targetOf({ atMost, atLeast });
    lines.push([labelOf({ what, unit }), ...figures, target, failed ? `${verdict} !` : verdict]);
  }
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          column === 0 || column === 5 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function number(value) {
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
