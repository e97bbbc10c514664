import { readFileSync } from 'node:fs';
import {
  CustomLayer,
  dense,
  gradient,
  input,
  lambda,
  loadModel,
  model,
  ops,
  sequential,
  type Tensor,
  Trainer,
  type Weight,
} from 'downhill';
import { expect, it } from 'vitest';
import { points } from '../train/support.ts';

/*
 * The code of docs/operations.md stands here, so that it compiles and runs; the last test compares.
 */

const { x } = points(40);
const y = Array.from({ length: 40 }, (_, row) => Math.sin(row));

class Highway extends CustomLayer<{ bias: number }> {
  static readonly type = 'Highway'; // what files call it
  gate!: Weight;
  shift!: Weight;

  override build(shape: readonly number[]) {
    const n = shape.at(-1)!; // of a row: the batch is left out
    this.gate = this.addWeight('gate', [n, n]);
    this.shift = this.addWeight('shift', [n], {
      initializer: { name: 'constant', value: this.options.bias },
    });
  }

  call(x: Tensor) {
    const open = ops.sigmoid(ops.add(ops.matmul(x, this.gate), this.shift));
    return ops.add(ops.mul(open, ops.tanh(x)), ops.mul(ops.sub(1, open), x));
  }
}

it('a custom layer', async () => {
  const model = sequential({ inputShape: [4] }, [new Highway({ bias: -1 }), dense(1)]);
  const trainer = await Trainer.create(model, { loss: 'meanSquaredError' });
  await trainer.fit({ x, y }, { epochs: 5 });
  const again = await loadModel(model.toBytes(), { layers: { Highway } });

  expect(await again.predict(x)).toEqual(await model.predict(x));
});

it('a lambda layer', async () => {
  const double = (x: Tensor) => ops.mul(x, 2);
  const model = sequential({ inputShape: [4] }, [lambda(double, { name: 'double' }), dense(1)]);
  const again = await loadModel(model.toBytes(), { layers: { double } });

  expect(await again.predict(x)).toEqual(await model.predict(x));
});

class Mix extends CustomLayer<object, 2> {
  static readonly type = 'Mix';
  override readonly inputs = 2;
  share!: Weight;

  override build([shape]: readonly [number[], number[]]) {
    this.share = this.addWeight('share', [shape.at(-1)!], { initializer: 'zeros' });
  }

  call([a, b]: readonly [Tensor, Tensor]) {
    const share = ops.sigmoid(this.share);
    return ops.add(ops.mul(share, a), ops.mul(ops.sub(1, share), b));
  }
}

it('layers of several inputs', async () => {
  const a = input([4]);
  const b = input([4]);
  const mixed = new Mix().apply([a, b]);
  const far = lambda(([p, q]) => ops.square(ops.sub(p, q)), { inputs: 2 })([mixed, a]);

  // half of each at first: (1 + 3) / 2, and its distance from a
  const outputs = model({ inputs: [a, b], outputs: [mixed, far] });
  const [first, second] = await outputs.predict([[[1, 1, 1, 1]], [[3, 3, 3, 3]]]);
  expect([...first!.data, ...second!.data]).toEqual([2, 2, 2, 2, 1, 1, 1, 1]);
});

it('a loss and a metric', async () => {
  const model = sequential({ inputShape: [4] }, [dense(1)]);

  const huber = (yTrue: Tensor, yPred: Tensor) => {
    const error = ops.abs(ops.sub(yTrue, yPred));
    return ops.where(ops.less(error, 1), ops.mul(ops.square(error), 0.5), ops.sub(error, 0.5));
  };
  const absolute = (yTrue: Tensor, yPred: Tensor) => ops.abs(ops.sub(yTrue, yPred));
  const trainer = await Trainer.create(model, { loss: huber, metrics: [absolute] });
  const scores = await trainer.evaluate({ x, y }); // { loss, absolute }

  const { data } = await model.predict(x);
  const errors = y.map((value, i) => Math.abs(value - data[i]!));
  const means = [errors.map((e) => (e < 1 ? 0.5 * e * e : e - 0.5)), errors].map(
    (values) => values.reduce((a, b) => a + b, 0) / 40,
  );
  expect(scores.loss).toBeCloseTo(means[0]!, 5);
  expect(scores.absolute).toBeCloseTo(means[1]!, 5);
});

it('gradient', async () => {
  const g = await gradient((w, x) => ops.sum(ops.square(ops.matmul(x, w))));
  const { value, gradients } = g([[1], [2]], [[3, 4]]); // 121, and gradients in the shapes of w and x

  expect(value).toBe(121);
  expect(gradients.map(({ data }) => [...data])).toEqual([
    [66, 88],
    [22, 44],
  ]);
});

it('stands in the document as it runs here', () => {
  const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
  const lines = (text: string): string => text.replace(/^ +/gm, '').replace(/\n{2,}/g, '\n');
  const source = lines(read('./docs.test.ts'));
  const blocks = [...read('../../docs/operations.md').matchAll(/```ts\n([\s\S]*?)```/g)].map(
    ([, code]) => code!,
  );
  expect(blocks.length).toBe(7);
  for (const block of blocks) expect(source).toContain(lines(block));
  // every operation has its line
  for (const name of Object.keys(ops)) expect(read('../../docs/operations.md')).toContain(`\`${name}(`);
});
