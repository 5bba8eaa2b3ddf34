import type { Stats } from '../api/chat';

/** A size for people, in powers of 1000 as Hob writes sizes everywhere. */
export function bytes(count: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Bytes of a text as it lies in a file. */
export const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** A count such as 135M or 7.6B. */
export function count(value: number): string {
  const steps: [number, string][] = [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'k']];
  for (const [step, letter] of steps) {
    if (value >= step) return `${(value / step).toFixed(value >= 100 * step ? 0 : 1).replace(/\.0$/, '')}${letter}`;
  }
  return String(value);
}

/** A time such as 850 ms, 2.4 s or 3 min. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** A time that is left, in words: about 20 seconds, about 3 minutes. */
export function left(seconds: number): string {
  const whole = (count: number, unit: string) => `about ${count} ${unit}${count === 1 ? '' : 's'} left`;
  if (seconds < 55) return whole(Math.max(1, seconds > 10 ? Math.round(seconds / 5) * 5 : Math.round(seconds)), 'second');
  if (seconds < 3570) return whole(Math.round(seconds / 60), 'minute');
  return whole(Math.round(seconds / 3600), 'hour');
}

/** A speed of answers, as people feel it. */
export const speed = (perSecond: number): string => `about ${perSecond >= 10 ? Math.round(perSecond) : perSecond.toFixed(1)} tokens/s`;

/** The shortest time in which an answer from elsewhere can have been written, as it came: what is shorter came in one go. */
const WRITTEN_SECONDS_MIN = 0.01;

/** How fast an answer was written; null where that is not known. The time in which something arrives that was written before, elsewhere
 *  or an hour ago, is none in which it was written. */
export function rateOf({ answer_tokens, per_second, elsewhere }: Pick<Stats, 'answer_tokens' | 'per_second' | 'elsewhere'>): string | null {
  if (!(per_second > 0) || !Number.isFinite(per_second)) return null;
  if (elsewhere && (elsewhere.ledger_entry === null || answer_tokens / per_second < WRITTEN_SECONDS_MIN)) return null;
  return `${per_second.toFixed(per_second < 10 ? 1 : 0)} tokens/s`;
}

/** Groups for the list of conversations. */
export function age(time: number, now = Date.now()): string {
  const start = new Date(now);
  start.setHours(0, 0, 0, 0);
  const days = Math.ceil((start.getTime() - time) / 86_400_000);
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  if (days <= 7) return 'This week';
  if (days <= 31) return 'This month';
  return 'Older';
}

/** A title out of the first thing that was said: its first line, cut at a word. */
export function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0]?.replace(/\s+/g, ' ').trim() ?? '';
  if (line.length <= 60) return line || 'New chat';
  const cut = line.slice(0, 60);
  const space = cut.lastIndexOf(' ');
  return `${space > 30 ? cut.slice(0, space) : cut}…`;
}
