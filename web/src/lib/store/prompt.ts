import type { ChatMessage } from '../api/chat';
import { fenced } from './exchange';
import type { Message } from './types';

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
