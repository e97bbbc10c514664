import { Activation, BinaryKind } from '../../assembly/tape/dense.ts';
import { activationOps } from './activations.ts';
import { broadcastShape, emitBinary, fitsBinary, operand, sumTo } from './broadcast.ts';
import { elementwiseOps } from './elementwise.ts';
import type { Gradients, Rules, Tracer } from './rule.ts';
import { type Shape, showShape, type Tensor } from './tensor.ts';

/** What the gradients of a and b are made of; each is summed over what was broadcast. */
type Partial = (
  make: Make,
  dy: Tensor,
  a: Tensor,
  b: Tensor,
  y: Tensor,
) => readonly [a: () => Tensor, b: () => Tensor];

interface Make {
  binary(kind: BinaryKind, a: Tensor, b: Tensor): Tensor;
  affine(x: Tensor, scale: number, offset?: number): Tensor;
  activation(kind: Activation, x: Tensor): Tensor;
}

function maker(tracer: Tracer, layer: string): Make {
  return {
    binary: (kind, a, b) => tracer.add(arithmeticOps.binary, [a, b], { kind }, layer),
    affine: (x, scale, offset = 0) => tracer.add(elementwiseOps.affine, [x], { scale, offset }, layer),
    activation: (kind, x) => tracer.add(activationOps.activation, [x], { kind, alpha: 0 }, layer),
  };
}

/** The larger, or the smaller, gets the gradient; where they are equal each gets half of it. */
const share =
  (larger: boolean): Partial =>
  ({ binary }, dy, a, b) => [
    () =>
      binary(BinaryKind.Multiply, dy, larger ? binary(BinaryKind.Step, a, b) : binary(BinaryKind.Step, b, a)),
    () =>
      binary(BinaryKind.Multiply, dy, larger ? binary(BinaryKind.Step, b, a) : binary(BinaryKind.Step, a, b)),
  ];

/** Kinds that are not here, the comparisons, have no gradient. */
const partials: { readonly [kind: number]: Partial } = {
  [BinaryKind.Add]: (_, dy) => [() => dy, () => dy],
  [BinaryKind.Subtract]: ({ affine }, dy) => [() => dy, () => affine(dy, -1)],
  // d(a b) = b da + a db
  [BinaryKind.Multiply]: ({ binary }, dy, a, b) => [
    () => binary(BinaryKind.Multiply, dy, b),
    () => binary(BinaryKind.Multiply, dy, a),
  ],
  // d(a / b) = da / b - y / b db
  [BinaryKind.Divide]: ({ binary, affine }, dy, _, b, y) => [
    () => binary(BinaryKind.Divide, dy, b),
    () => affine(binary(BinaryKind.Multiply, dy, binary(BinaryKind.Divide, y, b)), -1),
  ],
  [BinaryKind.Maximum]: share(true),
  [BinaryKind.Minimum]: share(false),
  // d(a^b) = b a^(b - 1) da + y log a db; 0 where b is 0, and where a is (as PyTorch has it)
  [BinaryKind.Power]: ({ binary, affine, activation }, dy, a, b, y) => [
    () =>
      binary(
        BinaryKind.Mask,
        binary(
          BinaryKind.Multiply,
          dy,
          binary(BinaryKind.Multiply, b, binary(BinaryKind.Power, a, affine(b, 1, -1))),
        ),
        b,
      ),
    () =>
      binary(
        BinaryKind.Mask,
        binary(BinaryKind.Multiply, dy, binary(BinaryKind.Multiply, y, activation(Activation.Log, a))),
        a,
      ),
  ],
  // the condition is no number to differentiate by
  [BinaryKind.Mask]: ({ binary }, dy, _, b) => [() => binary(BinaryKind.Mask, dy, b), () => b],
  [BinaryKind.Unmask]: ({ binary }, dy, _, b) => [() => binary(BinaryKind.Unmask, dy, b), () => b],
};

const CONDITIONS: ReadonlySet<BinaryKind> = new Set([BinaryKind.Mask, BinaryKind.Unmask]);

function gradient(tracer: Tracer, tensor: Tensor<'binary'>, dy: Tensor): Gradients {
  const [a, b] = tensor.inputs as [Tensor, Tensor];
  const { kind } = tensor.attributes;
  const { layer } = tensor;
  const partial = partials[kind];
  if (!partial) return [];
  const [da, db] = partial(maker(tracer, layer), dy, a, b, tensor as unknown as Tensor);
  const whole = (d: Tensor, of: Tensor): readonly [Tensor, Tensor] => [of, sumTo(tracer, d, of.shape, layer)];
  const first = whole(da(), a);
  return CONDITIONS.has(kind) ? [first] : [first, whole(db(), b)];
}

export const arithmeticOps: Rules<'binary' | 'expand' | 'clip'> = {
  binary: {
    name: 'binary',
    shape: ([a, b], _, fail) => {
      const shape = broadcastShape(a!.shape, b!.shape, fail);
      if (!fitsBinary(a!.shape, b!.shape, shape)) {
        fail(
          `cannot combine ${showShape(a!.shape)} with ${showShape(b!.shape)}: dimensions of 1 take turns with others ` +
            'too often; expand one of them first',
        );
      }
      return shape;
    },
    gradient,
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const [a, b] = tensor.inputs as [Tensor, Tensor];
      emitBinary(e, tensor.attributes.kind, operand(e, a), operand(e, b), output);
    },
  },

  expand: {
    name: 'expand',
    shape: ([x], { shape }, fail) => {
      const result: Shape = broadcastShape(x!.shape, shape, fail);
      if (result.some((d, i) => d !== shape[i]))
        fail(`cannot expand ${showShape(x!.shape)} to ${showShape(shape)}`);
      return shape;
    },
    // dx = the sum of dy over what was repeated
    gradient: (tracer, { inputs: [x], layer }, dy) => [[x!, sumTo(tracer, dy, x!.shape, layer)]],
    emit: (e, { tensor, output }) => {
      const x = operand(e, tensor.inputs[0]!);
      emitBinary(e, BinaryKind.First, x, x, output);
    },
  },

  clip: {
    name: 'clip',
    shape: ([x]) => x!.shape,
    // dx = dy where low <= x <= high
    gradient: (tracer, { inputs: [x, low, high], layer }, dy) => {
      const { binary } = maker(tracer, layer);
      const inside = binary(
        BinaryKind.Multiply,
        binary(BinaryKind.GreaterEqual, x!, low!),
        binary(BinaryKind.GreaterEqual, high!, x!),
      );
      return [[x!, binary(BinaryKind.Mask, dy, inside)]];
    },
    inPlace: true,
    emit: (e, { tensor, output }) => {
      const [x, low, high] = tensor.inputs.map((input) => operand(e, input));
      emitBinary(e, BinaryKind.Maximum, x!, low!, output);
      emitBinary(e, BinaryKind.Minimum, operand(e, output), high!, output);
    },
  },
};

/** The gradient of the largest (or smallest) of an axis goes to all that are it, in equal parts. */
export function tieGradient(
  tracer: Tracer,
  x: Tensor,
  y: Tensor,
  dy: Tensor,
  count: (hits: Tensor) => Tensor,
  layer: string,
): Tensor {
  const { binary } = maker(tracer, layer);
  const hits = binary(BinaryKind.Equal, x, y);
  return binary(BinaryKind.Multiply, hits, binary(BinaryKind.Divide, dy, count(hits)));
}
