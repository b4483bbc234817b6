// The page at /.devloop/: what devloop tells, live. Everything shown is text; nothing is ever read as markup.
"use strict";
(() => {
  const token = document.body.dataset.token;
  const at = (id) => document.getElementById(id);
  const MOST = { lines: 2000, shown: 500, rows: 300 };

  // What is known.
  let status = null, stats = null, oldest = 0, skew = 0, connected = false;
  const revisions = new Map(), requests = new Map(), rates = new Map();
  let lines = [], cleared = 0;

  // An element with attributes and children; strings become text.
  function el(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
    return made;
  }
  const now = () => Date.now() + skew;
  const time = (unix) => new Date(unix).toLocaleTimeString([], { hour12: false }) + "." + String(Math.floor(unix % 1000)).padStart(3, "0");
  function took(ms) {
    if (ms === null || ms === undefined) return "";
    if (ms < 9.95) return ms.toFixed(1) + " ms";
    return ms < 9995 ? Math.round(ms) + " ms" : (ms / 1000).toFixed(1) + " s";
  }
  function size(bytes) {
    if (bytes < 1024) return bytes + " B";
    return bytes < 1024 * 1024 ? (bytes / 1024).toFixed(1) + " KiB" : (bytes / 1024 / 1024).toFixed(1) + " MiB";
  }

  // Only what has changed is drawn again, a few times a second. No animation frame: a tab in the background has none, and its
  // title should tell of a failure all the same.
  const dirty = new Set();
  function draw(...parts) {
    if (dirty.size === 0) setTimeout(() => {
      const due = [...dirty];
      dirty.clear();
      for (const part of due) part();
    }, 40);
    for (const part of parts) dirty.add(part);
  }

  function drawState() {
    const [state, words] = overall();
    const shown = at("state");
    shown.dataset.state = state;
    shown.textContent = words;
    document.title = { good: "✓ ", busy: "… ", bad: "✗ ", off: "" }[state] + (status ? status.project : "") + " · devloop";
  }
  function overall() {
    if (!connected) return ["off", "devloop does not answer; this page goes on trying"];
    if (!status) return ["off", "connecting"];
    const failed = problems().length > 0;
    const running = [...status.steps.filter((step) => step.state === "running").map((step) => step.name + " runs"),
      ...status.services.filter((service) => service.starting).map((service) => service.name + " starts")];
    if (running.length) return ["busy", running.join(", ")];
    if (status.settling.length) return ["busy", "settling: " + status.settling.slice(0, 3).join(", ")];
    if (failed) return ["bad", "revision " + status.revision + " is not live"];
    if (!status.at_rest) return ["busy", "working on revision " + status.revision];
    return ["good", "at rest, revision " + status.revision];
  }

  function problems() {
    const all = [];
    if (status.invalid_plan) all.push(status.invalid_plan);
    for (const part of [...status.steps, ...status.services]) if (part.report) all.push(part.report);
    const known = new Set();
    return all.filter((report) => !known.has(report.title) && known.add(report.title));
  }
  function drawProblems() {
    const found = problems();
    at("problems").hidden = found.length === 0;
    at("problems").replaceChildren(...found.map((report) => el("article", { class: "problem" },
      el("h2", {}, report.title),
      el("ol", {}, report.places.map((place) => el("li", {},
        el("code", {}, place.file + ":" + place.line + (place.column ? ":" + place.column : "")), place.message))),
      report.output.length ? el("pre", { tabindex: "0" }, report.output.join("\n")) : null,
      report.hint ? el("p", { class: "hint" }, report.hint) : null)));
  }

  const STATES = { clean: "good", waiting: "off", running: "busy", stopping: "busy", failed: "bad",
    open: "good", awaiting: "busy", holding: "busy" };
  function drawPipeline() {
    at("steps").hidden = status.steps.length === 0;
    at("steps").replaceChildren(...status.steps.map((step) => el("li", { "data-state": STATES[step.state] },
      el("b", {}, step.name), " ", el("span", { class: "mono" }, step.state === "clean" ? took(step.took_ms) : ""),
      el("small", {}, step.state === "clean" ? "up to date" : step.state + (step.why ? ": " + step.why : "")))));
    at("services").replaceChildren(...status.services.map(service));
  }
  function service(service) {
    const gate = service.stale ? "bad" : STATES[service.gate];
    const words = { open: "live", awaiting: "awaits a save", holding: "holds requests", failed: "failed" }[service.gate];
    const traffic = stats && stats.services.find((other) => other.service === service.name);
    const instance = service.live || service.starting;
    const fact = (name, value) => value === undefined || value === null ? null : el("div", {}, el("dt", {}, name), el("dd", { class: "mono" }, String(value)));
    return el("article", { class: "service" },
      el("p", {}, el("b", {}, service.name), " ", el("span", { "data-state": gate }, service.stale ? "stale" : words)),
      service.stale ? el("small", {}, service.stale) : null,
      service.waiting_for ? el("small", {}, "waits for " + service.waiting_for) : null,
      el("dl", {},
        fact("revision", service.live ? service.live.revision : "none"),
        instance ? fact("port", instance.port) : null, instance ? fact("pid", instance.pid) : null,
        service.starting ? fact("starting", "revision " + service.starting.revision) : null,
        service.draining ? fact("draining", service.draining) : null,
        traffic ? fact("held", traffic.held) : null,
        traffic ? fact("at work", traffic.in_flight) : null,
        traffic ? fact("per second", rates.get(service.name) || 0) : null));
  }

  // Revisions: one lane for each name, one bar for each phase.
  const opened = new Map();
  function drawRevisions() {
    const all = [...revisions.values()].sort((a, b) => b.revision - a.revision);
    const newest = all.length ? all[0].revision : 0;
    at("revisions").replaceChildren(...(all.length ? all.map((story) => revision(story, newest)) : [el("li", { class: "empty" }, "Nothing yet.")]));
    if (all.some((story) => story.phases.some((phase) => phase.state === "running"))) setTimeout(() => draw(drawRevisions), 250);
  }
  function revision(story, newest) {
    const counted = story.phases.filter((phase) => phase.kind !== "drain");
    const end = Math.max(story.began + 1, ...counted.map((phase) => phase.to || now()));
    const [state, word] = outcome(counted);
    const names = [...new Set(story.phases.map((phase) => phase.name))];
    const files = story.count ? story.files.slice(0, 3).join(", ") + (story.count > 3 ? " and " + (story.count - 3) + " more" : "") : (story.revision === 1 ? "first run" : "asked for");
    const isOpen = opened.has(story.revision) ? opened.get(story.revision) : story.revision === newest;
    const details = el("details", { open: isOpen },
      el("summary", {}, el("b", {}, String(story.revision)), el("span", { class: "files mono", title: story.files.join("\n") }, files),
        el("span", { "data-state": state }, word), el("span", { class: "mono" }, took(end - story.began))),
      names.map((name) => lane(story, name, end)),
      el("ol", { class: "why" }, story.phases.filter((phase) => phase.note && phase.kind !== "ready" && phase.kind !== "drain")
        .map((phase) => el("li", {}, phase.name + ": " + phase.note))));
    details.addEventListener("toggle", () => opened.set(story.revision, details.open));
    return el("li", {}, details);
  }
  function outcome(phases) {
    const has = (state) => phases.some((phase) => phase.state === state);
    if (has("running")) return ["busy", "running"];
    // A failure that was made good later in the same revision is none.
    const last = new Map(phases.map((phase) => [phase.name, phase.state]));
    if ([...last.values()].includes("failed")) return ["bad", "failed"];
    if (phases.some((phase) => phase.kind === "swap")) return ["good", "live"];
    if ([...last.values()].includes("cancelled")) return ["off", "cancelled"];
    return ["good", "done"];
  }
  function lane(story, name, end) {
    const phases = story.phases.filter((phase) => phase.name === name);
    const share = (unix) => Math.min(100, Math.max(0, (unix - story.began) / (end - story.began) * 100));
    const track = el("div", { class: "track" }, phases.map((phase) => {
      const to = phase.to || now();
      const bar = el("i", { "data-kind": phase.kind, "data-end": phase.state,
        title: phase.kind + " " + took(to - phase.from) + ", " + phase.state + (phase.note ? ": " + phase.note : "") });
      bar.style.left = share(phase.from) + "%";
      bar.style.width = Math.max(0, share(to) - share(phase.from)) + "%";
      return bar;
    }));
    const sum = phases.filter((phase) => phase.kind !== "drain").reduce((all, phase) => all + (phase.to || now()) - phase.from, 0);
    return el("div", { class: "lane" }, el("span", { title: name }, name), track, el("span", { class: "mono" }, phases.every((phase) => phase.state === "kept") ? "kept" : took(sum)));
  }

  // Requests: a row is kept and changed, so that selections and focus stay.
  const rows = new Map();
  const KINDS = {
    all: () => true,
    open: (request) => ["held", "working", "answering"].includes(request.state),
    bad: (request) => request.status >= 400 || request.state === "broken_off",
    held: (request) => request.held_ms >= 20,
    stale: (request) => request.stale,
    replays: (request) => request.replays,
  };
  function fits(request) {
    const words = at("request-search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = [request.method, request.target, request.status, request.service, request.state, request.reason, request.type].join(" ").toLowerCase();
    return KINDS[at("request-kind").value](request) && words.every((word) => text.includes(word));
  }
  function drawRequests() {
    for (const number of requests.keys()) if (number < oldest) requests.delete(number);
    const shown = [...requests.values()].sort((a, b) => b.number - a.number).filter(fits).slice(0, MOST.rows);
    const wanted = shown.map((request) => row(request));
    const body = at("requests");
    const keep = new Set(wanted);
    for (const old of [...body.children]) if (!keep.has(old)) old.remove();
    wanted.forEach((made, index) => { if (body.children[index] !== made) body.insertBefore(made, body.children[index] || null); });
    for (const number of rows.keys()) if (!requests.has(number)) rows.delete(number);
    at("no-requests").hidden = shown.length > 0;
    at("no-requests").textContent = requests.size ? "No request fits the filter." : "No requests yet.";
  }
  function row(request) {
    const known = rows.get(request.number);
    if (known && known.of === request) return known.made;
    const made = known ? known.made : el("tr", {});
    const status = request.status || { held: "held", working: "…", answering: "…", broken_off: "✗", done: "" }[request.state];
    const state = request.state === "broken_off" || request.status >= 500 ? "bad" : request.status >= 400 ? "busy" : request.status ? "good" : "busy";
    const notes = [request.stale ? "stale" : "", request.attempts > 1 ? "sent twice" : "", request.replays ? "repeats " + request.replays : "",
      request.replaying ? "again after every swap" : "", request.reason || "", request.state === "broken_off" ? request.why : ""].filter(Boolean);
    made.replaceChildren(
      el("td", {}, time(request.time)), el("td", {}, request.method),
      el("td", { class: "target" }, el("button", { type: "button", on: { click: () => show(request.number) } }, request.target),
        notes.length ? el("small", {}, notes.join(", ")) : null),
      el("td", { "data-state": state }, String(status)),
      el("td", { class: "number" }, request.held_ms >= 1 ? took(request.held_ms) : ""),
      el("td", { class: "number" }, took(request.took_ms)),
      el("td", { class: "number wide" }, request.state === "done" ? size(request.response_bytes) : ""),
      el("td", { class: "number wide" }, request.revision === null ? "" : String(request.revision)));
    rows.set(request.number, { made, of: request });
    return made;
  }

  // One request.
  let inDetail = 0;
  async function show(number) {
    inDetail = number;
    const answer = await fetch("/.devloop/requests/" + number, { headers: { "x-devloop-token": token } });
    if (inDetail !== number) return;
    if (!answer.ok) return tell("Request " + number + " is not remembered any more.");
    const request = await answer.json();
    at("detail-title").textContent = request.method + " " + request.target;
    const fact = (name, value) => value === null || value === undefined || value === "" ? [] : [el("dt", {}, name), el("dd", { class: "mono" }, String(value))];
    at("detail-body").replaceChildren(
      el("dl", {}, fact("number", request.number + (request.replays ? ", repeats " + request.replays : "")), fact("came", time(request.time)),
        fact("service", request.service), fact("state", request.state.replace("_", " ") + (request.why ? ": " + request.why : "")), fact("status", request.status),
        fact("answered by", request.reason ? "devloop: " + request.reason : request.run === null ? "" : "run " + request.run + (request.revision === null ? "" : ", revision " + request.revision)),
        fact("stale", request.stale), fact("held", took(request.held_ms)), fact("answer began", took(request.first_ms)), fact("took", took(request.took_ms)),
        fact("sent to instances", request.attempts > 1 ? request.attempts : "")),
      actions(request),
      el("h3", {}, "Request"), head(request.request_headers), body(request.request_body),
      el("h3", {}, "Answer"), head(request.response_headers), body(request.response_body));
    if (!at("detail").open) at("detail").showModal();
  }
  function tell(words) {
    at("detail-title").textContent = words;
    at("detail-body").replaceChildren();
    if (!at("detail").open) at("detail").showModal();
  }
  const head = (fields) => fields.length ? el("pre", { tabindex: "0" }, fields.map(([name, value]) => name + ": " + value).join("\n")) : el("p", { class: "empty" }, "no head was kept");
  function body(body) {
    if (body.bytes === 0) return "";
    if (body.text) return el("pre", { tabindex: "0" }, body.text + (body.kept < body.bytes ? "\n… " + size(body.bytes - body.kept) + " more were not kept" : ""));
    return el("p", { class: "empty" }, size(body.bytes) + (body.kept ? ", not text" : "; bodies are kept with record_bodies = true in [proxy]"));
  }
  function actions(request) {
    const note = el("span", { role: "status" }, request.cannot_replay ? "cannot be sent again: " + request.cannot_replay : "");
    const act = (what, words, off) => el("button", { type: "button", disabled: off, on: { click: async () => {
      const answer = await fetch("/.devloop/requests/" + request.number + "/" + what, { method: "POST", headers: { "x-devloop-token": token } });
      const said = await answer.json().catch(() => ({}));
      if (!answer.ok) { note.textContent = said.why || "devloop refused"; return; }
      await show(request.number);
      at("detail-body").querySelector("[role=status]").textContent = { replay: "sent; see the list", "replay-until-success": "it is sent after every swap until it succeeds", "replay-stop": "stopped" }[what];
    } } }, words);
    const off = request.cannot_replay !== null;
    return el("div", { class: "actions" }, act("replay", "send again", off),
      request.replaying ? act("replay-stop", "stop sending after every swap", false) : act("replay-until-success", "send after every swap until it succeeds", off), note);
  }

  // The log.
  let drawnUpTo = 0, drawnWith = "";
  function drawLog() {
    const query = at("log-search").value.toLowerCase(), source = at("log-source").value, only = at("log-only").checked;
    const settings = JSON.stringify([query, source, only, cleared]);
    const box = at("log");
    if (settings !== drawnWith) { box.replaceChildren(); drawnUpTo = cleared; drawnWith = settings; }
    const fresh = lines.filter((line) => line.n > drawnUpTo && (!source || line.source === source) && (!only || !query || line.text.toLowerCase().includes(query)));
    if (lines.length) drawnUpTo = Math.max(drawnUpTo, lines[lines.length - 1].n);
    box.append(...fresh.slice(-MOST.shown).map((line) => el("div", { "data-tone": line.tone },
      el("time", {}, time(line.time)), el("b", { title: line.source }, line.source), el("span", {}, marked(line.text, query)))));
    while (box.childElementCount > MOST.shown) box.firstElementChild.remove();
    if (at("log-follow").checked) box.scrollTop = box.scrollHeight;
  }
  function marked(text, query) {
    if (!query) return [text];
    const parts = [], lower = text.toLowerCase();
    // Where lower case changes the length, positions would not fit.
    if (lower.length !== text.length) return [text];
    let from = 0;
    for (let found; (found = lower.indexOf(query, from)) >= 0; from = found + query.length) parts.push(text.slice(from, found), el("mark", {}, text.slice(found, found + query.length)));
    return [...parts, text.slice(from)];
  }
  function drawSources() {
    const select = at("log-source"), known = new Set([...select.options].map((option) => option.value));
    for (const source of ["devloop", ...status.steps.map((step) => step.name), ...status.services.map((service) => service.name)])
      if (!known.has(source)) select.append(el("option", { value: source }, source));
  }

  function take(name, data) {
    if (name === "hello") {
      skew = data.now - Date.now();
      connected = true;
      // A devloop that was started again counts from the beginning.
      revisions.clear(); requests.clear(); rows.clear(); lines = []; cleared = 0; drawnWith = ""; stats = null;
      at("requests").replaceChildren();
      at("traffic").hidden = !data.records;
      draw(drawState, drawLog);
    } else if (name === "status") {
      status = data;
      draw(drawState, drawProblems, drawPipeline, drawSources);
    } else if (name === "journal") {
      for (const story of data.revisions) revisions.set(story.revision, story);
      for (const old of [...revisions.keys()].sort((a, b) => a - b).slice(0, -30)) revisions.delete(old);
      lines.push(...data.lines);
      if (lines.length > MOST.lines) lines = lines.slice(-MOST.lines);
      if (data.revisions.length) draw(drawRevisions);
      draw(drawLog);
    } else if (name === "requests") {
      oldest = data.oldest;
      for (const request of data.requests) requests.set(request.number, request);
      draw(drawRequests);
    } else if (name === "stats") {
      const before = stats;
      stats = data;
      let all = 0;
      for (const service of data.services) {
        const old = before && before.services.find((other) => other.service === service.service);
        const rate = old ? Math.round((service.requests - old.requests) / data.seconds) : 0;
        rates.set(service.service, rate);
        all += rate;
      }
      const held = data.services.reduce((sum, service) => sum + service.held, 0);
      at("rate").textContent = [held ? held + " held" : "", all ? all + " per second" : ""].filter(Boolean).join(", ");
      if (status) draw(drawPipeline);
    }
  }
  function listen() {
    const events = new EventSource("/.devloop/live?token=" + encodeURIComponent(token));
    for (const name of ["hello", "status", "journal", "requests", "stats"]) events.addEventListener(name, (event) => take(name, JSON.parse(event.data)));
    events.onerror = () => {
      connected = false;
      draw(drawState);
      if (events.readyState !== EventSource.CLOSED) return;
      // Refused: devloop was started again and has another token. A new page has it.
      events.close();
      setTimeout(() => fetch("/.devloop/status").then(() => location.reload(), listen), 2000);
    };
    addEventListener("pagehide", () => events.close());
  }

  for (const id of ["request-search", "request-kind"]) at(id).addEventListener("input", () => draw(drawRequests));
  for (const id of ["log-search", "log-source", "log-only"]) at(id).addEventListener("input", () => draw(drawLog));
  for (const id of ["request-tools", "log-tools"]) at(id).addEventListener("submit", (event) => event.preventDefault());
  at("log-follow").addEventListener("input", () => draw(drawLog));
  at("log-clear").addEventListener("click", () => { cleared = lines.length ? lines[lines.length - 1].n : 0; draw(drawLog); });
  at("log").addEventListener("wheel", (event) => { if (event.deltaY < 0) at("log-follow").checked = false; }, { passive: true });
  at("detail-close").addEventListener("click", () => at("detail").close());
  at("detail").addEventListener("click", (event) => { if (event.target === at("detail")) at("detail").close(); });
  at("detail").addEventListener("close", () => { inDetail = 0; });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName) || at("detail").open) return;
    event.preventDefault();
    at("log-search").focus();
  });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  listen();
})();
