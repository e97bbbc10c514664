import { pieces as corePieces } from './wasm/core.ts';
import { pieces as sequencePieces } from './wasm/sequence.ts';
import { pieces as spatialPieces } from './wasm/spatial.ts';
import { pieces as tensorPieces } from './wasm/tensors.ts';

/**
 * A part of the numeric core: a WebAssembly module with the kernels of some operations. A bundler leaves out those that
 * no operation refers to.
 */
export interface Family {
  readonly name: 'core' | 'spatial' | 'sequence' | 'tensors';
  /** Pieces of its two builds in turn, a character for each byte (scripts/build.mjs). */
  readonly pieces: readonly string[];
}

/** What every program needs: the executor, dense layers, losses, optimizers. */
export const core: Family = { name: 'core', pieces: corePieces };

/** Convolutions, pools, images in other sizes. */
export const spatial: Family = { name: 'spatial', pieces: spatialPieces };

/** Recurrences, attention, positions, masks of steps. */
export const sequence: Family = { name: 'sequence', pieces: sequencePieces };

/** Merges, normalization, embeddings, transposition, noise. */
export const tensors: Family = { name: 'tensors', pieces: tensorPieces };
