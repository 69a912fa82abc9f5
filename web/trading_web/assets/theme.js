// Runs before the first paint, so that no page flashes in the wrong colours.
(() => {
  "use strict";
  const root = document.documentElement;
  const chosen = (name, fallback) => {
    try {
      return localStorage.getItem(name) || fallback;
    } catch {
      return fallback; // storage is switched off: the defaults hold
    }
  };
  const apply = () => {
    const theme = chosen("theme", "auto");
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    root.dataset.palette = chosen("palette", "blue");
    root.dataset.scripts = "on";
  };
  apply();
  addEventListener("storage", apply);
  window.applyTheme = apply;
})();
