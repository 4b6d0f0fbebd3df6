import { dray } from '../../vitest.shared.ts';

export default dray('ttrpc');
