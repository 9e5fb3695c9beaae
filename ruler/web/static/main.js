// The page: puts its parts in place, and each keeps itself fresh.

import * as alerts from "./alerts.js";
import * as api from "./api.js";
import * as complete from "./complete.js";
import { byId } from "./dom.js";
import { keepFresh, start } from "./fresh.js";
import * as hosts from "./hosts.js";
import { installMore } from "./more.js";
import * as query from "./query.js";
import { installDialogs, installList } from "./silences.js";
import * as targets from "./targets.js";
import { tile } from "./tiles.js";
import { short } from "./units.js";

async function loadRest() {
  tile("series", short(await api.seriesCount()), "");
  byId("version").textContent ||= `Tocsin ${await api.version()}`;
}

const refreshAlerts = keepFresh(alerts.load), refreshTargets = keepFresh(targets.load);

alerts.install(refreshAlerts);
installDialogs();
installList(refreshAlerts);
installMore(byId("alerts-more"), refreshAlerts);
installMore(byId("targets-more"), refreshTargets);
targets.install(refreshTargets);
hosts.install(keepFresh(hosts.load));
complete.install();  // before the query box, whose Enter would otherwise come before the list's
query.install(keepFresh(query.load));
keepFresh(loadRest);
start();
