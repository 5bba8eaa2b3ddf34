import { ask } from './client';
import { problemFrom, problemOf } from './problem';
import { events } from './sse';

/** Whether a model fits into memory, estimated by the server. */
export interface Memory {
  needed_bytes: number;
  context: number;
  free_bytes: number | null;
  fit: 'fits' | 'tight' | 'too_large' | null;
}

/** A model that is kept here. */
export interface KeptModel {
  name: string;
  bytes: number;
  own_bytes: number | null;
  shared_bytes: number | null;
  outside_bytes: number | null;
  architecture: string | null;
  quantization: string | null;
  parameters: number | null;
  context: number | null;
  license: string | null;
  capabilities: string[] | null;
  source: { from: string; text: string };
  is_reference: boolean;
  is_loaded: boolean;
  is_in_use: boolean;
  memory: Memory;
  tokens_per_second_about: number | null;
}

export interface Disk {
  partial_bytes: number;
  free_bytes: number | null;
}

/** A pull or an adoption. */
export interface Pull {
  id: string;
  kind: 'pull' | 'adopt';
  name: string;
  reference: string;
  state: 'queued' | 'running' | 'paused' | 'failed' | 'done';
  phase: 'checking' | 'downloading' | 'verifying' | null;
  done_bytes: number;
  total_bytes: number;
  bytes_per_second: number | null;
  seconds_left: number | null;
  license: string | null;
  retry: string | null;
  error: { message: string; advice: string } | null;
}

/** A file of a well-known model. */
export interface Variant {
  name: string;
  quantization: string;
  repo: string;
  bytes_about: number | null;
  is_here: boolean;
  memory: Memory | null;
  tokens_per_second_about: number | null;
}

/** A well-known model. */
export interface KnownModel {
  name: string;
  title: string;
  parameters: number;
  context: number;
  license: string;
  capabilities: string[];
  variants: Variant[];
}

/** What pulling a model would fetch. */
export interface Plan {
  name: string;
  license: string | null;
  is_gated: boolean;
  bytes: number;
  files: { path: string; bytes: number }[];
  disk_free_bytes: number | null;
  memory: Memory;
  tokens_per_second_about: number | null;
}

/** A model that another program of this machine holds. */
export interface FoundModel {
  name: string;
  program: string | null;
  place: string;
  bytes: number;
  is_here: boolean;
}

const BASE = '/hob/v1/shelf';
const json = async <T>(response: Promise<Response>): Promise<T> => (await response).json();
const named = (name: string) => name.split('/').map(encodeURIComponent).join('/');

export const kept = () => json<{ models: KeptModel[]; disk: Disk; problems: string[] }>(ask(BASE));
export const known = async () => (await json<{ models: KnownModel[] }>(ask(`${BASE}/catalogue`))).models;
export const pulls = async () => (await json<{ pulls: Pull[] }>(ask(`${BASE}/pulls`))).pulls;
export const found = async () => (await json<{ models: FoundModel[] }>(ask(`${BASE}/found`))).models;
export const plan = (model: string, signal?: AbortSignal) => json<Plan>(ask(`${BASE}/plan`, { model }, signal));
export const pull = (model: string) => json<Pull>(ask(`${BASE}/pulls`, { model }));
export const pause = (id: string) => json<Pull>(ask(`${BASE}/pulls/${id}/pause`, undefined, undefined, 'POST'));
export const resume = (id: string) => json<Pull>(ask(`${BASE}/pulls/${id}/resume`, undefined, undefined, 'POST'));
export const cancel = (id: string) => ask(`${BASE}/pulls/${id}`, undefined, undefined, 'DELETE');
export const remove = (name: string) => ask(`${BASE}/models/${named(name)}`, undefined, undefined, 'DELETE');
export const adopt = (model: FoundModel) => json<Pull>(ask(`${BASE}/found`, { name: model.name, place: model.place }));

/** The pulls now, and again whenever something happens to one of them. */
export async function* follow(signal: AbortSignal): AsyncGenerator<Pull[]> {
  const response = await ask(`${BASE}/events`, undefined, signal);
  if (!response.body) throw problemOf(response.status, null);
  try {
    for await (const data of events(response.body)) yield (JSON.parse(data) as { pulls: Pull[] }).pulls;
  } catch (thrown) {
    throw signal.aborted ? thrown : problemFrom(thrown);
  }
}
