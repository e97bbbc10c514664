import { describe } from 'vitest';
import { dense, dropout, lstm, reshape, sequential } from '../../src/index.ts';
import { each, loose, trainer } from './support.ts';

describe('layers and shapes', () => {
  each([
    [
      'no layers',
      () => sequential({ inputShape: [3] }, []),
      'sequential takes an array of at least one layer after its options, got []',
    ],
    [
      'a layer not in an array',
      () => loose.sequential!({ inputShape: [3] }, dense(2)),
      'sequential takes an array of at least one layer',
    ],
    [
      'a function not called',
      () => loose.sequential!({ inputShape: [3] }, [dense(2), dropout]),
      'sequential: layer 2 of 2 must be a layer such as dense(10), got the function dropout; call it: dropout(…)',
    ],
    [
      'a name as layer',
      () => loose.sequential!({ inputShape: [3] }, ['dense']),
      "layer 1 of 1 must be a layer such as dense(10), got 'dense'",
    ],
    [
      'no inputShape',
      () => loose.sequential!({}, [dense(2)]),
      'inputShape must be an array of dimensions such as [28, 28], got undefined',
    ],
    [
      'an empty dimension',
      () => sequential({ inputShape: [0] }, [dense(2)]),
      'inputShape: a dimension must be an integer of at least 1, got 0',
    ],
    [
      'dense without inputs',
      () => sequential({ inputShape: [] }, [dense(2, { name: 'first' })]),
      "layer 'first': a row of its input is a single number, shape [batch]; dense needs [batch, inputs]",
    ],
    [
      'a reshape that does not fit',
      () => sequential({ inputShape: [6] }, [reshape([4, 2], { name: 'grid' })]),
      "layer 'grid': a row of its input [batch, 6] has 6 numbers; the shape [batch, 4, 2] needs 8",
    ],
    [
      'a reshape that cannot be completed',
      () => sequential({ inputShape: [6] }, [reshape([4, -1])]),
      "layer 'reshape': a row of its input [batch, 6] has 6 numbers; they do not fill the shape [batch, 4, -1]",
    ],
    [
      'a recurrent layer on rows of numbers',
      () => sequential({ inputShape: [3] }, [lstm(2, { name: 'memory' })]),
      "layer 'memory': its input has shape [batch, 3]; lstm needs [batch, time, features]: give reshape([time, features])",
    ],
    [
      'a recurrent layer on images',
      () => sequential({ inputShape: [4, 4, 3] }, [lstm(2)]),
      "layer 'lstm': its input has shape [batch, 4, 4, 3]; lstm needs [batch, time, features]",
    ],
    ['two free dimensions', () => reshape([-1, -1]), 'reshape: only one dimension may be -1'],
    [
      'more than memory',
      () => sequential({ inputShape: [1e5] }, [dense(1e5, { name: 'wide' })]),
      "layer 'wide': its output [batch, 100000] or the 10,000,100,000 parameters so far do not fit",
    ],
    [
      'one output for classes',
      () => trainer({}, sequential({ inputShape: [3] }, [dense(1, { name: 'out' })])),
      "crossEntropy needs an output for each class, at least 2; that of layer 'out' has shape [batch, 1]",
    ],
    [
      'accuracy of numbers',
      () => trainer({ loss: 'meanSquaredError', metrics: ['accuracy'] }),
      'accuracy counts classes: it needs crossEntropy or binaryCrossEntropy',
    ],
  ]);
});
