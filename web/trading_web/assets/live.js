// Live values: one socket a tab. Numbers come as JSON cells, structure as HTML
// that a section fetches again when an event says it changed.
(() => {
  "use strict";
  // The only place that knows htmx's names of socket events.
  const EVENTS = {
    open: "htmx:ws:after:connection",
    close: "htmx:ws:close",
    message: "htmx:ws:before:message:incoming",
  };
  const POLL_AFTER = 10_000;
  const REFRESH_GAP = 400;
  const AWAY = 5_000;

  const sequence = new Map();
  const waiting = new Set();
  let socket = null;
  let boot = null;
  let downSince = Date.now();
  let hiddenAt = null;
  let paused = false;
  let held = 0;
  let attempts = 0;

  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  function say(message, urgent = false) {
    const announcer = byId(urgent ? "announce_now" : "announce");
    if (announcer) announcer.textContent = message;
  }

  function chip(state, text) {
    const element = byId("feed");
    if (!element || element.dataset.state === state + text) return;
    const before = element.dataset.state || "";
    element.dataset.state = state + text;
    element.dataset.tone = { live: "ok", paused: "warn", wait: "warn" }[state] || "bad";
    element.querySelector("[data-text]").textContent = text;
    if (state === "live" && /^(wait|down)/.test(before)) say("Live updates are back.");
    if (state === "down") say("Live updates stopped; values are fetched every ten seconds.");
  }

  function showFeed() {
    if (paused) return chip("paused", held ? `Paused · ${held} held` : "Paused");
    if (socket && socket.readyState === WebSocket.OPEN) return chip("live", "Live");
    if (Date.now() - downSince > POLL_AFTER) return chip("down", "Delayed (polling)");
    chip("wait", attempts > 1 ? `Reconnecting ${attempts}` : "Connecting");
  }

  // --- sections -------------------------------------------------------------
  function refresh(section) {
    if (!section || waiting.has(section.id)) return;
    waiting.add(section.id);
    setTimeout(() => {
      waiting.delete(section.id);
      const current = byId(section.id);
      if (current) htmx.trigger(current, "refresh");
    }, REFRESH_GAP);
  }

  function refreshAll() {
    all("[data-refresh]").forEach(refresh);
    document.dispatchEvent(new CustomEvent("figures:refresh", { detail: null }));
  }

  // --- frames ---------------------------------------------------------------
  function setCells(values) {
    for (const [name, [text, tone, title]] of Object.entries(values)) {
      for (const cell of all(`[data-cell="${CSS.escape(name)}"]`)) {
        if (cell.textContent !== text) {
          cell.textContent = text;
          if (name.startsWith("market.")) continue; // a clock that blinks says nothing
          cell.classList.remove("changed");
          void cell.offsetWidth; // restarts the fade
          cell.classList.add("changed");
        }
        cell.dataset.tone = tone;
        if (title) cell.title = title;
        else cell.removeAttribute("title");
      }
    }
  }

  function setState(topic, problem, asOf) {
    for (const section of all(`[data-topic~="${CSS.escape(topic)}"]`)) {
      // Where there is no value at all, the section says so itself.
      const stale = Boolean(problem) && !section.querySelector(".failed");
      if (stale !== (section.dataset.state === "stale"))
        say(stale ? `${section.dataset.name || topic} is stale: ${problem}` : "Values are fresh again.");
      if (stale) section.dataset.state = "stale";
      else if (section.dataset.state === "stale") delete section.dataset.state;
      for (const line of all("[data-as-of]", section)) {
        if (asOf) line.textContent = asOf;
        line.title = problem || "";
      }
    }
  }

  function onFrame(frame) {
    if (frame.t === "hello") {
      if (boot && boot !== frame.boot) toast("The gateway was restarted; values are fresh.");
      const first = boot === null;
      boot = frame.boot;
      sequence.clear();
      for (const [topic, seq] of Object.entries(frame.seq)) sequence.set(topic, seq);
      if (!first) refreshAll();
      return;
    }
    if (frame.t === "resync") return refreshAll();
    const last = sequence.get(frame.topic);
    sequence.set(frame.topic, frame.seq);
    if (last !== undefined && frame.seq > last + 1) refreshAll();
    if (frame.t === "event") return onEvent(frame);
    if (paused) {
      held += 1;
      return showFeed();
    }
    if (frame.t === "cells") {
      setCells(frame.v);
      setState(frame.topic, frame.problem, frame.as_of);
    } else if (frame.t === "chart") {
      document.dispatchEvent(new CustomEvent("figures:refresh", { detail: frame.id }));
    }
  }

  function onEvent(frame) {
    const risky = frame.group === "risk" || frame.group === "alerts";
    if (frame.say) {
      say(frame.say, frame.urgent);
      toast(frame.say, frame.link, frame.urgent);
    }
    if (paused && !risky) {
      held += 1;
      return showFeed();
    }
    all(`[data-refresh~="${CSS.escape(frame.group)}"]`).forEach(refresh);
  }

  function toast(text, link, urgent) {
    const holder = byId("toasts");
    if (!holder) return;
    while (holder.children.length > 2) holder.firstElementChild.remove();
    const note = document.createElement(link ? "a" : "p");
    if (link) note.href = link;
    note.className = "toast";
    note.dataset.tone = urgent ? "bad" : "plain";
    note.textContent = text;
    holder.append(note);
    if (!urgent) setTimeout(() => note.remove(), 6000);
  }

  // --- socket ---------------------------------------------------------------
  document.addEventListener(EVENTS.open, (event) => {
    socket = event.detail.connection.socket;
    attempts = 0;
    hint();
    showFeed();
  });
  document.addEventListener(EVENTS.close, () => {
    if (socket) downSince = Date.now();
    socket = null;
    attempts += 1;
    showFeed();
  });
  document.addEventListener(EVENTS.message, (event) => {
    try {
      onFrame(JSON.parse(event.detail.message.data));
    } catch (error) {
      console.error("A live frame could not be read", error);
    }
  });

  function hint() {
    if (socket && socket.readyState === WebSocket.OPEN)
      socket.send(JSON.stringify({ t: document.hidden ? "hidden" : "shown" }));
  }

  document.addEventListener("visibilitychange", () => {
    hint();
    if (document.hidden) hiddenAt = Date.now();
    else if (hiddenAt && Date.now() - hiddenAt > AWAY) refreshAll();
  });

  function togglePause() {
    paused = !paused;
    const button = byId("pause");
    if (button) button.setAttribute("aria-pressed", String(paused));
    if (!paused) {
      held = 0;
      refreshAll();
    }
    showFeed();
  }

  setInterval(showFeed, 1000);
  setInterval(() => {
    if (!paused && !socket && Date.now() - downSince > POLL_AFTER) refreshAll();
  }, POLL_AFTER);

  window.live = { togglePause, refreshAll, say, toast };
})();
