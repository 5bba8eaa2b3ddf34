/** The page's policy lets scripts come from addresses that a policy with a name has made, and this one makes a single address. */
interface Policies {
  createPolicy(name: string, rules: { createScriptURL: () => string }): { createScriptURL(of: string): string };
}

const ADDRESS = '/page/sw.js';

/** Has the browser keep the page's files (`public/sw.js`), where it does that: on this machine, or over HTTPS. */
export function keepPage(): void {
  if (!('serviceWorker' in navigator) || import.meta.env.DEV) return;
  const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
  const address = policies?.createPolicy('hob-worker', { createScriptURL: () => ADDRESS }).createScriptURL('') ?? ADDRESS;
  // A browser that does not trust the certificate, or keeps nothing for anybody, does without.
  navigator.serviceWorker.register(address, { scope: '/', updateViaCache: 'none' }).catch(() => {});
}
