import { describe, expect, it } from 'vitest';
import {
  CustomLayer,
  constant,
  dense,
  input,
  l2,
  lambda,
  loadModel,
  type Model,
  model,
  ops,
  sequential,
  type Tensor,
  Trainer,
  type Weight,
} from '../../src/index.ts';
import type { CustomContext } from '../../src/layers/custom.ts';
import { each } from '../errors/support.ts';
import { points } from '../train/support.ts';

class Affine extends CustomLayer<{ units: number; start?: number }> {
  static readonly type = 'Affine';
  kernel!: Weight;
  shift!: Weight;

  override build(shape: readonly number[]): void {
    const { units, start = 0 } = this.options;
    this.kernel = this.addWeight('kernel', [shape.at(-1)!, units], { regularizer: l2(1e-3) });
    this.shift = this.addWeight('bias', [units], { initializer: constant(start) });
  }

  call(x: Tensor): Tensor {
    return ops.add(ops.matmul(x, this.kernel), this.shift);
  }
}

/** Counts its steps in a weight that is not trained. */
class Counter extends CustomLayer {
  static readonly type = 'Counter';
  steps!: Weight;

  override build(): void {
    this.steps = this.addWeight('steps', [1], { initializer: 'zeros', trainable: false });
  }

  call(x: Tensor, { update }: CustomContext): Tensor {
    update(this.steps, ops.add(this.steps, 1));
    return ops.mul(x, 1);
  }
}

/** Rows of a table, by integers. */
class Lookup extends CustomLayer<{ size: number }> {
  static readonly type = 'Lookup';
  override readonly indices = this.options.size;
  table!: Weight;

  override build(): void {
    this.table = this.addWeight('table', [this.options.size, 2]);
  }

  call(x: Tensor): Tensor {
    return ops.gather(this.table, x as Tensor);
  }
}

const x = { data: points(20).x.data, shape: [20, 4] };

async function trainedLike(net: Model): Promise<Float32Array> {
  const trainer = await Trainer.create(net, { loss: 'crossEntropy', optimizer: 'sgd' });
  await trainer.fit(points(30), { epochs: 2, batchSize: 8 });
  return net.predictSync(x).data;
}

describe('custom layers', () => {
  it('train as the layer of the library does that computes the same', async () => {
    const options = { inputShape: [4], seed: 5 };
    const own = sequential(options, [new Affine({ units: 6, start: 0.5 }), new Affine({ units: 3 })]);
    const like = sequential(options, [
      dense(6, { kernelRegularizer: l2(1e-3), biasInitializer: constant(0.5) }),
      dense(3, { kernelRegularizer: l2(1e-3) }),
    ]);
    expect(own.getWeights().map(({ name }) => name)).toEqual([
      'Affine/kernel',
      'Affine/bias',
      'Affine_1/kernel',
      'Affine_1/bias',
    ]);
    expect(await trainedLike(own)).toEqual(await trainedLike(like));
  });

  it('are saved and loaded, sub-models and lambdas among them', async () => {
    const inner = sequential({ inputShape: [4], name: 'inner' }, [new Affine({ units: 4, name: 'first' })]);
    const double = (t: Tensor): Tensor => ops.mul(t, 2);
    const net = sequential({ inputShape: [4] }, [inner, lambda(double, { name: 'double' }), dense(2)]);
    const bytes = net.toBytes();
    const again = await loadModel(bytes, { layers: { Affine, double } });
    expect(again.predictSync(x)).toEqual(net.predictSync(x));
    expect(again.toBytes()).toEqual(bytes);
  });

  it('share their weights where they are applied twice, and have their own in each place of a chain', () => {
    const layer = new Affine({ units: 4 });
    const a = input([4]);
    const shared = model({ inputs: a, outputs: layer.apply(layer.apply(a)) });
    expect(shared.getWeights().map(({ name }) => name)).toEqual(['Affine/kernel', 'Affine/bias']);
    const chain = sequential({ inputShape: [4] }, [layer, layer]);
    expect(chain.getWeights().length).toBe(4);
    expect(chain.predictSync(x).shape).toEqual([20, 4]);
  });

  it('keep state that training updates', async () => {
    const net = sequential({ inputShape: [4] }, [new Counter(), dense(3)]);
    await trainedLike(net);
    expect(net.getWeights()[0]).toEqual({ name: 'Counter/steps', data: Float32Array.of(8), shape: [1] });
  });

  it('may take integers', async () => {
    const net = sequential({ inputShape: [3] }, [new Lookup({ size: 5 })]);
    const table = net.getWeights()[0]!.data;
    const got = net.predictSync([[4, 0, 4]]);
    expect(got.shape).toEqual([1, 3, 2]);
    expect([...got.data]).toEqual([8, 9, 0, 1, 8, 9].map((i) => table[i]));
    await expect(net.predict([[5, 0, 0]])).rejects.toThrow("layer 'Lookup' takes integers from 0 to 4");
  });

  it('lambda layers see whether they train', async () => {
    const net = sequential({ inputShape: [4] }, [
      lambda((t, { training }) => (training ? ops.mul(t, 0) : t)),
      dense(3, { useBias: false, kernelInitializer: 'ones' }),
    ]);
    await trainedLike(net);
    expect([...net.getWeights()[0]!.data]).toEqual(Array(12).fill(1));
  });
});

