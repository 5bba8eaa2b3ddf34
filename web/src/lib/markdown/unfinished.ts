/** Repairs what a growing text has not finished, so that its shape does not jump with every token. */

/** Takes off a last line that may still become a fence or a rule, such as a lone backtick. */
export function closeFence(text: string): string {
  const start = text.lastIndexOf('\n') + 1;
  return /^\s*(`{1,2}|~{1,2}|[-*_]{1,2})$/.test(text.slice(start)) ? text.slice(0, start) : text;
}
