import { ask } from './client';

/** Whether anything may leave: nothing; what a person sends to a target by its name; also what the router sends. */
export type Mode = 'offline' | 'ask' | 'hybrid';

/** What names of targets begin with where a model is asked for. */
export const ELSEWHERE = 'cloud/';

/** A model elsewhere. */
export interface Target {
  name: string;
  zone: string;
  model: string;
  address: string;
  protocol: 'openai' | 'anthropic';
  input_price: number;
  output_price: number;
  context: number;
  redact: boolean;
  key: string | null;
  dollars_today: number;
  dollars_month: number;
  note: string;
}

/** A target that is wanted. */
export interface TargetWanted {
  name: string;
  address: string;
  model: string;
  protocol: Target['protocol'];
  zone: string;
  key?: string;
  input_price?: number;
  output_price?: number;
  dollars_day?: number;
}

/** Whether anything may leave, and to whom. */
export interface Cloud {
  mode: Mode;
  /** The server was started with the network forbidden; the mode changes nothing then. */
  is_offline: boolean;
  targets: Target[];
  dollars_today: number;
  dollars_month: number;
  sent_bytes_month: number;
  /** What keeps everything from leaving. */
  trouble: string | null;
}

export interface KindCount {
  kind: string;
  count: number;
}

/** What is said of a value that the policy wants to be asked about: hide it, send it as it is, keep the question here. */
export type Say = 'hide' | 'show' | 'refuse';

/** The same of many, by their ids. */
export type Answers = Record<string, Say>;

/** A value that the policy wants to be asked about. */
export interface Asked {
  id: string;
  kind: string;
  value: string;
  answer: Say | null;
}

/** Whether it was said of one of these values that its question stays here; what was said of others is of other questions. */
export const keepsHere = (asks: Pick<Asked, 'id'>[], answers: Answers): boolean => asks.some(({ id }) => answers[id] === 'refuse');

/** What would happen to a question. Nothing was sent. */
export interface Plan {
  stays: boolean;
  /** The router would send it, and may not: the user has to name the target. */
  is_advice: boolean;
  target: string | null;
  zone: string | null;
  why: string;
  reason: string;
  suffices: number | null;
  /** An answer here goes elsewhere after all when it becomes doubtful while it is written. */
  is_watched: boolean;
  bytes: number;
  hidden: KindCount[];
  shown: KindCount[];
  asks: Asked[];
  dollars: number;
  dollars_max: number;
  preview: { sent: string; was: string | null }[];
}

/** A request that left, or was about to. */
export interface Left {
  entry: number;
  at: string;
  to: string;
  target: string | null;
  purpose: string;
  bytes: number;
  hidden: KindCount[];
  status: number | null;
  received: number;
  dollars: number;
  failed: string | null;
}

export interface Ledger {
  requests: Left[];
  entries: number;
  head: string;
}

/** Says who should have answered a question; the router judges others like it accordingly. */
export const correct = async (prompt: string, to: 'local' | 'larger'): Promise<void> =>
  void (await ask('/hob/v1/cloud/corrections', { prompt, to }));

export const cloud = async (): Promise<Cloud> => (await ask('/hob/v1/cloud')).json();

export const setMode = async (mode: Mode): Promise<void> => void (await ask('/hob/v1/cloud/mode', { mode }));

export const addTarget = async (wanted: TargetWanted): Promise<void> => void (await ask('/hob/v1/cloud/targets', wanted));

export const removeTarget = async (name: string): Promise<void> =>
  void (await ask(`/hob/v1/cloud/targets/${encodeURIComponent(name)}`, undefined, undefined, 'DELETE'));

export const testTarget = async (name: string): Promise<{ said: string; milliseconds: number; dollars: number }> =>
  (await ask(`/hob/v1/cloud/targets/${encodeURIComponent(name)}/test`, {})).json();

export const ledger = async (limit: number): Promise<Ledger> => (await ask(`/hob/v1/cloud/ledger?limit=${limit}`)).json();

/** A question as a plan takes it: what a request for an answer says, and who would be asked. */
export type Question = Record<string, unknown> & { messages: unknown[] };

/** Asks what would leave of a question. `target` is one that was chosen; the router chooses without. */
export const plan = async (question: Question, signal: AbortSignal): Promise<Plan> => (await ask('/hob/v1/cloud/plan', question, signal)).json();
