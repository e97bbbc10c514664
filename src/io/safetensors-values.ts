import { ModelFormatError } from './errors.ts';

/** How the values of a tensor are written. Little-endian hosts, as WASM's memory is. */
export interface Dtype {
  itemBytes: number;
  /** Fills `out` from as many items in `bytes`, which may be unaligned and stand at byte `at` of the file. */
  read(bytes: Uint8Array, out: Float32Array, at: number): void;
}

/** F32 is our own; the others are what published models come in. */
export const DTYPES: ReadonlyMap<string, Dtype> = new Map([
  ['F32', { itemBytes: 4, read: readF32 }],
  ['F64', { itemBytes: 8, read: readF64 }],
  ['F16', { itemBytes: 2, read: readF16 }],
  ['BF16', { itemBytes: 2, read: readBF16 }],
]);

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Copied as bytes: a float32 store may quieten a signalling NaN. */
function readF32(bytes: Uint8Array, out: Float32Array): void {
  new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
}

function readF64(bytes: Uint8Array, out: Float32Array, at: number): void {
  const view = viewOf(bytes);
  for (let i = 0; i < out.length; i++) {
    const value = view.getFloat64(8 * i, true);
    out[i] = value;
    if (Number.isFinite(value) && !Number.isFinite(out[i])) {
      throw new ModelFormatError(`F64 value ${value} is too large for float32`, at + 8 * i);
    }
  }
}

/** 1 sign, 5 exponent, 10 mantissa bits (IEEE 754 binary16); bias 15, float32's is 127. */
function readF16(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < out.length; i++) {
    const half = view.getUint16(2 * i, true);
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const mantissa = half & 0x3ff;
    if (exponent === 0) out[i] = (sign ? -1 : 1) * mantissa * 2 ** -24;
    else bits[i] = sign | ((exponent === 0x1f ? 0xff : exponent + 112) << 23) | (mantissa << 13);
  }
}

/** The upper half of a float32. */
function readBF16(bytes: Uint8Array, out: Float32Array): void {
  const view = viewOf(bytes);
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < out.length; i++) bits[i] = view.getUint16(2 * i, true) << 16;
}
