import { ask } from './client';

/** What a key of the server's file opens. */
export const SCOPES = ['chat', 'embeddings', 'models', 'history', 'metrics', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** A key without its text. */
export interface Key {
  id: string;
  name: string;
  scopes: Scope[];
  models: string[];
  cloud: boolean;
  private: boolean;
  tokens_per_day: number | null;
  tokens_today: number;
  created_at: string;
  expires_at: string | null;
  is_expired: boolean;
}

/** A key that is wanted. */
export interface KeyWanted {
  name: string;
  scopes: Scope[];
  models?: string[];
  private?: boolean;
  cloud?: boolean;
  tokens_per_day?: number;
  expires_in_seconds?: number;
}

/** The server as a place, and what it is doing. */
export interface Place {
  version: string;
  address: string;
  is_public: boolean;
  /** Where other machines reach it. */
  urls: string[];
  /** SHA-256 of its certificate, where it speaks TLS. */
  fingerprint: string | null;
  needs_key: boolean;
  seconds: number;
  requests_live: number;
  answers_running: number;
  answers_waiting: number;
  answer_tokens: number;
}

/** A way for another machine to come in with a key; `rows` is the address as a QR code, `1` for dark. */
export interface Pairing {
  url: string;
  rows: string[];
}

/** A request that was answered. */
export interface Asked {
  id: string;
  at: string;
  method: string;
  route: string;
  status: number;
  prompt_tokens: number;
  answer_tokens: number;
  milliseconds: number;
  is_complete: boolean;
  key: string | null;
}

const json = async <T>(response: Promise<Response>): Promise<T> => (await response).json();

export const place = () => json<Place>(ask('/hob/v1/server'));
export const asked = async () => (await json<{ requests: Asked[] }>(ask('/hob/v1/requests'))).requests;
export const keys = async () => (await json<{ keys: Key[] }>(ask('/hob/v1/keys'))).keys;
export const makeKey = (wanted: KeyWanted) => json<{ key: Key; text: string; pairings: Pairing[] }>(ask('/hob/v1/keys', wanted));
export const revokeKey = (id: string) => ask(`/hob/v1/keys/${encodeURIComponent(id)}`, undefined, undefined, 'DELETE');
