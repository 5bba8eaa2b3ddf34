import { ask } from './client';
import type { Answers } from './cloud';
import { problemFrom, problemOf } from './problem';
import { events } from './sse';

/** A message as the server takes it. */
export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: string } }[];
  /** The call whose result it is. */
  tool_call_id?: string;
}

/** A function that the model may call. */
export interface Tool {
  name: string;
  description: string;
  /** A JSON schema of its arguments. */
  parameters: Record<string, unknown>;
  strict: boolean;
}

/** Whether functions are called: they are not offered; as the model likes; an answer calls at least one. */
export type ToolChoice = 'none' | 'auto' | 'required';

/** A call that an answer made. */
export interface Call {
  id: string;
  name: string;
  /** JSON, as the model wrote it. */
  arguments: string;
  /** What came of it; null where nobody has said so yet. */
  result: string | null;
}

/** How tokens are drawn; what is null is left to the model's publisher. */
export interface Sampling {
  temperature: number | null;
  top_p: number | null;
  top_k: number | null;
  min_p: number | null;
  repeat_penalty: number | null;
  max_tokens: number | null;
  seed: number | null;
}

export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  sampling: Sampling;
  /** Whether the model thinks first; null is its own default. */
  think: boolean | null;
  /** Whether the oldest messages may be dropped when the context is full. */
  may_drop: boolean;
  /** Whether the last message is an answer that is gone on with. */
  goes_on?: boolean;
  /** A JSON schema that the answer follows. */
  schema?: Record<string, unknown> | null;
  tools?: Tool[];
  tool_choice?: ToolChoice;
  /** Whether it must stay on this machine. */
  is_private?: boolean;
  /** The conversation, where the server keeps it, and the folder in which that lies: either may be private. */
  chat?: string | null;
  folder?: string | null;
  /** What was said of values that the policy wants to be asked about; whoever sends it can be asked about the others. */
  answers?: Answers;
  /** Whether the router is not asked. */
  stays?: boolean;
  /** Whether another answer is wanted than the one that was given a moment ago. */
  is_fresh?: boolean;
  /** Whether places of the answer may be written anew at its end: who asks can replace what was read. */
  repairs?: boolean;
}

/** Joules, never as one number where two are known. */
export interface Energy {
  method: 'measured' | 'estimated' | 'assumed';
  scope: 'processor' | 'computer' | 'cores' | 'prompt';
  joules_low: number;
  joules_high: number;
  /** Of what these are the joules, and by whom. */
  about: string;
}

/** An answer of a model elsewhere: what left for it. */
export interface Elsewhere {
  target: string;
  sent_bytes: number;
  hidden: number;
  dollars: number;
  ledger_entry: number | null;
  note: string | null;
  /** What such models take for an answer, as far as that is published. */
  energy?: Energy | null;
}

/** A place of a text that says something else than the model here wrote. */
export interface Place {
  /** Characters of the text before it, of Unicode's, and with those in it. */
  start: number;
  end: number;
  before: string;
}

/** An answer of this machine with places that a model elsewhere was asked about. */
export interface Repaired {
  /** Who was asked, and what left for it. */
  left: Elsewhere;
  asked: number;
  /** Those that say something else now. */
  places: Place[];
}

/** What an answer took. */
export interface Stats {
  prompt_tokens: number;
  cached_tokens: number;
  answer_tokens: number;
  dropped_tokens: number;
  per_second: number;
  first_token_ms: number;
  queue_ms: number;
  elsewhere?: Elsewhere | null;
  repaired?: Repaired | null;
  /** What this machine took for it, in energy. */
  energy?: Energy | null;
}

export type Finish = 'stop' | 'length' | 'tool_calls';

/** What comes while an answer is made. */
export type Part =
  | { kind: 'text'; text: string }
  | { kind: 'thought'; text: string }
  | { kind: 'calls'; calls: Call[] }
  /** The text is complete, and a model elsewhere is asked about so many places of it. */
  | { kind: 'asking'; by: string; places: number }
  /** The whole text, as it is now. */
  | { kind: 'repaired'; text: string }
  | { kind: 'end'; finish: Finish; stats: Stats | null };

