// How things stand: ages, banners, the day's profit, what became of a decision.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as format from "../../../web/static/format.js";
import * as standing from "../../../web/static/standing.js";

const NOW = 1_000_000;

function symbol(name, { ageS = 0, gapS = 0.2, why = null } = {}) {
  return { name, tickAt: ageS === null ? null : NOW - ageS * 1000, gapS, why };
}

function storeOf(changes = {}, symbols = [symbol("AAPL")]) {
  return {
    bot: { running: true }, state: { state: "ACTIVE", reason: "" },
    feed: { state: "LIVE", reason: "", ts: 0, delay_s: 0, changedAt: NOW - 12_400 },
    symbols: new Map(symbols.map((one) => [one.name, one])), positions: new Map(), now: 5e9,
    session: { settings: { risk: { daily_loss_limit: -0.05 } } },
    metrics: { equity: 9_990, daily_pnl: -10 }, signals: [], bursts: [], ...changes,
  };
}

const held = (changes = {}) => ({
  symbol: "AAPL", side: "SHORT", quantity: 1, entry_price: 150, entry_ts: 1e9, last_price: 149, open_profit: 1,
  time_stop_ts: 8.2e9, fallback_ts: 600e9, guard: "its own exits", ...changes,
});

test("a tick is as old as this computer's clock says, and older by what the feed is behind", () => {
  assert.equal(standing.tickAge(symbol("A", { ageS: 12 }), { delay_s: 0 }, NOW), 12);
  assert.equal(standing.tickAge(symbol("A", { ageS: 12 }), { delay_s: 900 }, NOW), 912);
  assert.equal(standing.tickAge(symbol("A", { ageS: null }), {}, NOW), null);
  assert.equal(standing.feedAge(storeOf({}, [symbol("A", { ageS: 9 }), symbol("B", { ageS: 2 })]), NOW), 2);
  assert.equal(standing.feedAge(storeOf({}, []), NOW), null);
});

test("a symbol is silent after a few of its usual gaps, and not before some seconds", () => {
  assert.equal(standing.isSilent(symbol("A", { ageS: 2.9 }), NOW), false);
  assert.equal(standing.isSilent(symbol("A", { ageS: 3.1 }), NOW), true);
  assert.equal(standing.isSilent(symbol("A", { ageS: 99, gapS: 20 }), NOW), false);
  assert.equal(standing.isSilent(symbol("A", { ageS: 101, gapS: 20 }), NOW), true);
  assert.equal(standing.isSilent(symbol("A", { ageS: 4.9, gapS: null }), NOW), false);
  assert.equal(standing.isSilent(symbol("A", { ageS: 5.1, gapS: null }), NOW), true);
  assert.equal(standing.isSilent(symbol("A", { ageS: null }), NOW), false);
});

test("the feed is silent only where every symbol is", () => {
  const quiet = symbol("A", { ageS: 50 });
  assert.equal(standing.isFeedSilent(storeOf({}, [quiet, symbol("B")]), NOW), false);
  assert.equal(standing.isFeedSilent(storeOf({}, [quiet, symbol("B", { ageS: null })]), NOW), true);
  assert.equal(standing.isFeedSilent(storeOf({}, []), NOW), false);
});

test("entries are refused by the feed while trading is on", () => {
  assert.equal(standing.refusedBy(storeOf()), "");
  for (const state of ["CONNECTING", "STALE", "DOWN"]) assert.equal(standing.refusedBy(storeOf({ feed: { state } })), "feed");
  assert.equal(standing.refusedBy(storeOf({ feed: { state: "LIVE", delay_s: 900 } })), "delayed feed");
  assert.equal(standing.refusedBy(storeOf({ feed: { state: "DOWN" }, state: { state: "HALTED" } })), "");
});

test("a feed that is not live has a banner: since when, and what guards what is open", () => {
  format.setTimeZone("UTC");
  assert.equal(standing.feedBanner(storeOf(), NOW), null);
  for (const state of ["CONNECTING", "STALE", "DOWN"]) {
    const store = storeOf({ feed: { state, reason: "gone", ts: 60e9, changedAt: NOW - 12_400 } }, [symbol("A", { ageS: 27 })]);
    store.positions.set("AAPL", held());
    store.positions.set("MSFT", held({ symbol: "MSFT", side: "LONG" }));
    const { text, clock } = standing.feedBanner(store, NOW);
    assert.match(text, /\(gone\)\. Entries are refused until ticks come again\./);
    assert.match(text, /AAPL SHORT, MSFT LONG by its own exits\./);
    assert.equal(clock, "Last tick 27 s ago; in this state since 00:01:00");
  }
  assert.equal(standing.feedBanner(storeOf({ bot: { running: false }, feed: { state: "DOWN" } }), NOW), null);
});

