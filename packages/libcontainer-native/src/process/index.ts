export * from './descriptors.ts';
export * from './process.ts';
export * from './watch.ts';
