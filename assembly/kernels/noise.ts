import { seed, step } from '../clock';
import { address, float, word } from '../fields';
import { keyOf, uniform } from '../random';
import { Noise } from '../tape/tensors';
import { first, last } from '../threads';
import { quantile } from './initialize';

/** y = x + deviation n, or x (1 + deviation n); n: standard normal, by the random bits of (seed, step, stream, i). */
export function noise(p: usize): void {
  const key = keyOf(seed(), step, word(p, Noise.Stream));
  const deviation = float(p, Noise.Deviation);
  const product = word(p, Noise.Product) != 0;
  const to = last(word(p, Noise.Count), 16);
  for (let i = first(word(p, Noise.Count), 16); i < to; i++) {
    const at = (<usize>i) << 2;
    const x = load<f32>(address(p, Noise.Source) + at);
    const n = deviation * <f32>quantile(uniform(key, i));
    store<f32>(address(p, Noise.Target) + at, product ? x * (1 + n) : x + n);
  }
}
