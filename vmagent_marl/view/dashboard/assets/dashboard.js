// What the browser does by itself: playing, stepping, drawing a frame, light and dark.
// Text is only ever set as text: what a file tells becomes no part of the page's own code.
(() => {
  "use strict";
  const now = { frame: null, film: null, axis: "requests", chosen: {}, waits: 0 };
  const keep = () => window.dash_clientside.no_update;
  const by = (id) => document.getElementById(id);
  const whole = (n) => Math.round(n).toLocaleString("en");
  const PLAY = "▶ Play", PAUSE = "❚❚ Pause";
  let ticked = 0, owed = 0;

  const short = (n) => {
    if (n === null || n === undefined) return "–";
    if (Number.isInteger(n)) return n.toLocaleString("en");
    const size = Math.abs(n);
    return size >= 1000 ? whole(n) : size >= 100 ? n.toFixed(1) : n.toFixed(2);
  };

  const span = (seconds) => {
    if (seconds < 60) return `${whole(seconds)} s`;
    if (seconds < 3600) return `${(seconds / 60).toFixed(1)} min`;
    if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
    return `${(seconds / 86400).toFixed(1)} days`;
  };

  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  const worn = () => document.documentElement.dataset.theme
    || (window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

  // ---- playing -------------------------------------------------------------------------------
  const advance = (position, end, speed, axis, film, drawn) => {
    const at = performance.now();
    const passed = Math.min((at - ticked) / 1000, 0.5);
    ticked = at;
    const per = axis === "time" ? film.seconds / Math.max(film.steps, 1) : 1;
    owed += passed * speed * per;
    const ready = drawn && drawn.position === position; // one frame is under way at a time
    const step = Math.floor(owed);
    if (!ready || step < 1) return position;
    owed = 0;
    return Math.min(position + step, end);
  };

  const control = (first, back, play, forward, last, tick, position, end, playing, speed, axis, film,
                   drawn) => {
    const asked = window.dash_clientside.callback_context.triggered_id;
    const clicks = { first, back, play, forward, last, clock: tick };
    if (!asked || !clicks[asked]) return [keep(), keep(), keep(), keep()];
    const unit = axis === "time" ? Math.max(1, Math.round(film.seconds / Math.max(film.steps, 1))) : 1;
    const stop = [false, true, PLAY];
    if (asked === "first") return [0, ...stop];
    if (asked === "last") return [end, ...stop];
    if (asked === "back") return [Math.max(0, position - unit), ...stop];
    if (asked === "forward") return [Math.min(end, position + unit), ...stop];
    if (asked === "play") {
      if (playing) return [keep(), ...stop];
      ticked = performance.now();
      owed = 0;
      return [position >= end ? 0 : keep(), true, false, PAUSE];
    }
    if (!playing) return [keep(), false, true, PLAY];
    const next = advance(position, end, speed, axis, film, drawn);
    if (next >= end) return [end, ...stop];
    return [next === position ? keep() : next, keep(), keep(), keep()];
  };

  const jump = (clicks, axis, film) => {
    if (!clicks) return keep();
    return axis === "time" ? film.parting_second : film.parting;
  };

  // From requests to seconds and back, at the first recording's step.
  const rescale = (axis, film, frame) => {
    const end = axis === "time" ? film.seconds : film.steps;
    const first = frame ? frame.frames[0] : { t: 0, second: 0 };
    return [end, Math.min(axis === "time" ? first.second : first.t, end)];
  };

  // ---- drawing -------------------------------------------------------------------------------
  const gauges = (pane, told) => {
    pane.querySelectorAll(".gauge").forEach((tile) => {
      const name = tile.dataset.gauge, value = told[name];
      const share = name === "cpu" || name === "memory";
      let text = share ? `${(100 * value).toFixed(1)} %` : short(value);
      if (name === "active") text = `${short(value)} / ${short(told.serving)}`;
      tile.querySelector(".value").textContent = text;
      const fill = tile.querySelector(".fill");
      if (fill) fill.style.width = `${100 * Math.min(value, 1)}%`;
    });
  };

  const chain = (element, frame, steps) => {
    const request = frame.request;
    if (!request) {
      element.replaceChildren(make("p", "request", `The episode is over: ${frame.end}.`));
      return;
    }
    const both = request.halved ? ", on both nodes" : "";
    const lives = request.lifetime === null ? "stays" : `for ${span(request.lifetime)}`;
    const waited = request.waited ? `, waited ${span(request.waited)}` : "";
    const words = `Request ${request.number.toLocaleString("en")} of ${steps.toLocaleString("en")}: `
      + `${short(request.cpu)} vCPU, ${short(request.memory)} GB${both}, ${lives}${waited}`;
    const hops = make("ol", "hops");
    frame.chain.forEach((link, i) => {
      const home = i === 0 ? "home " : "";
      const node = request.halved ? "both nodes" : `node ${link.node}`;
      const told = link.takes ? `takes it: server ${link.server}, ${node}` : "passes";
      const item = make("li", link.takes ? "takes" : "passes");
      item.append(make("span", "who", `${home}cluster ${link.cluster} `), make("b", "", told));
      hops.append(item);
    });
    if (!frame.chain.some((link) => link.takes)) hops.append(make("li", "lost", "turned away"));
    element.replaceChildren(make("p", "request", words), hops);
  };

  const clusters = (body, told) => {
    told.forEach((each, k) => {
      const cells = body.rows[k] ? body.rows[k].cells : [];
      const texts = [
        `${k}${each.down ? " (out of service)" : ""}`, `${(100 * each.cpu).toFixed(1)} %`,
        `${each.active} of ${each.serving}`, each.placed.toLocaleString("en"), each.hops.toFixed(2),
        short(each.power), short(each.profit),
      ];
      texts.forEach((text, i) => { if (cells[i]) cells[i].textContent = text; });
    });
  };

  const grid = (rows, columns, fill) =>
    Array.from({ length: rows }, () => new Array(columns).fill(fill));
  const STATES = ["out of service", "empty", "in use", "drained, VMs run on"];

  const cells = (map, frame, most, quantity) => {
    const rows = map.y.length - 1, columns = map.x.length - 1;
    const z = grid(rows, columns, null);
    const text = grid(rows, columns, ""), hover = grid(rows, columns, "");
    let cell = 0, server = 0;
    most.forEach((number, k) => {
      for (let s = 0; s < number; s += 1, server += 1) {
        const state = frame.status[server];
        for (let node = 0; node < 2; node += 1, cell += 1) {
          const r = map.row[cell], c = map.column[cell];
          const cpu = frame.cpu[cell], memory = frame.memory[cell];
          const share = quantity === "cpu" ? cpu : quantity === "memory" ? memory
            : Math.max(cpu, memory);
          z[r][c] = state === 0 ? map.low[0] : state === 1 ? map.low[1] : share;
          if (map.marked) {
            text[r][c] = state === 0 ? "×" : state === 1 ? "·" : map.told ? String(share) : "";
          }
          hover[r][c] = `cluster ${k}, server ${s}, node ${node}<br>${STATES[state]}, `
            + `${frame.vms[server]} VMs on the server<br>cpu ${cpu} %, memory ${memory} %`;
        }
      }
    });
    return { z: [z], text: [text], hovertext: [hover] };
  };

  const outline = (map, most, place, look) => {
    if (!place) return [];
    let before = 0;
    for (let k = 0; k < place.cluster; k += 1) before += most[k];
    return place.nodes.map((node) => {
      const cell = 2 * (before + place.server) + node;
      const r = map.row[cell], c = map.column[cell];
      return {
        type: "rect", x0: map.x[c], x1: map.x[c + 1], y0: map.y[r], y1: map.y[r + 1],
        line: look, fillcolor: "rgba(0,0,0,0)",
      };
    });
  };

  const paint = (i) => {
    const frame = now.frame.frames[i], map = now.film.maps[i], most = now.film.most[i];
    const plot = document.querySelector(`#map-${i} .js-plotly-plot`);
    if (!plot || !plot._fullLayout || !window.Plotly) return false;
    const chosen = now.chosen[i] || { quantity: "both", selected: { cluster: 0, server: 0 } };
    const picked = { ...chosen.selected, nodes: [0, 1] };
    const shapes = [
      ...outline(map, most, picked, { color: "#7a7a7a", width: 1.5 }),
      ...outline(map, most, frame.next, { color: "#D55E00", width: 2.5, dash: "dot" }),
      ...outline(map, most, frame.last, { color: "#D55E00", width: 3 }),
    ];
    const colorscale = [map.colours[worn()]];
    const values = { ...cells(map, frame, most, chosen.quantity), colorscale };
    window.Plotly.update(plot, values, { shapes });
    return true;
  };

  const cursor = (box) => {
    const plot = box.querySelector(".js-plotly-plot");
    if (!plot || !plot._fullLayout || !plot._fullLayout.xaxis || !now.frame) return false;
    if (plot.dataset.cursor !== "on" && plot.on) {
      plot.dataset.cursor = "on";
      plot.on("plotly_afterplot", () => cursor(box));
    }
    let line = box.querySelector(":scope > .cursor");
    if (!line) box.append(line = make("div", "cursor"));
    const axis = plot._fullLayout.xaxis, size = plot._fullLayout._size;
    const at = axis.d2p(now.frame.x);
    line.hidden = !(at >= -1 && at <= axis._length + 1);
    line.style.transform = `translateX(${axis._offset + at}px)`;
    line.style.top = `${size.t}px`;
    line.style.height = `${size.h}px`;
    return true;
  };

  const everything = () => {
    if (!now.frame) return;
    const painted = now.frame.frames.map((_, i) => paint(i));
    const drawn = [...document.querySelectorAll(".watch .chart")].map(cursor);
    if ([...painted, ...drawn].every(Boolean)) now.waits = 0;
    else if (now.waits < 200) { // plotly is still on its way
      now.waits += 1;
      setTimeout(everything, 50);
    }
  };

  const draw = (frame, film, axis) => {
    if (!frame) return keep();
    Object.assign(now, { frame, film, axis });
    frame.frames.forEach((each, i) => {
      const pane = by(`pane-${i}`);
      if (!pane) return;
      gauges(pane, each.gauges);
      chain(by(`chain-${i}`), each, frame.steps[i]);
      const body = by(`clusters-${i}`);
      if (body) clusters(body, each.clusters);
    });
    const thumb = document.querySelector("#position [role=slider], [id^=position] [role=slider]");
    if (thumb) thumb.setAttribute("aria-label", "position in the episode");
    const first = frame.frames[0];
    by("where").textContent = axis === "time"
      ? `${span(frame.position)} of ${span(film.seconds)}`
      : `${first.t.toLocaleString("en")} of ${film.steps.toLocaleString("en")} decided, ${span(first.second)}`;
    everything();
    return { position: frame.position };
  };

  const choose = (quantity, selected, id) => {
    const i = Number(id.split("-")[1]);
    now.chosen[i] = { quantity, selected };
    if (now.frame && now.frame.frames[i] && by(`pane-${i}`)) paint(i);
    return quantity;
  };

  // ---- light and dark, and keys ----------------------------------------------------------------
  const theme = (clicks) => {
    const root = document.documentElement;
    if (clicks) {
      root.dataset.theme = worn() === "dark" ? "light" : "dark";
      if (now.frame && by("pane-0")) everything();
      try { localStorage.setItem("vmagent-theme", root.dataset.theme); } catch { /* not allowed */ }
    }
    return "switch between light and dark";
  };
  try {
    const kept = localStorage.getItem("vmagent-theme");
    if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  } catch { /* a browser that keeps nothing */ }

  const KEYS = { " ": "play", ArrowLeft: "back", ArrowRight: "forward", Home: "first", End: "last" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !by("play")) return;
    const inside = event.target.closest("input, textarea, select, [role=listbox], [role=combobox], "
      + ".dash-dropdown, button:not(#play)");
    if (inside && !event.target.closest("#position")) return;
    if (event.target.closest("#position") && event.key !== " ") return; // the slider's own keys
    const ten = { PageUp: 10, PageDown: -10 }[event.key];
    if (ten) {
      event.preventDefault();
      const axis = now.axis, film = now.film;
      const unit = axis === "time" ? film.seconds / Math.max(film.steps, 1) : 1;
      const end = axis === "time" ? film.seconds : film.steps;
      const value = Math.round(now.frame.position + ten * unit);
      window.dash_clientside.set_props("position", { value: Math.min(Math.max(value, 0), end) });
      return;
    }
    const id = KEYS[event.key];
    if (!id) return;
    event.preventDefault();
    by(id).click();
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    dashboard: { control, jump, rescale, draw, choose, theme },
  });
})();
