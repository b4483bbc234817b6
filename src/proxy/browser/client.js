// devloop's part of a page. It reloads the page after a swap, exchanges stylesheets and images, and shows failures.
// It knows nothing by itself: whose page this is, and the token for the events, stand in the tag that loads it.
// Nothing that it is told becomes markup: text is set as text.
(() => {
  'use strict';

  const tag = document.currentScript;
  if (!tag || window.__devloop) return;

  const page = {
    token: tag.dataset.token,
    service: tag.dataset.service,
    // What the program was made from that wrote this page, and its run. Runs are numbered upwards and never again.
    revision: Number(tag.dataset.revision),
    run: Number(tag.dataset.run),
    // Changes of assets up to this one were there when the page was written.
    assets: Number(tag.dataset.assets || 0),
    // The revisions of all services, where the page reloads for each of them.
    all: tag.dataset.all ? JSON.parse(tag.dataset.all) : null,
    // On devloop's own pages only: the state of the gate that they tell of.
    key: tag.dataset.key,
    waits: tag.dataset.waits !== undefined,
  };
  const told = new Map();
  let reloading = false;

  Object.defineProperty(window, '__devloop', {
    value: Object.freeze({ service: page.service, revision: page.revision }),
  });
  // A frame goes with the page around it, if the same program wrote both.
  try {
    if (window !== top && top.__devloop && top.__devloop.service === page.service) return;
  } catch {
    // The page around it is another site's.
  }

  // ---- What is to be done -------------------------------------------------------------------------------------------

  function take(state) {
    told.set(state.service, state);
    if (page.all && reloadsForAll(state)) return reload(`${state.service} ${state.run}`);
    if (state.service !== page.service) return;
    if (page.key !== undefined) return takeOnOwnPage(state);
    if (isOpen(state)) {
      if (state.run < page.run) return; // old news: this page is newer
      if (state.revision === page.revision) {
        forget('reload');
      } else if (!hasOwnClient()) {
        return reload(`${state.service} ${state.run}`);
      }
    }
    takeAssets(state.assets || []);
    show(state);
  }

  function reloadsForAll(state) {
    const known = page.all[state.service];
    return state.service !== page.service && isOpen(state) && known !== undefined && known !== state.revision;
  }

  // A report or a waiting page: it becomes another page as soon as there is one.
  function takeOnOwnPage(state) {
    const working = state.state === 'holding' || state.state === 'saved';
    if (working) {
      note(`devloop is working on it: ${state.why || ''}`);
    } else if (page.waits || state.key !== page.key) {
      go();
    }
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
  const kinds = ['live', 'stale', 'saved', 'holding', 'failed'];
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
    source.addEventListener('hello', (event) => JSON.parse(event.data).services.forEach(spread));
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

  // ---- Assets: stylesheets and images in place, everything else by a reload -----------------------------------------

  function takeAssets(changes) {
    const missed = changes.filter((change) => change.number > page.assets);
    if (missed.length === 0) return;
    page.assets = missed[missed.length - 1].number;
    // A page with a client of its own gets these from there.
    if (hasOwnClient()) return;
    // More has happened than is still known.
    const gap = missed[0].number > changes[0].number ? false : missed[0].first;
    if (gap || !missed.every((change) => exchange(change.file, change.number))) reload(`assets ${page.assets}`);
  }

  function exchange(file, number) {
    const kind = file.slice(file.lastIndexOf('.') + 1).toLowerCase();
    if (kind === 'css') return exchangeStylesheets(file, number);
    if (['png', 'jpg', 'jpeg', 'gif', 'svg', 'webp', 'avif', 'ico', 'bmp'].includes(kind)) {
      return exchangeImages(file, number);
    }
    return false;
  }

  // Whether the address of this page's own origin may be that file: the longest common end counts, and the name must be
  // the same.
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

  function show() {}

  connect();
})();