/** What is asked for, in OpenAI's words: all that changes what a model is sent, and what that can cost. */
export function askedOf(request: ChatRequest): Record<string, unknown> & { messages: ChatMessage[] } {
  const body: Record<string, unknown> & { messages: ChatMessage[] } = { model: request.model, messages: request.messages };
  for (const [name, value] of Object.entries(request.sampling)) {
    if (value !== null) body[name] = value;
  }
  if (request.think !== null) body.reasoning_effort = request.think ? 'medium' : 'none';
  if (request.may_drop) body.truncate = true;
  if (request.goes_on) body.continue_final_message = true;
  if (request.schema) {
    body.response_format = { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: request.schema } };
  }
  if (request.tools?.length && request.tool_choice !== 'none') {
    body.tools = request.tools.map((tool) => ({ type: 'function', function: tool }));
    body.tool_choice = request.tool_choice ?? 'auto';
  }
  return body;
}

/** The request's body. */
export function bodyOf(request: ChatRequest): Record<string, unknown> {
  const body: Record<string, unknown> = { ...askedOf(request), stream: true, stream_options: { include_usage: true } };
  const leave = {
    ...(request.is_private ? { private: true } : {}),
    ...(request.is_fresh ? { fresh: true } : {}),
    ...(request.chat ? { chat: request.chat } : {}),
    ...(request.folder ? { folder: request.folder } : {}),
    ...(request.stays ? { stay: true } : {}),
    ...(request.repairs ? { repairs: true } : {}),
    ...(request.answers ? { ask: true, answers: request.answers } : {}),
  };
  if (Object.keys(leave).length > 0) body.hob = leave;
  return body;
}

/** Asks for an answer; the parts come as they are made. Aborting `signal` stops it, on the server as well. */
export async function* chat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<Part> {
  const began = performance.now();
  const response = await ask('/v1/chat/completions', bodyOf(request), signal);
  if (!response.body) throw problemOf(response.status, null);
  const reading = new Reading(began);
  try {
    for await (const data of events(response.body)) yield* reading.event(data);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    throw problemFrom(thrown);
  }
  yield reading.end();
}

/** A piece of a call, as a stream brings it. */
interface CallPiece {
  index?: number;
  id?: string;
  function?: { name?: string; arguments?: string };
}

const number = (value: unknown) => (Number.isFinite(value) ? (value as number) : 0);

/** What the server says of an answer that came from elsewhere. */
function elsewhereOf(told: Record<string, unknown>): Elsewhere {
  const hidden = Object.values((told.hidden ?? {}) as Record<string, unknown>).reduce<number>((sum, count) => sum + number(count), 0);
  return {
    target: String(told.route),
    sent_bytes: number(told.sent_bytes),
    hidden,
    dollars: number(told.dollars),
    ledger_entry: typeof told.ledger_entry === 'number' ? told.ledger_entry : null,
    note: typeof told.note === 'string' ? told.note : null,
    ...(told.energy_elsewhere ? { energy: told.energy_elsewhere as Energy } : {}),
  };
}

/** What it says of places that somebody was asked about. Where nothing could be used of what came back, something left all the same. */
function repairedOf(told: Record<string, unknown>, asking: { by: string; places: number } | null): Repaired | null {
  const repaired = told.repaired as { by?: unknown; asked?: unknown; places?: unknown } | null | undefined;
  if (repaired) {
    const places = Array.isArray(repaired.places) ? (repaired.places as Place[]) : [];
    return { left: elsewhereOf({ ...told, route: repaired.by }), asked: number(repaired.asked), places };
  }
  if (asking === null || typeof told.ledger_entry !== 'number') return null;
  return { left: elsewhereOf({ ...told, route: asking.by, note: told.reason }), asked: asking.places, places: [] };
}

/** What has been read of an answer. */
export class Reading {
  private first: number | null = null;
  private finish: Finish | null = null;
  private timings: Record<string, number> = {};
  private usage: { prompt_tokens?: number; completion_tokens?: number; dropped_tokens?: number } | null = null;
  /** Pieces in which it came. */
  private pieces = 0;
  private calls: Call[] = [];
  private elsewhere: Elsewhere | null = null;
  private asking: { by: string; places: number } | null = null;
  private repaired: Repaired | null = null;
  /** Tokens of the model here, where another had a part in it. */
  private here: { prompt?: number; answer?: number } | null = null;
  private energy: Energy | null = null;