test("a feed that is live and mute has a banner, too", () => {
  const mute = [symbol("A", { ageS: 12 }), symbol("B", { ageS: 13 })];
  assert.equal(standing.silenceBanner(storeOf({}, mute), NOW).clock, "Last tick 12 s ago");
  assert.equal(standing.silenceBanner(storeOf({}, [...mute, symbol("C")]), NOW), null);
  assert.equal(standing.silenceBanner(storeOf({ feed: { state: "STALE" } }, mute), NOW), null);
});

test("a sentence counts down while the page hears of the time, and names it otherwise", () => {
  format.setTimeZone("UTC");
  const why = { code: "HOLDING", text: "Holding: exits in {left} at the latest", until: 8.2e9 };
  assert.equal(standing.whySentence(symbol("A", { why }), storeOf(), NOW), "Holding: exits in 3.2 s at the latest");
  assert.equal(standing.whySentence(symbol("A", { why }), storeOf(), NOW, false), "Holding: exits at 00:00:08 at the latest");
  const tomorrow = { ...why, until: 99_857e9 + 5e9 };
  assert.equal(standing.whySentence(symbol("A", { why: tomorrow }), storeOf(), NOW), "Holding: exits in 27 h 44 min at the latest");
  assert.equal(standing.whySentence(symbol("A", { why: tomorrow }), storeOf(), NOW, false), "Holding: exits at 2 Jan 03:44:22 at the latest");
  assert.equal(standing.whySentence(symbol("A"), storeOf(), NOW), "");
  const old = symbol("A", { ageS: 12, why: { code: "CONDITIONS", text: "No entry: range 6 of 10 bp" } });
  assert.equal(standing.whySentence(old, storeOf(), NOW), "No entry: range 6 of 10 bp, as of the last tick 12 s ago");
});

test("what a page waits for is the bot, the feed or a tick", () => {
  assert.equal(standing.waitingFor(undefined, storeOf({ loaded: false })), "waiting for the bot…");
  assert.equal(standing.waitingFor(undefined, storeOf({ loaded: true, feed: { state: "CONNECTING" } })), "waiting for the feed (connecting)…");
  assert.equal(standing.waitingFor(undefined, storeOf({ loaded: true })), "waiting for the first tick…");
  assert.equal(standing.waitingFor({ whole: false }, storeOf({ loaded: true })), "asking the bot…");
  assert.equal(standing.waitingFor(undefined, storeOf({ loaded: true, bot: { running: false } })), "No entry: the bot has stopped");
});

test("a page that polls is current; one that is cut off, or hears of a mute bot, is not", () => {
  assert.equal(standing.isCurrent({ how: "stream", heardAt: NOW - 59_000 }, NOW), true);
  assert.equal(standing.isCurrent({ how: "polling", heardAt: NOW - 1_000 }, NOW), true);
  assert.equal(standing.isCurrent({ how: "stream", heardAt: NOW - 60_000 }, NOW), false);
  assert.equal(standing.isCurrent({ how: "lost", heardAt: NOW }, NOW), false);
});

test("profit is old with the price of any open position, and not with that of another symbol", () => {
  const link = { how: "stream", heardAt: NOW };
  const store = storeOf({}, [symbol("AAPL"), symbol("MSFT", { ageS: 20 })]);
  assert.equal(standing.isProfitOld(store, link, NOW), false);
  store.positions.set("AAPL", held());
  assert.equal(standing.isProfitOld(store, link, NOW), false);
  store.positions.set("MSFT", held({ symbol: "MSFT" }));
  assert.equal(standing.isProfitOld(store, link, NOW), true);
  assert.equal(standing.isProfitOld(storeOf(), { how: "lost", heardAt: NOW }, NOW), true);
});

