// Draws figures that the server describes as plain JSON. Colours are named there
// ("@up") and taken from the style sheet here, so that a theme is one place.
(() => {
  "use strict";
  const CONFIG = { displaylogo: false, displayModeBar: false, responsive: true };
  const drawn = new Map();
  let library = null;

  function loadPlotly() {
    library ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = document.body.dataset.plotly;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error("The chart library could not be loaded."));
      document.head.append(script);
    });
    return library;
  }

  function palette() {
    const probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
    const seen = new Map();
    const colour = (name) => {
      if (!seen.has(name)) {
        probe.className = `ink-${name}`;
        seen.set(name, getComputedStyle(probe).color);
      }
      return seen.get(name);
    };
    const painted = (value) => {
      if (typeof value === "string") {
        const [, name, alpha] = /^@([a-z_]+)(?:\/(\d+))?$/.exec(value) || [];
        if (!name) return value;
        if (!alpha) return colour(name);
        const parts = colour(name).match(/[\d.]+/g).slice(0, 3);
        return `rgba(${parts.join(",")},${alpha / 100})`;
      }
      if (Array.isArray(value)) return value.map(painted);
      if (value && typeof value === "object")
        return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, painted(v)]));
      return value;
    };
    return { painted, done: () => probe.remove() };
  }

  // --- the bar axis: x is a bar's number, its labels depend on the zoom --------
  function ticks(meta, from, to) {
    const { labels, sessions, days, months } = meta.bars;
    const wide = to - from;
    const within = (list) => list.filter((i) => i >= from - 0.5 && i <= to + 0.5);
    const room = Math.max(3, Math.floor(meta.width / 74));
    let at, text;
    if (wide <= room || within(sessions).length < 3) {
      at = within(labels.map((_, i) => i));
      text = at.map((i) => labels[i]);
    } else {
      at = within(sessions);
      text = at.map((i) => days[i]);
      if (at.length > room * 4 && months.length > 2) {
        at = within(months);
        text = at.map((i) => days[i]);
      }
    }
    const step = Math.ceil(at.length / room) || 1;
    const keep = (_, i) => i % step === 0;
    return { tickvals: at.filter(keep), ticktext: text.filter(keep) };
  }

  function visibleRange(figure, from, to) {
    let low = Infinity;
    let high = -Infinity;
    for (const trace of figure.data) {
      if ((trace.yaxis || "y") !== "y" || trace.visible === false) continue;
      const lows = trace.low || trace.y;
      const highs = trace.high || trace.y;
      (trace.x || []).forEach((x, i) => {
        if (x < from || x > to || lows[i] === null) return;
        low = Math.min(low, lows[i]);
        high = Math.max(high, highs[i]);
      });
    }
    if (low === Infinity) return null;
    const margin = (high - low || high * 0.01) * 0.08;
    return [low - margin, high + margin];
  }

  function fitted(figure, plot, range) {
    const meta = figure.layout.meta;
    if (!meta || !meta.bars) return {};
    const [from, to] = range;
    const fit = visibleRange(figure, from, to);
    const { tickvals, ticktext } = ticks({ ...meta, width: plot.clientWidth }, from, to);
    const changes = { "xaxis.tickvals": tickvals, "xaxis.ticktext": ticktext };
    if (fit) changes["yaxis.range"] = fit;
    return changes;
  }

  function set(layout, changes) {
    for (const [path, value] of Object.entries(changes)) {
      const [axis, name] = path.split(".");
      layout[axis] = { ...layout[axis], [name]: value };
    }
  }

  async function draw(holder) {
    const plot = holder.querySelector(".plot");
    const state = drawn.get(holder) || {};
    const answer = await fetch(holder.dataset.figure, { headers: { Accept: "application/json" } });
    if (!answer.ok) return fail(holder, await reason(answer));
    const described = await answer.json();
    const caption = holder.querySelector("[data-caption]");
    if (caption && described.caption) caption.textContent = described.caption;
    holder.removeAttribute("aria-busy");
    delete holder.dataset.failed;
    holder.dataset.drawn = described.data.length ? "yes" : "empty";
    fillTable(holder, described.table);
    if (!described.data.length) {
      // Axes without a line would show numbers that nobody measured.
      if (state.figure) window.Plotly.purge(plot);
      state.figure = null;
      state.listens = false;
      drawn.set(holder, state);
      return;
    }
    const Plotly = await loadPlotly();
    state.described = described;
    paint(Plotly, holder, plot, state);
    drawn.set(holder, state);
  }

  // The same values for those who read them: what the server wrote, as it wrote it.
  function fillTable(holder, described) {
    const table = document.querySelector(`[data-table-of="${holder.id}"] table`);
    if (!table) return;
    const row = (texts, name) => {
      const line = document.createElement("tr");
      texts.forEach((text, i) => {
        const cell = document.createElement(i && name === "td" ? "td" : "th");
        cell.scope = name === "td" ? "row" : "col";
        if (cell.tagName === "TD") cell.removeAttribute("scope");
        cell.className = i ? "num" : "font-normal";
        cell.textContent = text;
        line.append(cell);
      });
      return line;
    };
    const { caption = "Nothing to show", columns = ["Values"], rows = [] } = described || {};
    const head = document.createElement("thead");
    head.append(row(columns, "th"));
    const body = document.createElement("tbody");
    body.append(...rows.map((texts) => row(texts, "td")));
    table.caption.textContent = caption;
    table.replaceChildren(table.caption, head, body);
  }

  function pointFiles(holder) {
    const [path, query] = holder.dataset.figure.replace("/figures/", "/files/").split("?");
    for (const link of document.querySelectorAll(`[data-files-of="${holder.id}"] a`))
      link.href = `${path}.${link.dataset.kind}${query ? `?${query}` : ""}`;
  }

  function shownAtFirst(plot, state) {
    const { bars, shown } = state.described.layout.meta;
    const all = bars.labels.length;
    return shown === null ? all : Math.min(all, plot.clientWidth < 500 ? 42 : shown);
  }

  function paint(Plotly, holder, plot, state) {
    const colours = palette();
    const figure = colours.painted({
      data: state.described.data,
      layout: state.described.layout,
    });
    colours.done();
    const meta = figure.layout.meta || {};
    if (meta.bars) {
      const shown = shownAtFirst(plot, state);
      const end = meta.bars.labels.length - 0.5;
      const range = state.range || [end - shown, end + (meta.space || 1)];
      figure.layout.xaxis = { ...figure.layout.xaxis, range };
      set(figure.layout, fitted(figure, plot, range));
    }
    state.figure = figure;
    Plotly.react(plot, figure.data, figure.layout, CONFIG);
    if (!state.listens) {
      state.listens = true;
      plot.on("plotly_relayout", (change) => moved(Plotly, holder, plot, change));
      plot.on("plotly_click", (click) => {
        const link = click.points.map((point) => point.customdata?.link).find(Boolean);
        if (link) location.href = link;
      });
    }
  }

  function moved(Plotly, holder, plot, change) {
    const state = drawn.get(holder);
    const meta = state.figure.layout.meta || {};
    if (!meta.bars || !("xaxis.range[0]" in change || "xaxis.range" in change)) return;
    const range = plot.layout.xaxis.range.map(Number);
    const end = meta.bars.labels.length - 0.5;
    // At the right edge the chart follows the market; elsewhere it stays put.
    state.range = range[1] >= end ? null : range;
    Plotly.relayout(plot, fitted(state.figure, plot, range));
  }

  async function reason(answer) {
    try {
      const problem = await answer.json();
      return problem.detail || problem.title;
    } catch {
      return `The server answered ${answer.status}.`;
    }
  }

  function fail(holder, text) {
    holder.dataset.failed = "yes";
    holder.removeAttribute("aria-busy");
    const caption = holder.querySelector("[data-caption]");
    if (caption) caption.textContent = text;
  }

  function start(holder) {
    draw(holder).catch((error) => fail(holder, error.message));
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        near.unobserve(entry.target);
        start(entry.target);
      }
    },
    { rootMargin: "200px" },
  );

  function watch() {
    for (const holder of document.querySelectorAll("[data-figure]")) {
      if (holder.dataset.watched) continue;
      holder.dataset.watched = "yes";
      near.observe(holder);
    }
  }

  let timer = null;
  document.addEventListener("figures:refresh", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      for (const holder of drawn.keys()) {
        if (!holder.isConnected) drawn.delete(holder);
        else if (!event.detail || holder.dataset.live === event.detail) start(holder);
      }
    }, 300);
  });

  document.addEventListener("theme:change", async () => {
    if (!drawn.size) return;
    const Plotly = await loadPlotly();
    for (const [holder, state] of drawn)
      if (state.figure) paint(Plotly, holder, holder.querySelector(".plot"), state);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    document.dispatchEvent(new CustomEvent("theme:change")),
  );

  // Range buttons name another figure for the holder they control.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-figure-of]");
    if (!button) return;
    event.preventDefault();
    const holder = document.getElementById(button.dataset.figureOf);
    for (const other of button.parentElement.children) other.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    holder.dataset.figure = button.dataset.address;
    pointFiles(holder);
    history.replaceState(null, "", button.href);
    const state = drawn.get(holder);
    if (state) state.range = null;
    start(holder);
  });

  document.addEventListener("keydown", (event) => {
    const holder = event.target.closest("[data-figure]");
    const state = holder && drawn.get(holder);
    if (!state?.figure?.layout.meta?.bars) return;
    const plot = holder.querySelector(".plot");
    const [from, to] = plot.layout.xaxis.range.map(Number);
    const count = state.figure.layout.meta.bars.labels.length;
    const wide = to - from;
    const moves = {
      ArrowLeft: [from - 1, to - 1],
      ArrowRight: [from + 1, to + 1],
      "+": [from + wide * 0.1, to - wide * 0.1],
      "-": [from - wide * 0.1, to + wide * 0.1],
      Home: [-0.5, wide - 0.5],
      End: [count + 0.5 - wide, count + 0.5],
      0: [count - 0.5 - shownAtFirst(plot, state), count + 0.5],
    };
    const range = moves[event.key];
    if (!range) return;
    event.preventDefault();
    loadPlotly().then((Plotly) => Plotly.relayout(plot, { "xaxis.range": range }));
  });

  document.addEventListener("htmx:after:swap", watch);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", watch);
  else watch();
})();
