import { Fault } from './fault';
import {
  type Form,
  type FromRelayMessage,
  fromRelayForms,
  type HostMessage,
  hostForms,
  maxFrame,
  maxRelayMessage,
} from './generated/signalling';

type Fields = { readonly [field: string]: Form };
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether a value that came from outside has a form. Fields that the form does not name may be there. */
export function hasForm(form: Form, value: unknown): boolean {
  if (form === 's') return typeof value === 'string';
  if (form === 'b') return typeof value === 'boolean';
  if (form === 'n') return Number.isSafeInteger(value) && (value as number) >= 0;
  if (Array.isArray(form)) {
    const [first, ...rest] = form as [Form | '|', ...string[]];
    if (first === '|') return rest.includes(value as string);
    return Array.isArray(value) && value.every((element) => hasForm(first, element));
  }
  return (
    isObject(value) &&
    Object.entries(form as Fields).every(([name, field]) => {
      const optional = name.endsWith('?');
      const key = optional ? name.slice(0, -1) : name;
      return Object.hasOwn(value, key) ? hasForm(field, value[key]) : optional;
    })
  );
}

function decode<M extends { type: string; payload: unknown }>(
  forms: { readonly [T in M['type']]: Form },
  text: string,
  limit: number,
): M | undefined {
  if (text.length > limit) throw new Fault('frame-too-large');
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    throw new Fault('message-malformed');
  }
  if (!isObject(message) || typeof message.type !== 'string') throw new Fault('message-malformed');
  if (!Object.hasOwn(forms, message.type)) return undefined;
  const payload = message.payload ?? {};
  const type = message.type as M['type'];
  if (!hasForm(forms[type], payload)) throw new Fault('message-invalid');
  return { type, payload } as M;
}

/**
 * Reads a message of the host; undefined for a type that this page does not know and so ignores. Faults:
 * `frame-too-large`, `message-malformed`, `message-invalid`.
 */
export const decodeFromHost = (text: string): HostMessage | undefined =>
  decode<HostMessage>(hostForms, text, maxFrame);

/** Reads a relay's answer, with the same faults. */
export const decodeFromRelay = (text: string): FromRelayMessage | undefined =>
  decode<FromRelayMessage>(fromRelayForms, text, maxRelayMessage);
