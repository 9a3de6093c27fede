// The pills of the header: the state of the feed, of trading, and of the page's own connection.

import * as format from "../format.js";
import { feedAge, isCurrent, isFeedSilent, refusedBy } from "../standing.js";
import { unheard } from "./chains.js";
import { byId, setText } from "./dom.js";

const FEED_TONES = { LIVE: "good", STALE: "warn", CONNECTING: "warn", DOWN: "bad" };
const LINK_SAID = { stream: "bot is mute", polling: "polling", lost: "not connected" };
const STATE_TONES = { ACTIVE: "good", PAUSED: "warn", REDUCING: "warn", HALTED: "bad" };

/** `link` says how the page hears of the bot: "stream", "polling", "lost" or (a page that begins) "opening", and when it did last (`heardAt`, ms). */
export function drawStatus(store, link) {
  const now = Date.now();
  setText("feed-state", store.feed.state);
  const age = feedAge(store, now);
  const silent = isFeedSilent(store, now);
  setText("feed-age", age === null ? "" : format.age(age));
  const tone = FEED_TONES[store.feed.state] ?? "wait";
  const doubtful = silent || store.feed.delay_s || unheard(store).length || Object.keys(store.feed.stale ?? {}).length;
  const feed = byId("feed-pill");
  feed.dataset.tone = tone === "good" && doubtful ? "warn" : tone;
  feed.title = `Market data: ${store.feed.state}${store.feed.reason ? `, ${store.feed.reason}` : ""}${age === null ? "" : `; the newest tick is ${format.age(age)} old`}`;
  setText("trading-state", store.bot.running ? store.state.state || "…" : "STOPPED");
  const state = byId("state-pill");
  state.dataset.tone = store.bot.running ? STATE_TONES[store.state.state] ?? "wait" : "bad";
  state.title = store.state.reason || "";
  const by = refusedBy(store);
  byId("entries-refused").hidden = !by;
  setText("entries-refused", by ? `entries refused: ${by}` : "");
  if (by) state.dataset.tone = "warn";
  drawLink(store, link, now);
  byId("paper").hidden = !store.session?.paper;
  byId("real-money").hidden = !store.session || store.session.paper;
}

/** Grey the pills out where the page does not hear of what they say at once. */
function drawLink(store, { how, heardAt }, now) {
  const cut = store.loaded && store.bot.running && ((how !== "stream" && how !== "opening") || !isCurrent({ how, heardAt }, now));
  for (const id of ["feed-pill", "state-pill"]) byId(id).classList.toggle("unsure", cut);
  byId("link-pill").hidden = !cut;
  if (!cut) return;
  byId("link-pill").dataset.tone = how === "polling" ? "warn" : "bad";
  setText("link-state", LINK_SAID[how]);
  setText("link-age", `${store.now ? `as of ${format.time(store.now)}, ` : ""}${format.age((now - heardAt) / 1000)} ago`);
}
