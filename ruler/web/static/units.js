// Numbers and times for people.

const STEPS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

export function short(value, digits = 3) {
  if (!Number.isFinite(value)) return String(value).replace("Infinity", "Inf");
  const size = Math.abs(value);
  if (size && (size < 0.001 || size >= 1e15)) return value.toExponential(Math.max(1, digits - 2)).replace("e+", "e");
  const [step, unit] = STEPS.find(([step]) => size >= step) ?? [1, ""];
  return `${trimmed(value / step, digits)}${unit}`;
}

export const percent = (value, digits = 3) => `${Number(value.toFixed(digits - 2))}%`;
export const bytesPerSecond = (value, digits) => short(value, digits).replace(/[kMGT]?$/, " $&B/s");

export function age(seconds) {
  if (!(seconds > 0)) seconds = 0;
  if (seconds < 60) return `${Math.floor(seconds)}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${Math.floor(seconds % 60)}s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m`;
  return `${Math.floor(seconds / 86400)}d ${Math.floor((seconds % 86400) / 3600)}h`;
}

export const took = (seconds) => (seconds < 1 ? `${trimmed(seconds * 1000, 3)} ms` : `${trimmed(seconds, 3)} s`);

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DAY = { day: "numeric", month: "short" };

// Time is seconds since 1970; the day is told where it is not today.
export const clock = (time, { seconds = false, day = false } = {}) =>
  new Date(time * 1000).toLocaleString([], { ...CLOCK, ...(seconds && { second: "2-digit" }), ...(day && DAY) });

export const moment = (milliseconds) =>
  clock(milliseconds / 1000, { day: new Date(milliseconds).toDateString() !== new Date().toDateString() });

const trimmed = (value, digits) => String(Number(value.toPrecision(digits)));
