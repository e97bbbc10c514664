import '@tensorflow/tfjs-backend-cpu';
import { open } from './tfjs.mjs';

export default await open('cpu');
