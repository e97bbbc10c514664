/**
 * Running error analysis (Higham 2002, section 3.3): a value and the bound of its rounding error, in units of
 * u = 2^-24, as float32 operations make it grow. Products of errors are left to test/reference/rounding.ts.
 */
export interface Tracked {
  readonly value: number;
  readonly error: number;
}

/** A float32. */
export function exact(value: number): Tracked {
  return { value, error: 0 };
}

/** The result of one operation, from what its operands' errors make of it. */
function rounded(value: number, inherited: number): Tracked {
  return { value, error: inherited + Math.abs(value) };
}

/** A real number rounded to float32. */
export function constant(value: number): Tracked {
  return rounded(value, 0);
}

export function plus(a: Tracked, b: Tracked): Tracked {
  return rounded(a.value + b.value, a.error + b.error);
}

export function minus(a: Tracked, b: Tracked): Tracked {
  return rounded(a.value - b.value, a.error + b.error);
}

export function times(a: Tracked, b: Tracked): Tracked {
  return rounded(a.value * b.value, Math.abs(a.value) * b.error + Math.abs(b.value) * a.error);
}

export function over(a: Tracked, b: Tracked): Tracked {
  const value = a.value / b.value;
  return rounded(value, (a.error + Math.abs(value) * b.error) / Math.abs(b.value));
}

export function root(a: Tracked): Tracked {
  const value = Math.sqrt(a.value);
  return rounded(value, value > 0 ? a.error / (2 * value) : 0);
}
