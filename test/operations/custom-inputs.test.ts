import { describe, expect, it } from 'vitest';
import {
  CustomLayer,
  concatenate,
  dense,
  globalAveragePooling1d,
  input,
  lambda,
  loadModel,
  type Model,
  masking,
  model,
  ops,
  type SymbolicTensor,
  sequential,
  type Tensor,
  Trainer,
  type Weight,
} from '../../src/index.ts';
import { each, loose } from '../errors/support.ts';
import { randomValues } from '../train/support.ts';

/** a · kernel + b · kernel */
class Join extends CustomLayer<{ units: number }, 2> {
  static readonly type = 'Join';
  override readonly inputs = 2;
  above!: Weight;
  below!: Weight;

  override build([a, b]: readonly [readonly number[], readonly number[]]): void {
    this.above = this.addWeight('above', [a[0]!, this.options.units]);
    this.below = this.addWeight('below', [b[0]!, this.options.units]);
  }

  call([a, b]: readonly [Tensor, Tensor]): Tensor {
    return ops.add(ops.matmul(a, this.above), ops.matmul(b, this.below));
  }
}

/** Rows of a table by integers, plus floats. */
class Shifted extends CustomLayer<object, 2> {
  static readonly type = 'Shifted';
  override readonly inputs = 2;
  override readonly indices = [3, undefined];
  table!: Weight;

  override build(): void {
    this.table = this.addWeight('table', [3, 2]);
  }

  call([ids, shift]: readonly [Tensor, Tensor]): Tensor {
    return ops.add(ops.gather(this.table, ids), shift);
  }
}

/** A sum that passes masks on. */
class Total extends CustomLayer<object, number> {
  static readonly type = 'Total';
  override readonly inputs = 3;
  override readonly passesMask = true as const;

  call(xs: readonly Tensor[]): Tensor {
    return xs.reduce((a, b) => ops.add(a, b));
  }
}

const weights = (net: Model<unknown>) => net.getWeights().map(({ data, shape }) => ({ data, shape }));

async function fitted(net: Model<unknown>): Promise<Model<unknown>> {
  const x = [3, 2].map((n, i) => ({ data: randomValues(20 * n, i), shape: [20, n] }));
  const trainer = await Trainer.create(net, { loss: 'meanSquaredError', optimizer: 'sgd' });
  await trainer.fit({ x, y: { data: randomValues(80, 3), shape: [20, 4] } }, { epochs: 2, batchSize: 8 });
  return net;
}

describe('layers of the user with several inputs', () => {
  const inputs = () => [input([3], { name: 'a' }), input([2], { name: 'b' })] as const;

  it('train as the same layers of one input do', async () => {
    const [a, b] = inputs();
    const join = model({ inputs: [a, b], outputs: new Join({ units: 4 }).apply([a, b]), seed: 3 });
    const [c, d] = inputs();
    const options = { useBias: false } as const;
    const sum = lambda(([p, q]) => ops.add(p, q), { inputs: 2 });
    const parts = sum([dense(4, options)(c), dense(4, options)(d)]);
    const apart = model({ inputs: [c, d], outputs: parts, seed: 3 });
    expect(weights(join)).toEqual(weights(apart));
    expect(weights(await fitted(join))).toEqual(weights(await fitted(apart)));
  });

  it('are saved and loaded', async () => {
    const [a, b] = inputs();
    const far = ([p, q]: readonly [Tensor, Tensor]): Tensor => ops.abs(ops.sub(p, q));
    const both = new Join({ units: 3 }).apply([a, b]);
    const outputs = lambda(far, { name: 'far', inputs: 2 })([a, both]);
    const bytes = model({ inputs: [a, b], outputs }).toBytes();
    const again = await loadModel(bytes, { layers: { Join, far } });
    expect(again.toBytes()).toEqual(bytes);
  });

  it('may take integers in some of them', () => {
    const [ids, shift] = [input([2], { name: 'ids' }), input([2, 2], { name: 'shift' })];
    const net = model({ inputs: [ids, shift], outputs: new Shifted().apply([ids, shift]) });
    const table = net.getWeights()[0]!.data;
    const { data } = net.predictSync([[[2, 0]], [[[0, 0], [1, 1]]]]); // biome-ignore format: one line
    const expected = [table[4]!, table[5]!, table[0]! + 1, table[1]! + 1];
    expect(data).toEqual(Float32Array.from(expected));
    const wrong = () => net.predictSync([[[3, 0]], [[[0, 0], [1, 1]]]]); // biome-ignore format: one line
    expect(wrong).toThrow('takes integers from 0 to 2');
  });

  it('pass on the steps that count in all of their inputs', () => {
    const [a, b, c] = [0, 1, 2].map(() => input([3, 1])) as [SymbolicTensor, SymbolicTensor, SymbolicTensor];
    const total = new Total().apply([masking()(a), masking()(b), c]);
    const net = model({ inputs: [a, b, c], outputs: globalAveragePooling1d()(total) });
    // the last step of a and the first of b are left out
    const x = [[[1], [2], [0]], [[0], [5], [6]], [[7], [8], [9]]].map((row) => [row]); // biome-ignore format: rows
    expect([...net.predictSync(x).data]).toEqual([2 + 5 + 8]);
  });
});

const some = () => input([3]);

describe('errors of layers with several inputs', () => {
  each([
    [
      'no list',
      () => new Join({ units: 1 }).apply(some() as never),
      "layer 'Join' takes its inputs in an array, as in apply([a, b]); got an object",
    ],
    [
      'one too few',
      () => new Join({ units: 1, name: 'join' }).apply([some()] as never),
      "layer 'join' (Join) takes 2 inputs in an array, got 1",
    ],
    [
      'a list for one input',
      () => dense(1)([some()] as never),
      "layer 'dense' is applied to symbolic tensors, which input() and other layers make; got an array of 1",
    ],
    [
      'in a chain',
      () => loose.sequential!({ inputShape: [3] }, [new Join({ units: 1 })]),
      "sequential: layer 1 of 1, 'Join', takes several inputs; make the model with model()",
    ],
    [
      'a lambda in a chain',
      () => loose.sequential!({ inputShape: [3] }, [lambda(([a]) => a, { inputs: 2 })]),
      "sequential: layer 1 of 1, 'lambda', takes several inputs",
    ],
    [
      'no number of inputs',
      () => lambda((x) => x, { inputs: 0 } as never),
      'lambda: inputs must be an integer of at least 1, got 0',
    ],
    [
      'what it returns',
      () => lambda(() => 3 as never, { inputs: 2 })([some(), some()]),
      "layer 'lambda': call must return a tensor [batch, …] made by operations from its input, got 3",
    ],
    [
      'a limit of its integers',
      () => {
        class Bad extends Shifted {
          override readonly indices = [0, undefined] as never;
        }
        return new Bad().apply([some(), some()]);
      },
      'Shifted: indices must be an integer of at least 1, got 0',
    ],
  ]);

  it('do not compile where the types know', () => {
    const join = new Join({ units: 1 });
    // @ts-expect-error: it takes two
    expect(() => join.apply([some()])).toThrow('takes 2 inputs');
    // @ts-expect-error: it cannot stand in a chain
    expect(() => sequential({ inputShape: [3] }, [join])).toThrow('takes several inputs');
    // @ts-expect-error: nor can merge layers
    expect(() => sequential({ inputShape: [3] }, [concatenate()])).toThrow('takes several inputs');
  });
});
