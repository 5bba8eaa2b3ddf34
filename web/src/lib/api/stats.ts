import { ask } from './client';

/** A figure that is known within bounds; the same twice where it is known. */
export interface Range {
  low: number;
  high: number;
}

/** Kept answers of models of this machine. */
export interface Here {
  answers: number;
  prompt_tokens: number;
  answer_tokens: number;
  seconds: number;
  /** What a counter gave, and what was estimated; they are never added up. */
  measured: Known;
  estimated: Known;
  /** Answers of models elsewhere of which a part was computed here; what that took is in the two. */
  parts: number;
}

/** Energy that is known in one way, and of how many answers. */
export interface Known {
  answers: number;
  wh: Range;
}

/** Kept answers of models elsewhere; their energy is assumed. */
export interface There {
  answers: number;
  prompt_tokens: number;
  answer_tokens: number;
  wh: Range;
}

/** What left for models elsewhere, by the ledger. */
export interface Sent {
  questions: number;
  bytes: number;
  dollars: number;
}

export interface Tally {
  here: Here;
  there: There;
  sent: Sent;
}

/** What others publish beside what answers here took. */
export interface Compared {
  whose: string;
  each_wh: Range | null;
  wh: Range;
  year: number;
  scope: string;
  source: string;
  verdict: 'less' | 'more' | 'unclear' | null;
  words: string | null;
}

/** Dollars for a million tokens. */
export interface Price {
  target: string;
  input: number;
  output: number;
}

/** What answers took, day by day. */
export interface Stats {
  days: { day: string; took: Tally }[];
  all: Tally;
  compared: Compared[];
  prices: Price[];
  counter: string | null;
  method: string;
  trouble: string[];
}

export const stats = async (days: number): Promise<Stats> => (await ask(`/hob/v1/stats?days=${days}`)).json();
