// Draws the parts of the page from the store. Text goes in as text only, whatever a symbol or a reason contains.

import * as format from "./format.js";

const byId = (id) => document.getElementById(id);

function node(tag, className = "", text = null) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  return made;
}

function setText(id, text) {
  const target = byId(id);
  if (target.textContent !== text) target.textContent = text;
  return target;
}

/** Write a card's figure; one that would not fit in large type is written smaller. */
function setFigure(id, text, tone = "", roomy = 10) {
  const target = setText(id, text);
  const className = `figure ${tone} ${text.length > roomy ? "long" : ""}`.trim();
  if (target.className !== className) target.className = className;
}

/** Make the children of `parent` those of `items`, keeping the nodes of keys that stay. Newest items come first. */
function reconcile(parent, items, keyOf, make) {
  const keys = items.map((item) => String(keyOf(item)));
  const wanted = new Set(keys);
  const kept = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.dataset.key)) kept.set(child.dataset.key, child);
    else child.remove();
  }
  items.forEach((item, i) => {
    let child = kept.get(keys[i]);
    if (!child) {
      child = make(item);
      child.dataset.key = keys[i];
    }
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
}

function row(cells, className = "") {
  const made = node("tr", className);
  for (const [text, cellClass] of cells) made.append(node("td", cellClass ?? "", text));
  return made;
}

const newestFirst = (list) => [...list].reverse();

// ---------------------------------------------------------------------------------------------- header

const FEED_TONES = { LIVE: "good", STALE: "warn", CONNECTING: "wait", DOWN: "bad" };
const STATE_TONES = { ACTIVE: "good", PAUSED: "warn", REDUCING: "warn", HALTED: "bad" };

export function drawStatus(store) {
  setText("feed-state", store.feed.state);
  const tone = FEED_TONES[store.feed.state] ?? "wait";
  const doubtful = store.feed.delay_s || unheard(store).length || Object.keys(store.feed.stale ?? {}).length;
  byId("feed-pill").dataset.tone = tone === "good" && doubtful ? "warn" : tone;
  byId("feed-pill").title = store.feed.reason || `Market data: ${store.feed.state}`;
  setText("trading-state", store.bot.running ? store.state.state || "…" : "STOPPED");
  byId("state-pill").dataset.tone = store.bot.running ? STATE_TONES[store.state.state] ?? "wait" : "bad";
  byId("state-pill").title = store.state.reason || "";
  byId("paper").hidden = !store.session?.paper;
  byId("real-money").hidden = !store.session || store.session.paper;
}

const STATES_SAID = {
  PAUSED: ["warn", "Paused: no new entries, open positions keep their exits."],
  REDUCING: ["warn", "Reducing: no new entries, open positions are only closed."],
  HALTED: ["bad", "Halted: positions were closed and no entry is made."],
};

/** What is said of a strategy that does not run as it should, by the first word of its chain's state. */
const CHAINS_SAID = {
  SLOW: ["warn", "is slow", ""],
  RESTARTING: ["warn", "failed", " It restarts soon."],
  FAILED: ["bad", "failed", " It trades no more."],
  REMOVED: ["bad", "was removed", " It trades no more."],
};

const stateOf = (chain) => chain.split(":", 1)[0];

const guardOf = (position) => (position?.guard ? ` Its open position is guarded by ${position.guard}.` : "");

/** Symbols whose ticks come in vain: the feed is there, and yet nothing is traded on it. */
const unheard = (store) => [...store.symbols.values()].filter((symbol) => stateOf(symbol.chain) === "UNUSED");

const MOST_UNHEARD = 3; // banners of that kind; beyond it, one says it of all

function unheardBanners(store) {
  const symbols = unheard(store);
  if (symbols.length > MOST_UNHEARD) {
    const names = symbols.slice(0, MOST_UNHEARD).map((symbol) => symbol.name).join(", ");
    const why = symbols[0].chain.slice("UNUSED: ".length);
    return [["warn", `Ticks of ${names} and ${symbols.length - MOST_UNHEARD} more come, but ${why}.`]];
  }
  return symbols.map((symbol) => ["warn", `Ticks of ${symbol.name} come, but ${symbol.chain.slice("UNUSED: ".length)}.`]);
}

/** What is to be known of a feed that is live: prices that are old, symbols of which it is silent. */
function feedBanners({ delay_s: delayS = 0, stale = {} }) {
  const late = delayS ? [["warn", `Prices are ${age(delayS)} old: entries are refused.`]] : [];
  const names = Object.keys(stale);
  if (names.length > MOST_UNHEARD) {
    const shown = names.slice(0, MOST_UNHEARD).join(", ");
    return [...late, ["warn", `${shown} and ${names.length - MOST_UNHEARD} more are stale: their entries are refused, exits go on.`]];
  }
  return [...late, ...names.map((name) => ["warn", `${name} is stale (${stale[name]}): its entries are refused, exits go on.`])];
}

function chainBanner(symbol, position) {
  const state = stateOf(symbol.chain);
  const [tone, word, then] = CHAINS_SAID[state];
  const over = state === "FAILED" || state === "REMOVED";
  return [tone, `The strategy of ${symbol.name} ${word}${symbol.chain.slice(state.length)}.${then}${guardOf(position)}`, over ? symbol.name : ""];
}

/** How long ago something was: "12 s", "3 min", "2 h". */
function age(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export function drawBanners(store, { connected, quietS, restart, unlock }) {
  const banners = [];
  if (!store.bot.running) {
    banners.push(["bad", "The bot has stopped. This is its last state; the page goes on by itself when the bot is back."]);
  } else if (!connected && !store.loaded) {
    banners.push(["warn", "Connecting…"]);
  } else if (!connected && quietS >= 1) {
    banners.push(["warn", `Connection lost, reconnecting… What you see is ${age(quietS)} old.`]);
  } else if (quietS >= 10) {
    banners.push(["warn", `No word from the bot for more than ${Math.floor(quietS / 10) * 10} s.`]);
  }
  const said = STATES_SAID[store.state.state];
  if (said && store.bot.running) banners.push([said[0], store.state.reason ? `${said[1]} Reason: ${store.state.reason}` : said[1]]);
  if (store.bot.running && store.feed.state === "STALE") banners.push(["warn", "The feed is stale: entries are refused until ticks come again."]);
  if (store.bot.running) banners.push(...feedBanners(store.feed));
  if (store.bot.running) banners.push(...unheardBanners(store));
  for (const symbol of store.symbols.values()) {
    const position = store.positions.get(symbol.name);
    if (CHAINS_SAID[stateOf(symbol.chain)]) banners.push(chainBanner(symbol, position));
    else if (position?.guard && position.exits !== "OWN") banners.push(["warn", `${symbol.name}:${guardOf(position)}`]);
  }
  for (const [name, why] of Object.entries(store.symbolsHalted)) banners.push(["bad", `${name} is halted: ${why}.`]);
  for (const [name, why] of Object.entries(store.locks)) banners.push(["warn", `${name} is locked ${why}.`, "", name]);
  reconcile(byId("banners"), banners, (banner) => banner.join(" "), ([tone, text, restartable, locked]) => {
    const made = node("p", "banner", text);
    made.dataset.tone = tone;
    if (restartable) {
      const button = node("button", "small", "Restart");
      button.type = "button";
      button.title = `Start the strategy of ${restartable} again, with fresh windows.`;
      button.addEventListener("click", () => restart(restartable));
      made.append(" ", button);
    }
    if (locked) {
      const button = node("button", "small", "Unlock");
      button.type = "button";
      button.title = `Allow entries in ${locked} again.`;
      button.addEventListener("click", () => unlock(locked));
      made.append(" ", button);
    }
    return made;
  });
}

export function drawTabs(store, selected, select) {
  const tabs = byId("tabs");
  reconcile(tabs, [...store.symbols.values()], (symbol) => symbol.name, (symbol) => {
    const tab = node("button", "tab");
    tab.type = "button";
    tab.role = "tab";
    tab.setAttribute("aria-controls", "panel");
    tab.append(node("span", "dot"), node("span", "name", symbol.name), node("span", "last"), node("span", "failed", "FAILED"));
    tab.title = symbol.name;
    tab.addEventListener("click", () => select(symbol.name));
    return tab;
  });
  for (const tab of tabs.children) {
    const symbol = store.symbols.get(tab.dataset.key);
    const position = store.positions.get(symbol.name);
    const isSelected = symbol.name === selected;
    tab.setAttribute("aria-selected", String(isSelected));
    tab.tabIndex = isSelected ? 0 : -1;
    const [dot, , last, failed] = tab.children;
    dot.hidden = !position;
    dot.dataset.tone = position ? format.tone(position.open_profit) : "";
    dot.title = position ? `${position.side} position open` : "";
    const text = symbol.price === null ? "" : format.price(symbol.price);
    if (last.textContent !== text) last.textContent = text;
    const state = stateOf(symbol.chain);
    const mark = CHAINS_SAID[state]?.[0] ?? (state === "UNUSED" ? "warn" : "");
    failed.hidden = !mark;
    if (failed.textContent !== state) failed.textContent = state;
    failed.dataset.tone = mark;
  }
}

// ----------------------------------------------------------------------------------------------- cards

export function drawPrice(symbol) {
  if (!symbol || symbol.price === null) {
    setFigure("price", "–");
    setText("price-detail", "waiting for a tick…");
    byId("price-detail").className = "detail";
    setText("quote", "");
    return;
  }
  const step = symbol.price - symbol.previous;
  setFigure("price", format.price(symbol.price), format.tone(step));
  const change = symbol.price - symbol.first;
  const arrow = change > 0 ? "▲" : change < 0 ? "▼" : "=";
  const detail = setText("price-detail", `${arrow} ${format.priceStep(change, symbol.price)} (${format.signedPercent(change / symbol.first)})`);
  detail.className = `detail ${format.tone(change)}`;
  detail.title = "Change since the session's first tick";
  const [, , , bid, ask] = symbol.ticks.at(-1)?.tick ?? [];
  setText("quote", bid == null ? "" : `bid ${format.price(bid)}, ask ${format.price(ask)}`);
}

export function drawPosition(store, symbol) {
  const position = symbol ? store.positions.get(symbol.name) : null;
  const countdown = byId("countdown");
  if (!position) {
    const others = [...store.positions.keys()];
    setFigure("position", "Flat");
    setText("position-detail", others.length ? `open: ${others.join(", ")}` : "no open position");
    countdown.hidden = true;
    return;
  }
  setFigure("position", `${position.side} ${format.quantity(position.quantity)}  ${format.signedMoney(position.open_profit)}`, format.tone(position.open_profit), 17);
  // The exits' own time, where one of them waits for any; else the fallback's.
  const due = position.time_stop_ts ?? position.fallback_ts;
  const left = due === null ? null : format.secondsLeft(due, store.now);
  const until = position.time_stop_ts === null ? "until the fallback" : "left";
  const guarded = position.guard ? `; guarded by ${position.guard}` : "";
  setText("position-detail", `at ${format.price(position.entry_price)}${left === null ? "" : `, ${left.toFixed(1)} s ${until}`}`).title =
    `Entry price${left === null ? "" : `, and the time until the ${position.time_stop_ts === null ? "fallback" : "time stop"}`}${guarded}`;
  countdown.hidden = left === null;
  if (left !== null) {
    const whole = (due - position.entry_ts) / 1e9;
    countdown.firstElementChild.style.transform = `scaleX(${Math.min(1, left / (whole || 1)).toFixed(3)})`;
  }
}

export function drawMetrics(store) {
  const told = store.metrics;
  if (!told) return;
  setFigure("trades", format.count(told.trades));
  setText("trades-detail", told.trades ? `${format.count(told.wins)} won, ${format.count(told.losses)} lost` : "none yet");
  setFigure("win-rate", told.trades ? format.percent(told.win_rate, 1) : "–");
  setText("win-rate-detail", !told.trades ? "no trade yet" : told.consecutive_losses ? `${told.consecutive_losses} lost in a row` : "no losing run");
  const start = told.equity - told.daily_pnl;
  setFigure("daily-pnl", format.signedMoney(told.daily_pnl), format.tone(told.daily_pnl));
  setText("daily-pnl-detail", start > 0 ? `${format.signedPercent(told.daily_pnl / start)} today` : "\u00a0");
  const base = told.equity - told.total_pnl;
  setFigure("total-pnl", format.signedMoney(told.total_pnl), format.tone(told.total_pnl));
  setText("total-pnl-detail", base > 0 ? `${format.signedPercent(told.total_pnl / base)} in all` : "\u00a0");
  setFigure("drawdown", told.max_drawdown ? format.money(-Math.abs(told.max_drawdown)) : format.money(0));
  setText("drawdown-detail", `${format.percent(told.max_drawdown_pct)} at worst`);
  setFigure("equity", format.money(told.equity));
  const { open_positions: count, fees } = told;
  const open = `${format.count(count)} open position${count === 1 ? "" : "s"}`;
  // The card is narrow: what was charged, and what that leaves of the estimate, is shown on hover, and in the log.
  setText("equity-detail", fees ? `${format.count(count)} open · fees ${format.money(fees.charged || fees.estimated)}` : open);
  byId("equity-detail").title = fees ? `${open}; ${feesOf(fees)}` : "";
}

function feesOf({ estimated, charged, residual }) {
  const said = `fees ${format.money(estimated)} by estimate`;
  if (!charged) return `${said}, none charged yet`;
  return `${said}, ${format.money(charged)} charged, residual ${format.signedMoney(residual)}`;
}

// ---------------------------------------------------------------------------------- gauges and funnel

export function drawGauges(symbol) {
  const gauges = symbol?.gauges;
  byId("gauges-empty").hidden = Boolean(gauges);
  byId("gauges").hidden = !gauges;
  const chip = byId("gauges-chip");
  chip.hidden = !gauges;
  if (!gauges) return;
  drawBlocked(symbol);
  const { readings } = gauges;
  const conditions = readings.filter((reading) => !PLAIN.has(reading.bound));
  const passed = conditions.filter((reading) => reading.passed).length;
  const text = gauges.ready ? `${passed} of ${conditions.length} met` : "warming up";
  if (chip.textContent !== text) chip.textContent = text;
  chip.dataset.tone = !gauges.ready ? "warn" : passed === conditions.length && passed ? "good" : "";
  chip.title = gauges.ready ? "Conditions met by the newest tick" : "The window is not full yet, so nothing is traded";
  reconcile(byId("gauges"), readings, (reading) => `${reading.bound} ${reading.name}`, (reading) => {
    const gauge = node("div", "gauge");
    const line = node("div", "gauge-line");
    const value = node("span", "gauge-value");
    value.append(node("span"), node("small"));
    line.append(node("span", "gauge-mark"), node("span", "gauge-name", format.words(reading.name)), value);
    if (PLAIN.has(reading.bound)) {
      gauge.append(line);
      return gauge;
    }
    const bar = node("div", "gauge-bar");
    bar.setAttribute("role", "meter");
    bar.setAttribute("aria-label", format.words(reading.name));
    bar.setAttribute("aria-valuemin", "0");
    bar.setAttribute("aria-valuemax", "100");
    bar.append(node("i"), node("b"));
    gauge.append(line, bar);
    return gauge;
  });
  readings.forEach((reading, i) => drawGauge(byId("gauges").children[i], reading));
}

const PLAIN = new Set(["none", "rule"]); // bounds of what has no threshold: a number, and a rule that points

/** A number that nothing is wanted of, or a rule, which holds or does not. */
function drawPlain(gauge, mark, value, reading) {
  const isRule = reading.bound === "rule";
  gauge.dataset.passed = String(isRule && reading.passed);
  mark.textContent = isRule ? (reading.passed ? "✓" : "·") : "";
  const side = reading.value > 0 ? "LONG" : "SHORT";
  const text = isRule ? (reading.passed ? `holds: ${side}` : "does not hold") : format.measured(reading.value);
  if (value.textContent !== text) value.textContent = text;
}

/** What the last run of ticks (or candles) of this symbol lacked that pointed somewhere and gave no signal. */
function drawBlocked(symbol) {
  const burst = symbol.blocked;
  byId("blocked-last").hidden = !burst;
  if (!burst) return;
  const said = `Last blocked: ${burst.side} at ${format.time(burst.ts)}, ${format.reason(burst.reason)}`;
  setText("blocked-last", said).title = burst.reason;
}

const MOST = new Set(["at_most", "less_than"]); // bounds that a value must stay below

/**
 * The threshold stands in the middle of the bar; twice the threshold fills it. The tinted half is where the condition is
 * met: right of the threshold, or left of it if the value must not exceed it.
 */
function drawGauge(gauge, reading) {
  const [line, bar] = gauge.children;
  const [mark, , value] = line.children;
  if (PLAIN.has(reading.bound)) {
    drawPlain(gauge, mark, value.firstElementChild, reading);
    return;
  }
  const full = 2 * Math.abs(reading.threshold) || Math.max(1, 2 * Math.abs(reading.value));
  const share = Math.min(1, Math.abs(reading.value ?? 0) / full);
  const wanted = format.wanted(reading);
  gauge.dataset.passed = String(reading.passed);
  gauge.dataset.bound = MOST.has(reading.bound) ? "at_most" : reading.bound;
  mark.textContent = reading.passed ? "✓" : MOST.has(reading.bound) ? "×" : "·";
  value.children[0].textContent = format.reading(reading.value);
  value.children[1].textContent = ` ${wanted}`;
  bar.firstElementChild.style.width = `${(share * 100).toFixed(1)}%`;
  bar.setAttribute("aria-valuenow", (share * 100).toFixed(0));
  bar.setAttribute("aria-valuetext", `${format.reading(reading.value)}, wanted ${wanted}, ${reading.passed ? "met" : "not met"}`);
}

const STEPS = [
  ["ticks", "Ticks", "Accepted ticks"],
  ["ready", "Ready", "Ticks with a full window"],
  ["bursts", "Bursts", "Runs of ticks that point the same way"],
  ["signals", "Signals", "Bursts in which every condition was met at one tick"],
  ["approved", "Approved", "Signals that the risk check let through"],
  ["trades", "Trades", "Closed trades"],
];

export function drawFunnel(store) {
  if (!store.metrics) return;
  const { funnel, blocked } = store.metrics;
  const list = byId("funnel");
  reconcile(list, STEPS, ([name]) => name, ([, label, meaning]) => {
    const step = node("li");
    step.title = meaning;
    step.append(node("span", "", label), node("b"));
    return step;
  });
  // Steps differ by orders of magnitude, so bars grow with the logarithm of the count.
  const scale = Math.log1p(funnel.ticks) || 1;
  STEPS.forEach(([name], i) => {
    const step = list.children[i];
    step.lastElementChild.textContent = format.count(funnel[name]);
    step.style.setProperty("--share", Math.min(1, Math.log1p(funnel[name]) / scale).toFixed(3));
  });
  drawReasons("blocked", blocked);
  drawReasons("refusals", store.refusals);
}

function drawReasons(id, counts) {
  const found = Object.entries(counts).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  const items = found.length ? found : [["", 0]];
  reconcile(byId(id), items, ([code, n]) => `${code} ${n}`, ([code, n]) => {
    if (!code) return node("li", "none", "none");
    const item = node("li");
    item.title = code;
    item.append(node("span", "", format.reason(code)), node("b", "", format.count(n)));
    return item;
  });
}

function nothingPoints(store) {
  const readings = [...store.symbols.values()].flatMap((symbol) => symbol.gauges?.readings ?? []);
  if (readings.some((reading) => reading.name === "momentum")) return "no burst, the momentum has not reached its threshold";
  return "nothing has pointed LONG or SHORT";
}

const many = (n, what) => `${format.count(n)} ${what}${n === 1 ? "" : "s"}`;

/** Why there is no trade yet, in one sentence. */
export function whyNoTrade(store) {
  const funnel = store.metrics?.funnel;
  const most = (counts) => {
    const [top] = Object.entries(counts ?? {}).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
    return top ? `, most often: ${format.reason(top[0])}` : "";
  };
  if (!funnel?.ticks) return "no trade yet: no tick has come in";
  if (store.positions.size) return "no closed trade yet: a position is open";
  if (!funnel.ready) return "no trade yet: the window is still warming up";
  if (!funnel.bursts) return `no trade yet: ${nothingPoints(store)}`;
  if (!funnel.signals) return `no trade yet: ${many(funnel.bursts, "burst")} but no signal${most(store.metrics.blocked)}`;
  if (!funnel.approved) return `no trade yet: ${many(funnel.signals, "signal")}, all refused${most(store.refusals)}`;
  return "no closed trade yet";
}

// ---------------------------------------------------------------------------------------------- tables

export function drawTrades(store) {
  byId("trades-empty").hidden = store.trades.length > 0;
  if (!store.trades.length) setText("trades-empty", whyNoTrade(store));
  reconcile(byId("trade-rows"), newestFirst(store.trades), (trade) => `${trade.decision_id} ${trade.exit_ts}`, (trade) => {
    const made = row([
      [format.time(trade.exit_ts)], [trade.symbol, "symbol"], [trade.side, "muted"], [format.price(trade.entry_price), "n"],
      [format.price(trade.exit_price), "n"], [trade.exit_reason, "reason"], [format.signedMoney(trade.pnl), "n pnl"],
    ], trade.pnl > 0 ? "win" : trade.pnl < 0 ? "loss" : "even");
    made.title = `${format.instant(trade.exit_ts)}: ${format.exitReason(trade.exit_reason)}; ${format.quantity(trade.quantity)} held for ` +
      `${((trade.exit_ts - trade.entry_ts) / 1e9).toFixed(1)} s, ${format.signedPercent(trade.pnl_pct)}`;
    return made;
  });
}

export function drawTicks(symbol) {
  const ticks = symbol?.ticks ?? [];
  byId("ticks-empty").hidden = ticks.length > 0;
  setText("ticks-aside", symbol?.seen ? `${symbol.name}, ${format.count(symbol.seen + symbol.skipped)} seen` : symbol?.name ?? "");
  const items = ticks.map((entry, i) => ({ ...entry, before: i ? ticks[i - 1].tick[1] : entry.tick[1] }));
  reconcile(byId("tick-rows"), items.reverse(), (entry) => `${symbol.name} ${entry.key}`, ({ tick, before }) => {
    const [ts, price, size, bid, ask] = tick;
    return row([
      [format.timeMillis(ts), "muted"], [format.price(price), `n ${format.tone(price - before)}`], [format.quantity(size), "n"],
      [format.price(bid), "n"], [format.price(ask), "n"],
    ]);
  });
}

const readOff = (one) =>
  `${format.words(one.name)} ${PLAIN.has(one.bound) ? format.measured(one.value) : `${format.reading(one.value)} (${format.wanted(one)})`}`;

export function drawLooks(store) {
  const looks = [
    ...store.signals.map((signal) => ({ ...signal, key: `s ${signal.decision_id} ${signal.ts}` })),
    ...store.bursts.map((burst, i) => ({ ...burst, burst: true, key: `b ${burst.symbol} ${burst.ts} ${burst.side}` })),
  ].sort((a, b) => b.ts - a.ts).slice(0, 100);
  byId("looks-empty").hidden = looks.length > 0;
  reconcile(byId("look-rows"), looks, (look) => look.key, (look) => {
    const made = row([[format.time(look.ts), "muted"], [look.symbol, "symbol"], [look.side, "muted"]]);
    const outcome = node("td", "wide");
    if (look.burst) outcome.append(node("span", "why", `burst of ${look.ticks}: ${format.reason(look.reason)}`));
    else if (look.decision === "APPROVED") outcome.append(node("b", "up", "signal approved"));
    else outcome.append(node("span", "", "signal refused: "), node("span", "down", format.reason(look.reason)), look.why ? node("span", "", ` (${look.why})`) : "");
    made.append(outcome);
    if (look.readings) made.title = look.readings.map(readOff).join(", ");
    return made;
  });
}

// -------------------------------------------------------------------------------------------- strategy

/** What the strategy of the symbol that is shown declares (`param`), and what it measures (`op.metric`). */
export function drawStrategy(store, symbol) {
  const owner = Object.values(store.metrics?.strategies ?? {}).find((one) => one.symbols.includes(symbol?.name));
  const named = owner && owner !== store.metrics.strategies.default;
  const parameters = Object.entries((named ? owner : store.metrics)?.parameters ?? {});
  const measured = Object.entries(store.metrics?.metrics?.[symbol?.name] ?? {});
  byId("strategy-panel").hidden = !parameters.length && !measured.length && !symbol?.operators.length;
  byId("metrics").hidden = !measured.length;
  setText("strategy-aside", symbol?.name ?? "");
  reconcile(byId("parameters"), parameters, (one) => JSON.stringify(one), ([name, { value, default: usual, low, high }]) => {
    const made = node("div");
    made.title = `Declared by param: ${format.reading(low)} to ${format.reading(high)}, ${format.reading(usual)} where nothing is set`;
    const said = node("dd", "", format.reading(value));
    if (value !== usual) said.append(node("small", "muted", ` (default ${format.reading(usual)})`));
    made.append(node("dt", "", name), said, node("small", "muted", `${format.reading(low)} to ${format.reading(high)}`));
    return made;
  });
  const figures = ({ last, min, max, mean, count }) => [...[last, min, max, mean].map(format.measured), format.count(count)];
  reconcile(byId("metric-rows"), measured, ([name]) => name, ([name]) => row([[name], ...Array(5).fill(["", "n"])]));
  measured.forEach(([, found], i) => {
    const cells = [...byId("metric-rows").children[i].children].slice(1);
    figures(found).forEach((text, n) => {
      if (cells[n].textContent !== text) cells[n].textContent = text;
    });
  });
}

/** What each operator of the symbol's pipe passes on, and what it costs; nothing is drawn while it is folded. */
export function drawOperators(symbol) {
  const operators = symbol?.operators ?? [];
  const details = byId("operators");
  details.hidden = !operators.length;
  if (operators.length) byId("strategy-panel").hidden = false;
  if (!details.open) return;
  reconcile(byId("operator-rows"), operators, (one) => one.name, (one) => row([[one.name], ["", "n"], ["", "n"], ["", "n"], ["", "muted wide"]]));
  operators.forEach(({ rate, us, errors, last }, i) => {
    const cells = byId("operator-rows").children[i].children;
    const said = [rate === null ? "–" : `${format.reading(rate)} /s`, us === null ? "–" : `${format.reading(us)} µs`, format.count(errors), last || "–"];
    said.forEach((text, n) => {
      if (cells[n + 1].textContent !== text) cells[n + 1].textContent = text;
    });
    cells[3].classList.toggle("down", errors > 0);
  });
}

// --------------------------------------------------------------------------------------------- session

function ofPrints(prints) {
  return Object.entries(prints ?? {}).map(([kind, count]) => `${format.count(count)} ${kind}`).join(", ");
}

export function drawSession(store) {
  const told = store.metrics ?? {};
  const ofBroker = Object.entries(store.queues).filter(([name]) => name.startsWith("broker_"));
  const counts = ofBroker.map(([name, n]) => `${format.words(name.slice("broker_".length))} ${n}`).join(", ");
  const facts = [
    ["Session", store.session?.session], ["Strategy", store.session?.strategy], ["Feed", store.session?.feed],
    ["Venue", store.session?.venue], ["Ticks late", format.count(told.ticks_late)],
    ["Ticks rejected", format.count(told.ticks_rejected)], ["Prints that are no plain ticks", ofPrints(told.prints)],
    ["Broker", counts],
    ...Object.entries(told.strategies ?? {}).map(([name, one]) => [`Strategy ${name}`, ofStrategy(one)]),
  ].filter(([, value]) => value);
  reconcile(byId("session"), facts, (fact) => fact.join(" "), ([name, value]) => {
    const fact = node("div");
    fact.append(node("dt", "", name), node("dd", "", String(value)));
    return fact;
  });
}

/** What one of several strategies has come to. */
function ofStrategy({ symbols, signals, trades, total_pnl, halted }) {
  const counts = `${many(signals, "signal")}, ${many(trades, "trade")}, ${format.signedMoney(total_pnl)}`;
  return `${symbols.join(" ") || "no symbol"}: ${counts}${halted ? ", halted for the day" : ""}`;
}

/** Each queue with a bound: how much of it is taken, and what was dropped so far. */
export function drawQueues(store) {
  byId("queues-title").hidden = !store.bounded.length;
  const rows = store.bounded.map((queue) => [queue.name, format.bounded(queue.depth, queue.limit, queue.unit), queue.dropped, queue.depth / queue.limit]);
  reconcile(byId("queues"), rows, (row) => row.join(" "), ([name, depth, dropped, share]) => {
    const item = node("li");
    item.dataset.tone = dropped ? "bad" : share > 0.5 ? "warn" : "";
    item.append(node("span", "name", name), node("span", "depth", depth));
    if (dropped) item.append(node("b", "", `${format.count(dropped)} dropped`));
    return item;
  });
}

export function drawNotices(store) {
  byId("notices-empty").hidden = store.notices.length > 0;
  reconcile(byId("notices"), newestFirst(store.notices), (notice) => `${notice.ts} ${notice.text}`, (notice) => {
    const item = node("li");
    if (notice.ts) item.title = format.instant(notice.ts);
    item.append(node("time", "", notice.ts ? format.time(notice.ts) : "before the first tick"), node("span", "", notice.text));
    return item;
  });
}
