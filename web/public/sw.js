// Keeps the page's own files, so that it opens and says what is wrong when Hob does not run. What the server says now always
// comes first: the page is asked for anew each time it is opened, and only files whose names carry a digest of their content
// are taken from here unasked. Nothing of the interfaces passes through: no answer, no chat and no key is ever kept.
const CACHE = 'hob-page';
const PAGE = '/';
const ASSETS = '/page/assets/';

/** The page's own files that its HTML names. */
const named = (html) => [...new Set(html.match(/\/page\/[\w./-]+/g) ?? [])];

/** Keeps the page as it is now; files that an older one had go. An address may serve something else another day. */
async function keep(response) {
  const html = await response.clone().text();
  if (!response.ok || !html.includes(ASSETS)) return;
  const cache = await caches.open(CACHE);
  const before = await (await cache.match(PAGE, { ignoreVary: true }))?.text();
  if (before === html) return;
  // All or nothing: a page whose files did not all come would be half a page.
  await cache.addAll(named(html));
  await cache.put(PAGE, response.clone());
  const old = (await cache.keys()).map((request) => new URL(request.url).pathname).filter((path) => path.startsWith(ASSETS));
  await Promise.all(old.filter((path) => !html.includes(path)).map((path) => cache.delete(path)));
}

/** What the server says, or what it said last. */
async function fresh(request, key) {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await (await caches.open(CACHE)).match(key, { ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
}

/** A file that can only be what it is. */
async function lasting(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request, { ignoreVary: true });
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

self.addEventListener('install', (event) => {
  self.skipWaiting();
  event.waitUntil(fetch(PAGE, { headers: { accept: 'text/html' }, cache: 'no-store' }).then(keep));
});
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== location.origin) return;
  if (request.mode === 'navigate' && pathname === PAGE) {
    const answer = fresh(request, PAGE);
    event.respondWith(answer.then((response) => response.clone()));
    event.waitUntil(answer.then(keep).catch(() => {}));
  } else if (pathname.startsWith(ASSETS)) event.respondWith(lasting(request));
  else if (pathname.startsWith('/page/')) event.respondWith(fresh(request, pathname));
});
