import { expect, test } from 'vitest';
import { Rate } from './rate';

test('a rate follows the last looks', () => {
  const rate = new Rate(3);
  expect(rate.note(100, 0)).toBeNull();
  expect(rate.note(120, 2000)).toBe(10);
  expect(rate.note(120, 4000)).toBe(5);
  expect(rate.note(120, 6000)).toBe(0);
});

test('a server that was started anew begins a new count', () => {
  const rate = new Rate();
  rate.note(100, 0);
  expect(rate.note(5, 1000)).toBeNull();
  expect(rate.note(15, 2000)).toBe(10);
});
