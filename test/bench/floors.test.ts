import { describe, expect, it } from 'vitest';
import { floorTable } from '../../bench/floors.ts';
import type { Report, Result } from '../../bench/protocol.ts';

function result(name: string, subject: string, values: Partial<Result>): Result {
  const nothing = {
    finalLoss: null,
    limitGflops: null,
    bestLimitGflops: null,
    bytes: null,
    remark: null,
    flops: null,
    gflops: null,
  };
  const times = {
    medianMs: null,
    minMs: null,
    samples: 9,
    shareOfLimit: null,
    shareAtBest: null,
    counts: true,
    comparable: true,
  };
  return { case: name, subject, ...nothing, ...times, ...values };
}

function report(node: string, results: Result[], revectorized = false): Report {
  const machine = { cpu: '', cores: 2, platform: '', node, v8: '', revectorized };
  return { machine, limitGflops: 50, results };
}

function products(share: number): Result[] {
  return ['nn', 'nt', 'tn'].flatMap((variant) =>
    [96, 128, 250, 256, 333, 512, 1024].map((n) =>
      result(`gemm-${variant}-${n}`, 'downhill', {
        medianMs: 1,
        minMs: 0.9,
        shareOfLimit: variant === 'tn' && n === 250 ? share : 0.97,
        shareAtBest: 0.98,
      }),
    ),
  );
}

const line = (text: string, what: string) => text.split('\n').find((row) => row.includes(what));

describe('the floor table', () => {
  it('takes the slowest product, by the floor of its Node', () => {
    const old = floorTable(report('v20.20.2', products(0.85)), true)!;
    expect(line(old, 'sides 96')).toMatch(/holds .* 85\.0 % \(gemm-tn-250\)/);
    const now = floorTable(report('v24.9.0', products(0.85)), true)!;
    expect(line(now, 'sides 96')).toMatch(/FAILS .* 85\.0 % \(gemm-tn-250\)/);
  });

  it('compares with rivals whose time counts', () => {
    const own = result('mnist-mlp', 'downhill', {
      medianMs: 0.7,
      minMs: 0.7,
      shareOfLimit: 0.71,
      shareAtBest: 0.72,
    });
    const slow = result('mnist-mlp', 'tfjs-wasm', { medianMs: 9.1, minMs: 9 });
    const wrong = result('mnist-mlp', 'jax-js', { medianMs: 9, minMs: 9, counts: false });
    const text = floorTable(report('v20.20.2', [own, slow, wrong]), true)!;
    expect(line(text, 'tfjs-wasm')).toMatch(/holds .* 13\.0 x/);
    expect(line(text, 'jax-js')).toMatch(/ - .*not measured/);
    expect(line(text, 'mnist-mlp step  ')).toMatch(/holds .*71\.0 %/);
  });

  it('knows the networks of other layers', () => {
    const own = result('mnist-cnn', 'downhill', {
      medianMs: 5,
      minMs: 4,
      shareOfLimit: 0.5,
      shareAtBest: 0.625,
    });
    const native = result('mnist-cnn', 'pytorch', { medianMs: 4.9, minMs: 4 });
    const plain = result('mnist-cnn', 'tfjs-cpu', { medianMs: 3400, minMs: 3300 });
    const text = floorTable(report('v20.20.2', [own, native, plain]), true)!;
    expect(line(text, 'mnist-cnn step  ')).toMatch(/FAILS .*>= 55 % of the limit .* 50\.0 % .* 62\.5 %/);
    expect(line(text, "mnist-cnn step, pytorch's")).toMatch(/FAILS .*>= 1 x .* 0\.980 x/);
    expect(line(text, "mnist-cnn step, tfjs-cpu's")).toMatch(/holds .*>= 500 x .* 680 x/);
    expect(line(text, "lstm step, tfjs-wasm's")).toMatch(/>= 15 x .*not measured/);
  });

  it('compares no share of the limit of 256 bits with the floors, which are of 128', () => {
    const own = result('mnist-mlp', 'downhill', {
      medianMs: 0.5,
      minMs: 0.5,
      shareOfLimit: 0.5,
      shareAtBest: 0.5,
    });
    const native = result('mnist-mlp', 'pytorch', { medianMs: 1.1, minMs: 1 });
    const text = floorTable(report('v24.9.0', [own, native, ...products(0.5)], true), false)!;
    expect(text).not.toContain('of the limit');
    expect(line(text, "mnist-mlp step, pytorch's")).toMatch(/holds .*>= 2 x .* 2\.20 x/);
  });

  it('leaves out what a run of chosen cases does not tell', () => {
    const size = result('size', 'downhill', { bytes: 60_001 });
    expect(floorTable(report('v20.20.2', [size]), false)!.split('\n')).toHaveLength(4);
    expect(floorTable(report('v20.20.2', []), false)).toBeUndefined();
  });

  it('has every floor of sizes and first steps', () => {
    const first = result('first-step-mnist-mlp', 'downhill', { medianMs: 31, minMs: 29 });
    const size = result('size', 'downhill', { bytes: 48_300 });
    const text = floorTable(report('v20.20.2', [first, size]), true)!;
    expect(line(text, 'first step')).toMatch(/FAILS .*31\.0 ms/);
    expect(line(text, 'page loads')).toMatch(/holds .*48\.3 KB/);
  });
});
