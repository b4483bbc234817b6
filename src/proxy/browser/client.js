// devloop's part of a page. It reloads the page after a swap, exchanges stylesheets and images, and shows failures.
// It knows nothing by itself: whose page this is, and the token for the events, stand in the tag that loads it.
// Nothing that it is told becomes markup: text is set as text.
(() => {
  'use strict';

  const tag = document.currentScript;
  if (!tag || window.__devloop) return;

  const page = {
    token: tag.dataset.token,
    // Who wrote it: a program, or the files of a folder.
    service: tag.dataset.service,
    folder: tag.dataset.folder,
    // What the program was made from that wrote this page, and its run. Runs are numbered upwards and never again.
    revision: Number(tag.dataset.revision),
    run: Number(tag.dataset.run),
    // The revisions of all services, where the page reloads for each of them.
    all: tag.dataset.all ? JSON.parse(tag.dataset.all) : null,
    // On devloop's own pages only: the state of the gate that they tell of.
    key: tag.dataset.key,
    waits: tag.dataset.waits !== undefined,
  };
  const told = new Map();
  // Changes of files up to these were there when the page was written, or have been shown since; by who serves them.
  const seen = new Map();
  const seenFirst = Number(tag.dataset.assets || 0);
  let reloading = false;
  // Another swap came meanwhile.
  let missed = false;

  Object.defineProperty(window, '__devloop', {
    value: Object.freeze({ service: page.service, folder: page.folder, revision: page.revision }),
  });
  // A frame goes with the page around it, if the same program wrote both.
  try {
    const around = window !== top && top.__devloop;
    if (around && around.service === page.service && around.folder === page.folder) return;
  } catch {
    // The page around it is another site's.
  }

  // ---- What is to be done -------------------------------------------------------------------------------------------

  function take(state) {
    told.set(providerOf(state), state);
    if (state.folder !== undefined) return takeFiles(providerOf(state), state.assets, state.folder === page.folder);
    if (page.all && reloadsForAll(state)) return reload(`${state.service} ${state.run}`);
    if (state.service !== page.service) return show();
    if (page.key !== undefined) return takeOnOwnPage(state);
    if (isOpen(state)) {
      if (state.run < page.run) return; // old news: this page is newer
      if (state.revision === page.revision) {
        forget('reload');
      } else if (!hasOwnClient()) {
        return reload(`${state.service} ${state.run}`);
      }
    }
    takeFiles(providerOf(state), state.assets, true);
    show();
  }

  function providerOf(state) {
    return state.folder === undefined ? `service ${state.service}` : `folder ${state.folder}`;
  }

  function reloadsForAll(state) {
    const known = page.all[state.service];
    return state.service !== page.service && isOpen(state) && known !== undefined && known !== state.revision;
  }

  // A report or a waiting page: it becomes another page as soon as there is one.
  function takeOnOwnPage(state) {
    const working = state.state === 'holding' || state.state === 'saved';
    if (working && page.waits) {
      document.querySelector('h1').textContent = `waiting for devloop: ${state.why || ''}`;
      note('This page becomes the real one by itself.');
    } else if (working) {
      note(`devloop is working on it: ${state.why || ''}`);
    } else if (page.waits || state.key !== page.key) {
      go();
    } else if (state.report) {
      dress(state.report);
    }
  }

  // The same words as before, in their colours and with links.
  function dress(report) {
    const [list, block] = [document.querySelector('main > ol'), document.querySelector('main > pre')];
    if (list && report.places.length > 0) list.replaceWith(listOf(report.places));
    if (block && report.output.length > 0) block.replaceWith(outputOf(report));
  }

  function isOpen(state) {
    return state.revision !== undefined;
  }

  // Vite, webpack and their kin reload and exchange modules by themselves.
  function hasOwnClient() {
    if (document.querySelector('script[src*="/@vite/client"], script[src*="webpack-dev-server"]')) return true;
    return ['TURBOPACK', '__turbopack_load__', '__parcel__import__', 'parcelRequire'].some((name) => name in window)
      || Object.keys(window).some((name) => name.startsWith('webpackHotUpdate'));
  }

  // Once for each state that calls for it: a page that comes back as it was comes out of a cache or a service worker.
  function reload(what) {
    const mark = `${page.token} ${what}`;
    missed = reloading;
    if (reloading) return;
    if (recall('reload') === mark) {
      console.info('devloop: this page is older than the program, and a reload does not change that: is it cached?');
      return;
    }
    remember('reload', mark);
    go();
  }

  function go() {
    if (reloading) return;
    // The person is leaving already: a reload would take the request away that is under way.
    if (performance.now() - leavingSince < 60_000) {
      setTimeout(go, 500);
      return;
    }
    reloading = true;
    location.reload();
    // Whoever has not saved a form may have said no: the next swap asks again.
    setTimeout(() => {
      reloading = false;
      const own = told.get(providerOf(page));
      if (missed && own) take(own);
    }, 3_000);
  }

  let leavingSince = -Infinity;
  addEventListener('beforeunload', () => {
    if (!reloading) leavingSince = performance.now();
  });

  function recall(name) {
    try {
      return sessionStorage.getItem(`devloop.${name}`);
    } catch {
      return null;
    }
  }

  function remember(name, value) {
    try {
      sessionStorage.setItem(`devloop.${name}`, value);
    } catch {
      // No storage: then it is forgotten.
    }
  }

  function forget(name) {
    try {
      sessionStorage.removeItem(`devloop.${name}`);
    } catch {
      // No storage.
    }
  }

  // ---- News: one connection for all pages of this origin ------------------------------------------------------------

  const events = `/.devloop/events?token=${encodeURIComponent(page.token)}`;
  const kinds = ['live', 'stale', 'saved', 'holding', 'failed', 'files'];
  let channel = null;
  let source = null;
  let retry = 0;
  let pause = 500;
  // Ends the reign of this page over the connection, or its wait for it.
  let resign = () => {};

  function connect() {
    if (!navigator.locks || !window.BroadcastChannel) return connectAlone();
    channel = new BroadcastChannel(`devloop ${page.token}`);
    channel.onmessage = ({ data }) => {
      if (data.ask && source) told.forEach((state) => channel.postMessage({ state }));
      if (data.state && !source) take(data.state);
    };
    channel.postMessage({ ask: true });
    const waiting = new AbortController();
    resign = () => waiting.abort();
    const reign = () => new Promise((done) => {
      resign = done;
      listen();
    });
    navigator.locks.request(`devloop ${page.token}`, { signal: waiting.signal }, reign).catch(() => {});
  }

  // Where pages cannot agree on one connection, those that nobody sees have none.
  function connectAlone() {
    const change = () => (document.hidden ? hangUp() : source || listen());
    document.addEventListener('visibilitychange', change);
    resign = () => document.removeEventListener('visibilitychange', change);
    change();
  }

  function disconnect() {
    resign();
    resign = () => {};
    hangUp();
    if (channel) channel.close();
    channel = null;
  }

  function listen() {
    source = new EventSource(events);
    source.addEventListener('hello', (event) => {
      const { services, folders } = JSON.parse(event.data);
      [...services, ...folders].forEach(spread);
    });
    kinds.forEach((kind) => source.addEventListener(kind, (event) => spread(JSON.parse(event.data))));
    source.onopen = () => {
      pause = 500;
      note('This page reloads by itself as soon as something changes.');
    };
    source.onerror = () => {
      hangUp();
      note('devloop does not answer; this page goes on trying.');
      again();
    };
  }

  function hangUp() {
    clearTimeout(retry);
    if (source) source.close();
    source = null;
  }

  function spread(state) {
    if (channel) channel.postMessage({ state });
    take(state);
  }

  // devloop has ended, or another one has begun, which does not know this page.
  function again() {
    retry = setTimeout(async () => {
      pause = Math.min(pause * 2, 5_000);
      const answer = await fetch(events, { method: 'HEAD', cache: 'no-store' }).catch(() => null);
      if (!answer) return again();
      if (answer.status === 403) return reload('session');
      listen();
    }, pause);
  }

  // A page in the back/forward cache keeps nothing open; one that comes back out of it asks anew.
  addEventListener('pagehide', disconnect);
  addEventListener('pageshow', (event) => {
    if (!event.persisted) return;
    reloading = false;
    leavingSince = -Infinity;
    connect();
  });

  // ---- Files that are served as they are: stylesheets and images in place, everything else by a reload --------------

  // `whole`: any file may be part of the page, as who serves it has written the page, too.
  function takeFiles(provider, { forgotten, changes }, whole) {
    const before = seen.get(provider) ?? seenFirst;
    const missed = changes.filter((change) => change.number > before);
    const newest = missed.reduce((number, change) => Math.max(number, change.number), forgotten);
    if (newest <= before) return;
    seen.set(provider, newest);
    // A page with a client of its own gets these from there; devloop's own pages show none.
    if (page.key !== undefined || hasOwnClient()) return;
    const files = new Map(missed.map((change) => [change.file, change.number]));
    const unshown = [...files].filter(([file, number]) => !exchange(file, number));
    // More may have happened than is still known.
    const knowsAll = forgotten <= before;
    if (!knowsAll || unshown.some(([file]) => whole || isLoaded(file))) reload(`${provider} ${newest}`);
  }

  // Whether the page has loaded a file of this name.
  function isLoaded(file) {
    return performance.getEntriesByType('resource').some((entry) => isOf(entry.name, file));
  }

  function exchange(file, number) {
    const kind = file.slice(file.lastIndexOf('.') + 1).toLowerCase();
    if (kind === 'css') return exchangeStylesheets(file, number);
    if (['png', 'jpg', 'jpeg', 'gif', 'svg', 'webp', 'avif', 'ico', 'bmp'].includes(kind)) {
      return exchangeImages(file, number);
    }
    return false;
  }

  // Whether an address of this origin may be that file: where a program serves it is not known, but its name is.
  function isOf(address, file) {
    let path;
    try {
      const url = new URL(address, document.baseURI);
      if (url.origin !== location.origin) return false;
      path = decodeURIComponent(url.pathname);
    } catch {
      return false;
    }
    return path.slice(path.lastIndexOf('/') + 1) === file.slice(file.lastIndexOf('/') + 1);
  }

  function fresh(address, number) {
    const url = new URL(address, document.baseURI);
    url.searchParams.set('devloop', number);
    return url.href;
  }

  function exchangeStylesheets(file, number) {
    const links = [...document.querySelectorAll('link[rel~="stylesheet"][href]')].filter((link) => isOf(link.href, file));
    for (const link of links) {
      const next = link.cloneNode();
      next.href = fresh(link.href, number);
      // The old one stays until the new one is there: no flash of a page without style.
      const done = () => link.remove();
      next.addEventListener('load', done, { once: true });
      next.addEventListener('error', done, { once: true });
      link.after(next);
    }
    return links.length > 0;
  }

  function exchangeImages(file, number) {
    let found = 0;
    for (const image of document.querySelectorAll('img[src], input[type="image"][src], link[rel~="icon"][href]')) {
      const name = image.localName === 'link' ? 'href' : 'src';
      if (isOf(image[name], file)) {
        image[name] = fresh(image[name], number);
        found += 1;
      }
    }
    for (const image of document.querySelectorAll('img[srcset], source[srcset]')) {
      const parts = image.srcset.split(',').map((part) => part.trim().split(/\s+/));
      if (parts.some(([address]) => isOf(address, file))) {
        image.srcset = parts.map(([address, ...size]) => {
          return [isOf(address, file) ? fresh(address, number) : address, ...size].join(' ');
        }).join(', ');
        found += 1;
      }
    }
    for (const style of styles()) {
      for (const name of ['background-image', 'border-image-source', 'list-style-image', 'mask-image', 'content']) {
        const value = style.getPropertyValue(name);
        const next = value.replace(/url\((["']?)(.*?)\1\)/g, (whole, quote, address) => {
          if (!isOf(address, file)) return whole;
          found += 1;
          return `url("${fresh(address, number)}")`;
        });
        if (next !== value) style.setProperty(name, next, style.getPropertyPriority(name));
      }
    }
    return found > 0;
  }

  // Of every element that has its own, and of every rule that may be read.
  function* styles() {
    for (const element of document.querySelectorAll('[style]')) yield element.style;
    for (const sheet of document.styleSheets) {
      let rules = [];
      try {
        rules = sheet.cssRules;
      } catch {
        // Another site's.
      }
      yield* stylesOf(rules);
    }
  }

  function* stylesOf(rules) {
    for (const rule of rules) {
      if (rule.style) yield rule.style;
      if (rule.cssRules) yield* stylesOf(rule.cssRules);
    }
  }

  // ---- What a person sees -------------------------------------------------------------------------------------------

  // On devloop's own pages.
  function note(text) {
    const element = page.key !== undefined && document.getElementById('note');
    if (element) element.textContent = text;
  }

  // A failure is a sheet over the page; it can be put aside, and is a badge then. Old answers have a badge anyway. The
  // failure of another service (the API behind this page) is a badge that can be opened.
  let host = null;
  let subject = null;
  let shown = '';
  let opened = '';

  function show() {
    const own = told.get(providerOf(page)) || (page.folder === undefined ? null : { state: 'live' });
    // devloop's own pages are about one thing.
    if (!own || page.key !== undefined) return;
    const failed = (state) => state.service !== page.service && state.report;
    const other = wordsFor(own) ? null : [...told.values()].find(failed);
    subject = other || own;
    const report = subject.report || null;
    const words = wordsFor(subject);
    const picture = JSON.stringify([subject.service, words, report]);
    if (picture === shown) return;
    shown = picture;
    clearTimeout(later);
    if (!words && !report) return hide();
    const draw = () => (report && !isAside(report) ? drawSheet(subject, report) : drawBadge(words, report));
    // What is over in a moment does not flicker.
    if (report || subject.state === 'stale') draw();
    else later = setTimeout(draw, 400);
  }

  function isAside(report) {
    return subject.service === page.service ? recall('aside') === nameOf(report) : opened !== nameOf(report);
  }

  let later = 0;

  function wordsFor(state) {
    if (state.service !== page.service && state.report) return ['failed', `${state.service}: ${state.report.title}`];
    switch (state.state) {
      case 'failed': return ['failed', state.report ? state.report.title : ''];
      case 'stale': return ['stale', state.stale || ''];
      case 'saved': return ['working', state.why || ''];
      case 'holding': return ['working', state.why || ''];
      default: return null;
    }
  }

  // The same failure is the same after a reload.
  function nameOf(report) {
    return JSON.stringify([report.title, report.output]);
  }

  function hide() {
    if (host) host.remove();
    host = null;
  }

  // An empty shadow, with devloop's style: neither the page's rules nor its policy reach it.
  function stage() {
    hide();
    host = document.createElement('devloop-overlay');
    const shadow = host.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(COLOURS + STYLE);
    shadow.adoptedStyleSheets = [sheet];
    // Where a page replaces its body, this stays.
    document.documentElement.append(host);
    return shadow;
  }

  // Above all else, dialogs of the page included.
  function raise() {
    if (!host.showPopover) return;
    host.popover = 'manual';
    try {
      host.showPopover();
    } catch {
      // Then it is above all but dialogs.
    }
  }

  function make(name, className, text) {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function drawBadge([kind, why], report) {
    const badge = make('button', `badge ${kind}`);
    badge.type = 'button';
    badge.title = report ? 'Show the failure' : why;
    badge.append(make('i'), make('b', '', kind), make('span', '', why));
    badge.onclick = () => {
      if (!report) return badge.classList.toggle('open');
      if (subject.service === page.service) forget('aside');
      else opened = nameOf(report);
      drawSheet(subject, report);
    };
    stage().append(badge);
    raise();
  }

  function drawSheet(state, report) {
    const back = make('div', 'back');
    const sheet = make('div', 'sheet');
    sheet.setAttribute('role', 'alertdialog');
    sheet.setAttribute('aria-label', report.title);
    const aside = make('button', 'aside', 'put aside (Esc)');
    aside.type = 'button';
    aside.onclick = putAside;
    const head = make('header');
    const serving = isOpen(state) ? `revision ${state.revision} still answers` : 'nothing answers';
    head.append(make('span', '', `devloop: ${state.service}, ${serving}`), aside);
    sheet.append(head, make('h1', '', report.title));
    if (report.places.length > 0) sheet.append(listOf(report.places));
    if (report.output.length > 0) sheet.append(outputOf(report));
    if (report.hint) sheet.append(make('p', 'hint', `hint: ${report.hint}`));
    sheet.append(make('footer', '', 'This goes away by itself with the next success.'));
    back.append(sheet);
    back.onclick = (event) => event.target === back && putAside();
    stage().append(back);
    raise();
  }

  function putAside() {
    if (!subject || !subject.report) return;
    if (subject.service === page.service) remember('aside', nameOf(subject.report));
    opened = '';
    drawBadge(wordsFor(subject), subject.report);
  }

  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && host && host.shadowRoot.querySelector('.sheet')) putAside();
  });

  function listOf(places) {
    const list = make('ol');
    for (const place of places) {
      const item = make('li');
      item.append(placeOf(place, textOf(place)), make('span', '', place.message));
      list.append(item);
    }
    return list;
  }

  function textOf(place) {
    return `${place.file}:${place.line}${place.column ? `:${place.column}` : ''}`;
  }

  // Opens the editor, where one is known.
  function placeOf(place, text) {
    if (!place.link) return make('code', '', text);
    const link = make('a', '', text);
    link.href = place.link;
    link.title = 'Open in the editor';
    return link;
  }

  function outputOf(report) {
    const block = make('pre');
    const lines = report.coloured && report.coloured.length > 0 ? report.coloured : report.output;
    lines.forEach((line, index) => {
      if (index > 0) block.append('\n');
      for (const part of spansOf(line)) {
        const span = spanOf({ ...part, text: '' });
        span.append(...linked(part.text, report.places));
        block.append(span);
      }
    });
    return block;
  }

  function spanOf({ text, className, colour }) {
    const span = make('span', className, text);
    if (colour) {
      span.classList.add('own');
      span.style.setProperty('--own', colour);
    }
    return span;
  }

  // The text, with a link for each place in it.
  function linked(text, places) {
    for (const place of places.filter((one) => one.link)) {
      const at = text.indexOf(textOf(place));
      if (at < 0) continue;
      const end = at + textOf(place).length;
      if (/[\w]/.test(text[end] || '')) continue;
      return [text.slice(0, at), placeOf(place, textOf(place)), ...linked(text.slice(end), places)];
    }
    return [text];
  }

  // The parts of a line between its colours (ECMA-48, section 8.3.117). All other sequences are dropped.
  function spansOf(line) {
    const spans = [];
    const look = { flags: new Set(), colour: '', named: '' };
    const parts = line.split(/(\x1b\[[0-9;:]*m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\].*?(?:\x07|\x1b\\)|\x1b[@-_]?)/);
    for (const part of parts) {
      const sgr = /^\x1b\[([0-9;:]*)m$/.exec(part);
      if (sgr) {
        change(look, sgr[1].split(/[;:]/).map(Number));
      } else if (part && !part.startsWith('\x1b')) {
        const className = [...look.flags, look.named].filter(Boolean).join(' ');
        spans.push({ text: part.replace(/[\0-\x08\x0b-\x1f]/g, ''), className, colour: look.colour });
      }
    }
    return spans;
  }

  // ---- A page that waits: what is being done meanwhile --------------------------------------------------------------

  async function watchOutput(after) {
    const address = `/.devloop/output?token=${encodeURIComponent(page.token)}&after=${after}`;
    const answer = await fetch(address, { cache: 'no-store' }).catch(() => null);
    const told = answer && answer.ok ? await answer.json() : { next: after, lines: [] };
    const block = document.getElementById('output');
    if (block && told.lines.length > 0) {
      const atEnd = block.scrollTop + block.clientHeight >= block.scrollHeight - 8;
      for (const { source, text } of told.lines) {
        block.append(make('i', '', `${source}  `), ...spansOf(text).map(spanOf), '\n');
      }
      block.hidden = false;
      if (atEnd) block.scrollTop = block.scrollHeight;
    }
    setTimeout(() => watchOutput(told.next), 300);
  }

  // ---- The console, for devloop's output (only where dev.toml asks for it) ------------------------------------------

  function forwardConsole() {
    let waiting = [];
    let timer = 0;
    const send = () => {
      timer = 0;
      const body = JSON.stringify(waiting);
      waiting = [];
      const address = `/.devloop/console?token=${encodeURIComponent(page.token)}`;
      fetch(address, { method: 'POST', body, keepalive: true, headers: { 'content-type': 'text/plain' } }).catch(() => {});
    };
    const add = (level, text) => {
      if (waiting.length < 100) waiting.push([level, text.slice(0, 500)]);
      if (!timer) timer = setTimeout(send, 200);
    };
    for (const level of ['error', 'warn', 'info', 'log', 'debug']) {
      const original = console[level];
      console[level] = function (...parts) {
        add(level, parts.map(wordsOf).join(' '));
        return original.apply(this, parts);
      };
    }
    addEventListener('error', (event) => {
      if (event.error || event.message) add('error', wordsOf(event.error || `${event.message} (${event.filename}:${event.lineno}:${event.colno})`));
      else if (event.target) add('error', `cannot load ${event.target.src || event.target.href || event.target.localName}`);
    }, true);
    addEventListener('unhandledrejection', (event) => add('error', `unhandled rejection: ${wordsOf(event.reason)}`));
    addEventListener('pagehide', () => timer && send());
  }

  function wordsOf(value) {
    if (typeof value === 'string') return value;
    if (value instanceof Error) return value.stack || String(value);
    try {
      return JSON.stringify(value) ?? String(value);
    } catch {
      return String(value);
    }
  }

  const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];

  function change(look, codes) {
    const rest = codes.length > 0 ? [...codes] : [0];
    while (rest.length > 0) {
      const code = rest.shift();
      if (code === 0) Object.assign(look, { flags: new Set(), colour: '', named: '' });
      if (code === 1) look.flags.add('bold');
      if (code === 2) look.flags.add('dim');
      if (code === 3) look.flags.add('italic');
      if (code === 4) look.flags.add('underlined');
      if (code === 22) ['bold', 'dim'].forEach((flag) => look.flags.delete(flag));
      if (code === 23) look.flags.delete('italic');
      if (code === 24) look.flags.delete('underlined');
      if (code >= 30 && code <= 37) Object.assign(look, { named: NAMES[code - 30], colour: '' });
      if (code >= 90 && code <= 97) Object.assign(look, { named: NAMES[code - 90], colour: '' });
      if (code === 39) Object.assign(look, { named: '', colour: '' });
      if (code === 38 || code === 48) {
        const colour = extended(rest);
        if (code === 38) Object.assign(look, colour);
      }
    }
  }

  // 256 colours, or any.
  function extended(rest) {
    const kind = rest.shift();
    if (kind === 2) return { named: '', colour: `rgb(${rest.splice(0, 3).map((part) => part || 0).join(',')})` };
    const number = rest.shift() || 0;
    if (number < 16) return { named: NAMES[number % 8], colour: '' };
    if (number > 231) {
      const grey = 8 + (number - 232) * 10;
      return { named: '', colour: `rgb(${grey},${grey},${grey})` };
    }
    const cube = [36, 6, 1].map((size) => Math.floor((number - 16) / size) % 6).map((step) => (step ? 55 + step * 40 : 0));
    return { named: '', colour: `rgb(${cube.join(',')})` };
  }

  const COLOURS = `
    :host, :root { --black: #22201d; --red: #b3261e; --green: #2e7031; --yellow: #8a6100; --blue: #2b5c8a;
      --magenta: #8a3a86; --cyan: #1f6f75; --white: #6d6861; --darkest: 0; --lightest: .55; }
    @media (prefers-color-scheme: dark) { :host, :root { --black: #a09a90; --red: #ff8a80; --green: #98c379;
      --yellow: #e5c07b; --blue: #8fc1f0; --magenta: #d7a1dd; --cyan: #7fccd3; --white: #ece8e1;
      --darkest: .65; --lightest: 1; } }
    /* A colour that a program has chosen for another background stays readable on this one. */
    .own { color: oklch(from var(--own) clamp(var(--darkest), l, var(--lightest)) c h); }
    .bold { font-weight: 700; } .dim { opacity: .7; } .italic { font-style: italic; } .underlined { text-decoration: underline; }
    .black { color: var(--black); } .red { color: var(--red); } .green { color: var(--green); } .yellow { color: var(--yellow); }
    .blue { color: var(--blue); } .magenta { color: var(--magenta); } .cyan { color: var(--cyan); } .white { color: var(--white); }
  `;

  const STYLE = `
    :host { all: initial !important; display: block !important; position: fixed !important; inset: 0 !important;
      width: auto !important; height: auto !important; overflow: visible !important; background: none !important;
      pointer-events: none !important; z-index: 2147483647 !important; color-scheme: light dark !important;
      --paper: #fbfaf8; --ink: #22201d; --soft: #6d6861; --rule: #e3dfd8; --sheet: #fff; --mark: #b3261e;
      --hint: #2b5c8a; --wait: #8a6100; }
    @media (prefers-color-scheme: dark) { :host { --paper: #181715; --ink: #ece8e1; --soft: #a09a90; --rule: #35322d;
      --sheet: #201e1b; --mark: #ff8a80; --hint: #8fc1f0; --wait: #e5c07b; } }
    * { box-sizing: border-box; }
    .back { position: fixed; inset: 0; overflow: auto; padding: 6vh 1.25rem; background: rgb(0 0 0 / .45);
      pointer-events: auto; font: 16px/1.5 system-ui, sans-serif; }
    .sheet { max-width: 60rem; margin: 0 auto; padding: 1.25rem 1.75rem 1.5rem; background: var(--paper);
      color: var(--ink); border-radius: 8px; border-top: 4px solid var(--mark); box-shadow: 0 12px 48px rgb(0 0 0 / .35); }
    header { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; color: var(--soft); font-size: .875rem; }
    h1 { font-size: 1.375rem; line-height: 1.3; font-weight: 600; margin: .5rem 0 1.25rem; overflow-wrap: anywhere; }
    button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
    .aside { color: var(--soft); white-space: nowrap; text-decoration: underline; text-underline-offset: 3px; }
    ol { list-style: none; margin: 0 0 1.25rem; padding: 0; border-top: 1px solid var(--rule); }
    li { padding: .5rem 0; border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
    code, a, pre { font: .875rem/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
    li code, li a { display: block; color: var(--mark); font-weight: 600; }
    a { color: inherit; text-underline-offset: 3px; }
    pre { margin: 0 0 1.25rem; padding: .9rem 1.1rem; background: var(--sheet); border: 1px solid var(--rule);
      border-left: 3px solid var(--mark); overflow: auto; max-height: 55vh; white-space: pre-wrap; overflow-wrap: anywhere; }
    pre a { font: inherit; }
    .hint { color: var(--hint); margin: 0 0 1rem; }
    footer { color: var(--soft); font-size: .875rem; }
    .badge { position: fixed; left: 1rem; bottom: 1rem; display: flex; align-items: center; gap: .5rem; max-width: calc(100vw - 2rem);
      padding: .4rem .8rem; border-radius: 999px; border: 1px solid var(--rule); background: var(--sheet); color: var(--ink);
      box-shadow: 0 2px 12px rgb(0 0 0 / .25); pointer-events: auto; font: 13px/1.4 system-ui, sans-serif; }
    .badge i { flex: none; width: .55rem; height: .55rem; border-radius: 50%; background: var(--wait); }
    .badge.failed i { background: var(--mark); }
    .badge b { font-weight: 600; }
    .badge span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; max-width: 24rem; color: var(--soft); }
    .badge.open span { max-width: none; white-space: normal; }
    .badge.working i { animation: pulse 1.2s ease-in-out infinite; }
    @media (max-width: 40rem) { .back { padding: 1rem .5rem; } .sheet { padding: 1rem 1.1rem 1.1rem; } }
    @keyframes pulse { 50% { opacity: .25; } }
    @media (prefers-reduced-motion: reduce) { .badge.working i { animation: none; } }
  `;

  if (tag.dataset.console !== undefined) forwardConsole();
  if (page.key !== undefined) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(COLOURS);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  }
  if (page.waits) watchOutput(0);
  connect();
})();
