import { headerOf, tensorsOf } from '../../src/io/safetensors.ts';

/** All that a safetensors file holds. */
export function decodeSafetensors(bytes: Uint8Array) {
  const header = headerOf(bytes);
  const { metadata, metadataAt } = header;
  return { tensors: tensorsOf(bytes, header), metadata, metadataAt };
}
