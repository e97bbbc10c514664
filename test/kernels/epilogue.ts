import { type Activation, Unary, UnaryGrad } from '../../assembly/tape/dense.ts';
import { Op } from '../../assembly/tape.ts';
import { Launch, type Machine } from './machine.ts';

/** What a product may do in its last pass, as instructions of their own. */

/** f(x) */
export function activate(machine: Machine, kind: Activation, alpha: number, x: Float32Array): Float32Array {
  const launch = new Launch(machine);
  const fields = {
    [Unary.Source]: launch.input(x),
    [Unary.Target]: launch.output(x.length),
    [Unary.Count]: x.length,
    [Unary.Kind]: kind,
    [Unary.Alpha]: { f32: alpha },
  };
  launch.emit(Op.Unary, fields, Unary.Length).execute();
  return launch.floats(fields[Unary.Target], x.length);
}

/** dy · f'(reference) */
export function derive(
  machine: Machine,
  kind: Activation,
  alpha: number,
  dy: Float32Array,
  reference: Float32Array,
): Float32Array {
  const launch = new Launch(machine);
  const fields = {
    [UnaryGrad.Gradient]: launch.input(dy),
    [UnaryGrad.Reference]: launch.input(reference),
    [UnaryGrad.Target]: launch.output(dy.length),
    [UnaryGrad.Count]: dy.length,
    [UnaryGrad.Kind]: kind,
    [UnaryGrad.Alpha]: { f32: alpha },
  };
  launch.emit(Op.UnaryGrad, fields, UnaryGrad.Length).execute();
  return launch.floats(fields[UnaryGrad.Target], dy.length);
}
