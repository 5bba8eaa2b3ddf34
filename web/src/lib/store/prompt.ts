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
 * put together: most models were taught that both sides take turns. Calls of tools go with their results; one without a
 * result is left out as well, as templates want both.
 */
export function promptOf(system: string, path: Message[]): ChatMessage[] {
  const messages: ChatMessage[] = [];
  if (system.trim()) messages.push({ role: 'system', content: system });
  for (const message of path) {
    const content = contentOf(message);
    const answered = message.calls.filter(({ result }) => result !== null);
    if (content.trim() === '' && answered.length === 0) continue;
    let last = messages.at(-1);
    if (last?.role === message.role) last.content = [last.content, content].filter((part) => part !== '').join('\n\n');
    else messages.push((last = { role: message.role, content }));
    if (answered.length === 0) continue;
    last.tool_calls = answered.map(({ id, name, arguments: args }) => ({ id, type: 'function', function: { name, arguments: args } }));
    messages.push(...answered.map(({ id, result }): ChatMessage => ({ role: 'tool', tool_call_id: id, content: result ?? '' })));
  }
  return messages;
}
