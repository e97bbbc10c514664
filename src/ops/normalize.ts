import {
  Moments,
  MovingAverage,
  MovingMoments,
  Normalize,
  NormalizeGrad,
  NormalizeMode,
  ScaleGrad,
} from '../../assembly/tape/tensors.ts';
import { Op } from '../../assembly/tape.ts';
import * as families from '../runtime/families.ts';
import type { GroupAttributes, NormalizeAttributes } from './attributes.ts';
import { recurrentOps } from './recurrent.ts';
import type { Emitter, Rules } from './rule.ts';
import { BATCH, lastOf, type Shape, sizeOf, type Tensor } from './tensor.ts';

/** Numbers kept of each group: mean, 1 / sqrt(variance + epsilon), variance; each a plane of all groups. */
const PLANES = 3;

/** x as [outer, inner, groups, width]: the view of assembly/kernels/normalize.ts. */
function viewOf(x: Tensor, { over, groupSize }: GroupAttributes, e: Emitter) {
  const channels = lastOf(x.shape);
  const width = groupSize || channels;
  const places = e.size(x) / channels;
  const inner = over === 'features' ? 1 : over === 'batch' ? places : sizeOf(x.shape, 1) / channels;
  const outer = over === 'batch' ? 1 : places / inner;
  return { outer, inner, groups: channels / width, width };
}

function statisticsShape(x: Tensor, { over, groupSize }: GroupAttributes): Shape {
  if (over === 'features') return [...x.shape.slice(0, -1), PLANES];
  const groups = lastOf(x.shape) / (groupSize || lastOf(x.shape));
  return over === 'batch' ? [PLANES, groups] : [BATCH, PLANES, groups];
}

export const normalizeOps: Rules<
  'moments' | 'movingMoments' | 'movingAverage' | 'normalize' | 'normalizeGrad' | 'scaleGrad'
