export { FILTER_LENGTH_MAX, matchesAny, parseFilters, readMap, select, type FieldReader, type Filter } from './filter.ts';
