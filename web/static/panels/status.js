// The pills of the header: the state of the feed and of trading.

import { unheard } from "./chains.js";
import { byId, setText } from "./dom.js";

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
