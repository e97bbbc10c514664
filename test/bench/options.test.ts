import { describe, expect, it } from 'vitest';
import { elsewhere } from '../../bench/install.ts';
import { OptionsError, readOptions, select } from '../../bench/options.ts';

const list = ['mnist-mlp', 'gemm-nn-32', 'gemm-nn-333', 'gemm-nt-32', 'copy'].map((name) => ({ name }));
const chosen = (patterns: string) => select(list, patterns, 'case').map(({ name }) => name);

describe('choosing cases', () => {
  it('takes exact names first, in the order of the list', () => {
    expect(chosen('copy, mnist-mlp')).toEqual(['mnist-mlp', 'copy']);
  });

  it('takes a beginning for all that begin so, and * for anything', () => {
    expect(chosen('gemm-nn')).toEqual(['gemm-nn-32', 'gemm-nn-333']);
    expect(chosen('gemm-*-32')).toEqual(['gemm-nn-32', 'gemm-nt-32']);
    expect(chosen('*mlp,gemm-nn-3')).toEqual(['mnist-mlp', 'gemm-nn-32', 'gemm-nn-333']);
  });

  it('reads a dot as a dot', () => {
    expect(() => chosen('c.py')).toThrow(OptionsError);
  });

  it('names what there is when nothing fits', () => {
    expect(() => chosen('copy,conv')).toThrow(
      "no case is called 'conv'. There are:\n  mnist-mlp, gemm-nn-32, gemm-nn-333, gemm-nt-32, copy",
    );
    expect(() => chosen('')).toThrow(OptionsError);
  });
});

describe('options', () => {
  it('are all cases and subjects by default', () => {
    const options = readOptions([]);
    const defaults = { full: true, node: undefined, revectorize: false, json: undefined, timeMs: 600 };
    expect(options).toMatchObject(defaults);
  });

  it('are refused when unknown or out of range', () => {
    expect(() => readOptions(['--cases', 'copy'])).toThrow(OptionsError);
    expect(() => readOptions(['--time', 'soon'])).toThrow("--time takes milliseconds, got 'soon'");
    const old = { node: '20', revectorize: true };
    expect(() => elsewhere(old, [])).toThrow('--revectorize needs Node 24 or later, got 20; see --node');
    expect(() => readOptions(['--node', 'lts'])).toThrow("--node takes a version such as 24, got 'lts'");
  });
});
