import type { Machine } from '../api/client';

type Known = Pick<Machine, 'privacy' | 'reaches'> | null;

/** Whether anything may leave this machine, in a word. */
export const privacyName = (machine: Known): string => (machine?.privacy === 'downloads' ? 'Private' : 'Offline');

/** The same in a sentence. */
export function privacyTitle(machine: Known): string {
  if (machine?.privacy !== 'downloads') return 'Nothing is sent to other machines: the network is forbidden';
  const places = machine.reaches.length > 0 ? ` (${machine.reaches.join(', ')})` : '';
  return `What is said stays on this machine. The network is used only to fetch a model when you ask for one${places}`;
}
