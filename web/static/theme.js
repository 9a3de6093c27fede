// Sets the theme before anything is painted. It is a file of its own, loaded before the page, since the page's policy
// allows no script inside of it.

(() => {
  const KEY = "microbot-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");

  function kept() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // a browser that keeps nothing
    }
  }

  function apply() {
    const wanted = kept();
    const theme = wanted === "light" || wanted === "dark" ? wanted : system.matches ? "dark" : "light";
    if (document.documentElement.dataset.theme === theme) return;
    document.documentElement.dataset.theme = theme;
    dispatchEvent(new Event("themechange")); // for what is painted on a canvas
  }

  system.addEventListener("change", apply);
  addEventListener("storage", apply); // chosen in another tab
  addEventListener("themechosen", apply);
  apply();
})();
