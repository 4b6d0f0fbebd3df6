export { EventExchange, UNREAD_EVENTS_MAX, type EventEnvelope } from './exchange.ts';
