import { describe, expect, it } from 'vitest';
import type { Energy } from '../api/chat';
import type { Compared } from '../api/stats';
import { axisEnd, conclusions, cost, figure, joules, part, took, two } from './energy';

const energy = (method: Energy['method'], joules_low: number, joules_high: number, scope: Energy['scope'] = 'cores'): Energy => ({
  method,
  scope,
  joules_low,
  joules_high,
  about: '',
});

describe('energy', () => {
  it('has two digits that count', () => {
    expect([0, 0.001234, 0.98, 9.96, 12.4, 240, 1234, 98_765].map(two)).toEqual(['0', '0.0012', '0.98', '10.0', '12', '240', '1,200', '99,000']);
  });

  it('is one number only where one was measured', () => {
    expect(joules(energy('estimated', 12.1, 39.8))).toBe('≈ 12–40 J (estimated)');
    expect(joules(energy('measured', 31, 31, 'processor'))).toBe('31 J (measured, whole processor)');
    expect(joules(energy('measured', 31, 31, 'computer'))).toBe('31 J (measured, whole computer)');
    expect(joules(energy('measured', 10, 31, 'processor'))).toBe('10–31 J (measured, whole processor, shared with other answers)');
    expect(joules(energy('assumed', 210, 1224, 'prompt'))).toBe('≈ 210–1,200 J (assumed)');
    // Two bounds that look alike are two bounds.
    expect(figure({ low: 12.01, high: 12.02 }, 'J')).toBe('12–12 J');
  });

  it('says how it is known', () => {
    const of = (answers: number, low: number, high: number) => ({ answers, wh: { low, high } });
    const none = of(0, 0, 0);
    expect(took({ measured: none, estimated: of(3, 1, 2) })).toBe('1.0–2.0 Wh estimated');
    expect(took({ measured: of(3, 2, 2), estimated: none })).toBe('2.0 Wh measured');
    // Never one number of both, also where nothing but a part of an answer was computed here.
    expect(took({ measured: of(1, 2, 2), estimated: of(2, 1, 3) })).toBe('2.0 Wh measured (answers: 1), 1.0–3.0 Wh estimated (2)');
    expect(took({ measured: none, estimated: of(0, 1, 3) })).toBe('1.0–3.0 Wh estimated');
    expect(took({ measured: none, estimated: none })).toBeNull();
  });

  it('has its price', () => {
    expect(cost({ prompt_tokens: 2_000_000, answer_tokens: 500_000 }, { input: 0.15, output: 0.6 })).toBeCloseTo(0.6, 12);
  });
});

describe('a chart', () => {
  it('ends above all values at a round one', () => {
    expect([[], [0], [0.3, 0.1], [1], [1.01], [42], [50], [0.0007]].map(axisEnd)).toEqual([1, 1, 0.5, 1, 2, 50, 50, 0.001]);
  });

  it('shows what is something and stays within', () => {
    expect(part(0, 0, 10)).toEqual({ at: 0, size: 0 });
    expect(part(0, 0.001, 10)).toEqual({ at: 0, size: 1.5 });
    expect(part(2, 7, 10)).toEqual({ at: 20, size: 50 });
    // A number: the two ends are one.
    expect(part(10, 10, 10)).toEqual({ at: 98.5, size: 1.5 });
  });
});

describe('a comparison', () => {
  const row = (whose: string, verdict: Compared['verdict']): Compared => ({
    whose,
    verdict,
    each_wh: null,
    wh: { low: 1, high: 1 },
    year: 2025,
    scope: '',
    source: '',
    words: null,
  });

  it('says first where it is worse here, and what cannot be told', () => {
    const said = conclusions([row('A', 'less'), row('B', 'more'), row('C, by E', 'unclear'), row('D', 'more')]);
    expect(said.map(({ kind }) => kind)).toEqual(['more', 'unclear', 'less']);
    expect(said[0]?.text).toMatch(/^Worse here: .* B and D\.$/);
    expect(said[1]?.text).toMatch(/overlap for C \(E\)\.$/);
  });

  it('says nothing of nothing', () => {
    expect(conclusions([row('A', null)])).toEqual([]);
  });
});
