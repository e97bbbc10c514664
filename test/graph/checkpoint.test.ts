import { describe, expect, it } from 'vitest';
import { planMemory } from '../../src/compiler/memory.ts';
import { type Schedule, schedule } from '../../src/compiler/schedule.ts';
import { gradients } from '../../src/graph/gradient.ts';
import {
  batchNormalization,
  conv2d,
  dense,
  dropout,
  flatten,
  gru,
  input,
  type Layer,
  loadModel,
  type Model,
  maxPooling2d,
  model,
  sequential,
  sgd,
  Trainer,
  UsageError,
} from '../../src/index.ts';
import { lossOps } from '../../src/ops/losses.ts';
import { sourceOps } from '../../src/ops/sources.ts';
import { isOp, type Tensor } from '../../src/ops/tensor.ts';
import { randomValues } from '../train/support.ts';

const BLOCKS = 8;
const LAYERS = 4;
const WIDTH = 64;
const ROWS = 128;
const ACTIVATIONS = ROWS * WIDTH * 4;

/** Blocks of dense layers, one after the other; checkpointed or not. */
function chain(checkpoint: boolean, activation: 'tanh' | 'gelu' | 'relu'): Model {
  const block = (i: number): Model =>
    sequential(
      { inputShape: [WIDTH], name: `block_${i}`, checkpoint },
      Array.from({ length: LAYERS }, () => dense(WIDTH, { activation })),
    );
  return sequential({ inputShape: [WIDTH] }, [
    ...Array.from({ length: BLOCKS }, (_, i) => block(i)),
    dense(1),
  ]);
}

/** The schedule of a training step, its results at the roots, and the bytes of its activations. */
function compiled(net: Model): { steps: Schedule; bytes: number } {
  const { graph, parameters, outputs } = net.trace(true);
  const target = graph.add(sourceOps.input, [], { name: 'y', shape: net.outputShape.slice(1), type: 'f32' });
  const loss = graph.add(lossOps.meanSquaredError, [outputs[0]!, target as unknown as Tensor], {
    reduction: 'mean',
  });
  const losses = new Map([[loss as unknown as Tensor, 1]]);
  const found = gradients(graph, losses, parameters).filter((gradient) => gradient !== undefined);
  const steps = schedule(graph, [loss as unknown as Tensor, ...found]);
  // parameters and gradients have places of their own
  const fixed = new Map([...parameters, ...found].map((tensor) => [tensor, 0]));
  const { bytes } = planMemory(steps, ROWS, 1, fixed, [loss as unknown as Tensor]);
  return { steps, bytes };
}

describe('a chain of checkpointed blocks', () => {
  it.each(['relu', 'tanh', 'gelu'] as const)(
    'of %s keeps the inputs of the blocks, and one block',
    (activation) => {
      const [kept, again] = [compiled(chain(false, activation)), compiled(chain(true, activation))];
      // what the gradient reads of each layer: its result, and of gelu what it is made of
      const perLayer = activation === 'gelu' ? 2 : 1;
      expect(kept.bytes).toBeGreaterThan(BLOCKS * LAYERS * perLayer * ACTIVATIONS);
      // an input of each block, one block made again, the two gradients of a layer; scratch of a product; lines to fill up
      const scratch = 2 * ACTIVATIONS + 384 * 1024;
      const most = (BLOCKS + LAYERS * perLayer + 2) * ACTIVATIONS + scratch;
      expect(again.bytes).toBeLessThan(most);
      expect(again.bytes).toBeLessThan(kept.bytes / 2);
    },
  );

  it('is made again right before its gradient: nothing of it before that of the block behind is done', () => {
    const { steps } = compiled(chain(true, 'tanh'));
    const forward = (layer: string): number[] =>
      steps.calls.flatMap(({ tensor }, i) =>
        isOp(tensor, 'matmul') &&
        tensor.layer.startsWith(layer) &&
        !tensor.attributes.transposeB &&
        !tensor.attributes.transposeA
          ? [i]
          : [],
      );
    const backward = (layer: string): number[] =>
      steps.calls.flatMap(({ tensor }, i) =>
        isOp(tensor, 'matmul') &&
        tensor.layer.startsWith(layer) &&
        (tensor.attributes.transposeB || tensor.attributes.transposeA)
          ? [i]
          : [],
      );
    for (let i = 0; i < BLOCKS; i++) {
      const passes = forward(`block_${i}/`);
      expect(passes).toHaveLength(2 * LAYERS);
      const again = passes.slice(LAYERS);
      expect(Math.max(...again)).toBeLessThan(Math.min(...backward(`block_${i}/`)));
      if (i + 1 < BLOCKS)
        expect(Math.min(...again)).toBeGreaterThan(Math.max(...backward(`block_${i + 1}/`)));
    }
  });
});

