// No time counts before the result is right.
import { describe, expect, it } from 'vitest';
import { cases } from '../../bench/cases.ts';
import { stepData } from '../../bench/data.ts';
import { measureFirstStep, measureGemm, measurePass, measureStep } from '../../bench/measure.ts';
import type { Case, GemmCase, Measured, PassCase, StepCase, Turns } from '../../bench/protocol.ts';
import { referenceLoss } from '../../bench/reference.ts';
import { type Group, groups, groupTable } from '../../bench/report.ts';
import { downhill } from '../../bench/subjects/downhill.ts';
import { plainJs } from '../../bench/subjects/plain-js.ts';

const find = <K extends Case['kind']>(name: string, kind: K) =>
  cases.find((spec): spec is Case & { kind: K } => spec.name === name && spec.kind === kind)!;
const perceptron = find('perceptron', 'step') as StepCase;
const product = find('gemm-tn-32', 'gemm') as GemmCase;
const adam = find('adam', 'pass') as PassCase;

/** Takes all turns. */
async function finished(turns: Turns): Promise<Measured> {
  for (;;) {
    const { done, value } = await turns.next();
    if (done) return value;
  }
}

const refused = { counts: false, medianMs: null, minMs: null, samples: 0 };

describe('the reference', () => {
  it.each(['perceptron', 'mnist-mlp', 'first-step-mnist-mlp'])('has the loss noted for %s', (name) => {
    const spec = cases.find((c) => c.name === name) as StepCase;
    // not to the last bit: exp and log may differ by one between versions of V8
    expect(referenceLoss(spec, stepData(spec), spec.checkSteps) / spec.checkLoss).toBeCloseTo(1, 9);
  });
});

describe('a step', () => {
  it('counts when its loss agrees', async () => {
    const measured = await finished(measureStep(downhill, perceptron, 6));
    expect(measured.counts, measured.remark ?? '').toBe(true);
    expect(measured.finalLoss! / perceptron.checkLoss).toBeCloseTo(1, 4);
  });

  it('is refused when its loss disagrees', async () => {
    const rate = { ...perceptron, optimizer: { name: 'sgd', learningRate: 0.499 } } as const;
    const cheat = { openStep: () => plainJs.openStep!(rate, stepData(rate)) };
    const measured = await finished(measureStep(cheat, perceptron, 6));
    expect(measured).toMatchObject(refused);
    expect(measured.finalLoss! / perceptron.checkLoss).not.toBeCloseTo(1, 3);
    expect(measured.remark).toMatch(/^loss 0\.0054\d+, the float64 reference has 0\.00540937$/);
  });

  it('is refused when its loss is no number', async () => {
    const broken = { openStep: () => ({ run() {}, loss: () => Number.NaN }) };
    expect(await finished(measureStep(broken, perceptron, 6))).toMatchObject(refused);
    expect(await measureFirstStep(broken, perceptron)).toMatchObject(refused);
  });

  it('counts without agreement, and is marked, when the algorithm is another', async () => {
    const other = { openStep: () => ({ run() {}, loss: () => 0.3 }), differentAlgorithm: true };
    const measured = await finished(measureStep(other, perceptron, 6));
    expect(measured).toMatchObject({ counts: true, comparable: false, finalLoss: 0.3 });
    const none = { flops: null, gflops: null, shareOfLimit: null, shareAtBest: null };
    const rows = (values: Partial<Measured>) => [
      { case: perceptron.name, subject: 'other', ...none, ...measured, remark: null, ...values },
    ];
    const [group] = groups([perceptron]) as [Group];
    const told = '\n  * another algorithm: its loss is not comparable';
    expect(groupTable(group, rows({}))).toContain(`${told}: other`);
    expect(groupTable(group, rows({ remark: 'slow' }))).toContain(`${told}; slow: other`);
    expect(groupTable(group, rows({ comparable: true }))).not.toContain('*');
    const same = { openStep: () => ({ run() {}, loss: () => perceptron.checkLoss }) };
    expect(await finished(measureStep(same, perceptron, 6))).toMatchObject({
      counts: true,
      comparable: true,
    });
  });

  it('is measured in turns, which others can take between', async () => {
    const calls: string[] = [];
    const subject = (name: string) => ({
      openStep: () => ({
        run: () => void calls.push(name),
        loss: () => perceptron.checkLoss,
        elapsed: () => 5,
      }),
    });
    const [a, b] = ['a', 'b'].map((name) => measureStep(subject(name), perceptron, 40));
    for (let turn = 0; turn < 4; turn++) {
      expect(await a!.next()).toEqual({ done: false, value: undefined });
      expect(await b!.next()).toEqual({ done: false, value: undefined });
    }
    const changes = calls.filter((name, i) => name !== calls[i - 1]);
    expect(changes.join('')).toBe('abababab');
    expect(await finished(a!)).toMatchObject({ counts: true, medianMs: 5 / perceptron.stepsPerCall });
  });

  it('takes the time of a subject that measures itself', async () => {
    const clocked = {
      openStep: () => ({ run() {}, loss: () => perceptron.checkLoss, elapsed: () => 5 }),
    };
    const measured = await finished(measureStep(clocked, perceptron, 6));
    expect(measured).toMatchObject({ medianMs: 5 / perceptron.stepsPerCall, counts: true });
  });
});

