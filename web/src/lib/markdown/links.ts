/** Where links may lead. Anything else, `javascript:` above all, is shown as text. */
const SCHEMES = new Set(['http:', 'https:', 'mailto:']);

/** A link's address if it is safe to follow, with what to show of it. */
export function safeLink(href: string): { href: string; host: string } | null {
  let url: URL;
  try {
    // Models know no addresses of this machine: without a scheme there is nothing to follow.
    url = new URL(href.trim());
  } catch {
    return null;
  }
  if (!SCHEMES.has(url.protocol)) return null;
  return { href: url.href, host: url.host || url.pathname };
}