  constructor(
    private readonly began: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The parts that an event brings. */
  *event(data: string): Generator<Part> {
    if (data === '[DONE]') return;
    let chunk;
    try {
      chunk = JSON.parse(data);
    } catch {
      return;
    }
    if (chunk?.error) throw problemOf(0, chunk);
    const choice = chunk?.choices?.[0];
    const { reasoning_content: thought, content: text, tool_calls: calls } = choice?.delta ?? {};
    if (typeof thought === 'string' && thought) yield* this.spoken({ kind: 'thought', text: thought });
    if (typeof text === 'string' && text) yield* this.spoken({ kind: 'text', text });
    if (Array.isArray(calls) && calls.length > 0) yield* this.spoken({ kind: 'calls', calls: this.called(calls) });
    if (choice?.finish_reason) this.finish = choice.finish_reason;
    if (chunk?.timings) this.timings = chunk.timings;
    if (chunk?.usage) this.usage = chunk.usage;
    if (chunk?.hob?.energy) this.energy = chunk.hob.energy;
    if (chunk?.hob) yield* this.way(chunk.hob);
  }

  /** Where it came from. */
  private *way(told: Record<string, unknown>): Generator<Part> {
    const asking = told.asking as { by?: unknown; places?: unknown } | undefined;
    if (asking) {
      this.asking = { by: String(asking.by), places: number(asking.places) };
      yield { kind: 'asking', ...this.asking };
      return;
    }
    if (told.route !== 'local') {
      this.elsewhere = elsewhereOf(told);
      return;
    }
    this.repaired = repairedOf(told, this.asking);
    this.here = this.repaired && ((told.tokens as { here?: object } | undefined)?.here ?? null);
    const text = (told.repaired as { text?: unknown } | null | undefined)?.text;
    if (typeof text === 'string') yield { kind: 'repaired', text };
  }

  /** All calls so far. A call comes with its name first, and its arguments in pieces. */
  private called(pieces: CallPiece[]): Call[] {
    const calls = this.calls.map((call) => ({ ...call }));
    for (const { index, id, function: piece } of pieces) {
      const call = (calls[index ?? 0] ??= { id: '', name: '', arguments: '', result: null });
      call.id += id ?? '';
      call.name += piece?.name ?? '';
      call.arguments += piece?.arguments ?? '';
    }
    return (this.calls = calls);
  }

  private *spoken(part: Part): Generator<Part> {
    this.first ??= this.now() - this.began;
    this.pieces += 1;
    yield part;
  }

  /** The last part. An answer without a reason for its end was cut off on the way. */
  end(): Part {
    if (this.finish === null) throw problemOf(0, { error: 'The answer broke off.' });
    const t = this.timings;
    const count = (name: string) => (Number.isFinite(t[name]) ? (t[name] as number) : 0);
    // What comes from elsewhere in one piece says nothing of how fast it was written.
    const isTimed = this.elsewhere === null || this.pieces > 1;
    const stats: Stats = {
      // Where several models had a part in it, the usage has the tokens of all of them. Who wrote only places read and wrote no answer.
      prompt_tokens: this.here?.prompt ?? this.usage?.prompt_tokens ?? count('cache_n') + count('prompt_n'),
      cached_tokens: count('cache_n'),
      answer_tokens: this.here?.answer ?? this.usage?.completion_tokens ?? count('predicted_n'),
      dropped_tokens: this.usage?.dropped_tokens ?? 0,
      per_second: isTimed ? count('predicted_per_second') : 0,
      first_token_ms: this.first ?? 0,
      queue_ms: count('queue_ms'),
      ...(this.elsewhere ? { elsewhere: this.elsewhere } : {}),
      ...(this.repaired ? { repaired: this.repaired } : {}),
      ...(this.energy ? { energy: this.energy } : {}),
    };
    return { kind: 'end', finish: this.finish, stats: t.predicted_n === undefined ? null : stats };
  }
}
