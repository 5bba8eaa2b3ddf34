import type { Energy } from '../api/chat';
import type { Compared, Here, Known, Price, Range } from '../api/stats';

/** Two digits that count: more would say more than is known. */
export function two(value: number): string {
  if (!(value > 0)) return '0';
  const digits = Math.max(0, 1 - Math.floor(Math.log10(value)));
  const rounded = digits > 0 ? value.toFixed(digits) : String(Math.round(value / step(value)) * step(value));
  return digits > 0 ? rounded : Number(rounded).toLocaleString('en');
}

const step = (value: number) => 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);

/** A figure with its unit: one number only where one is known. */
export function figure({ low, high }: Range, unit: string): string {
  const [from, to] = [two(low), two(high)];
  return from === to && low === high ? `${to} ${unit}` : `${from}–${to} ${unit}`;
}

/** What an answer took, with how that is known. */
export function joules(energy: Energy): string {
  const range = { low: energy.joules_low, high: energy.joules_high };
  const said = figure(range, 'J');
  if (energy.method !== 'measured') return `≈ ${said} (${energy.method})`;
  const of = energy.scope === 'computer' ? 'whole computer' : 'whole processor';
  return range.low === range.high ? `${said} (measured, ${of})` : `${said} (measured, ${of}, shared with other answers)`;
}

const isAny = ({ answers, wh }: Known): boolean => answers > 0 || wh.high > 0;

/** Energy of answers here, each way in which it is known by itself; null where nothing was computed. */
export function took({ measured, estimated }: Pick<Here, 'measured' | 'estimated'>): string | null {
  const said = [
    ...(isAny(measured) ? [`${figure(measured.wh, 'Wh')} measured`] : []),
    ...(isAny(estimated) ? [`${figure(estimated.wh, 'Wh')} estimated`] : []),
  ];
  // Of how many answers each is, where that is not plain.
  if (said.length < 2) return said[0] ?? null;
  return `${said[0]} (answers: ${measured.answers}), ${said[1]} (${estimated.answers})`;
}

/** Dollars that answers would have cost, by this machine's count of their tokens. */
export const cost = (here: Pick<Here, 'prompt_tokens' | 'answer_tokens'>, price: Pick<Price, 'input' | 'output'>): number =>
  (here.prompt_tokens * price.input + here.answer_tokens * price.output) / 1e6;

/** The end of an axis: the next 1, 2 or 5 of a power of ten above all values. */
export function axisEnd(values: number[]): number {
  const most = Math.max(0, ...values.filter(Number.isFinite));
  if (most === 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  // A value just above a step by rounding of its own is still on it.
  return (([1, 2, 5, 10] as const).find((step) => step * power >= most * (1 - 1e-9)) ?? 10) * power;
}

/** A part of a bar, in hundredths of the axis: one that is something can be seen. */
export function part(from: number, to: number, end: number): { at: number; size: number } {
  const MIN = 1.5;
  const at = (100 * from) / end;
  const size = Math.max((100 * (to - from)) / end, to > 0 ? MIN : 0);
  return { at: Math.min(at, 100 - size), size };
}

const list = (words: string[]) => new Intl.ListFormat('en', { type: 'conjunction' }).format(words);

/** What a comparison comes to, in plain sentences; what is worse here comes first. */
export function conclusions(all: Compared[]): { kind: 'more' | 'unclear' | 'less'; text: string }[] {
  // `Gemini, by Google` in a list of several reads as two of them.
  const name = ({ whose }: Compared) => whose.replace(/, by (.*)$/, ' ($1)');
  const whose = (kind: Compared['verdict']) => list(all.filter(({ verdict }) => verdict === kind).map(name));
  const said = [
    { kind: 'more' as const, text: `Worse here: answers on this machine took more energy than what is published for ${whose('more')}.` },
    { kind: 'unclear' as const, text: `Cannot be told apart: the ranges overlap for ${whose('unclear')}.` },
    { kind: 'less' as const, text: `Better here: answers on this machine took less energy than what is published for ${whose('less')}.` },
  ];
  return said.filter(({ kind }) => all.some(({ verdict }) => verdict === kind));
}

/** A day for people. Days have no time, so none is made up that could move them. */
export const dayName = (day: string): string =>
  new Date(`${day}T12:00:00`).toLocaleDateString([], { day: 'numeric', month: 'short' });
