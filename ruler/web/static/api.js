// The API of the ruler: every call gives its data or throws an Error whose message is fit to show.

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("the ruler does not answer");
  }
  const text = await response.text();
  let body;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    throw new Error(`${path}: ${response.status} ${text.slice(0, 200)}`);
  }
  if (!response.ok) throw new Error(body?.error ?? body?.message ?? (typeof body === "string" ? body : `${path}: ${response.status}`));
  return body;
}

function form(values) {
  return { method: "POST", body: new URLSearchParams(values) };
}

export const targets = async () => (await call("/api/v1/targets?state=active")).data.activeTargets;
export const rules = async () => (await call("/api/v1/rules?type=alert")).data.groups;
export const buildInfo = async () => (await call("/api/v1/status/buildinfo")).data;
export const metricNames = async () => (await call("/api/v1/label/__name__/values?limit=5000")).data;
export const silencedAlerts = async () => call("/api/v2/alerts?active=true&silenced=true&inhibited=true");
export const query = async (text) => call("/api/v1/query", form({ query: text }));

export async function queryRange(text, seconds) {
  const step = Math.max(5, Math.ceil(seconds / 240));
  const end = Math.floor(Date.now() / 1000 / step) * step;
  const body = await call("/api/v1/query_range", form({ query: text, start: end - seconds, end, step }));
  return { ...body, start: end - seconds, end, step };
}

export async function silence(labels, hours, author, comment) {
  const matchers = Object.entries(labels).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }));
  const now = Date.now();
  return call("/api/v2/silences", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      matchers, createdBy: author, comment,
      startsAt: new Date(now).toISOString(), endsAt: new Date(now + hours * 3600_000).toISOString(),
    }),
  });
}