describe('a slow subject', () => {
  it('is given up after its second step', async () => {
    const steps: number[] = [];
    const slow = {
      openStep: () => ({ run: (n: number) => void steps.push(n), loss: () => 0, elapsed: () => 61 }),
    };
    const measured = await finished(measureStep(slow, perceptron, 6));
    expect(measured).toMatchObject(refused);
    expect(measured.remark).toBe('a step took 61.00 ms: the 1000 of the check were not waited for');
    expect(steps).toEqual([1, 1]);
  });
});

describe('the loss by PyTorch in float64', () => {
  it.each(['mnist-cnn', 'resnet-tiny', 'lstm', 'autoencoder', 'char-gpt'])(
    'is reached in %s',
    async (name) => {
      const spec = find(name, 'step') as StepCase;
      const run = await downhill.openStep!(spec, stepData(spec));
      await run.run(spec.checkSteps);
      expect((await run.loss()) / spec.checkLoss).toBeCloseTo(1, 4);
    },
  );
});

describe('kernels', () => {
  it.each([
    ['downhill', downhill],
    ['plain-js', plainJs],
  ])('of %s count when every element is right', async (_, subject) => {
    for (const name of ['gemm-nn-32', 'gemm-nt-32', 'gemm-tn-32', 'gemm-nt-64x128x10']) {
      const measured = await finished(measureGemm(subject, find(name, 'gemm') as GemmCase, 6));
      expect(measured.counts, `${name}: ${measured.remark}`).toBe(true);
    }
    for (const spec of cases) {
      if (spec.kind !== 'pass') continue;
      const measured = await finished(measurePass(subject, spec, 6));
      expect(measured.counts, `${spec.name}: ${measured.remark}`).toBe(true);
    }
  });

  it('are refused when one element is wrong', async () => {
    const off = {
      async openGemm(spec: GemmCase, a: Float32Array, b: Float32Array) {
        const run = await plainJs.openGemm!(spec, a, b);
        const result = async () => {
          const c = await run.result();
          c[5 * spec.n + 7]! += 1e-3;
          return c;
        };
        return { ...run, result };
      },
      openPass: (_: PassCase, x: Float32Array) => ({ run() {}, result: () => x }),
    };
    const wrong = await finished(measureGemm(off, product, 6));
    expect(wrong).toMatchObject(refused);
    expect(wrong.remark).toMatch(/^C\[5, 7\] is .*, should be /);
    expect(await finished(measurePass(off, adam, 6))).toMatchObject(refused);
  });
});
