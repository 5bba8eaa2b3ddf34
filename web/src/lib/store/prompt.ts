import type { ChatMessage } from '../api/chat';
import type { Message } from './types';

/** A block of text with a fence that is longer than any inside. */
function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text.replace(/\n$/, '')}\n${fence}`;
}

/** What a message says to the model: its files first, then its text. */
export function contentOf(message: Message): string {
  const files = message.attachments.map((file) => `File ${file.name}:\n${fenced(file.text)}`);
  return [...files, message.text].filter((part) => part !== '').join('\n\n');
}

/**
 * The conversation as the server takes it. Answers that came to nothing are left out, and what was said around them is
 * put together: most models were taught that both sides take turns.
 */
export function promptOf(system: string, path: Message[]): ChatMessage[] {
  const messages: ChatMessage[] = [];
  if (system.trim()) messages.push({ role: 'system', content: system });
  for (const message of path) {
    const content = contentOf(message);
    if (content.trim() === '') continue;
    const last = messages.at(-1);
    if (last?.role === message.role) last.content += `\n\n${content}`;
    else messages.push({ role: message.role, content });
  }
  return messages;
}