test("a countdown is short at any length", () => {
  assert.deepEqual([3.24, 99.9, 100, 599, 3600, 99_857].map(format.countdown), ["3.2 s", "99.9 s", "1:40 min", "9:59 min", "1 h 0 min", "27 h 44 min"]);
});

test("the day's profit is that with open positions, beside its limit", () => {
  const store = storeOf();
  store.positions.set("AAPL", held({ open_profit: -115 }));
  const day = standing.dayProfit(store);
  assert.deepEqual([day.realised, day.unrealised, day.profit, day.start, day.limit, day.left], [-10, -115, -125, 10_000, -500, 375]);
  assert.equal(day.used, 0.25);
  store.positions.set("AAPL", held({ open_profit: 300 }));
  assert.deepEqual([standing.dayProfit(store).used, standing.dayProfit(store).left], [0, 790]);
  store.positions.set("AAPL", held({ open_profit: -900 }));
  assert.deepEqual([standing.dayProfit(store).used, standing.dayProfit(store).left], [1, 0]);
  assert.equal(standing.dayProfit(storeOf({ metrics: null })), null);
});

test("what closes a position by time is its time stop, or else the fallback", () => {
  assert.deepEqual(standing.timeStop(held(), 5e9), { by: "time stop", due: 8.2e9, left: 3.2, whole: 7.2 });
  assert.equal(standing.timeStop(held({ time_stop_ts: null }), 5e9).by, "fallback");
  assert.equal(standing.timeStop(held({ time_stop_ts: null, fallback_ts: null }), 5e9), null);
  assert.equal(standing.timeStop(held(), 9e9).left, 0);
});

test("a decision is told to its end, and one that never filled does not stay approved", () => {
  format.setReasons({ COOLDOWN: "cooling down" });
  const words = (outcome) => standing.outcomeWords({ outcome, why: "" })[0];
  assert.equal(words({ stage: "refused", reason: "COOLDOWN" }), "refused: cooling down");
  assert.equal(words({ stage: "approved" }), "approved");
  assert.equal(words({ stage: "submitted", quantity: 5 }), "sent");
  assert.equal(words({ stage: "accepted", quantity: 5 }), "accepted, no fill yet");
  assert.equal(words({ stage: "partially_filled", quantity: 5, filled: 3 }), "filled 3 of 5");
  assert.equal(words({ stage: "filled", quantity: 5, filled: 5 }), "filled 5");
  assert.equal(words({ stage: "canceled", quantity: 5, filled: 3 }), "filled 3 of 5, the rest canceled");
  assert.equal(words({ stage: "canceled", quantity: 5 }), "canceled, never filled");
  assert.equal(words({ stage: "rejected", quantity: 5 }), "rejected by the venue, never filled");
  assert.equal(words({ stage: "expired", quantity: 5 }), "expired, never filled");
  assert.equal(words({ stage: "closed", quantity: 5, filled: 5, reason: "TP", pnl: 0.23 }), "closed, TP +$0.23");
});

test("signals and bursts are in the order of venue time, and can be filtered by kind", () => {
  const signals = [
    { symbol: "A", decision_id: "1", ts: 1, outcome: { stage: "closed" } },
    { symbol: "B", decision_id: "2", ts: 5, outcome: { stage: "refused" } },
    { symbol: "C", decision_id: "3", ts: 3, outcome: { stage: "canceled" } },
    { symbol: "D", decision_id: "4", ts: 3, outcome: { stage: "canceled", filled: 1 } },
  ];
  const store = storeOf({ signals, bursts: [{ symbol: "E", ts: 4, side: "LONG" }] });
  const names = (kind, most) => standing.looksOf(store, kind, most).map((look) => look.symbol).join("");
  assert.equal(names("all"), "BEDCA");
  assert.equal(names("all", 2), "BE");
  assert.equal(names("entered"), "DA");
  assert.equal(names("unfilled"), "C");
  assert.equal(names("refused"), "B");
  assert.equal(names("bursts"), "E");
});

test("readings are in their unit", () => {
  assert.equal(format.counted(0.0006, "bp") + format.unitOf("bp"), "6.0 bp");
  assert.equal(format.counted(-0.0123, "%") + format.unitOf("%"), "\u22121.23 %");
  assert.equal(format.counted(1.5, "x") + format.unitOf("x"), "1.50 ×");
  assert.equal(format.counted(62.5) + format.unitOf(undefined), "62.5");
});
