/**
 * Operations on tensors, for `call()` of a layer of one's own, losses, metrics, `lambda` and `gradient`. They take
 * tensors, weights, numbers and arrays, broadcast as NumPy does, and have gradients. Axis 0 is the batch, -1 in shapes.
 */
export * from './axes.ts';
export * from './elementwise.ts';
export * from './shapes.ts';
