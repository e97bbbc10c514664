import { python } from './python.mjs';

export default python('numpy');
