export { openDatabase, type Database, type Row, type Statement } from './database.ts';
export { bytesOf, integerOf, labelsOf, optionalIntegerOf, optionalTextOf, textOf } from './columns.ts';
