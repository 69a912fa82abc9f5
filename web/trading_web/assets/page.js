// What a page needs besides live values: menus, the halt dialog, keys.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const store = (name, value) => {
    try {
      localStorage.setItem(name, value);
    } catch {
      // storage is switched off: the choice holds for this page
    }
  };

  function openDialog(dialog) {
    dialog.showModal();
    for (const part of dialog.querySelectorAll("[hx-get]")) htmx.trigger(part, "refresh");
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    const dialog = opener && byId(opener.dataset.opens);
    if (dialog && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      openDialog(dialog);
      return;
    }
    const closer = event.target.closest("[data-closes]");
    if (closer) closer.closest("dialog").close();
    if (event.target.closest("#pause")) window.live.togglePause();
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a,button,summary") && !String(getSelection()))
      location.href = row.dataset.href;
    for (const menu of document.querySelectorAll("details.menu[open]"))
      if (!menu.contains(event.target)) menu.open = false;
  });

  for (const name of ["theme", "palette"]) {
    document.addEventListener("change", (event) => {
      if (event.target.name !== name || !event.target.closest("[data-preferences]")) return;
      store(name, event.target.value);
      window.applyTheme();
      document.dispatchEvent(new CustomEvent("theme:change"));
    });
  }

  function nextTheme() {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark"
      || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    const choice = document.querySelector(`[name=theme][value=${dark ? "light" : "dark"}]`);
    choice.checked = true;
    choice.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // Rows are left and entered by their first link, so that Enter opens what is focused.
  function moveRow(step) {
    const links = [...document.querySelectorAll("main tbody tr")]
      .filter((row) => row.checkVisibility())
      .map((row) => row.querySelector("a, button"))
      .filter(Boolean);
    const row = document.activeElement?.closest("main tbody tr");
    const at = links.findIndex((link) => row?.contains(link));
    const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step;
    links[next]?.focus();
  }

  // The server writes every time, so it has to know; a cookie reaches the socket too.
  document.addEventListener("change", (event) => {
    if (event.target.name !== "zone" || !event.target.closest("[data-preferences]")) return;
    const chosen = event.target.value;
    const zone = chosen === "here" ? Intl.DateTimeFormat().resolvedOptions().timeZone : chosen;
    document.cookie = `trading_zone=${zone}; path=/; max-age=31536000; samesite=strict`;
    location.reload();
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes"; // a second click must not send twice
    setTimeout(() => delete form.dataset.sent, 5000);
  });

  let awaitsPage = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input,select,textarea,[contenteditable]")) return;
    if (document.querySelector("dialog[open]")) return;
    const page = awaitsPage && document.querySelector(`.nav [data-key="${CSS.escape(event.key)}"]`);
    if (page) {
      location.href = page.href;
      return;
    }
    awaitsPage = event.key === "g";
    if (event.key === ".") window.live.togglePause();
    if (event.key === "H" && event.shiftKey) openDialog(byId("halt_dialog"));
    if (event.key === "/") {
      event.preventDefault();
      byId("symbol_search")?.focus();
    }
    if (event.key === "?") byId("keys_dialog")?.showModal();
    if (event.key === "t") nextTheme();
    if (event.key === "j" || event.key === "k") moveRow(event.key === "j" ? 1 : -1);
  });

  for (const name of ["theme", "palette"]) {
    let value = null;
    try {
      value = localStorage.getItem(name);
    } catch {
      // as above
    }
    for (const input of document.querySelectorAll(`[data-preferences] [name=${name}]`))
      if (value) input.checked = input.value === value;
  }
})();
