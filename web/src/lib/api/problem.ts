/** Why something was not done, with what to do about it. */
export class Problem extends Error {
  constructor(
    message: string,
    readonly kind: 'unauthorized' | 'locked' | 'unreachable' | 'busy' | 'context' | 'refused',
    readonly advice: string | null = null,
    readonly code: string | null = null,
    /** The part of the request that it is about. */
    readonly param: string | null = null,
  ) {
    super(message);
    this.name = 'Problem';
  }
}

/** What the server says when it refuses, in OpenAI's form. */
interface Refusal {
  error?: { message?: unknown; code?: unknown; param?: unknown } | string;
}

/** The problem that a refusal tells of. `status` is 0 where it came inside of a stream. */
export function problemOf(status: number, body: unknown): Problem {
  const error = (body as Refusal | null)?.error;
  const told = typeof error === 'string' ? error : typeof error?.message === 'string' ? error.message : null;
  const code = typeof error === 'object' ? error.code : null;
  const message = told ?? `The server answered with status ${status}.`;
  if (status === 401) return new Problem(message, 'unauthorized', 'Enter a key of this server.');
  if (code === 'chats_locked') return new Problem(message, 'locked', 'Enter the passphrase of your conversations.', code);
  if (code === 'too_many_tries') return new Problem(message, 'busy', null, code);
  if (code === 'context_length_exceeded') {
    return new Problem(
      'This conversation is longer than the model can hold in mind.',
      'context',
      'Start a new chat, edit an earlier message, or allow dropping the oldest messages in the settings of this chat.',
    );
  }
  if (code === 'insufficient_memory') {
    return new Problem(message, 'refused', 'Choose a smaller model, or close programs that use much memory.');
  }
  if (code === 'no_chat_template') {
    return new Problem(message, 'refused', 'This model was not made for conversations; choose another one.');
  }
  if (code === 'model_not_found') {
    return new Problem(message, 'refused', 'Choose a model that is there in the list at the top.');
  }
  if (status === 404 && code === 'chat_not_found') {
    return new Problem('This conversation was deleted elsewhere.', 'refused', null, code);
  }
  if (code === 'insufficient_quota') {
    return new Problem(message, 'refused', 'Whoever made this key can make one with a larger budget.', 'insufficient_quota');
  }
  if (code === 'out_of_scope' || code === 'model_not_allowed') {
    return new Problem(message, 'refused', 'Whoever made this key can make one that opens more.', code);
  }
  const param = typeof error === 'object' && typeof error.param === 'string' ? error.param : null;
  if (param?.startsWith('response_format') || param?.startsWith('tool')) {
    const advice = 'Change it in the settings of this chat, under “Answers as JSON” or “Tools”.';
    return new Problem(placed(message), 'refused', advice, typeof code === 'string' ? code : null, param);
  }
  if (status === 503 || status === 429) {
    return new Problem(message, 'busy', 'Many answers are running at the moment. Try again in a little while.');
  }
  if (status >= 500 || status === 0) {
    return new Problem(message, 'refused', 'Try again; if it stays, the terminal in which hob serve runs says more.');
  }
  return new Problem(message, 'refused', null, typeof code === 'string' ? code : null);
}

/** A message with the place in a schema as people read it: `#/properties/a/contains` is “properties › a › contains”. */
export const placed = (message: string): string =>
  message.replace(/#((?:\/[^\s/:]+)*)(?=:)/, (_, pointer: string) => {
    const steps = pointer.split('/').slice(1).map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    return steps.length > 0 ? `“${steps.join(' › ')}”` : 'the top';
  });

/** The problem behind anything that was thrown. */
export function problemFrom(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof TypeError) {
    return new Problem(
      'Hob does not answer.',
      'unreachable',
      'Check that Hob is still running in its terminal, then try again.',
    );
  }
  return new Problem(thrown instanceof Error ? thrown.message : String(thrown), 'refused');
}
