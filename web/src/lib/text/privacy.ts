import type { Machine } from '../api/client';
import type { Mode } from '../api/cloud';

type Known = Pick<Machine, 'privacy' | 'reaches'> | null;

/** Whether anything may leave this machine, in a word. */
export function privacyName(machine: Known, mode: Mode): string {
  if (machine?.privacy !== 'downloads') return 'Offline';
  return { offline: 'Private', ask: 'Ask', hybrid: 'Hybrid' }[mode];
}

/** The same in a sentence. */
export function privacyTitle(machine: Known, mode: Mode): string {
  if (machine?.privacy !== 'downloads') return 'Nothing is sent to other machines: the network is forbidden';
  const places = machine.reaches.length > 0 ? ` (${machine.reaches.join(', ')})` : '';
  const said = {
    offline: 'What is said stays on this machine',
    ask: 'What is said stays on this machine, but for what you send to a bigger model by its name',
    hybrid: 'What is said stays on this machine, but for what you or the router send to a bigger model within your policy',
  }[mode];
  return `${said}. Models are fetched when you ask for one${places}`;
}

/** Dollars with as many digits as small amounts need. */
export const dollars = (amount: number): string =>
  amount === 0 ? '$0' : amount >= 0.01 ? `$${amount.toFixed(2)}` : `$${amount.toPrecision(1)}`;