class Nameless extends CustomLayer {
  call(t: Tensor): Tensor {
    return t;
  }
}

/** A layer of the functions given. */
function layerOf(
  call: (this: CustomLayer, t: Tensor, context: CustomContext) => unknown,
  build: (make: (name: string, shape: number[], options?: object) => Weight) => void = () => {},
): CustomLayer {
  class Some extends CustomLayer {
    static readonly type = 'Some';
    override build(): void {
      build((name, shape, options) => this.addWeight(name, shape, options));
    }
    call(t: Tensor, context: CustomContext): Tensor {
      return call.call(this, t, context) as Tensor;
    }
  }
  return new Some();
}

const chain = (layer: CustomLayer) => sequential({ inputShape: [4] }, [layer]);
const saved = () => sequential({ inputShape: [4] }, [new Affine({ units: 2 })]).toBytes();
const unnamed = lambda((t) => t);

/** JavaScript knows no abstract methods. */
abstract class Mute extends CustomLayer {
  static readonly type = 'Mute';
}

describe('errors of custom layers', () => {
  each([
    [
      'no type',
      () => new Nameless(),
      "needs a type, which names it in files: static readonly type = 'Nameless'",
    ],
    ['a name', () => new Affine({ units: 1, name: 'a b' }), 'Affine: name must be'],
    [
      'a number',
      () => chain(layerOf(() => 3)),
      'call must return a tensor [batch, …] made by operations from its input, got 3',
    ],
    [
      'no call',
      () => chain(new (Mute as unknown as new () => CustomLayer)()),
      "layer 'Mute': its class needs a method call(x), which makes its output",
    ],
    ['a promise', () => chain(layerOf(async (t) => t)), 'got a promise: it cannot be async'],
    ['no batch', () => chain(layerOf(() => undefined)), "layer 'Some': call must return a tensor"],
    [
      'a weight outside of build',
      () => chain(layerOf(function () { return Reflect.get(this, 'addWeight').call(this, 'w', [1]); })), // biome-ignore format: one line
      "Some: weight 'w': weights are made in build()",
    ],
    [
      'a weight twice',
      () => chain(layerOf((t) => t, (make) => [make('w', [1]), make('w', [1])])), // biome-ignore format: one line
      "Some: weight 'w' is made twice",
    ],
    [
      'an option of a weight',
      () => chain(layerOf((t) => t, (make) => make('w', [1], { initialiser: 'ones' }))), // biome-ignore format: one line
      "weight 'w' has no option 'initialiser'; did you mean 'initializer'?",
    ],
    [
      'an update of a trained weight',
      () => {
        let weight: Weight;
        chain(layerOf((t, { update }) => [update(weight, t), t][1], (make) => { weight = make('w', [4]); })); // biome-ignore format: one line
      },
      'update takes a weight of the layer made with trainable: false',
    ],
    [
      'options that are not JSON',
      () => chain(new Affine(Object.assign({ units: 2 }, { more: [() => 1] }))).toBytes(),
      'its options: more: 0 must be JSON to be written to a file: there is a function',
    ],
    [
      'a lambda saved',
      () => sequential({ inputShape: [4] }, [unnamed]).toBytes(),
      'a lambda layer is a function',
    ],
    [
      'no lambda',
      () => lambda(3 as unknown as (t: Tensor) => Tensor),
      'lambda takes a function of a tensor, got 3',
    ],
    [
      'no layers',
      () => loadModel(saved(), { layers: [] as unknown as object as Record<string, never> }),
      'loadModel takes layers as { MyLayer, … }',
    ],
    [
      'another name',
      () => loadModel(saved(), { layers: { Other: Affine } }),
      "'Other' is a class of type 'Affine'",
    ],
  ]);

  it('say what a file needs', async () => {
    await expect(loadModel(saved())).rejects.toThrow(
      "unknown layer type 'Affine'; if it is a class of your own, give it: loadModel(file, { layers: { Affine } })",
    );
    const named = sequential({ inputShape: [4] }, [lambda((t) => t, { name: 'same' })]).toBytes();
    await expect(loadModel(named)).rejects.toThrow(
      "the lambda layer 'same' is a function that the file does not hold: loadModel(file, { layers: { same: fn } })",
    );
  });
});
