export { EventBus, type EngineEvent, type EventDraft, type EventType, eventMatches, nowNanos } from './event-bus.ts';
