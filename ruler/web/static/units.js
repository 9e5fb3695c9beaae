// Numbers for people.

const STEPS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

export function short(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  for (const [step, unit] of STEPS) if (size >= step) return `${trimmed(value / step)}${unit}`;
  return size && size < 0.001 ? value.toExponential(1) : trimmed(value);
}

export const percent = (value) => `${trimmed(value)}%`;
export const bytesPerSecond = (value) => `${short(value)}B/s`;

export function age(seconds) {
  if (seconds < 0) seconds = 0;
  if (seconds < 60) return `${Math.round(seconds)}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${Math.round(seconds % 60)}s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m`;
  return `${Math.floor(seconds / 86400)}d ${Math.floor((seconds % 86400) / 3600)}h`;
}

export const since = (time) => (new Date(time).getFullYear() < 1971 ? "never" : `${age((Date.now() - new Date(time)) / 1000)} ago`);

function trimmed(value) {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}
