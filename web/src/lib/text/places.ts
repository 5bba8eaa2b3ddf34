import type { Place, Repaired } from '../api/chat';

/** How many places, in words. */
export const placesOf = (count: number): string => `${count} place${count === 1 ? '' : 's'}`;

/** Who wrote how many places of an answer, for people. */
export function repairedBy({ left, asked, places }: Repaired): string {
  if (places.length > 0) return `${placesOf(places.length)} by ${left.target}`;
  return `nothing changed by ${left.target} in ${placesOf(asked)}`;
}

/** A place in a string of JavaScript, whose letters beyond U+FFFF count twice. */
export interface Range {
  from: number;
  to: number;
  before: string;
}

/** Where places are in their text. Those that are nowhere in it, or lie in others, are left out: text of files is anybody's. */
export function rangesOf(text: string, places: Place[]): Range[] {
  const ranges: Range[] = [];
  let [chars, at, end] = [0, 0, 0];
  const indexOf = (char: number): number => {
    for (; chars < char && at < text.length; chars += 1) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    return chars === char ? at : -1;
  };
  for (const { start, end: last, before } of places) {
    if (!(Number.isInteger(start) && Number.isInteger(last) && start >= end && last >= start)) continue;
    const [from, to] = [indexOf(start), indexOf(last)];
    if (from < 0 || to < 0) break;
    ranges.push({ from, to, before });
    end = last;
  }
  return ranges;
}
