export * from './at.ts';
export * from './stat.ts';
export * from './xattr.ts';