type Net = (checkpoint: boolean) => Model;

const part = (
  checkpoint: boolean,
  inputShape: readonly number[],
  layers: readonly (Layer | Model)[],
): Model => sequential({ inputShape, checkpoint }, layers);

const nets: readonly (readonly [string, readonly number[], Net])[] = [
  [
    'dense, dropout, and normalization with moving statistics',
    [6],
    (checkpoint) =>
      sequential({ inputShape: [6], seed: 4 }, [
        dense(8),
        part(
          checkpoint,
          [8],
          [
            dense(8, { activation: 'gelu' }),
            batchNormalization({ momentum: 0.5 }),
            dropout(0.3),
            dense(8, { activation: 'tanh' }),
          ],
        ),
        dropout(0.2),
        part(checkpoint, [8], [dense(5, { activation: 'relu' }), dropout(0.1)]),
        dense(2),
      ]),
  ],
  [
    'convolutions and pools',
    [8, 8, 2],
    (checkpoint) =>
      sequential({ inputShape: [8, 8, 2], seed: 4 }, [
        part(
          checkpoint,
          [8, 8, 2],
          [
            conv2d(4, 3, { padding: 'same', activation: 'relu' }),
            conv2d(4, 3, { padding: 'same', activation: 'silu' }),
            maxPooling2d(),
          ],
        ),
        flatten(),
        dense(2),
      ]),
  ],
  [
    'a recurrent layer',
    [7, 3],
    (checkpoint) =>
      sequential({ inputShape: [7, 3], seed: 4 }, [
        part(checkpoint, [7, 3], [gru(5, { returnSequences: true }), gru(4)]),
        dense(2),
      ]),
  ],
  [
    'a part within a part, applied twice',
    [6],
    (checkpoint) => {
      const inner = part(checkpoint, [6], [dense(6, { activation: 'tanh' }), dropout(0.2)]);
      const outer = part(checkpoint, [6], [inner, dense(6, { activation: 'tanh' })]);
      const x = input([6]);
      return model({ inputs: x, outputs: dense(2)(outer.apply(outer.apply(x))), seed: 4 });
    },
  ],
];

describe.each(nets)('%s', (_, inputShape, net) => {
  const size = inputShape.reduce((a, b) => a * b, 1);
  const rows = 24;
  const x = { data: randomValues(rows * size, 1), shape: [rows, ...inputShape] };
  const y = { data: randomValues(rows * 2, 2), shape: [rows, 2] };

  const trained = async (checkpoint: boolean, threads = 1): Promise<Model> => {
    const network = net(checkpoint);
    const optimizer = sgd({ learningRate: 0.1, momentum: 0.5 });
    const trainer = await Trainer.create(network, { loss: 'meanSquaredError', optimizer, threads });
    await trainer.fit({ x, y }, { epochs: 4, batchSize: 7 });
    trainer.dispose();
    return network;
  };

  it('trains to the same bits, on two threads too', async () => {
    const expected = (await trained(false)).getWeights();
    expect((await trained(true)).getWeights()).toEqual(expected);
    expect((await trained(true, 2)).getWeights()).toEqual(expected);
  });

  it('computes its parts twice', () => {
    expect(compiled(net(true)).steps.calls.length).toBeGreaterThan(compiled(net(false)).steps.calls.length);
  });
});

describe('checkpoint', () => {
  it('is an option of sequential and model, comes through a file, and is left out where it is false', async () => {
    const x = input([3]);
    const inner = model({ inputs: x, outputs: dense(3)(x), name: 'inner', checkpoint: true });
    const net = sequential({ inputShape: [3] }, [
      inner,
      sequential({ inputShape: [3], checkpoint: true }, [dense(1)]),
    ]);
    const again = await loadModel(net.toBytes());
    expect(again.toConfig()).toEqual(net.toConfig());
    expect(JSON.stringify(net.toConfig()).match(/"checkpoint":true/g)).toHaveLength(2);
    expect(JSON.stringify(net.toConfig())).not.toContain('"checkpoint":false');
  });

  it('must be true or false', () => {
    const wrong = { inputShape: [3], checkpoint: 'yes' as never };
    expect(() => sequential(wrong, [dense(1)])).toThrow(UsageError);
    expect(() => sequential(wrong, [dense(1)])).toThrow(
      "sequential: checkpoint must be true or false, got 'yes'",
    );
  });
});