> = {
  moments: {
    name: 'moments',
    family: families.tensors,
    shape: ([x], attributes) => statisticsShape(x!, attributes),
    // that of `normalize` goes through the statistics
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const x = tensor.inputs[0]!;
      const { outer, inner, groups, width } = viewOf(x, tensor.attributes, e);
      e.emit(
        Op.Moments,
        {
          [Moments.Source]: e.address(x),
          [Moments.Target]: e.address(output),
          [Moments.Outer]: outer,
          [Moments.Inner]: inner,
          [Moments.Groups]: groups,
          [Moments.Width]: width,
          [Moments.Centered]: tensor.attributes.centered ? 1 : 0,
          [Moments.Epsilon]: { f32: tensor.attributes.epsilon },
        },
        Moments.Length,
        [e.span(x)],
        [e.span(output)],
      );
    },
  },

  movingMoments: {
    name: 'movingMoments',
    family: families.tensors,
    shape: ([mean]) => [PLANES, lastOf(mean!.shape)],
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const [mean, variance] = tensor.inputs as [Tensor, Tensor];
      e.emit(
        Op.MovingMoments,
        {
          [MovingMoments.Mean]: e.address(mean),
          [MovingMoments.Variance]: e.address(variance),
          [MovingMoments.Target]: e.address(output),
          [MovingMoments.Count]: e.size(mean),
          [MovingMoments.Epsilon]: { f32: tensor.attributes.epsilon },
        },
        MovingMoments.Length,
        [e.span(mean), e.span(variance)],
        [e.span(output)],
      );
    },
  },

  movingAverage: {
    name: 'movingAverage',
    family: families.tensors,
    shape: ([old]) => old!.shape,
    gradient: 'none',
    emit: (e, { tensor, output }) => {
      const [old, statistics] = tensor.inputs as [Tensor, Tensor];
      const { momentum, of } = tensor.attributes;
      const plane = of === 'mean' ? 0 : 2;
      e.emit(
        Op.MovingAverage,
        {
          [MovingAverage.Old]: e.address(old),
          [MovingAverage.New]: e.address(statistics) + plane * e.size(old) * 4,
          [MovingAverage.Target]: e.address(output),
          [MovingAverage.Count]: e.size(old),
          [MovingAverage.Momentum]: { f32: momentum },
          [MovingAverage.Rest]: { f32: 1 - momentum },
        },
        MovingAverage.Length,
        [e.span(old), e.span(statistics)],
        [e.span(output)],
      );
    },
  },

  normalize: {
    name: 'normalize',
    family: families.tensors,
    shape: ([x]) => x!.shape,
    gradient: (tracer, { inputs, attributes, layer }, dy) => {
      const [x, statistics] = inputs as readonly [Tensor, Tensor];
      const { gamma, beta } = factors(inputs, attributes);
      // dgamma = sum of dy (x - mean) / sqrt(variance + epsilon), dbeta = sum of dy, over the rows
      const dgamma: Tensor = tracer.add(normalizeOps.scaleGrad, [dy, x, statistics], attributes, layer);
      const shape = [lastOf(x.shape)];
      const dbeta: Tensor = tracer.add(recurrentOps.secondResult, [dgamma], { shape, whole: true }, layer);
      const sums = followsFromSums(attributes) ? [dgamma, dbeta] : [];
      const operands = [dy, x, statistics, ...(gamma ? [gamma] : []), ...sums];
      return [
        [x, tracer.add(normalizeOps.normalizeGrad, operands, attributes, layer)],
        ...(gamma ? [[gamma, dgamma] as const] : []),
        ...(beta ? [[beta, dbeta] as const] : []),
      ];
    },
    inPlace: true,
    epilogue: 'residual',
    emit: (e, { tensor, output, epilogue: { addend, activation } }) => {
      const [x, statistics] = tensor.inputs as readonly [Tensor, Tensor];
      const { gamma, beta } = factors(tensor.inputs, tensor.attributes);
      const { outer, inner, groups, width } = viewOf(x, tensor.attributes, e);
      e.emit(
        Op.Normalize,
        {
          [Normalize.Source]: e.address(x),
          [Normalize.Statistics]: e.address(statistics),
          [Normalize.Gamma]: gamma ? e.address(gamma) : 0,
          [Normalize.Beta]: beta ? e.address(beta) : 0,
          [Normalize.Target]: e.address(output),
          [Normalize.Outer]: outer,
          [Normalize.Inner]: inner,
          [Normalize.Groups]: groups,
          [Normalize.Width]: width,
          [Normalize.Addend]: addend ? e.address(addend) : 0,
          [Normalize.Relu]: activation ? 1 : 0,
        },
        Normalize.Length,
        [...tensor.inputs, ...(addend ? [addend] : [])].map((input) => e.span(input)),
        [e.span(output)],
      );
    },
  },

  normalizeGrad: {
    name: 'normalizeGrad',
    family: families.tensors,
    shape: ([dy]) => dy!.shape,
    gradient: 'none',
    inPlace: true,
    workspace: ({ inputs: [dy], attributes }) => (followsFromSums(attributes) ? factorBytes(dy!) : 0),
    emit: (e, { tensor, output }) => {
      const [dy, x, statistics, ...rest] = tensor.inputs as readonly [Tensor, Tensor, Tensor, ...Tensor[]];
      const gamma = tensor.attributes.scale ? rest.shift() : undefined;
      const [dgamma, dbeta] = rest;
      const { outer, inner, groups, width } = viewOf(x, tensor.attributes, e);
      e.emit(
        Op.NormalizeGrad,
        {
          [NormalizeGrad.Gradient]: e.address(dy),
          [NormalizeGrad.Source]: e.address(x),
          [NormalizeGrad.Statistics]: e.address(statistics),
          [NormalizeGrad.Gamma]: gamma ? e.address(gamma) : 0,
          [NormalizeGrad.Target]: e.address(output),
          [NormalizeGrad.Outer]: outer,
          [NormalizeGrad.Inner]: inner,
          [NormalizeGrad.Groups]: groups,
          [NormalizeGrad.Width]: width,
          [NormalizeGrad.Mode]: MODES[tensor.attributes.mode],
          [NormalizeGrad.ScaleGrad]: dgamma ? e.address(dgamma) : 0,
          [NormalizeGrad.ShiftGrad]: dbeta ? e.address(dbeta) : 0,
          [NormalizeGrad.Scratch]: e.workspace.start,
          [NormalizeGrad.ScratchBytes]: factorBytes(dy),
        },
        NormalizeGrad.Length,
        tensor.inputs.map((input) => e.span(input)),
        [e.span(output), e.workspace],
      );
    },
  },

  scaleGrad: {
    name: 'scaleGrad',
    family: families.tensors,
    shape: ([dy]) => [lastOf(dy!.shape)],
    gradient: 'none',
    workspace: ({ inputs: [dy] }) => sumBytes(dy!),
    emit: (e, { tensor, output, second }) => {
      const [dy, x, statistics] = tensor.inputs as [Tensor, Tensor, Tensor];
      const { outer, inner, groups, width } = viewOf(x, tensor.attributes, e);
      e.emit(
        Op.ScaleGrad,
        {
          [ScaleGrad.Gradient]: e.address(dy),
          [ScaleGrad.Source]: e.address(x),
          [ScaleGrad.Statistics]: e.address(statistics),
          [ScaleGrad.Target]: e.address(output),
          [ScaleGrad.Outer]: outer,
          [ScaleGrad.Inner]: inner,
          [ScaleGrad.Groups]: groups,
          [ScaleGrad.Width]: width,
          [ScaleGrad.Shift]: second ? e.address(second) : 0,
          [ScaleGrad.Scratch]: e.workspace.start,
          [ScaleGrad.ScratchBytes]: sumBytes(dy),
        },
        ScaleGrad.Length,
        tensor.inputs.map((input) => e.span(input)),
        [e.span(output), ...(second ? [e.span(second)] : []), e.workspace],
      );
    },
  },
};

/** Two float64 for each channel, and room for a last vector. */
const sumBytes = (dy: Tensor): number => Math.ceil(lastOf(dy.shape) / 4) * 64;

/** Of a batch, dx follows from the gradients of gamma and beta. */
const followsFromSums = ({ over, mode }: NormalizeAttributes): boolean =>
  over === 'batch' && mode === 'centered';

/** Three float32 for each channel, in whole vectors. */
const factorBytes = (dy: Tensor): number => Math.ceil(lastOf(dy.shape) / 4) * 48;

const MODES = {
  centered: NormalizeMode.Centered,
  rms: NormalizeMode.Rms,
  fixed: NormalizeMode.Fixed,
} as const;

/** The optional operands: gamma, then beta. */
function factors(inputs: readonly Tensor[], { scale, center }: { scale: boolean; center: boolean }) {
  const rest = inputs.slice(2);
  return { gamma: scale ? rest.shift() : undefined, beta: center ? rest.shift() : undefined };
}
