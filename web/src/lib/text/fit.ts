import type { Model } from '../api/client';

export interface Fit {
  level: 'good' | 'tight' | 'large';
  text: string;
}

/** Memory beside the weights that a short context needs, as a share of them: an estimate until the model was loaded. */
const BESIDE = 0.2;

/** Whether a model fits into the memory that models may have. What is loaded does; the rest is judged by its size. */
export function fitOf(model: Pick<Model, 'bytes' | 'is_loaded'>, memoryMax: number): Fit {
  if (model.is_loaded) return { level: 'good', text: 'fits' };
  if (memoryMax <= 0 || model.bytes * (1 + BESIDE) <= memoryMax) return { level: 'good', text: 'should fit' };
  if (model.bytes <= memoryMax) return { level: 'tight', text: 'may be tight' };
  return { level: 'large', text: 'too large for the free memory' };
}
