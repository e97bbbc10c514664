import { make, type Numbers, sum } from './numbers.ts';

export interface MatmulShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** A is stored [K, M]. */
  readonly transposeA: boolean;
  /** B is stored [N, K]. */
  readonly transposeB: boolean;
}

/** c [M, N] = op(a) [M, K] · op(b) [K, N] */
export function matmul(a: Numbers, b: Numbers, { M, N, K, transposeA, transposeB }: MatmulShape): number[] {
  const c = new Array<number>(M * N).fill(0);
  for (let m = 0; m < M; m++) {
    for (let k = 0; k < K; k++) {
      const x = a[transposeA ? k * M + m : m * K + k]!;
      for (let n = 0; n < N; n++) c[m * N + n]! += x * b[transposeB ? n * K + k : k * N + n]!;
    }
  }
  return c;
}

/** da[m, k] = sum over n of dc[m, n] b[k, n]; db[k, n] = sum over m of a[m, k] dc[m, n]; each as it is stored */
export function matmulGradient(
  a: Numbers,
  b: Numbers,
  dc: Numbers,
  { M, N, K, transposeA, transposeB }: MatmulShape,
): [number[], number[]] {
  const da = make(M * K, (i) => {
    const [m, k] = transposeA ? [i % M, Math.floor(i / M)] : [Math.floor(i / K), i % K];
    return sum(N, (n) => dc[m * N + n]! * b[transposeB ? n * K + k : k * N + n]!);
  });
  const db = make(K * N, (i) => {
    const [k, n] = transposeB ? [i % K, Math.floor(i / K)] : [Math.floor(i / N), i % N];
    return sum(M, (m) => a[transposeA ? k * M + m : m * K + k]! * dc[m * N + n]!);
  });
  return [da, db];
}
