import { describe, expect, it } from 'vitest';
import type { KnownModel } from '../api/shelf';
import { suggest } from './suggest';

const model = (name: string, gigabytes: number, speed: number, fit: 'fits' | 'too_large' = 'fits', can = ['chat']): KnownModel => ({
  name,
  title: name,
  parameters: 1e9,
  context: 4096,
  license: 'MIT',
  capabilities: can,
  variants: [
    {
      name: `${name}:Q4_K_M`,
      quantization: 'Q4_K_M',
      repo: 'o/r',
      bytes_about: gigabytes * 1e9,
      is_here: false,
      memory: { needed_bytes: gigabytes * 1.2e9, context: 4096, free_bytes: 1e10, fit },
      tokens_per_second_about: speed,
    },
  ],
});

describe('suggestions', () => {
  const names = (models: KnownModel[]) => suggest(models).map((one) => one.model.name);

  it('are the ablest that is not slow, and smaller ones', () => {
    const models = [model('huge', 9, 1, 'too_large'), model('large', 5, 3), model('good', 2.5, 7), model('near', 2.4, 7), model('small', 1, 18), model('tiny', 0.4, 40)];
    expect(names(models)).toEqual(['good', 'small', 'tiny']);
  });

  it('go on with larger ones where all are slow', () => {
    expect(names([model('large', 5, 1), model('good', 2.5, 2), model('near', 2.4, 2), model('small', 1, 4)])).toEqual(['small', 'near', 'large']);
  });

  it('are fewer where little fits, and none that only makes vectors', () => {
    expect(names([model('one', 1, 2), model('vectors', 0.2, 90, 'fits', ['embed'])])).toEqual(['one']);
    expect(names([model('huge', 9, 1, 'too_large')])).toEqual([]);
  });
});
