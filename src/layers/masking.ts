import { knownKeys, number } from '../checks.ts';
import { UsageError } from '../errors.ts';
import { maskOps } from '../ops/mask.ts';
import { mergeOps } from '../ops/merge.ts';
import { showShape, type Tensor } from '../ops/tensor.ts';
import { type LayerOptions, layerName } from './options.ts';
import { type CallableLayer, callable } from './symbolic.ts';

/**
 * Steps whose features all equal `maskValue` are left out by layers above that honour masks, by losses and by metrics, and
 * become 0: x and y [batch, time, features]. For sequences of different lengths, filled up with that value.
 *
 * Masks are honoured by recurrent layers, `bidirectional`, attention, transformer blocks, `globalAveragePooling1d`,
 * `globalMaxPooling1d` and, while it trains, `batchNormalization`. They are passed on by these where y has time too, by
 * layers that work on each step by itself (`dense`, activations, dropout, noise, `rescaling`, positions, merge layers but
 * `dot`, layers of your own with `passesMask`), and by the other normalizations, of which group and instance normalization
 * count all steps alike. All others drop them: to the layers above them every step counts.
 * @param maskValue Default 0.
 * @throws UsageError on an unknown option, or an input without time and features.
 */
export function masking(maskValue = 0, options: LayerOptions = {}): CallableLayer {
  knownKeys(options, ['name'], 'masking');
  number(maskValue, 'masking: maskValue');
  return callable({
    type: 'masking',
    name: layerName(options, 'masking'),
    config: { maskValue },
    parameters([shape], layer) {
      if (shape.length === 2) return [];
      throw new UsageError(
        `layer '${layer}': masking needs [batch, time, features], got ${showShape([-1, ...shape])}`,
      );
    },
    trace([x], { graph }) {
      const mask = graph.add(maskOps.stepMask, [x], { value: maskValue }) as unknown as Tensor;
      const y = graph.add(mergeOps.scaleRows, [x, mask], {}) as unknown as Tensor;
      graph.masks.set(y, mask);
      return y;
    },
  });
}
