import { type Activation, Reduce, ReduceKind, Unary, UnaryGrad } from '../../assembly/tape/dense.ts';
import { Op } from '../../assembly/tape.ts';
import { Launch, type Machine } from './machine.ts';

/** What a product may do besides, as instructions of their own. */

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

/** The sums of x [rows, columns] over the rows. */
export function sumRows(machine: Machine, x: Float32Array, columns: number): Float32Array {
  const launch = new Launch(machine);
  const fields = {
    [Reduce.Source]: launch.input(x),
    [Reduce.Target]: launch.output(columns),
    [Reduce.Outer]: 1,
    [Reduce.Reduced]: x.length / columns,
    [Reduce.Inner]: columns,
    [Reduce.Kind]: ReduceKind.Sum,
    [Reduce.Scale]: { f32: 1 },
  };
  launch.emit(Op.Reduce, fields, Reduce.Length).execute();
  return launch.floats(fields[Reduce.Target], columns);
}
