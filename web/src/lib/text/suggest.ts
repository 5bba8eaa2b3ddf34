import type { KnownModel, Variant } from '../api/shelf';

export interface Suggestion {
  model: KnownModel;
  variant: Variant;
  /** What it is good for beside the others. */
  why: string;
}

/** Slower than this, reading along is no pleasure. */
const SLOW = 6;

/** Up to three models that fit this machine: the most able one that is not slow, and two that are smaller, or larger where there are none. */
export function suggest(models: KnownModel[]): Suggestion[] {
  const fitting = models
    .filter((model) => model.capabilities.includes('chat'))
    .flatMap((model) => {
      const variant = model.variants.find((one) => one.memory?.fit === 'fits' && one.bytes_about !== null);
      return variant ? [{ model, variant }] : [];
    })
    .sort((a, b) => (b.variant.bytes_about ?? 0) - (a.variant.bytes_about ?? 0));
  const isQuick = ({ variant }: { variant: Variant }) => (variant.tokens_per_second_about ?? SLOW) >= SLOW;
  const best = fitting.find(isQuick) ?? fitting.at(-1);
  if (!best) return [];
  const found: Suggestion[] = [{ ...best, why: 'The most able that is quick here' }];
  for (const why of ['Quicker', 'The lightest']) {
    const before = found.at(-1);
    const next = fitting.find(({ variant }) => (variant.bytes_about ?? 0) <= 0.62 * (before?.variant.bytes_about ?? 0));
    if (next) found.push({ ...next, why });
  }
  const bytesOf = (one: { variant: Variant } | undefined) => one?.variant.bytes_about ?? 0;
  let largest = bytesOf(best);
  for (const next of fitting.toReversed()) {
    if (found.length === 3) break;
    if (bytesOf(next) < 1.6 * largest) continue;
    largest = bytesOf(next);
    found.push({ ...next, why: 'More able, and slower' });
  }
  return found;
}
