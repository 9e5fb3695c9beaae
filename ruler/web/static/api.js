// The API of the ruler: every call gives its data or throws an Error whose message is fit to show.

const PATIENCE_MS = 30_000;
const QUERY_TIMEOUT = "25s";  // before patience ends, so that a slow query is told from a ruler that is gone
let ahead = 0;

// The ruler's time in ms: ages and ranges stay right on a computer whose clock is not.
export const now = () => Date.now() + ahead;

// Unreachable is an answer that did not come: all that is shown is old.
export class Unreachable extends Error {}

async function call(path, { signal, ...options } = {}) {
  const signals = [AbortSignal.timeout(PATIENCE_MS), ...(signal ? [signal] : [])];
  let response, text;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.any(signals) });
    text = await response.text();
  } catch {
    throw new Unreachable("The ruler does not answer.");
  }
  readClock(response.headers.get("date"));
  const body = parsed(text);
  if (response.ok && body !== undefined) return body;
  throw new Error(body?.error ?? body?.message ?? (typeof body === "string" ? body : `${path}: ${response.status} ${text.slice(0, 200)}`));
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return undefined;
  }
}

function readClock(date) {
  const difference = Date.parse(date) - Date.now();
  if (Number.isFinite(difference)) ahead = Math.abs(difference) < 3000 ? 0 : difference;
}

const form = (values) => ({ method: "POST", body: new URLSearchParams(values) });
const json = (value) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });

export const targets = async () => (await call("/api/v1/targets?state=active")).data.activeTargets;
export const relabelSteps = async (scrapePool, labels) =>
  (await call(`/api/v1/targets/relabel_steps?${new URLSearchParams({ scrapePool, labels: JSON.stringify(labels) })}`)).data.steps;
export const alertRules = async () => (await call("/api/v1/rules?type=alert")).data.groups.flatMap((group) => group.rules);
export const seriesCount = async () => (await call("/api/v1/status/tsdb?limit=1")).data.headStats.numSeries;
export const version = async () => (await call("/api/v1/status/buildinfo")).data.version;
export const metricNames = async () => (await call("/api/v1/label/__name__/values?limit=20000")).data;
export const labelNames = async () => (await call("/api/v1/labels?limit=2000")).data;
export const sentAlerts = () => call("/api/v2/alerts?active=true&silenced=true&inhibited=true");
export const silences = () => call("/api/v2/silences?active=true&pending=false&expired=false");
export const query = (text, signal) => call("/api/v1/query", { ...form({ query: text, timeout: QUERY_TIMEOUT }), signal });

const STEPS_ACROSS = 240, LEAST_STEP = 5;

// The times of a range that ends now. They are multiples of the step, so that a chart moves and does not wobble.
export function rangeUntilNow(seconds) {
  const step = Math.max(LEAST_STEP, Math.ceil(seconds / STEPS_ACROSS));
  const end = Math.floor(now() / 1000 / step) * step;
  return { start: end - seconds, end, step };
}

export async function queryRange(text, range, signal) {
  const asked = form({ query: text, timeout: QUERY_TIMEOUT, ...range });
  return { ...await call("/api/v1/query_range", { ...asked, signal }), ...range };
}

export function silence(matchers, seconds, createdBy, comment) {
  const startsAt = new Date(now()).toISOString(), endsAt = new Date(now() + seconds * 1000).toISOString();
  return call("/api/v2/silences", json({ matchers, createdBy, comment, startsAt, endsAt }));
}

export const endSilence = (id) => call(`/api/v2/silence/${encodeURIComponent(id)}`, { method: "DELETE" });
