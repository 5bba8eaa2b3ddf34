/** What keys do, in one table: the sheet shows it and the page acts on it. */

export type Action = 'new' | 'temporary' | 'search' | 'sidebar' | 'settings' | 'model' | 'shelf' | 'server' | 'copy' | 'focus' | 'stop' | 'sheet';

interface Shortcut {
  action: Action;
  keys: string[];
  does: string;
  is: (event: KeyboardEvent, isTyping: boolean) => boolean;
}

const command = (event: KeyboardEvent) => (event.ctrlKey || event.metaKey) && !event.altKey;
const letter = (event: KeyboardEvent, wanted: string) => event.key.toLowerCase() === wanted;

/** Browsers keep some combinations for themselves (Ctrl+N, Ctrl+T, Ctrl+W); none of those is here. */
export const SHORTCUTS: Shortcut[] = [
  { action: 'new', keys: ['Ctrl', 'Shift', 'O'], does: 'New chat', is: (e) => command(e) && e.shiftKey && letter(e, 'o') },
  { action: 'temporary', keys: ['Alt', 'T'], does: 'Temporary chat', is: (e) => e.altKey && e.code === 'KeyT' },
  { action: 'search', keys: ['Ctrl', 'K'], does: 'Search conversations', is: (e) => command(e) && !e.shiftKey && letter(e, 'k') },
  { action: 'sidebar', keys: ['Ctrl', 'B'], does: 'Show or hide the list', is: (e) => command(e) && !e.shiftKey && letter(e, 'b') },
  { action: 'settings', keys: ['Ctrl', ','], does: 'Settings of this chat', is: (e) => command(e) && e.key === ',' },
  { action: 'model', keys: ['Alt', 'M'], does: 'Choose a model', is: (e) => e.altKey && !e.shiftKey && e.code === 'KeyM' },
  { action: 'shelf', keys: ['Alt', 'Shift', 'M'], does: 'Get, adopt and delete models', is: (e) => e.altKey && e.shiftKey && e.code === 'KeyM' },
  { action: 'server', keys: ['Alt', 'Shift', 'S'], does: 'The server: keys and requests', is: (e) => e.altKey && e.shiftKey && e.code === 'KeyS' },
  { action: 'copy', keys: ['Ctrl', 'Shift', ';'], does: 'Copy the last answer', is: (e) => command(e) && e.shiftKey && e.code === 'Semicolon' },
  { action: 'focus', keys: ['/'], does: 'Write a message', is: (e, isTyping) => !isTyping && !command(e) && e.key === '/' },
  { action: 'stop', keys: ['Esc'], does: 'Stop the answer', is: (e) => e.key === 'Escape' },
  { action: 'sheet', keys: ['?'], does: 'This list', is: (e, isTyping) => (!isTyping && e.key === '?') || (command(e) && e.key === '/') },
];

/** Keys of the message field, which handles them itself. */
export const FIELD_KEYS: { keys: string[]; does: string }[] = [
  { keys: ['Enter'], does: 'Send' },
  { keys: ['Shift', 'Enter'], does: 'New line' },
  { keys: ['↑'], does: 'Edit your last message, when the field is empty' },
];

export function actionOf(event: KeyboardEvent): Action | null {
  const target = event.target;
  const isTyping = target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));
  return SHORTCUTS.find((shortcut) => shortcut.is(event, isTyping))?.action ?? null;
}
