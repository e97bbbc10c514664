// One thread: in Node the backend has no other way.
import '@tensorflow/tfjs-backend-wasm';
import { open } from './tfjs.mjs';

export default await open('wasm');
