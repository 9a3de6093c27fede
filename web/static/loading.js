// Watches a page load. One whose modules did not come looks alive and is dead: it says so instead, and loads itself again
// as soon as the bot answers. It stands in the page itself, so that it is there when nothing else came.

(() => {
  const SOON_MS = 100;
  const LATE_MS = 10_000; // by when a page has started
  const AGAIN_MS = 2000; // between two looks whether the bot answers
  const LOOK_MS = 5000; // within which it does
  const DEAD = "What it shows is old, and its buttons do nothing.";

  let waits = true; // for the page to start
  let looks = false; // whether the bot answers again

  addEventListener("pagestarted", () => {
    waits = false;
    document.getElementById("not-started")?.remove();
  });

  // A script that does not come is told at its element; what is thrown while the page starts, at the window.
  addEventListener("error", ({ target, message }) => {
    if (target instanceof HTMLScriptElement) {
      if (target.type === "module") loadAgain(`This page did not load whole. ${DEAD} It loads again when the bot answers.`);
    } else if (message) say(`This page does not start in this browser: ${message}. ${DEAD}`);
  }, true);
  setTimeout(() => loadAgain(`This page is still loading. ${DEAD} It loads again when the bot answers.`), LATE_MS);

  function say(text) {
    if (!waits) return;
    if (!document.body) { // the page itself is still on its way
      setTimeout(() => say(text), SOON_MS);
      return;
    }
    const said = document.getElementById("not-started") ?? Object.assign(document.createElement("p"), { id: "not-started", className: "banner" });
    said.dataset.tone = "bad";
    said.setAttribute("role", "alert");
    said.textContent = text;
    document.body.prepend(said);
  }

  async function loadAgain(text) {
    say(text);
    if (looks) return;
    looks = true;
    while (waits) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      const answer = await fetch("healthz", { cache: "no-store", signal: AbortSignal.timeout(LOOK_MS) }).catch(() => null);
      if (answer && waits) location.reload();
    }
  }
})();
